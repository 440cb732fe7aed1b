"""Print the form of a file, its columns and its unreadable lines."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import Screen
from pipeline.domain.plurals import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.workflows.inspect import InspectedColumn, Inspection

_LINES_NAMED = 5  #: examples for each kind of unreadable line


def show_inspection(found: "Inspection") -> None:
    """Print the form of a file and why we think so, its columns, its unreadable lines by kind."""
    from pipeline.reporting.headline import dialect_in_words

    screen, file, lines = Screen(), found.file, found.file.lines
    form = dialect_in_words({**file.written, "found": ""}) or file.format
    screen.line(f"{file.path}: {file.size:,} bytes, {form}")
    for what, why in file.why.items():
        screen.line(f"detected {what.replace('_', ' ')}: {why}")
    for finding in file.findings:
        screen.line(f"warning: {finding.issue.value}: {finding.what}")
    screen.line(
        f"{number_of(lines.physical, 'line')} = {lines.header:,} header + {lines.skipped:,} skipped"
        f" + {lines.blank:,} blank + {lines.records:,} of {number_of(found.records, 'record')}"
    )
    columns = [_column(column) for column in found.columns]
    screen.table(("column", "filled", "mostly written like", "may be"), columns, right=(1,))
    for line in _unreadable(found):
        screen.line(line)
    screen.line(f"{number_of(found.records, 'record')}, {len(found.unreadable):,} unreadable")
    screen.show()


def _column(column: "InspectedColumn") -> tuple[str, str, str, str]:
    looks = [f"{look} ({count / column.filled:.0%})" for look, count in _likely(column)]
    return column.name, f"{column.fill_rate:.1%}", "  ".join(column.shapes), ", ".join(looks)


def _unreadable(found: "Inspection") -> "Iterator[str]":
    """A line for each reason of unreadable records, with the first of them."""
    from pipeline.reporting.headline import sentence_of

    for reason, count in found.unreadable_by_reason.items():
        first = [one.row_id for one in found.unreadable if one.reason == reason][:_LINES_NAMED]
        more = " …" if count > len(first) else ""
        yield f"{count:,} {reason}: {sentence_of(reason)} {', '.join(first)}{more}"


def _likely(column: "InspectedColumn") -> list[tuple[str, int]]:
    """The likely kinds of a column, at most two; specific kinds before reference and word."""
    looks = [(look, count) for look, count in column.may_be.items() if 50 * count >= column.filled]
    specific = [(look, count) for look, count in looks if look not in {"reference", "word"}]
    return (specific or looks)[:2]
