"""What no reconciliation may wave through, or lay at somebody's door who has nothing to do with it."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.conftest import Inside, customers_csv, running_sandbox
from tests.journeys.test_reconcile import (
    EXPORT,
    LATER,
    export,
    figures,
    imported,
    imported_alone,
    imported_once,
    reconcile,
)

__all__ = ["imported", "imported_alone", "imported_once"]

TIMED = f"{EXPORT},changed_at"


def changed(rows, **fields):
    """Every row with these fields changed: a value, or what makes one of the row."""
    return [
        {
            **row,
            **{name: value(row) if callable(value) else value for name, value in fields.items()},
        }
        for row in rows
    ]


def by_export(imported, *words, columns=EXPORT, **fields):
    """The reconciliation with an export of which these fields were changed."""
    pipeline, outside = imported
    export(pipeline.folder, outside, change=lambda rows: changed(rows, **fields), columns=columns)
    return reconcile(pipeline, "--export", "export.csv", *words)


# -- money ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", [pytest.param("USD", marks=pytest.mark.long), "", "banana"])
def test_money_in_another_currency_is_out_of_balance_and_has_a_step_of_its_own(imported, currency):
    content, differences = by_export(imported, currency=currency)

    assert (content["exit_code"], content["signable"], content["residual"]) == (7, True, {})
    assert "5 held in another currency" in content["verdict"]
    assert {field for _, _, field in differences} == {"currency"}
    assert figures(content, "another_currency")["ZAR"] == {"records": -5, "sum": -1000}
    page = (imported[0].folder / content["files"]["report.html"]).read_text()
    assert "banana" not in page  # it may be anybody's name where columns have moved


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"balance": lambda row: row["balance"] * 100}, "balance_differs"),
        ({"balance": lambda row: -row["balance"]}, "balance_differs"),
        ({"billing_id": "bcus_other"}, "field_differs"),
    ],
    ids=["a hundredfold", "the sign flipped", "another customer of billing"],
)
def test_no_time_of_change_explains_what_no_payment_does(imported, fields, kind):
    content, differences = by_export(
        imported, columns=f"billing_id,{TIMED}", changed_at=LATER, **fields
    )

    wanted = {("ref-0", "balance")} if "balance" in fields else set()
    found = {(reference, field) for found, reference, field in differences if found == kind}
    assert len(found | wanted) == 5
    assert content["differences"]["changed_since"] == 0
    assert content["exit_code"] == (7 if "balance" in fields else 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"currency": "USD"},
        {"balance": ""},
        *(
            pytest.param(fields, marks=pytest.mark.long)
            for fields in ({"currency": "banana"}, {"currency": "", "balance": ""})
        ),
    ],
)
def test_no_time_of_change_explains_another_currency_or_a_balance_that_is_gone(imported, fields):
    content, _ = by_export(imported, columns=TIMED, changed_at=LATER, **fields)

    assert (content["exit_code"], content["differences"]["changed_since"]) == (7, 0)


def test_customers_who_paid_all_of_it_or_the_same_are_no_shifted_rows(imported):
    balances = {"ref-0": 0, "ref-1": 0, "ref-2": 0, "ref-3": 200, "ref-4": 200}

    content, _ = by_export(
        imported,
        columns=TIMED,
        changed_at=LATER,
        balance=lambda row: balances[row["external_reference"]],
    )

    assert content["patterns"] == {}
    assert (content["exit_code"], content["differences"]["changed_since"]) == (0, 4)
    assert "4 changed since (-6.00 ZAR), which is explained" in content["verdict"]


def test_what_differed_when_it_was_created_has_differed_from_the_start(pipeline, outside):
    customers_csv(pipeline.folder / "customers.csv", 3)
    outside.faults(lying=1.0)
    done = pipeline(
        "run",
        "customers.csv",
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )
    assert pipeline.summary()["fates"]["created_different"] == 3, done.stderr
    export(
        pipeline.folder, outside, change=lambda rows: changed(rows, changed_at=LATER), columns=TIMED
    )

    content, _ = reconcile(pipeline, "--export", "export.csv")

    assert content["differences"]["changed_since"] == 0


def test_an_unreadable_balance_is_not_zero(imported):
    for text, told in (
        ("1,234.56", "5 unreadable balances in billing"),
        ("12.50", "see reconcile.mapping.balance.unit"),
    ):
        content, _ = by_export(imported, balance=text)

        assert (content["exit_code"], content["signable"]) == (7, False)
        assert told in content["verdict"]


def test_an_unexpected_customer_with_an_unreadable_balance_is_not_zero(imported):
    pipeline, outside = imported
    stranger = {"external_reference": "x-1", "currency": "ZAR", "balance": "1,5"}
    export(pipeline.folder, outside, change=lambda rows: [*rows, stranger])

    content, _ = reconcile(pipeline, "--export", "export.csv")

    assert content["signable"] is False
    assert "export.csv:7" in content["verdict"]


def test_a_record_that_is_lost_between_the_source_and_what_is_expected_is_a_residual(imported):
    pipeline, outside = imported
    export(pipeline.folder, outside)
    (part,) = (pipeline.newest() / "staged").glob("records-*.parquet")
    whole = pl.read_parquet(part)

    for spoilt in (
        whole.with_columns(
            external_reference=pl.when(pl.col("row_id") != "customers.csv:6").then(
                "external_reference"
            )
        ),
        whole.with_columns(
            balance=pl.when(pl.col("row_id") != "customers.csv:6").then("balance").otherwise(1)
        ),
    ):
        spoilt.write_parquet(part)
        content, _ = reconcile(pipeline, "--export", "export.csv")
        assert (content["exit_code"], content["signable"], list(content["residual"])) == (
            7,
            False,
            ["ZAR"],
        )
        assert "a residual that nothing explains (ZAR)" in content["verdict"]


def test_a_reason_for_a_legacy_total_does_not_explain_a_residual(imported):
    pipeline, outside = imported
    export(pipeline.folder, outside)
    (part,) = (pipeline.newest() / "staged").glob("records-*.parquet")
    table = pl.read_parquet(part)
    table.with_columns(
        balance=pl.when(pl.col("row_id") != "customers.csv:6").then("balance").otherwise(1)
    ).write_parquet(part)

    words = (
        "--export",
        "export.csv",
        "--legacy-total",
        "ZAR=11.00",
        "--because",
        "ZAR=one was written off",
    )
    without, _ = reconcile(pipeline, *words)
    reasoned, _ = reconcile(pipeline, *words, "--because", "residual.ZAR=we spoilt it ourselves")

    assert (without["signable"], reasoned["signable"]) == (False, True)


# -- times of change ---------------------------------------------------------------------------------------------------


FORMS = [
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%dT%H:%M+0000", "%Y-%m-%dT%H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S.000+00",
]  # fmt: skip
PLACELESS = ["2026-11-28", "2026-11-28T10:00:00", "28/11/2026 10:00", "1764324000", "soon"]


def each(values):
    """For each row one of these."""
    left = iter(values)
    return lambda _row: next(left)


def test_a_time_of_change_is_read_in_every_form_of_iso_8601(imported):
    later = datetime.fromisoformat(LATER)
    content, _ = by_export(
        imported, columns=TIMED, name="Else", changed_at=each(map(later.strftime, FORMS))
    )

    assert content["differences"]["changed_since"] == 5
    assert content["not_determinable"] == {}


def test_an_unreadable_time_of_change_explains_nothing_and_is_counted(imported):
    content, _ = by_export(imported, columns=TIMED, name="Else", changed_at=each(PLACELESS))

    assert (content["differences"]["changed_since"], content["differences"]["field_differs"]) == (
        0,
        5,
    )
    assert "5 times of change are unreadable" in content["not_determinable"]["changed_since"]


@pytest.mark.parametrize(
    "after", [timedelta(seconds=60), timedelta(days=400)], ids=["clocks apart", "far in the future"]
)
def test_a_time_that_clocks_may_have_made_explains_nothing(imported, after):
    when = (datetime.now(UTC) + after).isoformat()

    content, _ = by_export(imported, columns=TIMED, name="Else", changed_at=when)

    assert content["differences"]["changed_since"] == 0
    assert ("are in the future" in str(content["not_determinable"])) == (after > timedelta(days=1))


# -- who it is -----------------------------------------------------------------------------------------------------------


def test_of_several_copies_the_expected_one_is_compared_in_any_order(imported):
    pipeline, outside = imported

    def copied(rows):
        (fifth,) = [row for row in rows if row["external_reference"] == "ref-4"]
        return [*rows, {**fifth, "balance": 7, "name": "Else"}]

    export(pipeline.folder, outside, change=copied)
    one, differences = reconcile(pipeline, "--export", "export.csv")
    export(pipeline.folder, outside, change=lambda rows: list(reversed(copied(rows))))
    other, reversed_ = reconcile(pipeline, "--export", "export.csv")

    assert differences == reversed_ == [("twice_in_billing", "ref-4", "")]
    assert (
        figures(one, "twice_in_billing")
        == figures(other, "twice_in_billing")
        == {"ZAR": {"records": 1, "sum": 7}}
    )


def test_of_several_copies_ours_is_the_one_with_the_id_that_billing_gave_us(imported):
    pipeline, outside = imported

    def copied(rows):
        rows = [{**row, "billing_id": row["id"]} for row in rows]
        (fifth,) = [row for row in rows if row["external_reference"] == "ref-4"]
        others = [{**fifth, "billing_id": name} for name in ("", "bcus_other")]
        return [
            *others,
            *(row for row in rows if row is not fifth),
            {**fifth, "balance": 9_999_999},
        ]

    export(pipeline.folder, outside, change=copied, columns=f"{EXPORT},billing_id")

    _, differences = reconcile(pipeline, "--export", "export.csv")

    assert differences == [
        ("balance_differs", "ref-4", "balance"), ("twice_in_billing", "ref-4", ""), ("twice_in_billing", "ref-4", ""),
    ]  # fmt: skip


def test_an_unexpected_customer_without_a_currency_is_reported_without_ours(pipeline, outside):
    (pipeline.folder / "c.csv").write_text(
        f"{EXPORT}\nA-1,Ann,,,ZAR,100\nA-2,Bo,no address,,ZAR,200\n"
    )
    pipeline(
        "run", "c.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    stranger = {"external_reference": "A-2", "name": "Bo", "currency": "", "balance": 200}
    export(pipeline.folder, outside, change=lambda rows: [*rows, stranger])

    content, differences = reconcile(pipeline, "--export", "export.csv")

    assert differences == [("unknown_to_us", "A-2", "")]
    assert figures(content, "unknown_to_us") == {"-": {"records": 1, "sum": 200}}
    assert pipeline("verify", content["reconciliation_id"]).returncode == 0


def test_metadata_and_ids_missing_from_an_export_are_listed_as_not_compared(imported):
    content, _ = by_export(imported)

    assert content["not_compared"] == ["billing_id", "metadata.plan"]
    assert "billing's side states no billing_id and no metadata.plan" in content["verdict"]


def test_a_customer_that_existed_before_with_other_content_keeps_the_balance_from_being_clean(
    imported_alone,
):
    pipeline, outside = imported_alone
    there = ("--base-url", outside.base_url, "--yes")
    customers_csv(pipeline.folder / "more.csv", 1, start=4, balance=9)
    pipeline("run", "more.csv", *there, environment=outside.environment)
    assert pipeline.summary()["fates"]["already_exists_different"] == 1
    export(
        pipeline.folder,
        outside,
        change=lambda rows: [one for one in rows if one["external_reference"] == "ref-4"],
    )

    content, _ = reconcile(pipeline, "--export", "export.csv")

    # The run that created it is not reconciled here.
    assert content["differences"]["created_by_another_run"] == 1
    everything, _ = reconcile(pipeline, "--since", "2020-01-01", "--export", "export.csv")
    assert everything["differences"]["unknown_to_us"] == 0


def test_a_customer_that_another_run_found_or_left_in_doubt_is_not_unexpected(pipeline, outside):
    there = ("--base-url", outside.base_url, "--yes")
    customers_csv(pipeline.folder / "doubt.csv", 2)
    outside.faults(lost_reply=1.0)
    pipeline("run", "doubt.csv", *there, "--outage-seconds", "1", environment=outside.environment)
    in_doubt = pipeline.summary()["fates"]["in_doubt"]
    outside.faults()
    first = pipeline.newest().name
    export(pipeline.folder, outside)
    customers_csv(pipeline.folder / "more.csv", 1, start=9)
    pipeline("plan", "more.csv", "--base-url", outside.base_url, environment=outside.environment)
    pipeline("apply", pipeline.newest().name, environment=outside.environment)

    content, _ = reconcile(pipeline, first, "--export", "export.csv")

    assert in_doubt > 0
    assert content["differences"]["unknown_to_us"] == 0
    assert content["residual"] == {}


def test_a_phone_in_another_form_differs_unless_the_job_declares_the_form(
    imported,
):
    pipeline, outside = imported
    (pipeline.folder / "job.yaml").write_text(
        "environment: test\nmerchant: acme\nreconcile:\n  mapping:\n    external_reference: external_reference\n"
        "    phone: phone\n    currency: currency\n    balance: {column: balance, unit: minor}\n"
    )
    export(
        pipeline.folder,
        outside,
        change=lambda rows: changed(rows, phone=lambda row: "0" + row["phone"][3:]),
    )

    plain, _ = reconcile(pipeline, "--export", "export.csv")
    mapped, _ = reconcile(pipeline, "--export", "export.csv", "--config", "job.yaml")

    assert plain["fields"] == {"phone": 5}
    assert mapped["fields"] == {}
    assert "states no billing_id and no name and no email" in mapped["verdict"]


def test_a_billing_id_unknown_to_us_is_not_a_difference(imported):
    pipeline, outside = imported
    (pipeline.folder / "known.csv").write_text(f"{EXPORT}\nref-9,Nine,nine@example.com,,ZAR,7\n")
    (ledger,) = (pipeline.folder / ".pipeline").glob("*/ledger.sqlite")
    pipeline("references", "load", "known.csv", "--sandbox", "--environment", ledger.parent.name)
    (pipeline.folder / "nine.csv").write_text(f"{EXPORT}\nref-9,Nine,nine@example.com,,ZAR,7\n")
    pipeline(
        "run", "nine.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    assert pipeline.summary()["fates"]["already_exists_same"] == 1
    export(
        pipeline.folder, outside, columns=f"billing_id,{EXPORT}",
        change=lambda rows: [{"billing_id": "bcus_9", "external_reference": "ref-9", "name": "Nine", "email": "nine@example.com", "currency": "ZAR", "balance": 7}],
    )  # fmt: skip

    content, differences = reconcile(pipeline, "--export", "export.csv")

    assert (content["exit_code"], differences) == (0, [])


# -- metadata ------------------------------------------------------------------------------------------------------------


def test_any_metadata_key_is_handled_and_metadata_lost_in_billing_differs(
    imported_alone,
):
    pipeline, outside = imported_alone
    keys = ['x" INT; DROP TABLE expected; --', "Plan", "größe", "a'b"]
    outside.change("ref-1", metadata={"plan": "gold", **dict.fromkeys(keys, "v")})
    by_look_up, _ = reconcile(
        pipeline, "--base-url", outside.base_url, environment=outside.environment
    )
    columns = [f"metadata.{key}" for key in keys]
    export(
        pipeline.folder, outside, columns=",".join([EXPORT, *columns]),
        change=lambda rows: changed(rows, **dict.fromkeys(columns, "v")),
    )  # fmt: skip

    by_export, _ = reconcile(pipeline, "--export", "export.csv")

    assert by_look_up["fields"] == dict.fromkeys(columns, 1)
    assert by_export["fields"] == dict.fromkeys(columns, 5)
    for number in range(5):
        outside.change(f"ref-{number}", metadata={})
    lost, _ = reconcile(pipeline, "--base-url", outside.base_url, environment=outside.environment)
    assert lost["fields"] == {"metadata.plan": 5}


# -- asking billing --------------------------------------------------------------------------------------------------------


def test_answers_of_another_billing_are_never_used_for_this_one(imported, tmp_path):
    pipeline, outside = imported
    with running_sandbox(tmp_path / "other.sqlite") as empty:
        stopped = pipeline(
            "reconcile",
            "--base-url",
            empty.base_url,
            "--pace",
            "1",
            environment={**empty.environment},
        )
        assert stopped.returncode == 7  # an empty billing: all are missing
    asked = json.loads(
        next((pipeline.folder / "reports").glob("*-reconcile-*/request.json")).read_text()
    )
    folder = pipeline.folder / "reports" / "20990101T000000Z-reconcile-000000"
    (folder / "staged").mkdir(parents=True)
    (folder / "request.json").write_text(
        json.dumps({**asked, "begun_at": datetime.now(UTC).isoformat()})
    )
    (folder / "looked_up.jsonl").write_text("".join(f'["ref-{n}", null]\n' for n in range(5)))

    content, differences = reconcile(
        pipeline, "--base-url", outside.base_url, environment=outside.environment
    )

    assert (content["exit_code"], differences) == (0, [])
    assert content["reconciliation_id"] != folder.name


def test_a_resumed_reconciliation_uses_the_recorded_answers_that_match(imported):
    pipeline, outside = imported
    first, _ = reconcile(pipeline, environment=outside.environment)
    folder = pipeline.folder / "reports" / first["reconciliation_id"]
    for line in ("\0" * 40, '["ref-0", ', '["ref-3", null]', "[]", '{"ref-0": null}'):
        for path in folder.iterdir():
            if path.name != "request.json":
                path.unlink()
        (folder / "looked_up.jsonl").write_text(line + "\n")

        content, differences = reconcile(pipeline, environment=outside.environment)

        assert (content["exit_code"], differences) == (0, []), line
        assert content["reconciliation_id"] == folder.name, line


def test_a_reconciliation_running_elsewhere_is_left_alone(imported):
    import fcntl

    pipeline, outside = imported
    first, _ = reconcile(pipeline, environment=outside.environment)
    folder = pipeline.folder / "reports" / first["reconciliation_id"]
    for path in folder.iterdir():
        if path.name != "request.json":
            path.unlink()
    with (folder / "looked_up.jsonl").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = pipeline("reconcile", environment=outside.environment)

    assert (done.returncode, "is running in another process" in done.stderr) == (75, True)


def test_an_outage_is_resumable_and_a_refused_key_is_not(imported):
    pipeline, outside = imported
    refused = pipeline("reconcile", environment={"BILLING_API_KEY": "sk_test_another0000"})
    outside.faults(lost_look_up=1.0)

    silent = pipeline("reconcile", "--outage-seconds", "0.1", environment=outside.environment)

    assert refused.returncode == 4, refused.stderr
    assert silent.returncode == 5, silent.stderr
    outside.faults()
    assert pipeline("reconcile", environment=outside.environment).returncode == 0


def test_a_sample_does_not_replace_a_full_reconciliation(imported):
    pipeline, outside = imported
    whole, _ = by_export(imported, balance=lambda row: row["balance"] + 1)
    run = whole["runs"][0]
    assert pipeline("sign", run).returncode == 6

    sampled, _ = reconcile(pipeline, "--sample", "1", environment=outside.environment)
    assert sampled["exit_code"] == 0
    assert "1 of 5 customers were looked up" in sampled["verdict"]

    assert pipeline("sign", run).returncode == 6
    pipeline("report", run)
    assert (
        "Billing differs from what we sent"
        in (pipeline.folder / "reports" / run / "report.html").read_text()
    )


# -- which runs ----------------------------------------------------------------------------------------------------------


def test_a_run_that_was_killed_is_no_finished_one_to_anybody(imported_alone):
    pipeline, outside = imported_alone
    run = pipeline.newest()
    export(pipeline.folder, outside)
    (run / "unfinished.txt").write_text("as a kill leaves it")

    told = {
        words[0]: pipeline(*words)
        for words in (
            ("reconcile", run.name, "--export", "export.csv"), ("report", run.name), ("sign", run.name), ("bundle", run.name),
            ("verify", run.name), ("reconcile", "--export", "export.csv"),
        )
    }  # fmt: skip

    assert {name: done.returncode for name, done in told.items()} == {
        "reconcile": 4, "report": 6, "sign": 6, "bundle": 6, "verify": 7,
    }  # fmt: skip
    assert all(f"pipeline resume {run.name}" in done.stdout + done.stderr for done in told.values())
    customers_csv(pipeline.folder / "more.csv", 1, start=9)
    pipeline(
        "run", "more.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    month = pipeline("report", "--since", "2020-01-01", "--json")
    assert (month.returncode, json.loads(month.stdout)["not_finished"]) == (1, [run.name])
    assert (
        pipeline(
            "resume", run.name, "--base-url", outside.base_url, environment=outside.environment
        ).returncode
        == 0
    )
    assert pipeline("verify", run.name).returncode == 0


def test_a_message_about_an_export_names_the_key_that_is_meant_and_the_file_as_it_is_called(
    imported,
):
    pipeline, _ = imported
    (pipeline.folder / "source.csv").write_bytes(
        f"{EXPORT}\nref-0,Zoë,,,ZAR,0\n".encode("utf-16-le")
    )

    done = pipeline("reconcile", "--export", "source.csv")

    assert done.returncode == 4
    assert "/source.csv: looks like UTF-16" in done.stderr
    assert "in the config: reconcile.source.encoding" in done.stderr


def test_a_run_named_twice_counts_once(imported):
    pipeline, outside = imported
    export(pipeline.folder, outside)
    run = pipeline.newest().name

    content, _ = reconcile(pipeline, run, run, "--export", "export.csv")

    assert (content["runs"], figures(content, "read")["ZAR"]["records"]) == ([run], 5)


def test_a_run_that_fell_under_retention_is_left_out_and_named(imported_alone):
    pipeline, outside = imported_alone
    first = pipeline.newest()
    customers_csv(pipeline.folder / "more.csv", 1, start=9)
    pipeline(
        "run", "more.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    shutil.rmtree(first / "staged")
    export(pipeline.folder, outside)

    content, _ = reconcile(pipeline, "--since", "2020-01-01", "--export", "export.csv")

    assert list(content["left_out"]) == [first.name]
    assert content["differences"]["created_by_another_run"] == 5
    assert (content["exit_code"], "1 run left out" in content["verdict"]) == (1, True)
    assert first.name in (pipeline.folder / content["files"]["report.html"]).read_text()
    assert pipeline("reconcile", first.name, "--export", "export.csv").returncode == 4


came_back = pytest.mark.xdist_group("came back")  # one worker, so that the four runs are made once


@pytest.fixture(scope="module")
def mended_at_last_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mended")
    pipeline = Inside(folder / "place")
    pipeline.folder.mkdir()
    with running_sandbox(folder / "billing.sqlite") as outside:
        there = ("--base-url", outside.base_url, "--yes")
        (pipeline.folder / "legacy.csv").write_text(
            f"{EXPORT}\nL-1,Ann,,,ZAR,100\nL-2,Bo,no address,,ZAR,200\n"
        )
        runs, file = [], "legacy.csv"
        for before, after in (
            ("no address", "still none"),
            ("still none", "bo@example.com"),
            ("", ""),
            ("", ""),
        ):
            pipeline("run", file, *there, environment=outside.environment)
            runs.append(pipeline.newest().name)
            file = f"{after[:5]}.csv" if after else "legacy.csv"  # in the end all of it once more
            if after:
                mended = (pipeline.newest() / "rejected.csv").read_text().replace(before, after)
                (pipeline.folder / file).write_text(mended)
        export(pipeline.folder, outside)
    assert len(runs) == 4
    return pipeline.folder, runs


@pytest.fixture
def mended_at_last(mended_at_last_once, tmp_path):
    """Two customers, one of whom came back twice until somebody had mended it, and then with the whole file; the four runs."""
    folder, runs = mended_at_last_once
    shutil.copytree(folder, tmp_path / "place")
    return Inside(tmp_path / "place"), runs


def of_the_legacy_system(pipeline, *words, records=2, total="3.00"):
    """The reconciliation with its totals."""
    totals = ("--legacy-total", f"ZAR={total}", "--legacy-total", f"records={records}")
    return reconcile(pipeline, *words, "--export", "export.csv", *totals)[0]


@came_back
def test_a_corrected_and_resubmitted_record_counts_once_for_the_legacy_system(mended_at_last):
    content = of_the_legacy_system(mended_at_last[0], "--since", "2020-01-01")

    assert (content["signable"], content["exit_code"]) == (True, 0), content["verdict"]
    assert [(step["step"], step["records"]) for step in content["bridge"]] == [
        ("legacy", 2), ("read", 2), ("expected", 2), ("found", 2),
    ]  # fmt: skip
    assert (figures(content, "read")["ZAR"]["sum"], content["rows_read"]) == (300, 6)


@came_back
def test_a_row_is_followed_back_over_runs_that_are_not_reconciled(mended_at_last):
    pipeline, runs = mended_at_last

    content = of_the_legacy_system(pipeline, *runs[2:])

    assert (figures(content, "read")["ZAR"], content["rows_read"]) == (
        {"records": 2, "sum": 300},
        3,
    )
    assert content["signable"], content["verdict"]


@came_back
def test_a_row_with_an_unreadable_origin_counts_in_the_run_that_resubmitted_it(mended_at_last):
    pipeline, runs = mended_at_last
    for run in runs[:2]:
        for part in (pipeline.folder / "reports" / run / "staged").glob("fates-*.parquet"):
            part.write_bytes(b"PAR1")

    content = of_the_legacy_system(pipeline, runs[2], records=1, total="2.00")

    assert content["signable"], content["verdict"]


@pytest.mark.long  # test_current_fates has the rule
def test_a_row_corrected_into_two_is_two_customers(pipeline, outside):
    there = ("--base-url", outside.base_url, "--yes")
    (pipeline.folder / "a.csv").write_text(
        f"{EXPORT}\nr-1,Ann,,,ZAR,100\nr-2,Bo and Cy,no address,,ZAR,200\n"
    )
    pipeline("run", "a.csv", *there, environment=outside.environment)
    # Cells beside those that the reasons name are changed, so the records come in a file of one's own.
    (pipeline.folder / "mended.csv").write_text(
        f"{EXPORT}\nr-2,Bo,bo@example.com,,ZAR,150\nr-3,Cy,cy@example.com,,ZAR,50\n"
    )
    pipeline("run", "mended.csv", *there, environment=outside.environment)
    export(pipeline.folder, outside)

    span = json.loads(pipeline("report", "--since", "2020-01-01", "--json").stdout)
    content, _ = reconcile(
        pipeline,
        "--since",
        "2020-01-01",
        "--export",
        "export.csv",
        "--legacy-total",
        "ZAR=3.00",
        "--legacy-total",
        "records=3",
    )

    assert len(outside.customers()) == 3
    assert (span["once"]["records"], span["once"]["sums"]["ZAR"]["created"], span["exit_code"]) == (
        3,
        300,
        0,
    )
    assert (content["exit_code"], content["signable"]) == (0, True), content["verdict"]


@pytest.mark.parametrize("words", [
    ("reconcile", "--since", "yesterday"), ("report", "--since", "2026-13-01"), ("report", "--since", "2026-11-01", "--until", "x"),
    ("report", "--until", "2026-11-01"), ("reconcile", "x", "--since", "2026-11-01"), ("sign", "x", "--name", " "),
])  # fmt: skip
def test_a_mistyped_option_is_a_usage_error(pipeline, words):
    assert pipeline(*words).returncode == 2
