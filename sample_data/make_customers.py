"""Write customers.csv, the fictitious customers of a utility, with a known number of every kind of fault.

    python sample_data/make_customers.py

The same seed writes the same bytes. Nobody in it exists: names are drawn from lists, emails end in example domains,
phones are drawn from valid ranges. What comes out beside it, customers.expected.json, is counted here, as the rows are
made; `pipeline demo` and the tests hold the pipeline's own figures against it.
"""

import csv
import io
import json
import random
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
COLUMNS = [
    "external_reference",
    "name",
    "email",
    "phone",
    "currency",
    "balance",
    "metadata.plan",
    "metadata.branch",
    "notes",
]

FIRST = (
    "Thandiwe Sipho Nomvula Bongani Lerato Kagiso Naledi Tshepo Ayanda Zanele Mpho Thabo Lindiwe Sibusiso Palesa Johan Annelie "
    "Pieter Marié Willem Elsabé Riaan Chantelle Fatima Yusuf Aisha Imraan Priya Kavitha Rajesh Zoë André Renée Michael Sarah "
    "David Grace Wanjiru Kamau Achieng Chinedu Ngozi Tendai Rudo José Inês"
).split()
LAST = (
    "Dlamini Nkosi Mokoena Khumalo Naidoo Pillay Govender van_der_Merwe Botha Coetzee du_Plessis Fourie Jacobs Adams Davids "
    "Petersen Mahlangu Sithole Zulu Molefe Ndlovu Mabaso O'Brien Smith Müller Mwangi Otieno Okafor Moyo Banda dos_Santos"
).split()
FIRMS = [
    "Trading CC",
    "& Sons (Pty) Ltd",
    "Spaza",
    "Holdings",
    "Guest House",
    "Motors",
    "Primary School",
    "Stokvel",
]
PLANS, BRANCHES = (
    ["prepaid", "metered", "flat", "business"],
    ["Cape Town", "Gqeberha", "Soweto", "Durban", "Nairobi", ""],
)
COUNTRIES = {  # currency -> (E.164 prefix of a mobile range, digits after it, the largest usual balance in minor units)
    "ZAR": ("+2782", 7, 500_000),
    "KES": ("+25472", 7, 900_000),
    "BWP": ("+26771", 6, 200_000),
    "NAD": ("+26481", 7, 300_000),
    "GBP": ("+447400", 6, 60_000),
    "JPY": ("+81901", 7, 40_000),
    "KWD": ("+96599", 6, 90_000),
}
CODES = {
    "": "-",
    "RAND": "?",
    "R": "?",
}  # where a currency stands that is none, its amounts are summed apart


class Sample:
    """The file as it grows, and what should become of each of its records."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.lines: list[str] = []
        self.fates: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.sums: dict[str, Counter[str]] = {}
        self.number = 0

    def person(self) -> dict[str, str]:
        """A customer with nothing wrong."""
        self.number += 1
        dice = self.dice
        first, last = dice.choice(FIRST), dice.choice(LAST).replace("_", " ")
        currency = dice.choices(list(COUNTRIES), [70, 8, 6, 5, 5, 3, 3])[0]
        prefix, digits, largest = COUNTRIES[currency]
        phone = prefix + "".join(dice.choice("0123456789") for _ in range(digits))
        if currency == "ZAR":
            phone = self.as_people_write(phone)
        name = f"{first} {last}" if dice.random() < 0.85 else f"{last} {dice.choice(FIRMS)}"
        mailbox = "".join(
            c for c in f"{first}.{last}".lower() if c.isascii() and (c.isalnum() or c == ".")
        )
        balance = str(
            dice.choice(
                [
                    0,
                    dice.randrange(1, largest),
                    dice.randrange(1, largest),
                    -dice.randrange(1, largest // 4),
                ]
            )
        )
        if dice.random() < 0.06:
            currency, balance = dice.choice([("", ""), (currency, "")])
        return {
            "external_reference": f"ACC-{100_000 + self.number}",
            "name": name,
            "email": f"{mailbox}{self.number}@example.{dice.choice(['com', 'org', 'net'])}"
            if dice.random() < 0.9
            else "",
            "phone": phone if dice.random() < 0.95 else "",
            "currency": currency,
            "balance": balance,
            "metadata.plan": dice.choice(PLANS),
            "metadata.branch": dice.choice(BRANCHES),
            "notes": dice.choice(
                [
                    "",
                    "",
                    "",
                    "",
                    'prefers "SMS", not email',
                    "moved in\nJanuary",
                    "gate code at office",
                ]
            ),
        }

    def as_people_write(self, e164: str) -> str:
        """A South African number in one of the forms that files hold."""
        national = "0" + e164.removeprefix("+27")
        spaced = f"{national[:3]} {national[3:6]} {national[6:]}"
        return self.dice.choice(
            [
                e164,
                national,
                spaced,
                spaced.replace(" ", "-"),
                f"+27 (0){e164[3:5]} {e164[5:8]} {e164[8:]}",
            ]
        )

    def add(self, row: dict[str, str], fate: str, *reasons: str) -> None:
        """One record, and what should become of it."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([row[column] for column in COLUMNS])
        self.lines.append(text.getvalue().removesuffix("\n"))
        self.count(row, fate, *reasons)

    def add_text(self, line: str, reason: str) -> None:
        """One record that cannot be read."""
        self.lines.append(line)
        self.fates["unreadable"] += 1
        self.reasons[reason] += 1

    def count(self, row: dict[str, str], fate: str, *reasons: str) -> None:
        """Note what should become of a row, and its amount where it is a whole number."""
        self.fates[fate] += 1
        self.reasons.update(reasons)
        if row["balance"].lstrip("-").isdigit():
            self.sums.setdefault(
                CODES.get(row["currency"].upper(), row["currency"].upper()), Counter()
            )[fate] += int(row["balance"])

    def invalid(self, change: dict[str, str], *reasons: str) -> None:
        """A customer with one or more cells changed for the worse."""
        self.add({**self.person(), **change}, "invalid", *reasons)


def fill(sample: Sample) -> None:
    """1,200 records: mostly good ones, and of every kind of trouble the number that README.md states."""
    blocks = [lambda: sample.add(sample.person(), "created")] * 1100
    blocks += [lambda: repeat(sample)] * 20 + [lambda: contradict(sample)] * 5
    blocks += [
        lambda change=change, reasons=reasons: sample.invalid(change, *reasons)
        for change, reasons in INVALID
    ]
    blocks += [lambda broken=broken: sample.add_text(*broken(sample)) for broken in BROKEN]
    sample.dice.shuffle(blocks)
    for number, block in enumerate(blocks):
        block()
        if number % 400 == 200:
            sample.lines.append("")


def repeat(sample: Sample) -> None:
    """A customer and its copy, as a joined export has them; half of the copies are only written differently."""
    row = sample.person()
    again = dict(row)
    if sample.dice.random() < 0.5:
        again = {
            **row,
            "name": f" {row['name']} ",
            "currency": row["currency"].lower(),
            "notes": "copy",
        }
    sample.add(row, "created")
    sample.add(again, "duplicate_in_file", "MATCH.REPEATS_EARLIER_ROW")


def contradict(sample: Sample) -> None:
    """The same reference twice, with other content: nobody can say which is right."""
    row = sample.person()
    sample.add(row, "needs_review", "MATCH.SAME_REFERENCE_OTHER_CONTENT")
    sample.add(
        {**row, "name": row["name"] + " (new)"},
        "needs_review",
        "MATCH.SAME_REFERENCE_OTHER_CONTENT",
    )


INVALID: list[tuple[dict[str, str], list[str]]] = [
    *[({"external_reference": ""}, ["VALIDATE.REFERENCE_MISSING:external_reference"])] * 2,
    ({"external_reference": "ACC 77/1"}, ["VALIDATE.REFERENCE_CHARACTERS:external_reference"]),
    *[
        (
            {"external_reference": "8.5E+12"},
            [
                "VALIDATE.REFERENCE_CHARACTERS:external_reference",
                "VALIDATE.REFERENCE_DAMAGED:external_reference",
            ],
        )
    ]
    * 2,
    *[
        ({"email": bad}, ["VALIDATE.EMAIL_MALFORMED:email"])
        for bad in ("thabo@@example.com", "nobody", "a b@example.com", "x@localhost")
    ],
    *[
        ({"phone": bad}, ["VALIDATE.PHONE_NOT_POSSIBLE:phone"])
        for bad in ("0821", "0821234567890123")
    ],
    *[({"phone": bad}, ["VALIDATE.PHONE_UNREADABLE:phone"]) for bad in ("n/a", "unknown")],
    ({"phone": "0201234567"}, ["VALIDATE.PHONE_NOT_VALID:phone"]),
    ({"phone": "0821234567 / 0839876543"}, ["VALIDATE.PHONE_SEVERAL:phone"]),
    ({"phone": "021 481 5000 ext 12"}, ["VALIDATE.PHONE_HAS_EXTENSION:phone"]),
    *[
        ({"currency": "ZAR", "balance": bad}, ["VALIDATE.BALANCE_NOT_WHOLE:balance"])
        for bad in ("240.00", "1234,50", "99.9")
    ],
    ({"currency": "ZAR", "balance": "R240"}, ["VALIDATE.BALANCE_WITH_WORDS:balance"]),
    *[
        ({"currency": "ZAR", "balance": bad}, ["VALIDATE.BALANCE_NOT_A_NUMBER:balance"])
        for bad in ("(500)", "12 000")
    ],
    ({"currency": "ZAR", "balance": "9007199254740992"}, ["VALIDATE.BALANCE_TOO_LARGE:balance"]),
    *[({"currency": "", "balance": "15000"}, ["VALIDATE.BALANCE_NEEDS_CURRENCY:currency"])] * 2,
    *[
        ({"currency": bad, "balance": "100"}, ["VALIDATE.CURRENCY_UNKNOWN:currency"])
        for bad in ("RAND", "R")
    ],
    ({"currency": "BGN", "balance": "100"}, ["VALIDATE.CURRENCY_WITHDRAWN:currency"]),
    ({"currency": "XAU", "balance": "1"}, ["VALIDATE.CURRENCY_WITHOUT_MINOR_UNIT:currency"]),
    ({"name": "N" * 256}, ["VALIDATE.NAME_TOO_LONG:name"]),
    ({"metadata.plan": "p" * 501}, ["VALIDATE.METADATA_TOO_LONG:metadata.plan"]),
    (
        {"email": "two@faults@example.com", "phone": "n/a", "balance": "12.5", "currency": "ZAR"},
        [
            "VALIDATE.EMAIL_MALFORMED:email",
            "VALIDATE.PHONE_UNREADABLE:phone",
            "VALIDATE.BALANCE_NOT_WHOLE:balance",
        ],
    ),
]


def _cells(sample: Sample) -> list[str]:
    row = sample.person()
    return [row["external_reference"], "Sam Sample", "", "", "ZAR", "100", "flat", "", ""]


BROKEN = [
    *[lambda sample: (",".join(_cells(sample)[:-2]), "READ.TOO_FEW_FIELDS")] * 4,
    *[lambda sample: (",".join([*_cells(sample), "surplus"]), "READ.TOO_MANY_FIELDS")] * 3,
    lambda sample: (",".join([*_cells(sample), ""]), "READ.TOO_MANY_FIELDS"),
    *[
        lambda sample: (
            ",".join(_cells(sample)).replace("Sam Sample", 'Sam "the man" Sample'),
            "READ.STRAY_QUOTE",
        )
    ]
    * 2,
    lambda sample: (
        ",".join(_cells(sample)).replace("Sam Sample", '"Sam" Sample'),
        "READ.STRAY_QUOTE",
    ),
    *[
        lambda sample: (
            ",".join(_cells(sample)).replace("Sam Sample", '"Sam Sample'),
            "READ.UNCLOSED_QUOTE",
        )
    ]
    * 2,
    *[
        lambda sample: (
            ",".join(_cells(sample)).replace("Sam Sample", "Jos\udce9 Sample"),
            "READ.NOT_UTF8",
        )
    ]
    * 3,
    lambda sample: (",".join(_cells(sample)).replace("Sam", "Sam\x00"), "READ.CONTROL_CHARACTER"),
    lambda sample: (",".join(_cells(sample)).replace("Sam ", "Sam\r"), "READ.LONE_CR"),
]


def write(folder: Path = HERE, seed: int = 20261122) -> None:
    """Write the file and what is expected of it."""
    sample = Sample(seed)
    fill(sample)
    text = "\n".join([",".join(COLUMNS), *sample.lines]) + "\n"
    (folder / "customers.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    expected = {
        "records": sum(sample.fates.values()),
        "fates": dict(sorted(sample.fates.items())),
        "reasons": dict(sorted(sample.reasons.items())),
        "sums": {
            currency: dict(sorted(by_fate.items()))
            for currency, by_fate in sorted(sample.sums.items())
        },
    }
    (folder / "customers.expected.json").write_text(
        json.dumps(expected, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    write()
