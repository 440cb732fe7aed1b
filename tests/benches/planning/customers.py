"""Make files of customers of any size, with the faults and duplicates of the sample data; a seed gives the same bytes.

    python -m tests.benches.planning.customers 10000000 customers.csv [--kind usual] [--seed 1]
    python -m tests.benches.planning.customers 50000000 known.parquet --kind known

usual      every kind of trouble that sample_data/customers.csv has, in about its shares
clean      customers with nothing wrong
hopeless   every row is bad, for as many reasons as a row can have
repeating  every row repeats another (the second half the first)
narrow     reference, currency and balance alone
known      customers that billing has already (Parquet): some of them are in the files of the same seed

Rows are made in chunks, each by dice of its own, so that memory does not grow and no chunk depends on the one before.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

CHUNK = 250_000
COLUMNS = (
    "external_reference", "name", "email", "phone", "currency", "balance", "metadata.plan", "metadata.branch", "notes",
)  # fmt: skip
KINDS = ("usual", "clean", "hopeless", "repeating", "narrow")

_FIRST = (
    "Thandiwe Sipho Nomvula Bongani Lerato Kagiso Naledi Tshepo Ayanda Zanele Mpho Thabo Johan Annelie Pieter Marié Elsabé "
    "Fatima Yusuf Priya Rajesh Zoë André Renée Michael Sarah Grace Wanjiru Achieng Chinedu Ngozi Tendai José Inês"
).split()
_LAST = (
    "Dlamini Nkosi Mokoena Khumalo Naidoo Pillay Govender Botha Coetzee Fourie Jacobs Adams Davids Petersen Mahlangu Sithole "
    "Zulu Molefe Ndlovu Mabaso O'Brien Smith Müller Mwangi Otieno Okafor Moyo Banda"
).split()
_PLANS = ["prepaid", "metered", "flat", "business"]
_BRANCHES = ["Cape Town", "Gqeberha", "Soweto", "Durban", "Nairobi", ""]
_CURRENCIES = ["ZAR", "KES", "BWP", "NAD", "GBP", "JPY", "KWD"]
_SHARES = [0.70, 0.08, 0.06, 0.05, 0.05, 0.03, 0.03]
_MOBILE = ["+2782", "+25472", "+26771", "+26481", "+447400", "+81901", "+96599"]
_MOBILE_DIGITS = [7, 7, 6, 7, 6, 7, 6]
_NOTES = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    '"prefers ""SMS"", not email"',
    '"moved in\nJanuary"',
    "gate code at office",
]

#: Cells changed for the worse, as the sample has them; each tells what becomes of the row.
_FAULTS: tuple[dict[str, str], ...] = (
    {"external_reference": ""},
    {"external_reference": "ACC 77/1"},
    {"external_reference": "8.5E+12"},
    {"email": "thabo@@example.com"},
    {"email": "nobody"},
    {"email": "x@localhost"},
    {"phone": "0821"},
    {"phone": "unknown"},
    {"phone": "0201234567"},
    {"phone": "0821234567 / 0839876543"},
    {"phone": "021 481 5000 ext 12"},
    {"currency": "ZAR", "balance": "240.00"},
    {"currency": "ZAR", "balance": "R240"},
    {"currency": "ZAR", "balance": "9007199254740992"},
    {"currency": "", "balance": "15000"},
    {"currency": "RAND", "balance": "100"},
    {"currency": "BGN", "balance": "100"},
    {"name": "N" * 256},
    {"metadata.plan": "p" * 501},
    {"email": "two@faults@example.com", "phone": "n/a", "balance": "12.5", "currency": "ZAR"},
)
#: Lines that are no record, from the reference of one that would have been.
_BROKEN = (
    "{},Sam Sample,,,ZAR,100,flat",
    "{},Sam Sample,,,ZAR,100,flat,,,surplus",
    '{},Sam "the man" Sample,,,ZAR,100,flat,,',
    "{},Sam\x00 Sample,,,ZAR,100,flat,,",
)
#: A quote that never closes swallows rows in readers that trust it: rarer than the others, as it is in life.
_OPEN_QUOTE = ',"Sam Sample,,,ZAR,100,flat,,'
_HOPELESS = (
    "ACC {}/1",
    "Sam Sample",
    "nobody{}@@example.com",
    "n/a {}",
    "RAND",
    "12.5",
    "flat",
    "Durban",
    "",
)
_LONG = {
    1: "N" * 256,
    6: "p" * 501,
    7: "b" * 501,
}  #: cell -> a text that is too long; in one row of 50, for its bytes

_FAULTY, _UNREADABLE, _UNCLOSED, _REPEATED, _CONTRADICTED = 0.027, 0.013, 0.0002, 0.017, 0.004
_KNOWN = (
    33  #: one customer in this many is in billing already; every third of those has another email
)
_SHARING = 501  #: one customer in this many has the email of a known customer
_IN_FILES = 7  #: one known customer in this many is in a file, if the file is long enough


def write_customers(
    path: Path, rows: int, *, kind: str = "usual", seed: int = 1, first: int = 0
) -> None:
    """Write a CSV file of this many records, from customer number `first` on."""
    columns = ("external_reference", "currency", "balance") if kind == "narrow" else COLUMNS
    with path.open("wb") as file:
        file.write((",".join(columns) + "\n").encode())
        for number in range(0, rows, CHUNK):
            lines = _lines(first + number, min(CHUNK, rows - number), rows, kind, seed)
            lines.to_frame("line").write_csv(file, include_header=False, quote_style="never")


def write_known(path: Path, rows: int) -> None:
    """Write the customers that billing has already, as Parquet: reference, billing id, email and phone of each."""
    writer = None
    for number in range(0, rows, CHUNK):
        table = _known(number, min(CHUNK, rows - number)).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _lines(first: int, height: int, rows: int, kind: str, seed: int) -> pl.Series:
    if kind == "hopeless":
        return _hopeless(first, height)
    if kind == "repeating":
        half = (rows + 1) // 2
        people = pl.concat(
            [_people(part, count, seed) for part, count in _wrapped(first, height, half)]
        )
        return _joined(people, COLUMNS)
    people = _people(first, height, seed)
    if kind == "narrow":
        return _joined(people, ("external_reference", "currency", "balance"))
    return _joined(people, COLUMNS) if kind == "clean" else _troubled(people, first, seed)


def _wrapped(first: int, height: int, half: int) -> Iterator[tuple[int, int]]:
    """The stretches of the first half that `height` rows from `first` on stand for."""
    while height:
        at = first % half
        taken = min(height, half - at, CHUNK - at % CHUNK)
        yield at, taken
        first, height = first + taken, height - taken


def _people(first: int, height: int, seed: int) -> pl.DataFrame:
    """Customers without faults; each depends only on its number."""
    parts, end = [], first + height
    while first < end:
        chunk = first // CHUNK
        taken = min(end, (chunk + 1) * CHUNK) - first
        parts.append(_chunk_of_people(chunk, seed).slice(first - chunk * CHUNK, taken))
        first += taken
    return pl.concat(parts)


def _chunk_of_people(chunk: int, seed: int) -> pl.DataFrame:
    dice = np.random.default_rng([seed, chunk])
    country = dice.choice(len(_CURRENCIES), CHUNK, p=_SHARES)
    number = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK)
    table = pl.DataFrame(
        {
            "number": number,
            "country": country,
            "subscriber": dice.integers(0, 10**7, CHUNK),
            "writing": dice.integers(0, 5, CHUNK),
            "amount": dice.integers(-100_000, 500_000, CHUNK)
            * dice.integers(0, 4, CHUNK).clip(0, 1),
            "first": pl.Series(_FIRST).gather(dice.integers(0, len(_FIRST), CHUNK)),
            "last": pl.Series(_LAST).gather(dice.integers(0, len(_LAST), CHUNK)),
            "plan": pl.Series(_PLANS).gather(dice.integers(0, len(_PLANS), CHUNK)),
            "branch": pl.Series(_BRANCHES).gather(dice.integers(0, len(_BRANCHES), CHUNK)),
            "note": pl.Series(_NOTES).gather(dice.integers(0, len(_NOTES), CHUNK)),
            "with_email": dice.random(CHUNK) < 0.9,
            "with_phone": dice.random(CHUNK) < 0.95,
            "with_money": dice.random(CHUNK) < 0.94,
            "currency": pl.Series(_CURRENCIES).gather(country),
            "mobile": pl.Series(_MOBILE).gather(country),
            "digits": pl.Series(_MOBILE_DIGITS).gather(country),
        }
    )
    subscriber = pl.col("subscriber").cast(pl.String).str.zfill(7).str.head(pl.col("digits"))
    e164 = pl.concat_str("mobile", subscriber)
    national = pl.concat_str(pl.lit("0"), e164.str.strip_prefix("+27"))
    spaced = pl.concat_str(
        national.str.slice(0, 3),
        pl.lit(" "),
        national.str.slice(3, 3),
        pl.lit(" "),
        national.str.slice(6),
    )
    written = (
        pl.when((pl.col("currency") != "ZAR") | (pl.col("writing") == 0)).then(e164)
        .when(pl.col("writing") == 1).then(national)
        .when(pl.col("writing") == 2).then(spaced)
        .when(pl.col("writing") == 3).then(spaced.str.replace_all(" ", "-", literal=True))
        .otherwise(pl.concat_str(pl.lit("+27 (0)"), e164.str.slice(3, 2), pl.lit(" "), e164.str.slice(5, 3), pl.lit(" "), e164.str.slice(8)))
    )  # fmt: skip
    mailbox = (
        pl.concat_str("first", pl.lit("."), "last")
        .str.to_lowercase()
        .str.replace_all(r"[^a-z.]", "")
    )
    domain = pl.lit("@example.") + pl.Series(["com", "org", "net"]).gather(number % 3)
    number = pl.col("number")
    is_known, is_sharing = number % _KNOWN == 0, number % _SHARING == 1
    return table.select(
        external_reference=reference(number),
        name=pl.concat_str("first", pl.lit(" "), "last"),
        email=pl.when(is_known).then(_email_of_known(number))
        .when(is_sharing).then(_email_of_old(number // _SHARING * _IN_FILES + 1))
        .when("with_email").then(pl.concat_str(mailbox, "number", domain)).otherwise(pl.lit("")),
        phone=pl.when(is_known).then(_phone_of_known(number)).when("with_phone").then(written).otherwise(pl.lit("")),
        currency=pl.when("with_money").then("currency").otherwise(pl.lit("")),
        balance=pl.when("with_money").then(pl.col("amount").cast(pl.String)).otherwise(pl.lit("")),
        **{"metadata.plan": pl.col("plan"), "metadata.branch": pl.col("branch"), "notes": pl.col("note")},
    )  # fmt: skip


def reference(number: pl.Expr) -> pl.Expr:
    """The external reference of the customer with this number."""
    return pl.concat_str(pl.lit("ACC-"), (number + 100_000_000).cast(pl.String))


def _joined(people: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    return people.select(line=pl.concat_str(columns, separator=","))["line"]


def _troubled(people: pl.DataFrame, first: int, seed: int) -> pl.Series:
    """Damage some rows, repeat some, and break some."""
    height = people.height
    dice = np.random.default_rng([seed, first, 1])
    fate = dice.random(height)
    bounds = np.cumsum([_FAULTY, _REPEATED, _CONTRADICTED, _UNREADABLE, _UNCLOSED])
    faulty, repeated, contradicted, broken, unclosed = (
        pl.Series((fate >= low) & (fate < high))
        for low, high in zip([0, *bounds[:-1]], bounds, strict=True)
    )
    which = pl.Series(dice.integers(0, len(_FAULTS), height))
    people = people.with_columns(
        faulty=faulty, which=which, again=repeated | contradicted, other=contradicted
    )
    people = people.with_columns(
        pl.when(pl.col("faulty") & pl.col("which").is_in([at for at, change in enumerate(_FAULTS) if name in change]))
        .then(pl.col("which").replace_strict({at: change.get(name, "") for at, change in enumerate(_FAULTS)}, return_dtype=pl.String))
        .otherwise(name)
        .alias(name)
        for name in COLUMNS
    )  # fmt: skip
    # A row that is there again stands in the place of the one after it: the row before, repeated or changed.
    people = people.with_columns(
        pl.when(pl.col("again"))
        .then(pl.col(name).shift(1, fill_value=pl.col(name).first()))
        .otherwise(name)
        .alias(name)
        for name in COLUMNS
    ).with_columns(name=pl.when("other").then(pl.col("name") + " (new)").otherwise("name"))
    lines = _joined(people, COLUMNS)
    own = people["external_reference"]
    for at, text in enumerate(_BROKEN):
        head, tail = text.split("{}")
        these = broken & (which % len(_BROKEN) == at)
        lines = lines.zip_with(~these, head + own + tail)
    return lines.zip_with(~unclosed, own + _OPEN_QUOTE)


def _hopeless(first: int, height: int) -> pl.Series:
    number = pl.int_range(first, first + height, eager=True).to_frame("number")
    cells = []
    for at, text in enumerate(_HOPELESS):
        head, _, tail = text.partition("{}")
        cell = pl.format(head + "{}" + tail, "number") if "{}" in text else pl.lit(text)
        cells.append(
            pl.when(pl.col("number") % 50 == 0).then(pl.lit(_LONG[at])).otherwise(cell)
            if at in _LONG
            else cell
        )
    return number.select(line=pl.concat_str(cells, separator=","))["line"]


def _known(first: int, height: int) -> pl.DataFrame:
    number = (
        pl.int_range(first, first + height, eager=True)
        .to_frame("number")
        .with_columns(
            customer=pl.when(pl.col("number") % _IN_FILES == 0).then(
                pl.col("number") // _IN_FILES * _KNOWN
            )
        )
    )
    customer, nobody = pl.col("customer"), pl.concat_str(pl.lit("OLD-"), "number")
    return number.select(
        external_reference=pl.coalesce(reference(customer), nobody),
        billing_id=pl.concat_str(pl.lit("cus_"), pl.col("number") + 10**9),
        email=pl.when(customer % (3 * _KNOWN) == 0).then(pl.concat_str(pl.lit("moved"), customer, pl.lit("@example.com")))
        .otherwise(pl.coalesce(_email_of_known(customer), _email_of_old(pl.col("number")))),
        phone=pl.coalesce(_phone_of_known(customer), _phone_of_known(pl.col("number") * 7919)),
    )  # fmt: skip


def _email_of_known(customer: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit("known"), customer, pl.lit("@example.com"))


def _email_of_old(number: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit("old"), number, pl.lit("@example.com"))


def _phone_of_known(customer: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit("+2760"), (customer % 10**7).cast(pl.String).str.zfill(7))


def main() -> int:
    """Write one file."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("rows", type=int)
    options.add_argument("path", type=Path)
    options.add_argument("--kind", choices=[*KINDS, "known"], default="usual")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    if given.kind == "known":
        write_known(given.path, given.rows)
    else:
        write_customers(given.path, given.rows, kind=given.kind, seed=given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
