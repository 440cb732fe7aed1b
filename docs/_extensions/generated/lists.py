"""The fates with their lists, and the differences that a reconciliation finds."""

from generated.markdown import code, escaped, table
from pipeline.domain.discrepancies import UNEXPLAINED, Discrepancy, Pattern
from pipeline.domain.fates import LISTS, SUPERSEDED, SUPERSEDED_MEANS, TROUBLED_FATES


def fates() -> str:
    """Every list with its fates."""
    rows = [
        [
            code(f"{name}.csv"),
            code(fate.value),
            escaped(fate.sentence),
            "1" if fate in TROUBLED_FATES else "",
        ]
        for name, members in LISTS.items()
        for fate in members
    ]
    return "\n".join(
        [
            table(["List", "Fate", "Meaning", "Exit code"], rows),
            f"A record of an earlier run can become {code(SUPERSEDED)}: {escaped(SUPERSEDED_MEANS)}.",
        ]
    )


def discrepancies() -> str:
    """Every difference, and every likely mistake behind a balance that differs."""
    differences = [
        [
            code(one.value),
            escaped(one.sentence),
            "yes" if one in UNEXPLAINED else "no",
        ]
        for one in Discrepancy
    ]
    patterns = [[code(one.value), escaped(one.sentence)] for one in Pattern]
    return "\n".join(
        [
            table(["Difference", "Meaning", "Finance checks it before it signs"], differences),
            "## Patterns behind a balance that differs\n",
            f"{escaped(Pattern.__doc__ or '')}\n",
            table(["Pattern", "Meaning"], patterns),
        ]
    )
