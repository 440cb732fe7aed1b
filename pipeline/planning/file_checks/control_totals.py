"""Control totals: read the totals stated about a file and compare them with the records."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pipeline.domain.amount import Amount, Unit
from pipeline.domain.column_mapping import Layout
from pipeline.domain.currency import exponents, major_units
from pipeline.domain.file_expectations import Control
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.plurals import number_of
from pipeline.errors import OptionRefused

_RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Stated:
    """One stated value: a number of records, a sum in minor units of a currency, or a SHA-256."""

    where: str  #: who states it
    what: str  #: "records", "sha256" or a currency
    value: int | str


def parse_expected(given: Iterable[str], option: str = "--expect") -> list[Stated]:
    """Parse `records=2000`, `ZAR=1234567` (minor) or `ZAR=12345.67` (major units).

    Raise OptionRefused with every fault.
    """
    stated: list[Stated] = []
    faults: list[tuple[str, str]] = []
    for text in given:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            stated.append(Stated(option, name, _expected(name, number)))
        except ValueError as fault:
            faults.append((f"{option} {text}", str(fault)))
    if faults:
        raise OptionRefused(faults)
    return stated


def _expected(name: str, number: str) -> int:
    if name == _RECORDS:
        if re.fullmatch("[0-9]+", number) is None:
            raise ValueError("a whole number is expected")
        return int(number)
    if exponents().get(name) is None:
        raise ValueError(f"{name!r} is neither 'records' nor a currency with a minor unit")
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", number) is None:
        raise ValueError("write minor units (1234567) or major units with a point (12345.67)")
    return _minor(number, name, "major" if "." in number else "minor")


def stated_in(text: str, where: str, control: Control, layout: Layout) -> list[Stated] | Finding:
    """The values of a trailer or control file; a finding if it does not match the agreement."""
    found = re.search(control.expression, text, re.MULTILINE)
    if found is None:
        return Finding(
            FileIssue.TOTAL_NOT_STATED,
            f"{where}: nothing there is as control.{_key(control)} describes it",
        )
    groups = {name: text.strip() for name, text in found.groupdict().items() if text is not None}
    stated: list[Stated] = []
    try:
        if _RECORDS in groups:
            stated.append(Stated(where, _RECORDS, int(groups[_RECORDS])))
        if "total" in groups:
            currency = _currency(groups, layout)
            stated.append(
                Stated(where, currency, _total(groups["total"], currency, control, layout.balance))
            )
        if "sha256" in groups:
            stated.append(Stated(where, "sha256", groups["sha256"].lower()))
    except ValueError as fault:
        return Finding(FileIssue.TOTAL_NOT_STATED, f"{where}: {fault}")
    return stated


@dataclass(frozen=True, slots=True)
class Held:
    """A stated value and the value read."""

    where: str
    what: str  #: as of `Stated`
    stated: int | str
    found: int | str

    @property
    def holds(self) -> bool:
        """Whether both values are equal."""
        return self.stated == self.found

    @property
    def finding(self) -> Finding | None:
        """The finding if the values differ."""
        if self.holds:
            return None
        if self.what == "sha256":
            return Finding(
                FileIssue.TOTAL_DIFFERS, f"{self.where} states another SHA-256 than the file has"
            )
        if self.what == _RECORDS:
            message = f"{self.where} states {number_of(int(self.stated), 'record')}, the file has {self.found}"
            return Finding(FileIssue.TOTAL_RECORDS_DIFFER, message)
        stated, found = int(self.stated), int(self.found)
        shown, was, gap = (major_units(sum_, self.what) for sum_ in (stated, found, found - stated))
        message = (
            f"{self.where} states {shown} {self.what}, the records come to {was} ({gap} apart)"
        )
        return Finding(FileIssue.TOTAL_DIFFERS, message)


def hold(
    stated: Iterable[Stated], *, records: int, net: Mapping[str, int], sha256: str = ""
) -> Iterator[Held]:
    """Compare each stated value with the value read."""
    for one in stated:
        read = (
            sha256
            if one.what == "sha256"
            else records
            if one.what == _RECORDS
            else net.get(one.what, 0)
        )
        yield Held(one.where, one.what, one.value, read)


def _key(control: Control) -> str:
    return "trailer" if control.trailer else "pattern"


def _currency(groups: Mapping[str, str], layout: Layout) -> str:
    """The currency of the group, or the constant currency of the config."""
    code = groups.get("currency") or (layout.currency.value if layout.currency else None)
    if code is None:
        raise ValueError(
            "a total, and nothing says of which currency; the expression may have a group currency"
        )
    if exponents().get(code) is None:
        raise ValueError("a total in what is no currency")
    return code


def _total(text: str, currency: str, control: Control, written: Amount | None) -> int:
    unit = control.unit or (written.unit.value if written else None)
    if unit is None:
        raise ValueError("a total, and nothing says of which unit; say control.unit")
    mark, thousands = (written.decimal_mark, written.thousands) if written else (".", None)
    plain = text.replace("\u2212", "-")
    plain = plain.replace(thousands, "") if thousands else plain
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
