"""Write the debtors' ledger of a fictitious telephone company as its old system exports it, to be migrated once.

    python -m sample_data.legacy_migration.make_legacy_migration

The same seed writes the same bytes: Windows-1252, semicolons, upper-case headers, a debit and a credit column, cents in some
rows and units in others, as a flag says. Nobody in it exists. What should become of each record is counted as it is made.
"""

from pathlib import Path

from sample_data.counting import Block, Counting, Row, mailbox, major

HERE = Path(__file__).parent
FILE = "debtors_export.csv"
COLUMNS = "ACCOUNT_NO FIRSTNAME LASTNAME ID_NUMBER EMAIL TELNO REGION CUR DEBIT CREDIT FLAG DUE CLASS REMARK".split()

FIRST = "André Zoë Renée José Inês Jürgen Chloé Núria Elsabé Björn Thandiwe Sipho Naledi Pieter Yusuf Priya Noëlle Iñaki".split()
LAST = "Muñoz Peña Köhler Schröder Lefèvre Dlamini Botha O\u2019Brien Šimek Naidoo van_der_Merwe Ndlovu Gonçalves Ångström".split()
FIRMS = ["Köhler & Söhne", "Peña Motors", "Crèche “Les Étoiles”", "Naidoo Trading; Durban"]
# Currency: its code in the old system, its decimals, the region of its customers, a mobile range as dialled at home.
HOMES = {
    "ZAR": ("R", 2, "ZA", "082", 7),
    "KWD": ("KD", 3, "KW", "99", 6),
    "JPY": ("Y", 0, "JP", "0901", 7),
    "EUR": ("€", 2, "FR", "0612", 6),
}
CLASSES, REMARKS = (
    ["D", "D", "B", "S", "-", "VIP"],
    ["", "", "", 'says "call first"', "paid; see file", "moved\nto Paarl", "-"],
)
NOTHING = ["", "-", "NULL"]


class Export(Counting):
    """The old system's export."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, COLUMNS, delimiter=";")
        self.number = 0

    def debtor(self, currency: str | None = None) -> tuple[Row, tuple[str, int]]:
        """An account with nothing wrong, and its balance."""
        self.number += 1
        currency = currency or self.dice.choices(list(HOMES), [80, 7, 6, 7])[0]
        balance = self.dice.choice(
            [0, *[self.dice.randrange(1, 400_000)] * 5, -self.dice.randrange(1, 30_000)]
        )
        row = {**self.person(), **self.home(currency), **self.amount(balance, HOMES[currency][1])}
        return row, (currency, balance)

    def person(self) -> Row:
        """Who it is: a person, or a firm that has no first name."""
        dice = self.dice
        first, last = dice.choice(FIRST), dice.choice(LAST).replace("_", " ")
        if dice.random() < 0.1:
            first, last = dice.choice(NOTHING), dice.choice(FIRMS)
        address = f"{mailbox(first, last)}{self.number}@example.{dice.choice(['com', 'net'])}"
        return {
            "ACCOUNT_NO": f"L{self.number:07d}",
            "FIRSTNAME": first,
            "LASTNAME": last,
            "ID_NUMBER": f"{dice.randrange(40, 99)}0230{self.digits(4)}08{self.digits(1)}",
            "EMAIL": address if dice.random() < 0.6 else dice.choice(NOTHING),
            "DUE": dice.choice(["30/11/2026", "15/12/2026", *NOTHING]),
            "CLASS": dice.choice(CLASSES),
            "REMARK": dice.choice(REMARKS),
        }

    def home(self, currency: str) -> Row:
        """What depends on the country; the old system left out what was usual, which is South Africa."""
        code, _, region, prefix, count = HOMES[currency]
        is_usual = currency == "ZAR" and self.dice.random() < 0.2
        number = prefix + self.digits(count)
        return {
            "TELNO": number if self.dice.random() < 0.9 else self.dice.choice(NOTHING),
            "REGION": self.dice.choice(NOTHING) if is_usual else region,
            "CUR": self.dice.choice(NOTHING) if is_usual else code,
        }

    def amount(self, minor_units: int, decimals: int, flag: str = "") -> Row:
        """A balance in one of two columns, in cents (C) or units (R)."""
        flag = flag or self.dice.choice("CR")
        given = str(abs(minor_units)) if flag == "C" else major(abs(minor_units), decimals, ",")
        other = self.dice.choice([*NOTHING, "0", "0,00"] if minor_units else NOTHING)
        debit, credit = (other, given) if minor_units < 0 else (given, other)
        return {"DEBIT": debit, "CREDIT": credit, "FLAG": flag}

    def invalid(self, change: Row, reason: str, *, states_amount: bool = True) -> None:
        """A South African account with cells changed for the worse; `states_amount`: they still say which amount it is."""
        row, balance = self.debtor("ZAR")
        self.add(
            {**row, **change},
            "invalid",
            *reason.split(),
            amount=balance if states_amount else "unreadable",
        )


def good(file: Export) -> None:
    """An account as it should be."""
    row, balance = file.debtor()
    file.add(row, "created", amount=balance)


def without_balance(file: Export) -> None:
    """An account whose balance nobody kept."""
    row, _ = file.debtor()
    file.add({**row, "DEBIT": "-", "CREDIT": "NULL", "FLAG": "-"}, "created")


def repeat(file: Export) -> None:
    """An account that was exported twice: once in cents and once in units, which is the same balance."""
    row, (currency, balance) = file.debtor()
    for fate, reasons, flag in (
        ("created", [], "C"),
        ("duplicate_in_file", ["MATCH.REPEATS_EARLIER_ROW"], "R"),
    ):
        written = file.amount(balance, HOMES[currency][1], flag)
        file.add({**row, **written, "REMARK": flag}, fate, *reasons, amount=(currency, balance))


def contradict(file: Export) -> None:
    """An account that was exported twice, with two balances."""
    row, _ = file.debtor("ZAR")
    for cents in (80_000, 100_000):
        change = file.amount(cents, 2)
        file.add(
            {**row, **change},
            "needs_review",
            "MATCH.SAME_REFERENCE_OTHER_CONTENT",
            amount=("ZAR", cents),
        )


NAMED: list[tuple[Row, tuple[str, int]]] = [
    (
        {
            "ACCOUNT_NO": "L-RAND",
            "FIRSTNAME": "José",
            "LASTNAME": "O\u2019Brien",
            "EMAIL": "jose@example.com",
            "TELNO": "082 555 0240",
        }
        | {
            "REGION": "ZA",
            "CUR": "R",
            "DEBIT": "240,00",
            "CREDIT": "-",
            "FLAG": "R",
            "DUE": "30/11/2026",
            "CLASS": "D",
        },
        ("ZAR", 24_000),
    ),
    (
        {
            "ACCOUNT_NO": "L-DINAR",
            "FIRSTNAME": "Zoë",
            "LASTNAME": "Muñoz",
            "EMAIL": "NULL",
            "TELNO": "99123456",
        }
        | {
            "REGION": "KW",
            "CUR": "KD",
            "DEBIT": "1,234",
            "CREDIT": "0",
            "FLAG": "R",
            "DUE": "-",
            "CLASS": "VIP",
        },
        ("KWD", 1_234),
    ),
    (
        {
            "ACCOUNT_NO": "L-YEN",
            "FIRSTNAME": "-",
            "LASTNAME": "Köhler & Söhne",
            "EMAIL": "-",
            "TELNO": "090-1234-5678",
        }
        | {
            "REGION": "JP",
            "CUR": "Y",
            "DEBIT": "500",
            "CREDIT": "",
            "FLAG": "R",
            "DUE": "NULL",
            "CLASS": "B",
        },
        ("JPY", 500),
    ),
    (
        {
            "ACCOUNT_NO": "L-CREDIT",
            "FIRSTNAME": "Inês",
            "LASTNAME": "Peña",
            "EMAIL": "-",
            "TELNO": "-",
        }
        | {
            "REGION": "NULL",
            "CUR": "-",
            "DEBIT": "0,00",
            "CREDIT": "1550",
            "FLAG": "C",
            "DUE": "-",
            "CLASS": "-",
        },
        ("ZAR", -1_550),
    ),
]


def named(file: Export, row: Row, balance: tuple[str, int]) -> None:
    """An account that the README and the tests follow."""
    file.add({**file.debtor()[0], **row}, "created", amount=balance)


def units(text: str, code: str = "R") -> Row:
    """An amount owed, in units of a currency of the old system."""
    return {"CUR": code, "DEBIT": text, "CREDIT": "-", "FLAG": "R"}


TOO_MANY, NOT_A_NUMBER = (
    "VALIDATE.BALANCE_TOO_MANY_DECIMALS:balance",
    "VALIDATE.BALANCE_NOT_A_NUMBER:balance",
)
BOTH, SIGN = "MAP.DEBIT_AND_CREDIT:balance", "MAP.SIGN_IN_DEBIT_OR_CREDIT:balance"
UNREADABLE_AMOUNTS: list[tuple[Row, str]] = [
    ({"ACCOUNT_NO": "L-SURPLUS", **units("12,345")}, TOO_MANY),
    (units("240,000"), TOO_MANY),
    (units("500,00", "Y"), TOO_MANY),
    (units("1,2345", "KD"), TOO_MANY),
    *[(units(bad), NOT_A_NUMBER) for bad in ("1.234,50", "240.00")],
    (units("R 240,00"), "VALIDATE.BALANCE_WITH_WORDS:balance"),
    (units("(99,00)"), NOT_A_NUMBER),
    ({**units("240,00"), "FLAG": "C"}, "VALIDATE.BALANCE_NOT_WHOLE:balance"),
    *[
        ({"DEBIT": debit, "CREDIT": "50,00", "FLAG": "R"}, BOTH)
        for debit in ("100,00", "50,00", "0,01")
    ],
    *[
        ({**units("100,00"), "FLAG": flag}, "MAP.VALUE_UNLISTED:FLAG")
        for flag in ("X", "c", "NULL")
    ],
    *[(units(bad), SIGN) for bad in ("-100,00", "+100,00", "100,00-")],
    ({"DEBIT": "", "CREDIT": "-25,00", "FLAG": "R"}, SIGN),
    *[(units("77,00", code), "MAP.VALUE_UNLISTED:currency") for code in ("DM", "$")],
    (
        {"EMAIL": "a@@example.com", "DEBIT": "1,00", "CREDIT": "2,00", "FLAG": "R"},
        f"VALIDATE.EMAIL_MALFORMED:email {BOTH}",
    ),
]
OTHER_FAULTS: list[tuple[Row, str]] = [
    *[({"EMAIL": bad}, "VALIDATE.EMAIL_MALFORMED:email") for bad in ("keine", "a b@example.com")],
    ({"TELNO": "0821"}, "VALIDATE.PHONE_NOT_POSSIBLE:phone"),
    ({"TELNO": "unlisted"}, "VALIDATE.PHONE_UNREADABLE:phone"),
    ({"TELNO": "0825550199", "REGION": "XX"}, "VALIDATE.PHONE_REGION_UNKNOWN:phone"),
    *[
        ({"ACCOUNT_NO": bad}, "VALIDATE.REFERENCE_CHARACTERS:external_reference")
        for bad in ("12/345", "Köhler-1")
    ],
    ({"ACCOUNT_NO": "NULL"}, "VALIDATE.REFERENCE_MISSING:external_reference"),
]


def too_large(file: Export) -> None:
    """A balance of 2^53 cents, which can be read and summed, and is more than billing takes."""
    row, _ = file.debtor("ZAR")
    change = units("90071992547409,92")
    file.add(
        {**row, **change}, "invalid", "VALIDATE.BALANCE_TOO_LARGE:balance", amount=("ZAR", 2**53)
    )


def money_of_nobody(file: Export) -> None:
    """Cents in a currency that the config does not list: the amount can be read, and is summed under "-"."""
    row, _ = file.debtor("ZAR")
    change = {"CUR": "DM", "DEBIT": "7700", "CREDIT": "-", "FLAG": "C"}
    file.add({**row, **change}, "invalid", "MAP.VALUE_UNLISTED:currency", amount=("-", 7_700))


def broken_lines(file: Export) -> list[tuple[str, str]]:
    """Lines that are no records, and why."""
    rows = [
        {
            **file.debtor("ZAR")[0],
            "LASTNAME": "Muster",
            "REMARK": "",
            "DUE": "-",
            "FIRSTNAME": "Zoë",
        }
        for _ in range(9)
    ]
    lines = [file.line(row) for row in rows]
    return [
        (lines[0].removesuffix(";"), "READ.TOO_FEW_FIELDS"),
        (lines[1].partition(";Muster;")[0], "READ.TOO_FEW_FIELDS"),
        (lines[2].replace("Muster", "Muster; Co."), "READ.TOO_MANY_FIELDS"),
        (lines[3] + ";", "READ.TOO_MANY_FIELDS"),
        (lines[4].replace("Muster", 'Muster "Max"'), "READ.STRAY_QUOTE"),
        (lines[5].replace("Muster", '"Max" Muster'), "READ.STRAY_QUOTE"),
        (lines[6].replace("Muster", '"Muster'), "READ.UNCLOSED_QUOTE"),
        (lines[7].replace("Muster", "Muster\udc81"), "READ.UNDECODABLE"),
        (lines[8].replace("Muster", "Muster\x1a"), "READ.CONTROL_CHARACTER"),
    ]


def fill(file: Export) -> None:
    """Some 500 records: mostly good ones, and of every kind of trouble the number that README.md states."""
    blocks: list[Block] = [lambda: good(file)] * 408 + [lambda: without_balance(file)] * 8
    blocks += [lambda: repeat(file)] * 12 + [lambda: contradict(file)] * 4
    blocks += [lambda row=row, balance=balance: named(file, row, balance) for row, balance in NAMED]
    blocks += [
        lambda change=change, why=why: file.invalid(change, why, states_amount=False)
        for change, why in UNREADABLE_AMOUNTS
    ]
    blocks += [
        lambda change=change, why=why: file.invalid(change, why) for change, why in OTHER_FAULTS
    ]
    blocks += [
        lambda: too_large(file),
        lambda: money_of_nobody(file),
        lambda: file.lines.append(""),
    ]
    blocks += [
        lambda line=line, why=why: file.add_text(line, why) for line, why in broken_lines(file)
    ]
    file.dice.shuffle(blocks)
    for block in blocks:
        block()


def write(folder: Path = HERE, seed: int = 19990412) -> None:
    """Write the file, and what is expected of it."""
    file = Export(seed)
    fill(file)
    file.write(folder / FILE, encoding="cp1252", line_end="\r\n")


if __name__ == "__main__":
    write()
