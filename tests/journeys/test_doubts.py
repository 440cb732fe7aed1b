"""What no single row can show is told before anything is sent, with its share; it stops only where digits are lost."""

import pytest

pytestmark = pytest.mark.usefixtures("without_pages")

HEADER = "external_reference,name,email,phone,currency,balance,metadata.note"
CARD, IBAN, IDENTITY = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "8001015009087"
#: Two metadata keys that SQL, which knows no case in names, takes for one.
TWO_KEYS = """\
environment: sandbox
merchant: m
address: sandbox
mapping:
  external_reference: ref
  metadata: {plan: a, Plan: b}
"""


def doubts(inside, *rows, code=0):
    (inside.folder / "c.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    result = inside("plan", "c.csv", "--sandbox")
    assert result.returncode == code, result.stdout + result.stderr
    return {finding["code"]: finding["what"] for finding in inside.summary()["findings"]}


def row(reference="A", balance="", note=""):
    return f"{reference},Ann,,,{'ZAR' if balance else ''},{balance},{note}"


def test_balances_that_are_all_whole_may_be_cents_already(inside):
    whole = [row(f"A-{n}", f"{n}00") for n in range(1, 31)]

    assert doubts(inside, *whole) == {"DOUBT.ALREADY_CENTS": "all 30 balances in ZAR are whole"}
    assert doubts(inside, *whole, row("A-31", "3101")) == {}
    assert doubts(inside, *whole[:19]) == {}  # a handful is whole by chance


def test_a_total_row_is_reported(inside):
    owed = [row(f"A-{n}", f"{n}01") for n in range(1, 7)] + [row("bad reference!", "50")]

    assert doubts(inside, *owed, row("Z-9", "2156"), code=1) == {"DOUBT.TOTAL_ROW": "c.csv:9"}
    assert doubts(inside, *owed, row("Z-9", "2157"), code=1) == {}
    assert doubts(inside, row("A-1", "5"), row("Grand-Total", "5")) == {
        "DOUBT.TOTAL_ROW": "c.csv:3"
    }


def test_long_references_that_all_end_in_zeros_stop_the_plan(inside):
    rounded = [row(f"84123456{n:07}0") for n in range(1, 41)]

    assert "DOUBT.REFERENCES_ROUNDED" in doubts(inside, *rounded, code=3)
    assert (
        "--accept DOUBT.REFERENCES_ROUNDED" in inside("run", "c.csv", "--sandbox", "--yes").stderr
    )


def test_honest_long_references_of_which_one_in_ten_ends_in_zero_are_a_warning(inside):
    honest = [row(f"{8412345600000000 + n * 7}") for n in range(40)]

    assert doubts(inside, *honest) == {
        "DOUBT.REFERENCES_MAY_BE_ROUNDED": "4 of 40 references of more than 15 digits end in zeros from there on"
    }


@pytest.mark.parametrize("pair", [
    ("A-1O", "A-10"), ("00123", "123"), *(pytest.param(pair, marks=pytest.mark.long) for pair in (("a-1", "A-1"), ("A_1", "A-1"), ("Al", "AI"))),
])  # fmt: skip
def test_confusable_references_are_flagged_and_kept_separate(inside, pair):
    found = doubts(inside, row(pair[0]), row("other"), row(pair[1]), row(pair[1]))

    assert found == {
        "DOUBT.REFERENCES_LOOK_ALIKE": "2 references in 1 group, all kept apart, such as c.csv:2 and c.csv:4"
    }
    assert inside.summary()["actions"]["create"] == 3


def test_of_two_metadata_keys_that_differ_in_case_alone_each_is_named_as_it_is_written(inside):
    (inside.folder / "job.yaml").write_text(TWO_KEYS)
    (inside.folder / "c.csv").write_text(f"ref,a,b\nA,gold,{CARD}\nB,gold,N/A\nC,x,y\nC,x,z\n")
    inside("plan", "c.csv", "--config", "job.yaml")

    found = [finding["what"] for finding in inside.summary()["findings"]]

    assert found == [
        "metadata Plan: 1 of 4 values look like card numbers",
        "metadata.Plan: 1 of 4 texts look like placeholders (NULL, N/A, - and the like): c.csv:3",
    ]
    assert inside.summary()["held_differs"] == {"metadata.Plan": 2}


def test_a_key_that_differs_in_case_alone_is_compared_with_what_the_ledger_shows(inside):
    (inside.folder / "job.yaml").write_text(TWO_KEYS)
    for plan, verb in (("red", ("run", "--yes")), ("blue", ("plan",))):
        (inside.folder / "c.csv").write_text(f"ref,a,b\nA,gold,{plan}\n")
        inside(*verb, "c.csv", "--config", "job.yaml")

    assert inside.summary()["held_differs"] == {"metadata.Plan": 1}


def test_metadata_that_looks_like_sensitive_numbers_is_reported_with_its_share(inside):
    notes = [
        CARD,
        IBAN,
        IDENTITY,
        "4111 1111 1111 1112",
        "DE89 3704 0044 0532 0130 01",
        "call me",
        "",
    ]

    found = doubts(inside, *(row(f"A-{n}", note=note) for n, note in enumerate(notes)))

    assert set(found) == {"DOUBT.SENSITIVE_METADATA"}
    told = [finding["what"] for finding in inside.summary()["findings"]]
    assert told == [
        "metadata note: 1 of 6 values look like card numbers",
        "metadata note: 1 of 6 values look like bank accounts (IBAN)",
        "metadata note: 1 of 6 values look like South African identity numbers",
    ]


def test_a_job_may_refuse_such_metadata(inside):
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nmapping:\n  external_reference: external_reference\n"
        "  metadata: {note: metadata.note}\n  sensitive_metadata: refuse\n"
    )
    doubts(inside, row("A-1", note=CARD), row("A-2", note="fine"))

    assert inside("plan", "c.csv", "--config", "job.yaml").returncode == 1
    assert "VALIDATE.METADATA_SENSITIVE:metadata.note" in {
        one["reason"] for one in inside.summary()["reasons"]
    }
    assert inside.summary()["findings"] == []


def test_valid_phones_of_another_country_are_reported(inside):
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nmapping:\n  external_reference: id\n  phone: tel\n  region: land\n"
    )
    rows = [
        "A-1,+27821234567,ZA",
        "A-2,+27821234567,KW",
        "A-3,082 123 4567,ZA",
        "A-4,+96599123456,",
        "A-5,,KW",
        "A-6,+16502530000,CA",
    ]
    (inside.folder / "c.csv").write_text("\n".join(["id,tel,land", *rows]) + "\n")

    assert inside("plan", "c.csv", "--config", "job.yaml").returncode == 0
    found = {finding["code"]: finding["what"] for finding in inside.summary()["findings"]}
    assert found == {
        "DOUBT.PHONES_ABROAD": "1 of 4 phone numbers whose record states a region, such as c.csv:3"
    }
