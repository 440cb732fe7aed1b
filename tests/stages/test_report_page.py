"""The report page: what a reviewer reads on it, and what nobody can smuggle into it."""

import base64
import hashlib
import re
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.output.report import show_report
from pipeline.domain.currency import major_units
from pipeline.domain.customer import Environment
from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.reasons import Reason
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import (
    BalanceKinds,
    BridgeFigure,
    BridgeStep,
    Estimate,
    Throughput,
)
from pipeline.reporting.context import AgainstBilling, ReportContext
from pipeline.reporting.examples import without_examples
from pipeline.reporting.headline import duration, how_long, rate
from pipeline.reporting.html import EXIT_CODES, render_run
from pipeline.reporting.html.bridge import bridge_of
from pipeline.reporting.html.charts import Bar, throughput_chart, waterfall
from pipeline.reporting.money import KINDS, at_stake
from pipeline.reporting.verdict import verdict_on
from pipeline.reporting.workbook import run_tables

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}",
    "<a href=https://evil.example>sign here</a>",
]
VOID = {"meta", "link", "br", "wbr"}
WITHIN_A_WORD = {"a", "b", "bdi", "code", "data", "time"}


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, the text that a reader sees, and what is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in VOID:
            self.pieces.append("" if tag == "wbr" else " ")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.pieces.append("" if tag in WITHIN_A_WORD else " ")

    def handle_data(self, data):
        if not {"style", "script"} & {*self.open}:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(
            "".join(self.pieces).split()
        )  # a narrow no-break space becomes a plain one, too

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def summarized(made) -> RunSummary:
    """The summary of some figures, with its verdict."""
    summary = RunSummary.model_validate(made)
    return summary.changed(verdict=verdict_on(summary))


def rendered(made, context=None):
    """The page of some figures."""
    return render_run(summarized(made), context)


def content(**changes):
    """A finished run of ten records: seven created, one repeated, one invalid, one unreadable."""
    fates = dict.fromkeys((fate.value for fate in Fate), 0)
    fates |= {"created": 7, "duplicate_in_file": 1, "invalid": 1, "unreadable": 1}
    none = dict.fromkeys(fates, 0)
    made = {
        "schema": 2,
        "run_id": "20261122T060000Z-customers-3f9a1c",
        "status": "finished",
        "exit_code": 1,
        "stopped_because": None,
        "environment": {
            "name": "rehearsal",
            "merchant": "Acme Energy",
            "mode": "test",
            "host": "billing.example",
        },
        "planner": "thandi",
        "version": "0.1.0",
        "planned_at": "2026-11-22T06:00:00+00:00",
        "finished_at": "2026-11-22T06:00:09+00:00",
        "records": {"read": 10, "header": 1, "skipped": 0, "blank": 1},
        "read": {"debits": {"ZAR": 24_900}, "credits": {"ZAR": -1_000}},
        "actions": {"create": 7, "skip": 1, "hold": 0, "refuse": 0, "defer": 0, "wait": 0},
        "waiting": {"records": 0, "balances": dict.fromkeys(KINDS, 0), "sums": {}},
        "fates": fates,
        "sums": {"ZAR": none | {"created": 23_000, "invalid": 900}},
        "debits": {"ZAR": none | {"created": 24_000, "invalid": 900}},
        "credits": {"ZAR": none | {"created": -1_000}},
        "amounts_unreadable": {"unreadable": 1},
        "reasons": [
            {
                "reason": "VALIDATE.EMAIL_MALFORMED:email",
                "rows": 1,
                "sentence": Reason.VALIDATE_EMAIL_MALFORMED.sentence,
                "examples": ["customers.csv:4"],
            }
        ],
        "not_payable": 0,
        "accounting": {
            "holds": True,
            "checks": [
                {
                    "what": "records read = sum over fates",
                    "currency": None,
                    "read": 10,
                    "ended": 10,
                    "holds": True,
                },
                {
                    "what": "debits ZAR read = sum over fates",
                    "currency": "ZAR",
                    "read": 24_900,
                    "ended": 24_900,
                    "holds": True,
                },
                {
                    "what": "credits ZAR read = sum over fates",
                    "currency": "ZAR",
                    "read": -1_000,
                    "ended": -1_000,
                    "holds": True,
                },
            ],
        },
        "columns_not_sent": {"e-mail": "email", "notes": None},
        "requests": {"creates": 7, "replayed": 2, "lookups": 3},
        "settled_for_earlier_runs": 0,
        "left_by_earlier_runs": {"in_doubt": 0, "named": []},
        "other_ledgers": [],
        "account": None,
        "account_is_doubtful": False,
        "seconds": {"read": 0.345, "plan": 0.092, "submit": 8.5},
        "profile": {
            "read": {"seconds": 0.345, "rows": 1200, "peak_bytes": 150_000_000},
            "plan": {"seconds": 0.092, "rows": 1200, "peak_bytes": None},
            "submit": {"seconds": 8.5, "rows": 0, "peak_bytes": None},
        },
        "settings": {"region": "ZA", "retry_refused": False},
        "inputs": [
            {
                "path": "in/customers.csv",
                "name": "customers.csv",
                "sha256": "ab" * 32,
                "format": "csv",
                "bytes": 1_249,
                "records": 10,
                "columns": [],
                "debits": {},
                "credits": {},
                "is_resubmission": False,
                "lines": {"physical": 13, "header": 1, "skipped": 0, "blank": 1, "records": 11},
                "dialect": {
                    "delimiter": ";",
                    "encoding": "utf-8",
                    "line_end": "CR",
                    "found": "delimiter line_end",
                },
            }
        ],
        "files": {},
    }
    return _with_the_rest(deepcopy(made) | changes)


def _with_the_rest(made):
    """What follows from the figures above, and what few runs have; a test may say any of it otherwise."""
    kinds = {
        fate: dict.fromkeys(KINDS, 0) | {"absent": records}
        for fate, records in made["fates"].items()
    }
    balances = {fate: BalanceKinds(**of_fate) for fate, of_fate in kinds.items()}
    none = {"records": 0, "balances": dict.fromkeys(KINDS, 0), "sums": {}}
    rest = {
        "balances": kinds,
        "at_stake": at_stake(balances, made["debits"], made["credits"]),
        "by_action": {action.value: deepcopy(none) for action in Action},
        "samples": {action.value: [] for action in Action},
        "flagged": {},
        "findings": [],
        "accepted": {},
        "estimate": {"creates": made["actions"]["create"], "per_second": None, "seconds": None},
        "mapping": {},
        "absent_texts": {},
        "known_customers": None,
        "config": None,
        "batch": None,
    }
    return rest | made


def in_currency(code, debits, credits=0):
    """The parts of a content in which one currency is all there is, created and in balance."""
    none = dict.fromkeys((fate.value for fate in Fate), 0)
    checks = [
        {
            "what": f"{name} {code} read = sum over fates",
            "currency": code,
            "read": amount,
            "ended": amount,
            "holds": True,
        }
        for name, amount in (("debits", debits), ("credits", credits))
    ]
    return {
        "read": {"debits": {code: debits}, "credits": {code: credits}},
        "sums": {code: none | {"created": debits + credits}},
        "debits": {code: none | {"created": debits}},
        "credits": {code: none | {"created": credits}},
        "accounting": {"holds": True, "checks": checks},
    }


def out_of_balance():
    broken = content(exit_code=7)
    broken["accounting"]["holds"] = False
    broken["read"]["debits"]["ZAR"] = 24_901
    broken["accounting"]["checks"][1] |= {"read": 24_901, "holds": False}
    return broken


# -- what stands on it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "word", "other"), [("test", "TEST", "LIVE"), ("live", "LIVE", "TEST")]
)
def test_the_banner_shows_test_or_live_first(mode, word, other):
    made = content()
    made["environment"]["mode"] = mode

    page = Page(rendered(made))

    assert page.text.split(" · ")[0] == word  # the title of the window
    banner = next(
        attributes for attributes in page.all("p") if "mode" in (attributes["class"] or "")
    )
    assert banner["class"] == f"mode {mode}"
    assert other not in page.text
    assert "environment rehearsal" in page.text
    assert "merchant Acme Energy" in page.text


def test_an_unknown_mode_is_treated_as_live():
    made = content()
    made["environment"]["mode"] = "staging"

    assert 'class="mode live"' in rendered(made)


def test_every_fate_has_its_meaning_and_its_list_on_the_page():
    html = rendered(content())

    rows = [Page(row) for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)]
    for name, fates in LISTS.items():
        for fate in fates:
            number = content()["fates"][fate]
            row = next(row for row in rows if fate.sentence in row.text)
            assert row.text == f"{fate.value.replace('_', ' ')} {number} {fate.sentence} {name}.csv"
            assert row.all("a") == [{"href": f"{name}.csv"}]


def test_fates_without_a_record_are_dimmed_and_take_no_part_in_the_bar():
    page = Page(rendered(content()))

    assert [attributes["title"] for attributes in page.all("i")] == [
        "created: 7",
        "duplicate in file: 1",
        "unreadable: 1",
        "invalid: 1",
    ]
    assert sum(attributes.get("class") == "none" for attributes in page.all("tr")) >= len(Fate) - 4


def test_the_total_over_all_fates_is_held_against_the_records_read():
    assert "✓ equal to the 10 records read" in Page(rendered(content())).text

    lost = content(records={"read": 11, "header": 1, "blank": 1})
    assert "✕ 11 records were read" in Page(rendered(lost)).text


@pytest.mark.parametrize(("longest", "is_resumed"), [(0.7, False), (90.0, True)])
def test_waits_that_are_longer_than_the_last_attempt_are_explained(longest, is_resumed):
    waited = {"p50": 0.1, "p95": 0.2, "p99": 0.3, "most": longest}
    throughput = {
        "since": "2026-11-22T06:00:00+00:00",
        "span_seconds": 1,
        "settled": 7,
        "per_second": 7.0,
        "waited": waited,
        "spans": [{"after": 0, "settled": 7, "p50": 0.1, "p95": 0.2}],
    }
    submit = {"seconds": 0.75, "rows": 7, "peak_bytes": None}

    page = Page(rendered(content(throughput=throughput, profile={"submit": submit}))).text

    assert ("Submit counts only the time since the last resume" in page) is is_resumed


def test_amounts_on_a_page_have_one_minus_sign_totals_and_changes_alike():
    bridge = [
        step("read", -770_000, is_total=True, records=-3),
        step("invalid", -191_758, records=-2),
    ]

    page = rendered(content(bridge=bridge))

    assert "-7,700.00" in page
    assert "-1,917.58" in page
    assert "\u2212" not in page


def test_the_links_name_every_file_of_the_run():
    links = {attributes["href"] for attributes in Page(rendered(content())).all("a")}

    files = {
        *(f"{name}.csv" for name in LISTS),
        "differences.csv",
        "rows.parquet",
        "summary.json",
        "manifest.json",
        "signatures.jsonl",
    }
    assert files <= links
    assert all(link in files or link.startswith("#") for link in links)


def test_the_page_explains_the_exit_code():
    for code, meaning in EXIT_CODES.items():
        assert f"{code}, {meaning}" in Page(rendered(content(exit_code=code))).text


def test_the_page_shows_why_a_run_stopped_and_only_then():
    stopped = content(
        status="stopped", exit_code=5, stopped_because="billing asks to wait 900 s; resume later"
    )
    stopped["fates"] |= {"created": 5, "not_attempted": 2}

    page = Page(rendered(stopped))

    assert "Stopped because billing asks to wait 900 s" in page.text
    assert f"pipeline resume {stopped['run_id']}" in page.text
    assert "Stopped because" not in Page(rendered(content())).text


def test_reasons_name_rows_and_columns_name_their_near_miss():
    text = Page(rendered(content())).text

    assert Reason.VALIDATE_EMAIL_MALFORMED.sentence in text
    assert "customers.csv:4" in text
    assert "e-mail email?" in text
    assert "notes –" in text


def test_inputs_show_their_hash_and_where_every_line_went():
    text = Page(rendered(content())).text

    assert (
        f"detected, not declared: the delimiter, the line ends {'ab' * 32} 1,249 13 1 0 1 11"
        in text
    )


def test_a_finished_run_has_a_place_to_sign_with_the_planner_filled_in():
    text = Page(rendered(content())).text

    assert "Sign-off" in text
    assert "thandi" in text[text.index("Sign-off") :]
    assert "Reviewed by" in text


def test_a_plan_states_that_nothing_was_sent_and_how_to_apply_it():
    planned = content(status="planned", exit_code=0, amounts_unreadable={}, columns_not_sent={})
    planned["fates"] = dict.fromkeys(planned["fates"], 0) | {"not_attempted": 10}

    text = Page(rendered(planned)).text

    assert "Planned: of 10 records, 7 would be created; nothing was sent." in text
    assert "plan only, nothing was sent" in text
    assert "ready to apply" in text
    assert f"pipeline apply {planned['run_id']}" in text
    assert "pipeline resume" not in text
    assert "Planned fate of every record" in text
    assert "Approved by" in text
    assert "Finished" not in text


def test_a_clean_run_has_nothing_left_to_do():
    clean = content(exit_code=0, amounts_unreadable={}, columns_not_sent={}, reasons=[])
    clean["fates"] = dict.fromkeys(clean["fates"], 0) | {"created": 10}

    page = Page(rendered(clean))

    assert "✓ Adds up; nothing left to do" in page.text
    assert not page.all("ul")


def test_customers_without_payment_rules_need_action():
    unpayable = content(exit_code=0, not_payable=4)
    unpayable["fates"] = dict.fromkeys(unpayable["fates"], 0) | {"created": 10}

    text = Page(rendered(unpayable)).text

    assert "action needed" in text
    assert "4 created without payment rules" in text


# -- what a reviewer needs first ---------------------------------------------------------------------------------------


def section(html, name):
    """The text of one section."""
    start = html.index(f'<section id="{name}">')
    return Page(html[start : html.index("</section>", start) + len("</section>")]).text


def batch(**changes):
    """A finished run of which three records wait for a later batch."""
    made = content(
        exit_code=0,
        amounts_unreadable={},
        columns_not_sent={},
        batch={"limit": 7, "where": None},
        **changes,
    )
    made["fates"] = dict.fromkeys(made["fates"], 0) | {"created": 7, "not_attempted": 3}
    made["actions"] |= {"defer": 3}
    made["balances"]["not_attempted"] |= {"debit": 3}
    made["by_action"]["defer"] = {
        "records": 3,
        "balances": made["by_action"]["defer"]["balances"] | {"debit": 3},
        "sums": {"ZAR": {"debits": 500, "credits": 0}},
    }
    made["debits"]["ZAR"] |= {"invalid": 0, "not_attempted": 500}
    return made


def test_what_a_reviewer_needs_first_comes_before_hashes_and_tables():
    html = rendered(content())

    order = (
        "fates",
        "glance",
        "open",
        "reasons",
        "signed",
        "money",
        "law",
        "run",
        "inputs",
        "files",
    )
    places = [html.index(f'<section id="{name}">') for name in order]
    assert places == sorted(places)


def test_the_headline_separates_debits_and_credits_of_created_and_rejected_records():
    text = section(rendered(content()), "glance")

    assert "Created 7 records ZAR 240.00 -10.00 230.00" in text
    assert "Rejected 2 records ZAR 9.00 0.00 9.00" in text
    assert "Held 0 records no amount" in text


def test_the_headline_counts_zero_absent_and_unusable_balances_separately():
    made = content()
    made["balances"]["created"] = {"debit": 3, "credit": 1, "zero": 2, "absent": 1, "unusable": 0}
    made["balances"]["unreadable"] = {
        "debit": 0,
        "credit": 0,
        "zero": 0,
        "absent": 0,
        "unusable": 1,
    }

    text = section(rendered(made), "glance")

    assert "Created 3 1 2 1 0 7" in text
    assert "1 unreadable amount" in text
    assert "All records read 3 1 2 3 1 10" in text


def test_an_amount_without_a_usable_currency_is_shown_as_written():
    made = content(**in_currency("BGN", 100))

    assert "BGN as written 100 0 100" in section(rendered(made), "glance")


def test_creates_with_an_identity_match_are_flagged_with_their_reason():
    text = Page(rendered(content(flagged={"MATCH.EMAIL_OF_ANOTHER": 4}))).text

    assert "4 by email" in text
    assert f"4 sent: {Reason.MATCH_EMAIL_OF_ANOTHER.sentence} MATCH.EMAIL_OF_ANOTHER" in text


def test_records_left_for_a_later_batch_need_no_resume():
    made = batch()

    text = Page(rendered(made)).text

    assert "✓ Adds up; nothing left to do in this batch" in text
    assert "3 left for a later batch: run the same files again." in text
    assert "Left for a later batch 3 records ZAR 5.00 0.00 5.00" in text
    assert "This batch at most 7 creates" in text
    assert "pipeline resume" not in text


def test_unsent_records_are_counted_apart_from_those_of_a_later_batch():
    made = batch()
    made["fates"] |= {"created": 5, "not_attempted": 5}
    made["balances"]["not_attempted"] |= {"debit": 4, "credit": 1}
    made["debits"]["ZAR"]["not_attempted"], made["credits"]["ZAR"]["not_attempted"] = 700, -20

    text = Page(rendered(made)).text

    assert "0 in doubt, 2 not attempted: pipeline resume" in text
    assert "Not attempted 2 records ZAR 2.00 -0.20 1.80" in text


def test_a_plan_shows_units_and_signs_by_samples_and_how_long_it_takes():
    sample = {
        "row_id": "customers.csv:2",
        "given": "-240,00",
        "balance": -24_000,
        "currency": "ZAR",
        "reason": None,
    }
    absent = sample | {"row_id": "customers.csv:3", "given": None, "balance": None}
    planned = content(
        status="planned", estimate={"creates": 1_120, "per_second": 20.0, "seconds": 56.0}
    )
    planned["samples"]["create"] = [sample, absent]

    html = rendered(planned)

    assert "create customers.csv:2 -240,00 -24,000 -240.00 ZAR" in section(html, "samples")
    assert "create customers.csv:3 absent none none" in section(html, "samples")
    assert "1,120 creates; at 20 a second about 56 s" in section(html, "glance")
    assert 'id="samples"' not in rendered(content())


def test_a_plan_that_outlives_its_keys_warns_about_them():
    long, short = (Estimate(creates=n, per_second=1.0, seconds=float(n)) for n in (100_000, 80_000))

    assert "longer than an idempotency key is valid (24 h)" in how_long(long)
    assert how_long(short) == "at 1 a second about 22 h 13 min"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.05, "1 s"),
        (56, "56 s"),
        (120, "2 min"),
        (6_000, "1 h 40 min"),
        (10_000, "2 h 47 min"),
        (360_000, "4 d 4 h"),
    ],
)
def test_a_duration_is_written_as_people_write_it(seconds, said):
    assert duration(seconds) == said


def test_the_page_names_the_origin_of_fields_absent_texts_known_customers_and_config():
    made = content(
        mapping={"email": "column E-MAIL"},
        absent_texts={"n/a": 1_200},
        known_customers={
            "version": "0123456789abcdef",
            "rows": 5_000,
            "loaded_at": "2026-11-21T06:00:00+00:00",
        },
        config={"path": "configs/nightly.yaml", "sha256": "cd" * 32},
    )

    text = Page(rendered(made)).text

    assert "email column E-MAIL" in text
    assert "n/a 1,200" in text
    assert "5,000, loaded 2026-11-21 06:00:00 UTC, version 0123456789ab" in text
    assert f"configs/nightly.yaml {'cd' * 32}" in text


@pytest.mark.parametrize("status", ["planned", "finished"])
def test_the_terminal_shows_creates_apart_from_a_later_batch_and_no_escape(status, capsys):
    made = batch(status=status)
    made["by_action"]["create"] |= {
        "records": 7,
        "sums": {"ZAR": {"debits": 24_000, "credits": -1_000}},
    }
    made["samples"]["create"] = [
        {
            "row_id": "a\x1b[2J.csv:2",
            "given": "240.00",
            "balance": 24_000,
            "currency": "ZAR",
            "reason": None,
        }
    ]

    show_report(summarized({**made, "files": {"report.html": "r/report.html"}}))

    printed = " ".join(capsys.readouterr().out.split())
    assert "left for a later batch: 3 records; at stake: ZAR 5.00 debits, 0.00 credits" in printed
    assert ("would be created ZAR 240.00 -10.00 230.00" in printed) == (status == "planned")
    assert ("240.00 -> 24,000 (240.00 ZAR)" in printed) == (status == "planned")
    assert ("7 creates, as fast as billing answers" in printed) == (status == "planned")
    assert "\x1b" not in printed


# -- money ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "minor_units", "written"),
    [
        ("ZAR", 24_000, "240.00"),
        ("ZAR", -5, "-0.05"),
        ("KWD", 1_234, "1.234"),
        ("JPY", 500, "500"),
        ("ZAR", 2**53 + 1, "90,071,992,547,409.93"),
        ("ZAR", 10**30 + 7, "10,000,000,000,000,000,000,000,000,000.07"),
    ],
)
def test_an_amount_is_exact_as_people_write_it_and_in_minor_units(code, minor_units, written):
    debits, credits = max(minor_units, 0), min(minor_units, 0)

    page = Page(rendered(content(**in_currency(code, debits, credits))))

    assert written in page.text
    assert f"{minor_units:,}" in page.text
    assert {
        "value": str(minor_units),
        "data-of": code,
        "title": f"{minor_units} minor units",
    } in page.all("data")


@given(
    st.integers(min_value=-(10**30), max_value=10**30),
    st.sampled_from(["ZAR", "KWD", "JPY", "CLF"]),
)
def test_no_digit_of_an_amount_is_ever_lost_or_added(minor_units, code):
    written = major_units(minor_units, code)

    assert int(re.sub(r"[.,]", "", written)) == minor_units


def test_each_currency_is_compared_with_independently_read_sums():
    text = Page(rendered(content())).text

    assert "Read from the input 249.00 -10.00 239.00" in text
    assert "Difference ✓ none 0.00 0.00 0.00" in text


def test_a_cent_that_was_read_and_ended_nowhere_is_the_difference():
    assert "Difference ✕ does not add up 0.01 0.00 0.01" in Page(rendered(out_of_balance())).text


def test_a_currency_that_was_read_and_then_lost_is_shown_as_a_difference():
    lost = content(
        sums={}, debits={}, credits={}, read={"debits": {"EUR": 12_345}, "credits": {}}, exit_code=7
    )
    lost["accounting"] = {
        "holds": False,
        "checks": [
            {
                "what": "debits EUR read = sum over fates",
                "currency": "EUR",
                "read": 12_345,
                "ended": 0,
                "holds": False,
            }
        ],
    }

    text = Page(rendered(lost)).text

    assert "123.45" in text
    assert "Difference ✕ does not add up" in text


def test_records_with_unreadable_amounts_are_counted_and_excluded_from_sums():
    text = Page(rendered(content())).text

    assert "1 amount is unreadable" in text
    assert "in no sum above" in text


def test_an_amount_without_a_usable_currency_gets_no_decimal_mark():
    text = Page(rendered(content(**in_currency("ZZZ", 123_456)))).text

    assert "123,456" in text
    assert "1 234.56" not in text
    assert "No record states a balance in a currency." in text


# -- out of balance ---------------------------------------------------------------------------------------------------


def test_a_failed_accounting_check_shows_in_headline_banner_and_sign_off():
    text = Page(rendered(out_of_balance())).text

    assert "The figures do not add up: do not sign this report." in text
    assert "✕ Out of balance" in text
    assert "✕ failed" in text
    assert "This report cannot be signed." in text
    assert "Reviewed by (name" not in text
    assert "pipeline sign" not in text
    assert "accounted for" not in text


def test_failed_checks_come_first_with_both_sides():
    html = rendered(out_of_balance())

    law = html[html.index('<section id="law"') : html.index('<section id="run"')]
    first = Page(re.findall(r"<tr.*?</tr>", law, re.DOTALL)[1])

    assert "debits ZAR" in first.text
    assert "249.01" in first.text
    assert "249.00" in first.text
    assert "✕ failed" in first.text


def test_a_record_with_two_fates_is_reported_instead_of_a_negative_count():
    twice = out_of_balance()
    twice["accounting"]["checks"][0] |= {"ended": -1, "holds": False}

    assert "not once each" in Page(rendered(twice)).text


# -- what nobody can smuggle in ---------------------------------------------------------------------------------------


def told_more(made, name):
    """The content of a plan whose every text that others wrote says this."""
    made |= {
        "status": "planned",
        "mapping": {name: name},
        "absent_texts": {name: 1},
        "config": {"path": name, "sha256": "cd" * 32},
        "known_customers": {
            "version": "0123456789abcdef",
            "rows": 1,
            "loaded_at": "2026-11-21T06:00:00+00:00",
        },
        "batch": {"limit": 1, "where": name},
    }
    made["samples"]["create"] = [
        {
            "row_id": f"{name}:2",
            "given": name,
            "balance": 1,
            "currency": name,
            "reason": "PLAN.OUTSIDE_WAVE",
        }
    ]
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_columns_files_and_people_stay_text(name):
    hostile = content(columns_not_sent={name: name}, planner=name, stopped_because=name)
    hostile["environment"] |= {"name": name, "merchant": name, "host": name}
    hostile["inputs"][0] |= {"name": name, "path": name}
    hostile["reasons"][0]["examples"] = [f"{name}:17"]
    hostile["settings"] = {"region": name}
    told_more(hostile, name)

    page, plain = (
        Page(rendered(hostile)),
        Page(rendered(told_more(content(stopped_because="x"), "x"))),
    )

    assert " ".join(f"{name}:17".split()) in page.text
    assert not page.open
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags}
    assert {key for _, attributes in page.tags for key in attributes} <= {
        key for _, at in plain.tags for key in at
    }
    assert len(page.all("script")) == 1
    assert not page.all("img")


def test_characters_that_hide_or_turn_text_around_are_shown_as_replaced():
    hidden = content(columns_not_sent={"ema\u202eil\x00\x1b[2J\u200b": None})
    hidden["inputs"][0]["name"] = "caf\udce9.csv"  # a name whose bytes are no UTF-8

    html = rendered(hidden)

    assert not set(html) & {"\u202e", "\x00", "\x1b", "\u200b", "\udce9"}
    assert "caf\ufffd.csv" in html
    assert html.encode()


@given(st.text(max_size=40))
def test_no_name_opens_or_closes_an_element(name):
    hostile = content(columns_not_sent={name: None})
    hostile["reasons"][0]["examples"] = [name]

    assert [tag for tag, _ in Page(rendered(hostile)).tags] == _tags_of_a_plain_name()


@cache
def _tags_of_a_plain_name() -> list[str]:
    plain = Page(rendered(content(columns_not_sent={"x": None})))
    return [tag for tag, _ in plain.tags]


@pytest.mark.parametrize("made", [content(), content(status="planned"), out_of_balance()])
def test_the_page_needs_nothing_from_outside_and_runs_one_script_of_its_own(made):
    html = rendered(made)
    page = Page(html)

    assert not page.open
    assert not re.search(r"https?://|//[a-z]|url\(|@import|javascript:|\son[a-z]+=", html)
    assert page.all("script") == [{}]
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"img", "iframe", "object", "embed", "form", "base"}
    )
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]
    assert not any("src" in attributes for _, attributes in page.tags)


def test_the_content_security_policy_allows_inline_style_and_the_one_script_by_its_hash():
    html = rendered(content())
    policy = next(a["content"] for a in Page(html).all("meta") if "http-equiv" in a)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith(
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    )


def test_the_page_stays_small_with_fifty_reasons_and_a_thousand_strange_columns_and_currencies():
    reason = content()["reasons"][0] | {
        "examples": ["a-rather-long-name-of-a-file.csv:1234567"] * 3
    }
    large = content(
        reasons=[reason] * 50, columns_not_sent={f"column {n}": "email" for n in range(1000)}
    )
    none = dict.fromkeys(large["fates"], 0)
    for n in range(1000):
        large["debits"][f"X{n}"], large["credits"][f"X{n}"] = none | {"invalid": n}, none
        large["accounting"]["checks"].append(
            {
                "what": f"debits X{n} read = sum over fates",
                "currency": f"X{n}",
                "read": n,
                "ended": n,
                "holds": True,
            }
        )

    html = rendered(large)

    assert len(html.encode()) < 200_000
    assert "988 more" in Page(html).text
    assert "0 of them failed" in Page(html).text


# -- how it stands, and the way to billing ------------------------------------------------------------------------------


ENVIRONMENT_OF_BILLING = Environment("sandbox", "sandbox", "test", "loopback")


def against(exit_code, *, signable=True, verdict="Out of balance: 17 missing in billing.", **more):
    """The summary of a reconciliation, as far as a page of a run shows it."""
    step = {"sentence": "", "records": 7, "figures": {"ZAR": {"records": 7, "sum": 23_000}}}
    steps = [{"step": name, "is_total": True, **step} for name in ("read", "expected", "found")]
    written = {
        "schema": 1, "kind": "reconciliation", "environment": asdict(ENVIRONMENT_OF_BILLING), "version": "0.1.0", "patterns": {},
        "ledger": [], "examples": {}, "files": {},
        "reconciliation_id": "20261123T060000Z-reconcile-3f9a1c", "runs": ["x"], "exit_code": exit_code, "signable": signable,
        "verdict": verdict, "method": "export", "export": [], "export_unusable": 0, "finished_at": "2026-11-23T06:00:00+00:00",
        "reviewer": "sipho", "compared": ["name", "currency", "balance"], "tolerances": {}, "differences": {}, "not_determinable": {},
        "legacy": {"totals": {}, "because": {}}, "bridge": steps, "residual": {}, **more,
    }  # fmt: skip
    return Reconciliation.of(written)


def clean():
    made = content(exit_code=0, amounts_unreadable={}, columns_not_sent={}, reasons=[])
    made["fates"] = dict.fromkeys(made["fates"], 0) | {"created": 10}
    return made


@pytest.mark.parametrize(
    ("made", "reconciliation", "state", "mark"),
    [
        (clean(), None, "good", "Adds up; nothing left to do"),
        (clean(), against(0), "good", "Adds up; nothing left to do"),
        (clean(), against(1), "attention", "Adds up; action needed"),
        (clean(), against(7), "broken", "Billing differs from what we sent"),
        (clean(), against(7, signable=False), "broken", "Cannot be signed"),
        (out_of_balance(), against(0), "broken", "Out of balance"),
    ],
)
def test_the_status_of_a_page_is_the_worst_known_of_its_run(made, reconciliation, state, mark):
    page = rendered(made, ReportContext(billing=AgainstBilling(reconciliation)))

    assert f'<header class="{state}">' in page
    assert mark in Page(page).text
    assert ("pipeline sign" in page) == (
        state != "broken" or mark == "Billing differs from what we sent"
    )
    if reconciliation and reconciliation.exit_code == 7:
        assert Page(page).text.index("Out of balance: 17 missing") < Page(page).text.index(
            "10 of 10 records were created"
        )


def test_the_place_to_sign_names_what_is_not_done():
    made = content(status="stopped", exit_code=5)
    made["fates"] |= {"created": 5, "in_doubt": 2}

    text = Page(rendered(made)).text

    assert "! Not finished" in text
    assert "2 records are in doubt and 0 were not sent" in text[text.index("Sign-off") :]
    assert "--note TEXT" in text


def test_a_plan_that_a_file_issue_stops_states_it_first_and_cannot_be_approved():
    finding = {
        "code": "TOTAL.DIFFERS",
        "stops": True,
        "what": "--expect states 1",
        "sentence": "It differs.",
    }
    planned = content(status="planned", exit_code=3, findings=[finding])

    text = Page(rendered(planned)).text

    assert "✕ Blocked: the plan needs a decision" in text
    assert f"pipeline apply {planned['run_id']} --accept TOTAL.DIFFERS" in text
    assert "It cannot be approved." in text
    assert "Approved by (name" not in text


def step(name, amount, *, is_total=False, records=1):
    figures = {"ZAR": {"records": records, "sum": amount}} if amount is not None else {}
    return BridgeStep(step=name, sentence=name, is_total=is_total, records=records, figures=figures)


def test_the_view_of_a_bridge_has_totals_steps_and_the_residual():
    steps = [step("read", 1_000, is_total=True), step("invalid", -300), step("refused", -100), step("expected", 600, is_total=True),
             step("balance_differs", 50), step("found", 650, is_total=True)]  # fmt: skip

    view = bridge_of(steps, {"ZAR": BridgeFigure(records=0, sum=7)})

    assert view.heads == ["Read", "Taken out", "Expected", "Differences", "Found"]
    assert view.lines == [("ZAR", [1_000, -400, 600, 50, 650], (0, 7))]
    assert [(row.name, row.sum) for row in view.blocks[0].rows] == [
        ("read", 1_000), ("invalid", -300), ("refused", -100), ("expected", 600), ("balance_differs", 50), ("found", 650),
    ]  # fmt: skip
    assert bridge_of([]) is None


def test_an_unstated_legacy_total_is_not_invented():
    unstated = BridgeStep(step="legacy", sentence="", is_total=True, records=7, figures={})
    steps = [unstated, step("read", 1_000, is_total=True), step("expected", 1_000, is_total=True), step("found", 1_000, is_total=True)]  # fmt: skip

    view = bridge_of(steps)

    assert view.lines[0][1] == [None, 0, 1_000, 0, 1_000, 0, 1_000]
    assert next(row.records for row in view.records.rows) == 7


@given(st.lists(st.tuples(st.booleans(), st.integers(-(10**15), 10**15)), min_size=1, max_size=12))
def test_every_bar_of_a_waterfall_is_inside_its_picture(bars):
    drawn = waterfall(
        [Bar("total", is_total, amount, str(amount)) for is_total, amount in [(True, 5), *bars]]
    )

    for one in drawn:
        for x, width in re.findall(
            r'<rect class="\w+" x="([-\d.]+)" y="[\d.]+" width="([-\d.]+)"', one
        ):
            assert 0 <= float(x) <= float(x) + float(width) <= 1004


def test_a_bar_far_beyond_the_final_total_is_cut_and_marked():
    bars = [
        Bar("total", True, 10**15, "much"),
        Bar("rejected", False, -(10**15) + 1_000, "less"),
        Bar("total", True, 1_000, "left"),
    ]

    much, less, left = waterfall(bars)

    assert "not to scale" in much
    assert "not to scale" in less
    assert "not to scale" not in left
    widths = [float(re.search(r'<rect[^>]* width="([\d.]+)"', one)[1]) for one in (much, left)]
    assert widths[1] > 900


def test_the_throughput_of_a_few_seconds_needs_no_chart():
    assert throughput_chart(throughput_of(spans=3)) is None
    assert throughput_chart(throughput_of(spans=9)).count("<rect") == 18
    assert rate(1_120.4) == "1,120"


def throughput_of(spans):
    """Ten creates a second for some seconds."""
    waited = {"p50": 0.1, "p95": 0.2}
    return Throughput.model_validate(
        {
            "since": "2026-11-22T06:00:00+00:00",
            "span_seconds": 1,
            "settled": 10 * spans,
            "per_second": 10.0,
            "waited": {**waited, "p99": 0.3, "most": 0.3},
            "spans": [{"after": at, "settled": 10, **waited} for at in range(spans)],
        }
    )


# -- one number format -------------------------------------------------------------------------------------------------

MANY = 1_234_567
NARROW = {"\u2009", "\u202f", "\u00a0"}


def many():
    """A run in which every count and amount is large."""
    made = content(
        **in_currency("ZAR", MANY),
        records={"read": MANY, "header": 1, "skipped": MANY, "blank": MANY},
        amounts_unreadable={"unreadable": MANY},
        absent_texts={"n/a": MANY},
        flagged={"MATCH.EMAIL_OF_ANOTHER": MANY},
        requests={"creates": MANY, "replayed": MANY, "lookups": MANY},
        settled_for_earlier_runs=MANY,
        not_payable=MANY,
        held_differs={"name": MANY},
        throughput=throughput_of(spans=9).changed(settled=MANY, per_second=float(MANY)).to_json(),
        estimate={"creates": MANY, "per_second": float(MANY), "seconds": 1.0},
        known_customers={"version": "v", "rows": MANY, "loaded_at": "2026-11-21T06:00:00+00:00"},
        files={"report.html": "r/report.html"},
    )
    made["fates"] = dict.fromkeys(made["fates"], MANY)
    made["balances"] = {fate: dict.fromkeys(KINDS, MANY) for fate in made["fates"]}
    made["reasons"][0] |= {"rows": MANY, "by_list": {"rejected": MANY}}
    made["inputs"][0] |= {"bytes": MANY, "lines": dict.fromkeys(made["inputs"][0]["lines"], MANY)}
    made["profile"]["read"] |= {"rows": MANY, "peak_bytes": MANY * 10**6}
    sample = {"row_id": "c.csv:2", "given": None, "currency": "ZAR", "reason": None}
    made["samples"]["create"] = [sample | {"balance": MANY}]
    return made


@pytest.mark.parametrize("status", ["planned", "finished"])
def test_a_page_groups_every_number_by_commas_and_has_no_narrow_space(status):
    html = rendered(many() | {"status": status})

    assert f"{MANY:,}" in Page(html).text
    assert str(MANY) not in Page(html).text
    assert not NARROW & {*re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)}


@pytest.mark.parametrize("status", ["planned", "finished"])
def test_the_terminal_groups_every_number_by_commas_and_has_no_narrow_space(status, capsys):
    show_report(summarized(many() | {"status": status}))

    printed = capsys.readouterr().out
    assert f"{MANY:,}" in printed
    assert str(MANY) not in printed
    assert not NARROW & {*printed}


def test_charts_group_numbers_by_commas():
    chart = throughput_chart(Throughput.model_validate(many()["throughput"]))

    assert rate(MANY) == "1,234,567"
    assert not NARROW & {*str(chart)}


def test_json_and_the_figures_of_a_workbook_have_plain_digits():
    summary = summarized(many())

    assert summary.to_json()["requests"]["creates"] == MANY
    for table in run_tables(summary, ReportContext(reasons=without_examples(summary.reasons))):
        for row in table.rows:
            figures = [
                cell for cell, is_figure in zip(row, table.figures, strict=False) if is_figure
            ]
            assert not any("," in (cell or "") for cell in figures)
