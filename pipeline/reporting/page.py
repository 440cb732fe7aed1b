"""The report as one self-contained page: opens offline, no outside asset, no script, every value escaped."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from pipeline.currency import exponents
from pipeline.outcomes import LISTS, TROUBLED_FATES, Fate

#: What an exit code that can stand in a summary means, in words.
EXIT_CODES = {
    0: "clean",
    1: "some records were rejected, refused, held or are in doubt",
    3: "stopped by a threshold, a control total or a strange file",
    4: "stopped by something that a person has to mend; nothing more was sent",
    5: "stopped before the end; it can be resumed",
    7: "the figures are out of balance",
    70: "stopped by a fault of the pipeline itself",
}

_SUM_CHECK = re.compile(r"(debits|credits) (.*) read = sum over fates", re.DOTALL)
_CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Statement:
    """One currency's account in minor units: what every fate holds, what they come to, what was read another way."""

    currency: str
    lines: list[tuple[Fate, int, int]]  #: fate, debits, credits
    ended: tuple[int, int]  #: debits, credits over all fates
    read: tuple[int, int]  #: debits, credits summed from the source text

    @property
    def usable(self) -> bool:
        """Whether ISO 4217 says where the decimal mark stands."""
        return exponents().get(self.currency) is not None


def render_html(content: dict[str, Any]) -> str:
    """The content of `summary.json` as a page for people."""
    return _template().render(
        s=content,
        verdict=verdict(content),
        state=_state(content),
        exit_meaning=EXIT_CODES.get(content["exit_code"], "see the documentation of exit codes"),
        fates=[(fate, content["fates"][fate.value], _list_of(fate)) for fate in Fate],
        lists={name: sum(content["fates"][fate] for fate in members) for name, members in LISTS.items()},
        statements=_statements(content),
        checks=_checks(content),
        money=money,
        count=_count,
        currency_label=_currency_label,
    )


def verdict(content: dict[str, Any]) -> str:
    """One sentence: what became of the records, and whether the figures add up."""
    fates, read = content["fates"], content["records"]["read"]
    if not content["conservation"]["holds"]:
        return "The figures do not add up: do not sign this report. See the conservation law below."
    if content["status"] == "planned":
        return f"Planned: of {_count(read)} records, {_count(content['actions']['create'])} would be created; nothing was sent."
    parts = [f"{_count(fates['created'] + fates['created_different'])} of {_count(read)} records were created"]
    aside = sum(fates[fate] for fate in LISTS["rejected"])
    for number, word in (
        (sum(fates[fate] for fate in LISTS["skipped"]), "skipped"),
        (aside, "rejected"),
        (sum(fates[fate] for fate in LISTS["held"]), "held for a person"),
        (fates["in_doubt"], "in doubt"),
        (fates["not_attempted"], "not attempted"),
    ):
        if number:
            parts.append(f"{_count(number)} {word}")
    tail = "every record and every cent is accounted for"
    if fates["in_doubt"] or fates["not_attempted"]:
        tail += ", but the run is not finished: resume it"
    return f"{', '.join(parts)}; {tail}."


def _state(content: dict[str, Any]) -> str:
    """`broken` where the figures do not add up, `attention` where a person has something to do, else `good`."""
    if not content["conservation"]["holds"]:
        return "broken"
    troubled = any(content["fates"][fate] for fate in TROUBLED_FATES)
    return "attention" if content["exit_code"] or troubled or content["cannot_be_paid_against"] else "good"


def _statements(content: dict[str, Any]) -> list[Statement]:
    """One statement a currency, also for one that was read and then lost; what no statement may be made in comes last."""
    read: dict[str, dict[str, int]] = {"debits": {}, "credits": {}}
    for check in content["conservation"]["checks"]:
        if found := _SUM_CHECK.fullmatch(check["what"]):
            read[found[1]][found[2]] = check["read"]
    made = [_statement(content, read, code) for code in sorted({*content["debits"], *read["debits"], *read["credits"]})]
    return sorted(made, key=lambda statement: (not statement.usable, statement.ended == statement.read))


def _statement(content: dict[str, Any], read: dict[str, dict[str, int]], currency: str) -> Statement:
    debits, credits = content["debits"].get(currency, {}), content["credits"].get(currency, {})
    lines = [(fate, debits.get(fate.value, 0), credits.get(fate.value, 0)) for fate in Fate]
    return Statement(
        currency,
        [line for line in lines if line[1] or line[2]],
        (sum(debits.values()), sum(credits.values())),
        (read["debits"].get(currency, 0), read["credits"].get(currency, 0)),
    )


def _checks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks, broken ones first; those over a sum know their currency, and none repeats a cell of the input."""
    checks = []
    for check in content["conservation"]["checks"]:
        found = _SUM_CHECK.fullmatch(check["what"])
        what = f"{found[1]}, {_currency_label(found[2])}: read = sum over fates" if found else check["what"]
        checks.append({**check, "what": what[:1].upper() + what[1:], "currency": found[2] if found else None})
    return sorted(checks, key=lambda check: bool(check["holds"]))


def _currency_label(currency: str) -> str:
    """The code; where the cell held something else, that it did: it may be a person's name in the wrong column."""
    if currency == "-":
        return "no currency given"
    return currency if _CODE.fullmatch(currency) else "text that is no code"


@cache
def _template() -> Template:
    text = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    ).from_string(text)


def _visible(value: Any) -> Any:
    """Text without control, bidirectional and other invisible characters: names and headers are other people's."""
    if type(value) is not str:  # numbers, and markup of the template itself
        return value
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in value)


def _list_of(fate: Fate) -> str:
    return next(name for name, fates in LISTS.items() if fate in fates)


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def money(minor_units: int, currency: str) -> str:
    """Minor units -> the amount as people write it, exact: 24000 ZAR -> 240.00."""
    decimals = exponents().get(currency) or 0
    sign, digits = ("-" if minor_units < 0 else ""), str(abs(minor_units)).rjust(decimals + 1, "0")
    whole = digits[: len(digits) - decimals]
    grouped = f"{int(whole):,}".replace(",", "\u202f")
    return f"{sign}{grouped}.{digits[-decimals:]}" if decimals else f"{sign}{grouped}"
