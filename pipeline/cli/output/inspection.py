"""Print the form of a file, its columns and its unreadable lines."""

from typing import Any

from pipeline.cli.output.terminal import new_console, printable, show_line, text_of

_LINES_NAMED = 5  #: examples for each kind of unreadable line


def show_inspection(content: dict[str, Any]) -> None:
    """Print the form of a file and why we think so, its columns, its unreadable lines by kind."""
    from rich.table import Table
    from rich.text import Text

    from pipeline.reporting.headline import sentence_of, written

    console = new_console()
    form = written({**content["written"], "found": ""}) or content["format"]
    console.print(f"{printable(content['path'])}: {content['bytes']:,} bytes, {form}", markup=False)
    for what, why in content["why"].items():
        console.print(f"detected {what.replace('_', ' ')}: {why}", markup=False)
    for one in content["findings"]:
        console.print(printable(f"warning: {one['code']}: {one['what']}"), markup=False)
    lines = content["lines"]
    console.print(
        f"{lines['physical']:,} lines = {lines['header']} header + {lines['skipped']:,} skipped"
        f" + {lines['blank']:,} blank + {lines['records']:,} of {content['records']:,} records",
        markup=False,
    )
    columns = Table("column", "filled", "mostly written like", "may be", box=None, pad_edge=False)
    columns.columns[1].justify = "right"
    for column in content["columns"]:
        looks = [f"{look} ({count / column['filled']:.0%})" for look, count in _likely(column)]
        columns.add_row(
            Text(printable(column["name"])),
            f"{column['fill_rate']:.1%}",
            Text(printable("  ".join(column["shapes"]))),
            ", ".join(looks),
        )
    console.print(columns)
    for reason, count in content["unreadable_by_reason"].items():
        first = [
            line["row_id"] for line in content["unreadable_lines"] if line["reason"] == reason
        ][:_LINES_NAMED]
        more = " …" * (count > len(first))
        console.print(
            f"{count:,} {reason}: {sentence_of(reason)} {printable(', '.join(first))}{more}",
            markup=False,
        )
    show_line(
        text_of(console) + f"{content['records']:,} records, {content['unreadable']:,} unreadable"
    )


def _likely(column: dict[str, Any]) -> "list[tuple[str, int]]":
    """The likely kinds of a column, at most two; specific kinds before reference and word."""
    looks = [
        (look, count) for look, count in column["may_be"].items() if 50 * count >= column["filled"]
    ]
    specific = [(look, count) for look, count in looks if look not in {"reference", "word"}]
    return (specific or looks)[:2]
