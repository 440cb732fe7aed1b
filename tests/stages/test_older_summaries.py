"""Every form of summary.json that a version wrote is read; each file is of the same four records."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.cli.output.report import show_report
from pipeline.domain.fates import Fate
from pipeline.domain.published import first_fault
from pipeline.domain.run_summary import SUMMARY_SCHEMA
from pipeline.domain.summary_parts import Sides
from pipeline.domain.summary_versions import summary_of
from pipeline.reporting import ReportContext, render_run, run_tables
from tests.conftest import REPOSITORY

OLDER = sorted((REPOSITORY / "tests" / "golden" / "older").glob("summary-*.json"))
NEWEST = json.loads(OLDER[-1].read_text(encoding="utf-8"))
every_form = pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)


def read(path: Path):
    return summary_of(json.loads(path.read_text(encoding="utf-8")))


def test_there_is_a_file_for_each_form():
    assert len(OLDER) == 17


@every_form
def test_an_older_summary_has_the_figures_of_its_records(path):
    summary, newest = read(path), summary_of(NEWEST)

    assert summary.schema_version == SUMMARY_SCHEMA
    assert {fate: n for fate, n in summary.fates.items() if n} == {
        Fate.CREATED: 1,
        Fate.DUPLICATE_IN_FILE: 1,
        Fate.INVALID: 1,
        Fate.UNREADABLE: 1,
    }
    assert (summary.records, summary.read) == (newest.records, newest.read)
    assert summary.at_stake == newest.at_stake
    assert summary.at_stake["rejected"].sums == {"ZAR": Sides(credits=-300)}
    assert summary.requests.creates == 1
    assert summary.not_payable == 0
    assert [check.currency for check in summary.accounting.checks][-2:] == ["ZAR", "ZAR"]
    assert {action: group.records for action, group in summary.by_action.items()} == {
        action: summary.actions.get(action, 0) for action in summary.by_action
    }


@every_form
def test_an_older_summary_makes_a_page_sheets_and_a_report_on_the_terminal(path, capsys):
    summary = read(path)

    page = render_run(summary)
    sheets = [list(table.rows) for table in run_tables(summary, ReportContext())]
    show_report(summary)

    assert "1 of 4 records were created" in page
    assert any(sheets)
    assert "1 of 4 records were created" in capsys.readouterr().out


def test_the_input_of_an_older_summary_has_a_dialect_and_its_records():
    [first], [last] = read(OLDER[0]).inputs, read(OLDER[-1]).inputs

    assert (first.records, first.dialect, first.is_resubmission) == (4, {}, False)
    assert last.dialect["delimiter"] == ","
    assert not last.is_resubmission


def test_who_accepted_an_issue_was_the_planner_while_only_codes_were_kept():
    codes = json.loads(OLDER[4].read_text(encoding="utf-8")) | {"accepted": ["TOTAL.DIFFERS"]}

    assert summary_of(codes).accepted == {"TOTAL.DIFFERS": "thandi"}


@pytest.mark.parametrize("key", ["fates", "records", "inputs", "reasons", "verdict", "settings"])
def test_a_damaged_part_of_an_older_summary_is_refused_by_its_name(key):
    with pytest.raises(ValidationError, match=key):
        summary_of({**NEWEST, key: 5})


def test_a_summary_of_a_newer_version_is_refused_by_its_schema():
    later = {**summary_of(NEWEST).to_json(), "schema": SUMMARY_SCHEMA + 1}

    with pytest.raises(ValidationError) as refused:
        summary_of(later)

    assert first_fault(refused.value) == "a schema that only a newer version of this program reads"
