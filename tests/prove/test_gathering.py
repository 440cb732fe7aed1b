"""Moving, splitting and formatting code keeps its proof; an edit does not."""

import pytest

from tests.prove.gathering import PROVEN, code

BEFORE = '''"""A module."""

from pipeline.here import one, two

LIMIT = 3  #: a number


def first(row):
    """Say what it does."""
    return one(row) + LIMIT


class Second:
    """A thing."""

    def third(self): return two(self)
'''


@pytest.fixture
def proven(tmp_path, monkeypatch):
    """Write files as a package of which all is proven, and return the hash."""
    monkeypatch.setitem(PROVEN, "all", ("",))

    def written(**files: str) -> str:
        for path in tmp_path.iterdir():
            path.unlink()
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return code("all", tmp_path)

    return written


def test_a_move_a_split_other_format_comments_and_docstrings_keep_a_proof(proven):
    head, body = BEFORE.split("class Second")
    formatted = BEFORE.replace(
        "third(self): return", "third(self):\n        # Why.\n        return"
    )
    worded = BEFORE.replace("Say what it does.", "Return the sum.").replace(
        '    """A thing."""\n', ""
    )

    assert {
        proven(before=BEFORE),
        proven(moved=BEFORE.replace("pipeline.here", "pipeline.there")),
        proven(one=head, two=f"from pipeline.here import two\n\n\nclass Second{body}"),
        proven(before=formatted),
        proven(before=worded),
    } == {proven(before=BEFORE)}


@pytest.mark.parametrize(
    ("ours", "edited"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("one(row) + LIMIT", "one(row) - LIMIT"),
        ("import one, two", "import one, three as two"),
        ("    def third(self): return two(self)\n", "    x = 1\n"),
    ],
)
def test_an_edit_ends_a_proof(proven, ours, edited):
    before = proven(before=BEFORE)

    assert proven(before=BEFORE.replace(ours, edited)) != before


def test_a_name_that_no_longer_exists_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(PROVEN, "all", ("gone.py",))

    with pytest.raises(FileNotFoundError, match=r"gone\.py is listed in PROVEN"):
        code("all", tmp_path)


def test_all_that_is_listed_as_proven_exists():
    assert {len(code(programme)) for programme in (*PROVEN, "simulate")} == {12}
