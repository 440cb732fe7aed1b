"""Identity numbers are checked, never sent and never shown; the same person is found by a token that says nothing."""

import hashlib
import sqlite3
from contextlib import closing

import polars as pl

GOOD, OTHER = "8001015009087", "9202204720083"
JOB = """\
environment: sandbox
merchant: acme
address: sandbox
mapping:
  external_reference: account
  name: name
  identity: {{number: id_number, passport: passport{more}}}
references: {{same_identity: hold}}
"""


def run(inside, *rows, more="", command=("run", "--yes")):
    (inside.folder / "c.csv").write_text(
        "\n".join(["account,name,id_number,passport", *rows]) + "\n"
    )
    (inside.folder / "job.yaml").write_text(JOB.format(more=more))
    return inside(command[0], "c.csv", "--config", "job.yaml", *command[1:])


#: number, passport -> the reason of its row
CHECKED = {
    (GOOD, ""): None,
    (" 800101 5009 087", ""): None,
    ("", "A12345678"): None,
    ("", "a 123-456"): None,
    ("", ""): None,
    ("800101500908", ""): "VALIDATE.IDENTITY_NOT_13_DIGITS:identity",
    ("8001O15009087", ""): "VALIDATE.IDENTITY_NOT_13_DIGITS:identity",
    ("8013325009087", ""): "VALIDATE.IDENTITY_DATE:identity",
    ("8001015009088", ""): "VALIDATE.IDENTITY_CHECK_DIGIT:identity",
    ("8001015009088", "A12345678"): "VALIDATE.IDENTITY_CHECK_DIGIT:identity",
    ("", "A12 345 (Kenya)"): "VALIDATE.PASSPORT_MALFORMED:identity",
}


def test_an_identity_is_checked_in_this_or_that_column(inside):
    rows = [
        f"A-{at},Person {at},{number},{passport}" for at, (number, passport) in enumerate(CHECKED)
    ]

    result = run(inside, *rows, command=("plan", "--max-rejected", "100%"))

    assert result.returncode == 1
    found = pl.read_parquet(inside.newest() / "rows.parquet")["reasons"].to_list()
    told = [[one for one in reasons if one != "SUBMIT.NOT_ATTEMPTED"] for reasons in found]
    assert dict(zip(CHECKED, told, strict=True)) == {
        given: [one] if one else [] for given, one in CHECKED.items()
    }


def test_a_job_may_want_one_of_the_two(inside):
    assert run(inside, "A-1,Ann,,", more=", required: true", command=("plan",)).returncode == 1
    assert "VALIDATE.IDENTITY_MISSING:identity" in {
        one["reason"] for one in inside.summary()["reasons"]
    }


def test_the_number_reaches_neither_billing_nor_ledger_nor_report_nor_output(inside):
    result = run(inside, f"A-1,Ann,{GOOD},", f"A-2,Ben,{GOOD},", "A-3,Cas,8001015009088,")

    assert result.returncode == 1
    assert (
        "DOUBT.SAME_IDENTITY: 1 identity numbers under 2 references, such as c.csv:2 and c.csv:3"
        in result.stdout
    )
    own_lists = {
        "created.csv",
        "rejected.csv",
        "rejected.xlsx",
    }  # the supplier's own cells, for the owner alone
    kept = [
        path
        for path in inside.folder.rglob("*")
        if path.is_file() and path.name not in {"c.csv", *own_lists}
    ]
    staged = [path for path in kept if "staged" in path.parts]
    for path in set(kept) - set(staged):
        assert b"80010150090" not in path.read_bytes(), path
    with closing(sqlite3.connect(inside.folder / ".pipeline/sandbox/billing.sqlite")) as billing:
        assert billing.execute("SELECT count(*) FROM customers").fetchone()[0] == 2
    assert "80010150090" not in result.stdout + result.stderr
    records = pl.concat(
        [pl.read_parquet(path) for path in staged if path.name.startswith("records")]
    )
    assert records["identity"].n_unique() == 2  # one token for both, none for the third
    assert not any("identity_number" in name for name in records.columns)
    assert hashlib.sha256(GOOD.encode()).hexdigest() not in set(records["identity"])
    assert (inside.folder / ".pipeline/token.key").stat().st_mode & 0o777 == 0o600


def test_a_known_customer_is_recognized_by_the_token_under_another_reference(inside):
    run(inside, f"K-1,Ann,{GOOD},", "K-2,Ben,,A12345678", command=("plan",))
    assert inside("references", "load", "c.csv", "--config", "job.yaml").returncode == 0

    assert (
        run(
            inside,
            f"A-1,Anne,{GOOD},",
            "A-2,Benn,,a1234 5678",
            f"A-3,Cas,{OTHER},",
            command=("plan",),
        ).returncode
        == 1
    )
    rows = pl.read_parquet(inside.newest() / "rows.parquet")
    assert rows["fate"].to_list() == ["needs_review", "needs_review", "not_attempted"]
    assert "MATCH.IDENTITY_OF_ANOTHER" in rows["reasons"][0]


def test_a_job_that_maps_an_identity_to_anything_else_is_refused(inside):
    (inside.folder / "c.csv").write_text("account,id_number\nA-1,1\n")
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nmapping:\n  external_reference: account\n"
        "  identity: {number: id_number}\n  metadata: {id: id_number}\n"
    )

    result = inside("plan", "c.csv", "--config", "job.yaml")

    assert result.returncode == 4
    assert "never_sent are mapped: 'id_number' (mapped to metadata.id)" in result.stderr
