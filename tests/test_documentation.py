"""What the documents say is so: commands run and print what is shown, names exist, figures are those of the files."""

import pytest

from tests.documents import PAGES, name_of, reader_in, steps_of

WITH_COMMANDS = [page for page in PAGES if steps_of(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_command_of_a_page_does_what_the_page_says(page, tmp_path):
    reader = reader_in(tmp_path)
    try:
        faults = list(reader.follow(page))
    finally:
        reader.close()

    assert not faults, "\n\n".join(f"{line}\n{fault}" for line, fault in faults)
