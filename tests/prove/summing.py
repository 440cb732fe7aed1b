"""What the gathered lines come to for the programme as it is: runs, failures, and what the figures bound."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.prove.gathering import RESULTS, bound, code, done, gathered

Lines = list[dict[str, Any]]

#: What no failure says, of programmes whose runs are no sample of others.
_SAYS = {
    "exits": "each ends by the rule, and the same work succeeds afterwards ([table](exits.md))",
    "differences": "all found, each under its name, and nothing besides",
    "lookups": "it went on where it was, and nobody was asked in vain or faster than it may",
    "mutants": "all fail",
}


def summary() -> str:
    """A table over what was gathered of this code, written to results/README.md too."""
    rows, machines = [], set[str]()
    for programme, (runs_of, of) in _PROGRAMMES.items():
        if lines := _newest(programme):
            runs = runs_of(lines)
            failed = sum(
                bool(line.get("failures") or line.get("faults") or line.get("alive"))
                for line in lines
            )
            says = (
                f"{failed} lines tell of failures"
                if failed
                else _SAYS.get(programme) or bound(runs)
            )
            commits = ", ".join(sorted({line["commit"] for line in lines}))
            is_present = (
                "the present"
                if lines[-1]["code"] == code(programme)
                else f"an earlier ({lines[-1]['code']})"
            )
            rows.append(
                f"| {programme} | {runs:,} {of(lines)} | {says} | {commits} | {is_present} |"
            )
            machines |= {line["machine"] for line in lines}
    text = "\n".join(
        [
            "# What the long programmes found",
            "",
            (
                f"On {', '.join(sorted(machines)) or 'no machine yet'}. Written by `python -m tests.prove summary` from the newest lines beside it. "
                "What each proves (`PROVEN` in gathering.py) is hashed; results of an earlier state of it say so."
            ),
            "",
            "| programme | runs | what that says, for runs so distributed | commit | code |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "README.md").write_text(text, encoding="utf-8")
    return text


def _newest(programme: str) -> Lines:
    """Those of the present code, or else of the last that was put to the proof."""
    lines = gathered(programme)
    return done(programme) or [line for line in lines if line["code"] == lines[-1]["code"]]


def _kills(lines: Lines) -> int:
    return sum(sum(line["kills"].values()) for line in lines)


def _kills_by_point(lines: Lines) -> str:
    return f"kills in {len(lines)} journeys: {_told(Counter(), (line['kills'] for line in lines))}"


def _met_by_the_network(lines: Lines) -> str:
    rows = sum(line["rows"] for line in lines)
    return f"journeys of {rows:,} rows in all: {_told(Counter(), (line['met'] for line in lines))}"


def _met_by_the_disk(lines: Lines) -> str:
    kinds = Counter(kind for line in lines for kind in line["met_by_fault"])
    return f"journeys: {_told(kinds, ())}"


def _methods(lines: Lines) -> str:
    # Results of earlier versions call lookups "look-ups".
    return " and ".join(sorted({line["method"].replace("look-ups", "lookups") for line in lines}))


def _told(counts: Counter[str], more: Iterable[dict[str, int]]) -> str:
    for one in more:
        counts.update(one)
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


_PROGRAMMES: dict[str, tuple[Callable[[Lines], int], Callable[[Lines], str]]] = {
    "simulate": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: f"seeds, {sum(line['requests'] for line in lines):,} requests",
    ),
    "nights": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"seeds of nights whose files change and whose requests are given up, {sum(line['requests'] for line in lines):,} requests"
        ),
    ),
    "audit": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"histories of {sum(line['requests'] for line in lines):,} requests and"
            f" {sum(line['effects'] for line in lines):,} customers, each audited"
        ),
    ),
    "machine": (
        lambda lines: sum(line["examples"] for line in lines),
        lambda lines: f"examples of {lines[-1]['steps']} steps",
    ),
    "kills": (_kills, _kills_by_point),
    "kills_opaque": (_kills, _kills_by_point),
    "chaos": (len, _met_by_the_network),
    "disk": (lambda lines: sum(len(line["met_by_fault"]) for line in lines), _met_by_the_disk),
    "differences": (
        lambda lines: sum(sum(line["planted"].values()) for line in lines),
        lambda lines: (
            f"planted among {sum(line['customers'] for line in lines):,} customers, by {_methods(lines)}"
        ),
    ),
    "lookups": (
        len,
        lambda lines: (
            f"reconciliations of {sum(line['customers'] for line in lines):,} customers in all, at"
            f" {lines[-1]['per_second']:g} lookups a second, with {sum(line['kills'] for line in lines)} kills"
        ),
    ),
    "verified": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"runs of {sum(line['records'] for line in lines):,} records, each verified, spoilt and verified again"
        ),
    ),
    "stranded": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"runs that met {sum(line['faults_met'] for line in lines):,} faults after sending and were finished"
        ),
    ),
    "statements": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"sequences over {sum(line['records'] for line in lines):,} records,"
            f" {sum(line['statements'] for line in lines):,} statements compared with a model"
        ),
    ),
    "exits": (
        lambda lines: sum(
            len(line["cells"]) for line in {line["command"]: line for line in lines}.values()
        ),
        lambda lines: (
            f"cells of {len({line['command'] for line in lines})} commands under pressure"
        ),
    ),
    "mutants": (
        lambda lines: lines[-1]["rules"],
        lambda _: "rules, each removed in turn, without the unique reference",
    ),
}
