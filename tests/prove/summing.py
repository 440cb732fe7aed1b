"""Add up the results for the current code: runs, failures, and the confidence bound."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.prove.gathering import RESULTS, bound, code, done, gathered

Lines = list[dict[str, Any]]

#: The result if nothing failed, for programs whose runs are no random sample.
_SAYS = {
    "exits": "each exit code follows the rule, and the same work succeeds afterwards ([table](exits.md))",
    "differences": "all found, each with the right name, and no others",
    "lookups": "it continued where it stopped, repeated no lookup, and kept the rate limit",
    "mutants": "all fail",
}


def summary() -> str:
    """The table of results; also written to results/README.md."""
    rows, machines = [], set[str]()
    for programme, (runs_of, of) in _PROGRAMMES.items():
        if lines := _newest(programme):
            runs = runs_of(lines)
            failed = sum(
                bool(line.get("failures") or line.get("faults") or line.get("alive"))
                for line in lines
            )
            says = (
                f"{failed} lines with failures" if failed else _SAYS.get(programme) or bound(runs)
            )
            commits = ", ".join(sorted({line["commit"] for line in lines}))
            is_present = (
                "current"
                if lines[-1]["code"] == code(programme)
                else f"earlier ({lines[-1]['code']})"
            )
            rows.append(
                f"| {programme} | {runs:,} {of(lines)} | {says} | {commits} | {is_present} |"
            )
            machines |= {line["machine"] for line in lines}
    text = "\n".join(
        [
            "# Results of the long programs",
            "",
            (
                f"Machines: {', '.join(sorted(machines)) or 'none yet'}. `python -m tests.prove summary` writes this page from the newest results in this folder. "
                "The last column compares a hash of the tested code (`PROVEN` in gathering.py) with the current code."
            ),
            "",
            "| program | runs | result | commit | code |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "README.md").write_text(text, encoding="utf-8")
    return text


def _newest(programme: str) -> Lines:
    """The results for the current code; if there are none, for the last code that was tested."""
    lines = gathered(programme)
    return done(programme) or [line for line in lines if line["code"] == lines[-1]["code"]]


def _kills(lines: Lines) -> int:
    return sum(sum(line["kills"].values()) for line in lines)


def _kills_by_point(lines: Lines) -> str:
    return (
        f"kills in {len(lines)} journeys: {_counts(Counter(), (line['kills'] for line in lines))}"
    )


def _met_by_the_network(lines: Lines) -> str:
    rows = sum(line["rows"] for line in lines)
    return (
        f"journeys of {rows:,} rows in all: {_counts(Counter(), (line['met'] for line in lines))}"
    )


def _met_by_the_disk(lines: Lines) -> str:
    kinds = Counter(kind for line in lines for kind in line["met_by_fault"])
    return f"journeys: {_counts(kinds, ())}"


def _methods(lines: Lines) -> str:
    # Results of earlier versions call lookups "look-ups".
    return " and ".join(sorted({line["method"].replace("look-ups", "lookups") for line in lines}))


def _counts(counts: Counter[str], more: Iterable[dict[str, int]]) -> str:
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
            f"seeds of nights with changed files and requests given up, {sum(line['requests'] for line in lines):,} requests"
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
            f"runs of {sum(line['records'] for line in lines):,} records, each verified, damaged and verified again"
        ),
    ),
    "stranded": (
        lambda lines: len({seed for line in lines for seed in range(*line["seeds"])}),
        lambda lines: (
            f"runs with {sum(line['faults_met'] for line in lines):,} faults after sending, all finished"
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
            f"combinations of {len({line['command'] for line in lines})} commands and faults of the machine"
        ),
    ),
    "mutants": (
        lambda lines: lines[-1]["rules"],
        lambda _: "rules, each removed in turn, against a billing without unique references",
    ),
}
