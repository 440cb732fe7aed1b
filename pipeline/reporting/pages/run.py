"""The report as one self-contained page: opens offline, no outside asset, every value escaped.

Its one script, which sorts and filters tables, is named by its hash in the Content-Security-Policy: no other one runs.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.currency import grouped_digits, major_units
from pipeline.explanations import EXPLANATIONS, Explanation
from pipeline.outcomes import LISTS, TROUBLED_FATES, Alarm, Fate, Reason
from pipeline.reporting.beside import Beside, planned_by
from pipeline.reporting.examples import without_examples
from pipeline.reporting.glance import (
    accounts,
    all_balances,
    currency_label,
    has_minor_unit,
    how_long,
    not_attempted,
    sentence_of,
    written,
)
from pipeline.reporting.money import KINDS
from pipeline.reporting.pages.pictures import bars_of, pace_chart, waterfall
from pipeline.reporting.pages.templates import hash_of, template
from pipeline.reporting.summary import deferred

#: What an exit code that can stand in a summary means, in words.
EXIT_CODES = {
    0: "clean",
    1: "some records were rejected, refused, held or are in doubt",
    3: "stopped by a threshold before anything more was sent",
    4: "stopped by something that a person has to mend; nothing more was sent",
    5: "stopped before the end; it can be resumed",
    7: "the figures are out of balance",
}


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
        return has_minor_unit(self.currency)


def render_run(content: dict[str, Any], beside: Beside | None = None) -> str:
    """The content of `summary.json` as a page for people, and what stands beside it."""
    beside = beside or Beside(reasons=without_examples(content["reasons"]), signed=planned_by(content))
    return template("run.html.j2").render(
        s=content,
        beside=beside,
        script_hash=hash_of("page.js"),
        own=_bridge(content.get("bridge", [])),
        against=_bridge(beside.reconciliation["bridge"]) if beside.reconciliation else None,
        pace_chart=pace_chart(content["pace"]) if content.get("pace") else None,
        state=_state(content),
        exit_meaning=EXIT_CODES.get(content["exit_code"], "see the documentation of exit codes"),
        fates=[(fate, content["fates"][fate.value], _list_of(fate)) for fate in Fate],
        accounts=accounts(content),
        kinds=KINDS,
        all_balances=all_balances(content),
        later=deferred(content),
        unsent=not_attempted(content),
        pace=how_long(content["estimate"]),
        sentence_of=sentence_of,
        explained=_explained(content),
        written=written,
        lists={name: sum(content["fates"][fate] for fate in members) for name, members in LISTS.items()},
        statements=_statements(content),
        checks=_checks(content),
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )


def _state(content: dict[str, Any]) -> str:
    """`broken` where the figures do not add up, `attention` where a person has something to do, else `good`."""
    if not content["conservation"]["holds"]:
        return "broken"
    troubled = any(content["fates"][fate] for fate in TROUBLED_FATES)
    return "attention" if content["exit_code"] or troubled or content["cannot_be_paid_against"] else "good"


def _statements(content: dict[str, Any]) -> list[Statement]:
    """One statement a currency, also for one that was read and then lost; unusable currencies come last."""
    read = content["read"]
    made = [_statement(content, code) for code in sorted({*content["debits"], *read["debits"], *read["credits"]})]
    return sorted(made, key=lambda statement: (not statement.usable, statement.ended == statement.read))


def _statement(content: dict[str, Any], currency: str) -> Statement:
    debits, credits = content["debits"].get(currency, {}), content["credits"].get(currency, {})
    lines = [(fate, debits.get(fate.value, 0), credits.get(fate.value, 0)) for fate in Fate]
    read = content["read"]
    return Statement(
        currency,
        [line for line in lines if line[1] or line[2]],
        (sum(debits.values()), sum(credits.values())),
        (read["debits"].get(currency, 0), read["credits"].get(currency, 0)),
    )


def _explained(content: dict[str, Any]) -> list[tuple[str, str, Explanation]]:
    """Each code that stands in this report once: what it means, and how a row is mended or a file looked at."""
    named = [one["reason"].partition(":")[0] for one in content["reasons"]] + [
        one["code"] for one in content["findings"]
    ]
    codes: dict[str, Reason | Alarm] = {code.value: code for code in (*Reason, *Alarm)}
    return [(name, codes[name].sentence, EXPLANATIONS[codes[name]]) for name in dict.fromkeys(named)]


def _checks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks, broken ones first."""
    return sorted(content["conservation"]["checks"], key=lambda check: bool(check["holds"]))


_MOST_BRIDGES = 12  #: currencies; the workbook and summary.json have them all


def _bridge(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """What the template draws of a bridge: its steps, its currencies, and a waterfall for each."""
    codes = sorted(
        {code for step in steps for code in step["figures"]}, key=lambda code: (not has_minor_unit(code), code)
    )
    usable = [code for code in codes if has_minor_unit(code)][:_MOST_BRIDGES]
    return {
        "steps": steps,
        "currencies": usable,
        "left_out": len(codes) - len(usable),
        "waterfalls": {code: waterfall(bars_of(steps, code), code) for code in usable},
    }


def _list_of(fate: Fate) -> str:
    return next(name for name, fates in LISTS.items() if fate in fates)
