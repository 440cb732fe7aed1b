"""Names from outside are data: no command splits them, expands them, or reads them as a pattern, a path, SQL or markup."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.causes import Cause, each_in_one_cell, in_one_cell
from pipeline.domain.reasons import Reason
from pipeline.verifier.listed_rows import causes_in
from tests.prove.names import PIECES, walk, world

_COLUMNS = st.one_of(
    st.text(min_size=1, max_size=20),
    st.sampled_from(PIECES),
    st.from_regex(r'[ "\\:a]{1,8}', fullmatch=True),
)
_CAUSES = st.lists(
    st.builds(
        lambda reason, column: str(Cause(reason, column)),
        st.sampled_from(Reason),
        st.none() | _COLUMNS,
    )
)


WIDTH = 115  #: columns of a table; the long programme runs many narrower worlds


@pytest.mark.parametrize(
    ("width", "every_form"), [(25, False), pytest.param(WIDTH, True, marks=pytest.mark.long)]
)
def test_every_command_takes_every_name_literally(tmp_path, width, every_form):
    assert walk(0, tmp_path, width, every_form=every_form).faults == []


def test_this_test_uses_more_than_a_hundred_odd_names(tmp_path):
    assert len(world(0, tmp_path, WIDTH).names & set(PIECES)) > 100


@given(_CAUSES)
def test_the_verifier_rereads_every_cause_of_a_cell_under_any_column_name(causes):
    assert causes_in(in_one_cell(causes)) == causes
    assert [Cause.parse(cause).column for cause in causes] == [
        cause.partition(":")[2] or None for cause in causes
    ]


@given(st.lists(_CAUSES, max_size=5))
def test_a_column_of_causes_is_written_as_each_of_its_cells_is(rows):
    written = each_in_one_cell(pl.Series(rows, dtype=pl.List(pl.String)))

    assert written.to_list() == [in_one_cell(row) for row in rows]


def test_a_cell_of_an_earlier_version_which_quotes_nothing_is_still_read():
    assert causes_in('VALIDATE.PHONE_SEVERAL:phone READ.CELL_DAMAGED:a"b MATCH.KNOWN_SAME') == [
        "VALIDATE.PHONE_SEVERAL:phone",
        'READ.CELL_DAMAGED:a"b',
        "MATCH.KNOWN_SAME",
    ]
    assert causes_in('READ.CELL_DAMAGED:"ab') == ['READ.CELL_DAMAGED:"ab']
