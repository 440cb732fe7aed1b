"""Write the daily file of a fictitious water utility, in the form in which merchants deliver theirs today.

    python -m sample_data.merchant_billing.make_merchant_billing

The same seed writes the same bytes. Nobody in it exists; identity numbers have a right check digit and belong to nobody,
for they are of people born on the 30th of February. What should become of each record is counted as it is made.
"""

from pathlib import Path

from sample_data.counting import Block, Counting, Row, mailbox, major
from sample_data.make_customers import FIRST, LAST

HERE = Path(__file__).parent
FILE = "za_kwikwater_dailyfile_2026-11-22.csv"
COLUMNS = (
    "account_number first_name last_name sa_identification_number passport_number mobile_phone_number email due_date"
    " amount_due tariff supply_zone reader_note"
).split()
TARIFFS, ZONES = (
    ["residential", "residential", "indigent", "commercial"],
    ["Kraaifontein", "Durbanville", "Strand", ""],
)
NOTES = ["", "", "", "", 'dog, "Wagter", bites', "meter behind\nthe hedge", "no access"]


class DailyFile(Counting):
    """The merchant's file of one day."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, COLUMNS)
        self.number = 0

    def household(self, cents: int | None = None) -> tuple[Row, int]:
        """An account with nothing wrong, and what it owes in cents."""
        self.number += 1
        dice = self.dice
        first, last = dice.choice(FIRST), dice.choice(LAST).replace("_", " ")
        owed = (
            cents
            if cents is not None
            else dice.choice([0, *[dice.randrange(1, 350_000)] * 6, -dice.randrange(1, 20_000)])
        )
        identity = self.identity_number() if dice.random() < 0.85 else ""
        return {
            "account_number": f"{100_000 + self.number:08d}",
            "first_name": first,
            "last_name": last,
            "sa_identification_number": identity,
            "passport_number": "" if identity else f"P000{self.digits(5)}",
            "mobile_phone_number": self.mobile() if dice.random() < 0.95 else "",
            "email": f"{mailbox(first, last)}{self.number}@example.{dice.choice(['com', 'org'])}"
            if dice.random() < 0.7
            else "",
            "due_date": dice.choice(["2026-12-07", "2026-12-15", "2027-01-05", ""]),
            "amount_due": self.written(owed),
            "tariff": dice.choice(TARIFFS),
            "supply_zone": dice.choice(ZONES),
            "reader_note": dice.choice(NOTES),
        }, owed

    def identity_number(self) -> str:
        """13 digits: a birthday that no year has, a serial number, citizenship, an 8 and the check digit."""
        body = f"{self.dice.randrange(40, 99)}0230{self.digits(4)}08"
        return body + check_digit(body)

    def mobile(self) -> str:
        """A mobile number as people write it."""
        number = f"082{self.digits(7)}"
        return self.dice.choice(
            [number, number, f"{number[:3]} {number[3:6]} {number[6:]}", f"+27{number[1:]}"]
        )

    def written(self, cents: int) -> str:
        """An amount in rand; whole ones sometimes without decimals."""
        text = major(cents, 2)
        return text.removesuffix(".00") if self.dice.random() < 0.3 else text

    def invalid(self, change: Row, *reasons: str) -> None:
        """An account with cells changed for the worse."""
        row, cents = self.household()
        amount = change.get("amount_due", ("ZAR", cents))
        self.add({**row, **change}, "invalid", *reasons, amount=amount)


def check_digit(body: str) -> str:
    """The last digit of a South African identity number (Luhn)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(body)]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def good(file: DailyFile) -> None:
    """An account as it should be."""
    row, cents = file.household()
    file.add(row, "created", amount=("ZAR", cents))


def repeat(file: DailyFile) -> None:
    """An account that comes again as it was: a missed day rides in the next day's file."""
    row, cents = file.household()
    file.add(row, "created", amount=("ZAR", cents))
    again = {
        **row,
        "amount_due": major(cents, 2),
        "first_name": f" {row['first_name']}",
        "reader_note": "again",
    }
    file.add(again, "duplicate_in_file", "MATCH.REPEATS_EARLIER_ROW", amount=("ZAR", cents))


def contradict(file: DailyFile) -> None:
    """An account that comes again and owes another amount: nobody can say which is right."""
    row, cents = file.household(cents=45_000)
    for owed in (cents, cents + 12_050):
        changed = {**row, "amount_due": major(owed, 2)}
        file.add(
            changed, "needs_review", "MATCH.SAME_REFERENCE_OTHER_CONTENT", amount=("ZAR", owed)
        )


def named(file: DailyFile) -> None:
    """The account that the README and the tests follow: it owes 240.00 rand, which billing counts as 24000 cents."""
    row, cents = file.household(cents=24_000)
    change = {
        "account_number": "00240240",
        "first_name": "Renée",
        "last_name": "van der Merwe",
        "mobile_phone_number": "082 555 0240",
        "email": "renee@Example.COM",
        "due_date": "2026-12-07",
        "amount_due": "240.00",
        "tariff": "residential",
        "supply_zone": "Strand",
    }
    file.add({**row, **change}, "created", amount=("ZAR", cents))


TOO_MANY, NOT_A_NUMBER = (
    "VALIDATE.BALANCE_TOO_MANY_DECIMALS:balance",
    "VALIDATE.BALANCE_NOT_A_NUMBER:balance",
)
CHARACTERS = "VALIDATE.REFERENCE_CHARACTERS:external_reference"
MALFORMED = "VALIDATE.EMAIL_MALFORMED:email"
INVALID: list[tuple[Row, list[str]]] = [
    ({"account_number": "00240241", "amount_due": "12.345"}, [TOO_MANY]),
    ({"amount_due": "240.000"}, [TOO_MANY]),
    *[
        (
            {"amount_due": bad},
            ["VALIDATE.BALANCE_WITH_WORDS:balance" if bad[0] == "R" else NOT_A_NUMBER],
        )
        for bad in (
            "R240.00",
            "240,00",
            "1,234.50",
            "(15.50)",
            "1 200.00",
            "\u0662\u0664\u0660.\u0660\u0660",
        )
    ],
    ({"account_number": ""}, ["VALIDATE.REFERENCE_MISSING:external_reference"]),
    *[({"account_number": bad}, [CHARACTERS]) for bad in ("0010 0007", "10/77")],
    (
        {"account_number": "1.00012E+10"},
        [CHARACTERS, "VALIDATE.REFERENCE_DAMAGED:external_reference"],
    ),
    *[
        ({"mobile_phone_number": bad}, ["VALIDATE.PHONE_NOT_POSSIBLE:phone"])
        for bad in ("0821", f"450230500908{check_digit('450230500908')}")
    ],
    ({"mobile_phone_number": "none"}, ["VALIDATE.PHONE_UNREADABLE:phone"]),
    ({"mobile_phone_number": "0201234567"}, ["VALIDATE.PHONE_NOT_VALID:phone"]),
    ({"mobile_phone_number": "0825550101 / 0825550102"}, ["VALIDATE.PHONE_SEVERAL:phone"]),
    *[({"email": bad}, [MALFORMED]) for bad in ("lerato@@example.com", "no email")],
    ({"first_name": "N" * 130, "last_name": "M" * 130}, ["VALIDATE.NAME_TOO_LONG:name"]),
    ({"supply_zone": "z" * 501}, ["VALIDATE.METADATA_TOO_LONG:metadata.zone"]),
    (
        {"email": "a@b@example.com", "mobile_phone_number": "none", "amount_due": "0.125"},
        [MALFORMED, "VALIDATE.PHONE_UNREADABLE:phone", TOO_MANY],
    ),
]


def broken_lines(file: DailyFile) -> list[tuple[str, str]]:
    """Lines that are no records, and why."""
    lines = [
        file.line({**file.household()[0], "last_name": "Sample", "reader_note": ""})
        for _ in range(6)
    ]
    return [
        (lines[0].removesuffix(","), "READ.TOO_FEW_FIELDS"),
        (lines[1].partition(",Sample,")[0], "READ.TOO_FEW_FIELDS"),
        (lines[2].replace("Sample", "Sample, Sons"), "READ.TOO_MANY_FIELDS"),
        (lines[3].replace("Sample", 'Sample "Sam"'), "READ.STRAY_QUOTE"),
        (lines[4].replace("Sample", '"Sample'), "READ.UNCLOSED_QUOTE"),
        (lines[5].replace("Sample", "M\udcfcller"), "READ.NOT_UTF8"),
    ]


def fill(file: DailyFile) -> None:
    """Some 370 records: mostly good ones, and of every kind of trouble the number that README.md states."""
    blocks: list[Block] = [lambda: good(file)] * 311
    blocks += [lambda: named(file), *[lambda: repeat(file)] * 8, *[lambda: contradict(file)] * 3]
    blocks += [
        lambda change=change, reasons=reasons: file.invalid(change, *reasons)
        for change, reasons in INVALID
    ]
    blocks += [
        lambda line=line, why=why: file.add_text(line, why) for line, why in broken_lines(file)
    ]
    file.dice.shuffle(blocks)
    for block in blocks:
        block()
    file.lines.append("")


def write(folder: Path = HERE, seed: int = 20261122) -> None:
    """Write the file, as spreadsheets on Windows do: with a byte order mark and CRLF."""
    file = DailyFile(seed)
    fill(file)
    file.write(folder / FILE, encoding="utf-8-sig", line_end="\r\n")


if __name__ == "__main__":
    write()
