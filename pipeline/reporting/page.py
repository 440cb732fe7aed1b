"""The report as one self-contained page: opens offline, no outside asset, every value escaped."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from pipeline.currency import exponents
from pipeline.outcomes import LISTS, Fate


def render_html(content: dict[str, Any]) -> str:
    """The content of `summary.json` as a page for people."""
    return _template().render(
        s=content,
        verdict=verdict(content),
        fates=[(fate, content["fates"][fate.value], _list_of(fate)) for fate in Fate],
        money=money,
        count=_count,
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


@cache
def _template() -> Template:
    text = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )


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
