"""Control totals: what somebody states about a file, read exactly, and held against what was read of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pipeline.agreement import Control
from pipeline.currency import exponents, major_units
from pipeline.errors import ConfigError
from pipeline.layout import Amount, Layout, Unit
from pipeline.outcomes import Alarm, Finding

_RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement: so many records, or a sum of debits and credits in minor units of a currency."""

    where: str  #: who states it
    what: str  #: "records", "sha256" or a currency
    value: int | str


def parse_expected(given: Iterable[str]) -> list[Stated]:
    """`records=2000`, `ZAR=1234567` (minor units) or `ZAR=12345.67` (major units); raise ConfigError with every fault."""
    stated: list[Stated] = []
    faults: list[str] = []
    for text in given:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            stated.append(Stated("--expect", name, _expected(name, number)))
        except ValueError as fault:
            faults.append(f"--expect {text}: {fault}")
    if faults:
        raise ConfigError("; ".join(faults))
    return stated


def _expected(name: str, number: str) -> int:
    if name == _RECORDS:
        if re.fullmatch("[0-9]+", number) is None:
            raise ValueError("a whole number is expected")
        return int(number)
    if exponents().get(name) is None:
        raise ValueError(f"{name!r} is neither 'records' nor a currency in which balances can be stated")
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", number) is None:
        raise ValueError("write minor units (1234567) or major units with a point (12345.67)")
    return _minor(number, name, "major" if "." in number else "minor")


def stated_in(text: str, where: str, control: Control, layout: Layout) -> list[Stated] | Finding:
    """What a trailer or a control file states; a finding where it does not say it as agreed."""
    found = re.search(control.expression, text, re.MULTILINE)
    if found is None:
        return Finding(Alarm.TOTAL_NOT_STATED, f"{where}: nothing there is as control.{_key(control)} describes it")
    said = {name: told.strip() for name, told in found.groupdict().items() if told is not None}
    stated: list[Stated] = []
    try:
        if _RECORDS in said:
            stated.append(Stated(where, _RECORDS, int(said[_RECORDS])))
        if "total" in said:
            currency = _currency(said, layout)
            stated.append(Stated(where, currency, _total(said["total"], currency, control, layout.balance)))
        if "sha256" in said:
            stated.append(Stated(where, "sha256", said["sha256"].lower()))
    except ValueError as fault:
        return Finding(Alarm.TOTAL_NOT_STATED, f"{where}: {fault}")
    return stated


def compare(stated: Iterable[Stated], *, records: int, net: Mapping[str, int], sha256: str = "") -> Iterator[Finding]:
    """A finding for each statement that is not true of what was read."""
    for one in stated:
        if one.what == "sha256":
            if one.value != sha256:
                yield Finding(Alarm.TOTAL_DIFFERS, f"{one.where} states another SHA-256 than the file has")
            continue
        read = records if one.what == _RECORDS else net.get(one.what, 0)
        if read == one.value:
            continue
        assert isinstance(one.value, int)  # noqa: S101 - only a digest is text
        if one.what == _RECORDS:
            yield Finding(Alarm.TOTAL_RECORDS_DIFFER, f"{one.where} states {one.value} records, the file has {read}")
        else:
            shown, was, gap = (major_units(sum_, one.what) for sum_ in (one.value, read, read - one.value))
            yield Finding(
                Alarm.TOTAL_DIFFERS,
                f"{one.where} states {shown} {one.what}, the records come to {was} ({gap} apart)",
            )


def _key(control: Control) -> str:
    return "trailer" if control.trailer else "pattern"


def _currency(said: Mapping[str, str], layout: Layout) -> str:
    """The group's, else the one that the job gives to every record."""
    told = said.get("currency") or (layout.currency.value if layout.currency else None)
    if told is None:
        raise ValueError("a total, and nothing says of which currency; the expression may have a group currency")
    if exponents().get(told) is None:
        raise ValueError("a total in what is no currency")
    return told


def _total(text: str, currency: str, control: Control, written: Amount | None) -> int:
    unit = control.unit or (written.unit.value if written else None)
    if unit is None:
        raise ValueError("a total, and nothing says of which unit; say control.unit")
    mark, thousands = (written.decimal_mark, written.thousands) if written else (".", None)
    plain = text.replace(thousands, "") if thousands else text
    if thousands == " ":
        plain = plain.replace("\u00a0", "").replace("\u202f", "")
    if re.fullmatch(rf"[+-]?[0-9]+(?:{re.escape(mark)}[0-9]+)?", plain) is None:
        raise ValueError("the total is not written as the balances are declared to be")
    return _minor(plain.replace(mark, "."), currency, unit)


def _minor(number: str, currency: str, unit: Unit) -> int:
    """A decimal number -> minor units, exact."""
    places = 0 if unit == "minor" else exponents()[currency] or 0
    try:
        minor = Decimal(number).scaleb(places)
    except InvalidOperation:
        raise ValueError("the total has too many digits") from None
    if minor != minor.to_integral_value():
        raise ValueError("the total has more decimals than its currency")
    return int(minor)
