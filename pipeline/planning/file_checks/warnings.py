"""Warnings that only all accepted rows together show: possibly wrong units, references, metadata.

A warning states counts and never decides about a row. Rounded references stop the plan, because
their digits are lost.
"""

import duckdb

from pipeline.domain.currency import exponents
from pipeline.domain.customer import METADATA_PREFIX, SENSITIVE_PREFIX
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.plurals import number_of
from pipeline.domain.sql import columns_of, identifier, literal
from pipeline.planning.file_checks.texts import find_text_doubts, first_rows

_FEWEST = 20  #: amounts or references; fewer may end in zeros by chance
_NAMED = 3
_ROWS = 10  #: rows that are listed if each may need a correction
#: A spreadsheet keeps 15 digits of a number and replaces the rest by zeros.
_ROUNDED = """
    SELECT count(*) AS numbers,
        count(*) FILTER (substr(reference, 16) = repeat('0', length(reference) - 15)) AS rounded
    FROM (
        SELECT external_reference AS reference FROM records
        WHERE regexp_full_match(external_reference, '[1-9][0-9]{15,29}')
    )
"""
_EXPONENTS = (1, 2, 3, 4)  #: of currencies with minor units in ISO 4217
_WHOLE = f"""
    SELECT currency, count(*) AS amounts, {", ".join(f"count(*) FILTER (balance % {10**exponent} = 0)" for exponent in _EXPONENTS)}
    FROM records WHERE fate IS NULL AND balance != 0 GROUP BY currency ORDER BY currency
"""
#: Amounts including the total; of fewer, one may be the sum of the others by chance.
_FEWEST_ADDED = 6
_SUMS = """
    SELECT currency, sum(balance)::HUGEINT FROM records WHERE balance != 0 AND currency IS NOT NULL GROUP BY currency
    HAVING count(*) >= ? ORDER BY currency
"""
_TOTAL_FIELDS = ("external_reference", "name")
#: In lower case, without spaces, `_` and `-`.
_TOTAL_WORDS = (
    "total", "totals", "grandtotal", "grandtotals", "subtotal", "subtotals", "sum", "totaal", "gesamt", "summe", "totale", "somme", "suma",
)  # fmt: skip
_FOLDED = "ltrim(translate(upper(external_reference), 'OIL_', '011-'), '0')"
#: Of references that look alike, at least one changes when folded; usually none does.
_ALTERED = f"""
    CREATE OR REPLACE TEMP TABLE altered AS
    SELECT DISTINCT hash({_FOLDED}) AS folded FROM records WHERE fate IS NULL AND {_FOLDED} <> external_reference
"""
#: Candidates are found by hashes of eight bytes.
_SUSPECTED = f"""
    CREATE OR REPLACE TEMP TABLE suspected AS
    SELECT hash({_FOLDED}) AS folded FROM records SEMI JOIN altered ON hash({_FOLDED}) = altered.folded WHERE fate IS NULL
    GROUP BY ALL HAVING min(hash(external_reference)) <> max(hash(external_reference))
"""
_LOOK_ALIKES = f"""
    WITH written AS (
        SELECT external_reference, min_by(row_id, position) AS row_id, min(position) AS position
        FROM records SEMI JOIN suspected ON hash({_FOLDED}) = folded WHERE fate IS NULL GROUP BY external_reference
    ), alike AS (
        SELECT count(*) AS spellings, min_by(row_id, position, 2) AS examples, min(position) AS position
        FROM written GROUP BY {_FOLDED} HAVING count(*) > 1
    )
    SELECT count(*), coalesce(sum(spellings), 0)::BIGINT, min_by(examples, position, ?) FROM alike
"""


_IDENTITIES = """
    WITH shared AS (
        SELECT count(DISTINCT external_reference) AS accounts, min_by(row_id, position, 2) AS examples, min(position) AS position
        FROM records WHERE fate IS NULL AND identity IS NOT NULL GROUP BY identity HAVING count(DISTINCT external_reference) > 1
    )
    SELECT count(*), coalesce(sum(accounts), 0)::BIGINT, min_by(examples, position, ?) FROM shared
"""


_ABROAD = """
    SELECT count(*) FILTER (phone_abroad), count(phone_abroad), min_by(row_id, position, ?) FILTER (phone_abroad)
    FROM records WHERE fate IS NULL
"""


_UNUSUAL = """
    SELECT count(*) FILTER (phone_unusual), count(phone), min_by(row_id, position, ?) FILTER (phone_unusual)
    FROM records WHERE fate IS NULL
"""

#: Shared addresses are found by hashes of eight bytes; case does not matter.
_SHARED = """
    CREATE OR REPLACE TEMP TABLE shared AS
    SELECT hash(lower(email)) AS hashed FROM records WHERE fate IS NULL AND email IS NOT NULL
    GROUP BY hashed HAVING min(hash(external_reference)) <> max(hash(external_reference))
"""
_EMAILS = """
    WITH groups AS (
        SELECT count(DISTINCT external_reference) AS accounts, min_by(row_id, position, 3) AS examples, min(position) AS position
        FROM records SEMI JOIN shared ON hash(lower(email)) = hashed WHERE fate IS NULL AND email IS NOT NULL
        GROUP BY lower(email) HAVING accounts > 1
    )
    SELECT count(*), coalesce(sum(accounts), 0)::BIGINT, max(accounts), arg_max(examples, (accounts, -position)) FROM groups
"""


def find_doubts(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    """All warnings about the view `records` (see `run_folder`)."""
    return [
        *_amounts(workbench),
        *_total_rows(workbench),
        *_rounded(workbench),
        *_look_alikes(workbench),
        *_sensitive(workbench),
        *_identities(workbench),
        *_abroad(workbench),
        *_unusual_phones(workbench),
        *_shared_emails(workbench),
        *find_text_doubts(workbench),
    ]


def _amounts(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    found: list[Finding] = []
    for currency, amounts, *whole in workbench.execute(_WHOLE).fetchall():
        exponent = exponents().get(currency) or 0
        if exponent and whole[_EXPONENTS.index(exponent)] == amounts >= _FEWEST:
            found.append(
                Finding(
                    FileIssue.AMOUNTS_ALREADY_CENTS,
                    f"all {amounts} balances in {currency} are whole",
                )
            )
    return found


def _total_rows(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Accepted records named like a total, or with the sum of all others as balance."""
    halves = [
        (code, total // 2)
        for code, total in workbench.execute(_SUMS, [_FEWEST_ADDED]).fetchall()
        if total % 2 == 0 and total
    ]
    is_sum = "".join(
        f" OR currency = {literal(code)} AND balance = {half}" for code, half in halves
    )
    words = ", ".join(map(literal, _TOTAL_WORDS))
    is_named_total = " OR ".join(
        f"translate(lower({field}), ' _-', '') IN ({words})" for field in _TOTAL_FIELDS
    )
    query = f"SELECT count(*), min_by(row_id, position, ?) FROM records WHERE fate IS NULL AND ({is_named_total}{is_sum})"
    totals, examples = workbench.execute(query, [_ROWS]).fetchall()[0]
    return [Finding(FileIssue.TOTAL_ROWS, first_rows(examples, totals))] if totals else []


def _rounded(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    numbers, rounded = workbench.execute(_ROUNDED).fetchall()[0]
    if not rounded:
        return []
    message = (
        f"{rounded:,} of {numbers:,} references of more than 15 digits end in zeros from there on"
    )
    # Normally one in ten of 16 digits ends in 0; if all of them do, they were rounded.
    is_damage = rounded == numbers >= _FEWEST
    return [
        Finding(
            FileIssue.REFERENCES_ROUNDED if is_damage else FileIssue.REFERENCES_MAY_BE_ROUNDED,
            message,
        )
    ]


def _look_alikes(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    for table, query in (("altered", _ALTERED), ("suspected", _SUSPECTED)):
        workbench.execute(query)
        if not workbench.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]:
            return []
    groups, spellings, examples = workbench.execute(_LOOK_ALIKES, [_NAMED]).fetchall()[0]
    if not groups:
        return []
    named = "; ".join(" and ".join(pair) for pair in examples)
    return [
        Finding(
            FileIssue.REFERENCES_LOOK_ALIKE,
            f"{spellings:,} references in {number_of(groups, 'group')}, all kept apart, such as {named}",
        )
    ]


def _counted(workbench: duckdb.DuckDBPyConnection, counts: list[str]) -> list[int]:
    """Several counts over the accepted records in one query, because each query is slow."""
    if not counts:
        return []
    return [
        *workbench.execute(
            f"SELECT {', '.join(counts)} FROM records WHERE fate IS NULL"
        ).fetchall()[0]
    ]


def _sensitive(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    known = columns_of(workbench, "records")
    columns = [name for name in known if name.startswith(SENSITIVE_PREFIX)]
    seen = _counted(workbench, [f"count({identifier(known[column])})" for column in columns])
    found = []
    for key in (
        column.removeprefix(SENSITIVE_PREFIX)
        for column, times in zip(columns, seen, strict=True)
        if times
    ):
        kind, value = (
            identifier(known[prefix + key]) for prefix in (SENSITIVE_PREFIX, METADATA_PREFIX)
        )
        filled, *times_each = _counted(
            workbench,
            [
                f"count({value})",
                *(f"count(*) FILTER ({kind} = {literal(name)})" for name in _WORDS),
            ],
        )
        found += [
            Finding(
                FileIssue.METADATA_SENSITIVE,
                f"metadata {key}: {times} of {filled} values look like {words}",
            )
            for words, times in zip(_WORDS.values(), times_each, strict=True)
            if times
        ]
    return found


def _identities(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    people, references, examples = workbench.execute(_IDENTITIES, [_NAMED]).fetchall()[0]
    if not people:
        return []
    named = "; ".join(" and ".join(pair) for pair in examples)
    return [
        Finding(
            FileIssue.SAME_IDENTITY,
            f"{people:,} identity numbers under {references:,} references, such as {named}",
        )
    ]


def _abroad(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    abroad, stated, examples = workbench.execute(_ABROAD, [_NAMED]).fetchall()[0]
    if not abroad:
        return []
    message = f"{abroad} of {stated} phone numbers whose record states a region, such as {', '.join(examples)}"
    return [Finding(FileIssue.PHONES_ABROAD, message)]


def _unusual_phones(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    unusual, phones, examples = workbench.execute(_UNUSUAL, [_ROWS]).fetchall()[0]
    if not unusual:
        return []
    rows = first_rows(examples, unusual)
    return [Finding(FileIssue.PHONES_UNUSUAL, f"{unusual:,} of {phones:,} phone numbers: {rows}")]


def _shared_emails(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    workbench.execute(_SHARED)
    emails, references, most, examples = workbench.execute(_EMAILS).fetchall()[0]
    if not emails:
        return []
    message = (
        f"{number_of(emails, 'email address', 'email addresses')} under {number_of(references, 'reference')}; the largest group has {most:,}, "
        f"such as {', '.join(examples)}"
    )
    return [Finding(FileIssue.SAME_EMAIL, message)]


_WORDS = {
    "card": "card numbers",
    "iban": "bank accounts (IBAN)",
    "identity": "South African identity numbers",
}
