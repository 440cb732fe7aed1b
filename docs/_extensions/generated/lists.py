"""The fates with their lists, and the differences that a reconciliation finds."""

from generated.markdown import code, defined, escaped, section
from pipeline.domain.discrepancies import UNEXPLAINED, Discrepancy, Pattern
from pipeline.domain.fates import LISTS, SUPERSEDED, SUPERSEDED_MEANS, TROUBLED_FATES, Fate


def fates() -> str:
    """Every list with its fates."""
    parts = [
        "\n".join([section(code(f"{name}.csv"), level=2), *map(_fate, members)])
        for name, members in LISTS.items()
    ]
    later = [
        section("Later", level=2),
        defined(
            code(SUPERSEDED),
            f"A record of an earlier run that was {escaped(SUPERSEDED_MEANS)}.",
        ),
    ]
    return "\n".join([*parts, *later])


def _fate(fate: Fate) -> str:
    trouble = "Makes the exit code 1." if fate in TROUBLED_FATES else ""
    meaning = escaped(fate.sentence)
    return defined(code(fate.value), f"{meaning[0].upper()}{meaning[1:]}.", trouble)


def discrepancies() -> str:
    """Every difference, and every likely mistake behind a balance that differs."""
    checked = "Finance checks it before it signs."
    return "\n".join(
        [
            *(
                defined(
                    code(one.value), escaped(one.sentence), checked if one in UNEXPLAINED else ""
                )
                for one in Discrepancy
            ),
            section("Patterns behind a balance that differs", level=2),
            f"{escaped(Pattern.__doc__ or '')}\n",
            *(defined(code(one.value), escaped(one.sentence)) for one in Pattern),
        ]
    )
