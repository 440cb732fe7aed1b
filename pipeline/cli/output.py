"""Print for people: results to stdout, commentary to stderr.

Neither may hold a control character, which could move the cursor or hide text.
"""

import contextlib
import io
import json
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from pipeline.cli.suggestions import suggested
from pipeline.errors import ResultNotShown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from pipeline.reporting.headline import Account
    from pipeline.storage.known_customers import References
    from pipeline.verifier import Check
    from pipeline.workflows.init import Draft
    from pipeline.workflows.plan import PlannedRun


WIDTH_OFF_A_TERMINAL = 120
_LINES_NAMED = 5  #: examples for each kind of unreadable line
_MOST_COLUMNS = 40  #: unsent columns that are listed; a last line counts the rest
_MANY = 10  #: from this many records on, the most frequent reason is explained


def say(text: str) -> None:
    """Print a line of commentary to stderr; a closed stderr is no error."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text without escape sequences, control and bidirectional characters: names may hold them."""
    return "".join("\ufffd" if _is_hidden(c) else c for c in text)


def show_json(content: dict[str, Any] | list[Any]) -> None:
    """Print JSON for programs, with control characters as escapes."""
    text = json.dumps(content, indent=2, ensure_ascii=not _speaks_unicode())
    _out("".join(json.dumps(c)[1:-1] if _is_hidden(c) else c for c in text))


def show_line(text: str) -> None:
    """Print a line of the result."""
    _out(text)


def show_report(content: dict[str, Any]) -> None:
    """Print counts per fate and sums per currency; the last line has the counts and the report."""
    from rich.table import Table

    from pipeline.domain.currency import major_units

    console = _console()
    environment = content["environment"]
    console.print(
        f"{printable(environment['mode']).upper()}  {printable(content['verdict'])}", markup=False
    )
    fates = Table("fate", "records", "what it means", box=None, pad_edge=False)
    fates.columns[1].justify = "right"
    for fate, count in content["fates"].items():
        if count:
            fates.add_row(fate, f"{count:,}", _sentence(fate))
    console.print(fates)
    sums = (_accounts_table if content["status"] == "planned" else _sums_table)(
        content, major_units
    )
    if sums.row_count:
        console.print(sums)
    for line in (*_stakes(content), *_why(content), *_intentions(content)):
        console.print(printable(line), markup=False)
    for line in _findings(content):
        console.print(printable(line), markup=False)
    for line in _unusually_written(content):
        console.print(printable(line), markup=False)
    for line in _columns_not_sent(content["columns_not_sent"]):
        console.print(line, markup=False)
    if content["stopped_because"]:
        console.print(f"stopped: {printable(content['stopped_because'])}", markup=False)
    checks = content["conservation"]["checks"]
    failed = sum(not check["holds"] for check in checks)
    console.print(
        "accounting checks: "
        + (f"{failed:,} of {len(checks):,} FAIL" if failed else f"all {len(checks):,} hold"),
        markup=False,
    )
    _out(_written(console) + last_line(content))


def _columns_not_sent(columns: dict[str, str | None]) -> "Iterator[str]":
    """A line for each unsent column, at most 40; those that resemble a field have priority."""
    listed = dict(sorted(columns.items(), key=lambda one: not one[1])[:_MOST_COLUMNS])
    for column in [name for name in columns if name in listed]:
        near = columns[column]
        hint = f" (did you mean '{near}'?)" if near else ""
        yield f"column '{printable(column)}' is kept in the lists and not sent{hint}"
    if others := len(columns) - len(listed):
        yield f"{others:,} more columns are kept in the lists and not sent"


def _findings(content: dict[str, Any]) -> "Iterator[str]":
    """A line for each finding about whole files; first those that stop the plan."""
    for one in sorted(content["findings"], key=lambda one: not one["stops"]):
        kind = (
            "warning"
            if not one["stops"]
            else "accepted"
            if one["code"] in content["accepted"]
            else "STOPS"
        )
        yield f"{kind}: {one['code']}: {one['what']}"


def _unusually_written(content: dict[str, Any]) -> "Iterator[str]":
    """A line for each input whose detected form is unusual for a CSV file."""
    from pipeline.reporting.headline import written

    usual = {"delimiter": ",", "encoding": "utf-8", "line_end": "LF or CRLF"}
    for given in content["inputs"]:
        how = given["written"]
        detected = how.get("found", "").split()
        is_unusual = any(how.get(name) != usual.get(name) for name in detected)
        if is_unusual or "end_mark" in how or "columns_ignored" in how:
            yield f"{given['name']}: {written(how)}"


def _stakes(content: dict[str, Any]) -> "Iterator[str]":
    """The kinds of balances, and the money that did not arrive."""
    from pipeline.reporting.headline import WAITING, accounts, all_balances

    kinds = {
        "debit": "debits",
        "credit": "credits",
        "zero": "zero",
        "absent": "absent",
        "unusable": "unreadable",
    }
    counted = [
        f"{count:,} {kinds[kind].removesuffix('s') if count == 1 else kinds[kind]}"
        for kind, count in all_balances(content).items()
        if count
    ]
    yield f"balances: {', '.join(counted) or 'none'}"
    for account in accounts(content):
        if (
            account.title
            in {"held", "rejected", "in doubt", WAITING, "given up", "left for a later wave"}
            and account.records
        ):
            yield f"{account.title}: {_account(account)}"
    if unpaid := content["cannot_be_paid_against"]:
        yield f"cannot be paid against: {unpaid:,} customers came back without payment rules"
    for reason, count in content["flagged"].items():
        yield f"sent and flagged: {count:,} {reason}"


def _why(content: dict[str, Any]) -> "Iterator[str]":
    """Why records were rejected, held or left in doubt: reasons with counts."""
    from pipeline.reporting.earlier_runs import left_in_words
    from pipeline.reporting.headline import reasons_in_words, reasons_of
    from pipeline.reporting.held import differing_in_words

    for name, title in (("rejected", "rejected"), ("held", "held"), ("in_doubt", "in doubt")):
        records = content["at_stake"][name]["records"]
        if reasons := reasons_of(content, name):
            yield f"{title} {records:,}: {reasons_in_words(reasons)}"
            yield from _most_frequent(reasons, records)
    if differs := differing_in_words(content.get("held_differs", {})):
        yield f"held records: {differs}"
    yield from left_in_words(content)
    if others := len(content["other_ledgers"]):
        ledgers = (
            "1 other ledger of this environment writes"
            if others == 1
            else f"{others} other ledgers of this environment write"
        )
        yield f"home: {ledgers} to this reports folder; check that every run uses the same --home"
    if content["account_is_doubtful"]:
        yield f"account: {content['account']}"


def _most_frequent(reasons: "Mapping[str, int]", records: int) -> "Iterator[str]":
    """The first reason and how to correct it, if it explains at least half of many records."""
    from pipeline.domain.causes import Cause
    from pipeline.domain.reason_help import EXPLANATIONS

    reason, times = next(iter(reasons.items()))
    if records >= _MANY and 2 * times >= records:
        known = Cause.parse(reason).reason
        yield f"{known.value}: {known.sentence} {EXPLANATIONS[known].mend}"


def _account(account: "Account") -> str:
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import currency_label, has_minor_unit

    sums = [
        f"{currency_label(code)}{'' if has_minor_unit(code) else ' (as written)'}"
        f" {major_units(debits, code)} debits, {major_units(credits, code)} credits"
        for code, debits, credits in account.sums
    ]
    unusable = account.balances["unusable"]
    unread = [f"{unusable:,} unreadable amount{'s' * (unusable != 1)}"] if unusable else []
    records = f"{account.records:,} record{'s' * (account.records != 1)}"
    return f"{records}; at stake: {'; '.join([*sums, *unread]) or 'nothing'}"


def _intentions(content: dict[str, Any]) -> "Iterator[str]":
    """Samples of what a plan would do, and how long it takes."""
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import how_long

    if content["status"] != "planned":
        return
    for action, samples in content["samples"].items():
        for sample in samples:
            amount = "no balance"
            if sample["balance"] is not None:
                source = f"{sample['given']} -> " if sample["given"] else ""
                major = major_units(sample["balance"], sample["currency"])
                amount = f"{source}{sample['balance']} ({major} {sample['currency']})"
            why = f"  {sample['reason']}" if sample["reason"] else ""
            yield f"{action}  {sample['row_id']}  {amount}{why}"
    yield f"{content['estimate']['creates']:,} creates, {how_long(content['estimate'])}"


def last_line(content: dict[str, Any]) -> str:
    """One line for a log: the counts and the path of the report."""
    fates = (
        ", ".join(f"{count:,} {fate}" for fate, count in content["fates"].items() if count)
        or "no records"
    )
    return f"{content['records']['read']:,} records: {fates} ({content['files']['report.html']})"


def show_plan(planned: "PlannedRun") -> None:
    """Print what a plan would do, and the command that applies it."""
    from pipeline.workflows.accepting import open_alarms, to_apply

    content = planned.report.content
    show_report(content)
    alarms = open_alarms(content["findings"], content["accepted"])
    goal = "proceed anyway" if alarms else "do it"
    say(f"nothing was sent; to {goal}: {suggested(*to_apply(planned.run_id, alarms))}")


def show_profile(stages: dict[str, dict[str, Any]]) -> None:
    """Print seconds, rows and peak memory of each stage to stderr."""
    say(f"{'stage':<10}{'seconds':>9}{'rows':>13}{'rows/s':>13}{'peak MB':>9}")
    for stage, measured in stages.items():
        rows, seconds = measured["rows"], measured["seconds"]
        count = f"{rows:,}" if rows else ""
        pace = f"{rows / seconds:,.0f}" if rows and seconds else ""
        megabytes = (measured["peak_bytes"] or 0) / 1e6
        say(f"{stage:<10}{seconds:>9.2f}{count:>13}{pace:>13}{megabytes:>9,.0f}")


def show_references(found: "list[tuple[str, References]]") -> None:
    """Print the known customers of each environment."""
    from rich.table import Table

    table = Table(
        "environment", "known customers", "version", "loaded at", "states", box=None, pad_edge=False
    )
    table.columns[1].justify = "right"
    for environment, known in found:
        table.add_row(
            environment,
            f"{known.rows:,}",
            known.version[:12],
            known.loaded_at,
            ", ".join(known.fields),
        )
    console = _console()
    console.print(table)
    _out(_written(console).rstrip("\n"))


def show_verdict(check: "Check") -> None:
    """Print one check: its result, its name, and the first fault or why it cannot be checked."""
    word = {True: "holds", False: "BROKEN", None: "open"}[check.holds]
    command = suggested(*check.suggests) if check.suggests else ""
    _out(": ".join(filter(None, (f"{word:<7} {check.what}", check.found, command))))


def show_reconciliation(content: dict[str, Any]) -> None:
    """Print the bridge per currency, the differences by kind, and the verdict with the report."""
    from rich.table import Table

    from pipeline.domain.currency import major_units
    from pipeline.domain.outcomes import Pattern
    from pipeline.reporting.headline import currency_label

    console = _console()
    for code in sorted({code for step in content["bridge"] for code in step["figures"]}):
        table = Table(currency_label(code), box=None, pad_edge=False)
        for name in ("records", "sum"):
            table.add_column(name, justify="right")
        for step in content["bridge"]:
            figure = step["figures"].get(code)
            if figure:
                name = (
                    f"= {step['sentence']}"
                    if step["is_total"]
                    else f"  {step['step'].replace('_', ' ')}"
                )
                records = "not stated" if figure["records"] is None else f"{figure['records']:,}"
                table.add_row(name, records, major_units(figure["sum"], code))
        left = content["residual"].get(code, {"records": 0, "sum": 0})
        table.add_row("residual", f"{left['records']:,}", major_units(left["sum"], code))
        console.print(table)
        console.print()
    _out(_written(console).rstrip("\n"))
    for kind, count in content["differences"].items():
        if count:
            examples = ", ".join(map(printable, content["examples"].get(kind, [])))
            _out(f"{count:,} {kind.replace('_', ' ')}: {examples}")
    for pattern in Pattern:
        if count := content["patterns"].get(pattern):
            _out(
                f"  {count:,} of the balances that differ look like"
                f" {pattern.replace('_', ' ')}: {pattern.sentence}"
            )
    for kind, why in content["not_determinable"].items():
        _out(f"{kind.replace('_', ' ')}: not determinable: {why}")
    if "sample" in content:
        sample = content["sample"]
        _out(
            f"{sample['differing']:,} of {sample['customers']:,} sampled customers differ. At most"
            f" {sample['at_most'] * 100:.3g} % of all differ, with"
            f" {sample['confidence'] * 100:.0f} % confidence."
        )
    _out(f"{content['verdict']} ({content['files']['report.html']})")


def show_draft(draft: "Draft") -> None:
    """Print the guess for each field, how sure it is, and the path of the config."""
    from rich.table import Table
    from rich.text import Text

    table = Table("field", "from", "how sure", "why", box=None, pad_edge=False)
    guesses = draft.guesses
    for one in (*guesses.fields, *guesses.metadata, *guesses.never_sent):
        name = f"metadata {one.field}" if one in guesses.metadata else one.field
        value = on_one_line(one.value) if isinstance(one.value, dict) else one.value or ""
        table.add_row(*(Text(printable(cell)) for cell in (name, value, one.sure, one.why)))
    for name, why in draft.unsendable.items():
        table.add_row(*(Text(printable(cell)) for cell in ("left out", name, "sure", why)))
    console = _console()
    console.print(table)
    if guesses.left_out:
        shown, others = guesses.left_out[:_MOST_COLUMNS], len(guesses.left_out) - _MOST_COLUMNS
        more = f" and {others:,} more" if others > 0 else ""
        console.print(
            printable(f"kept in the lists and not sent: {', '.join(shown)}{more}"), markup=False
        )
    _out(_written(console) + f"{draft.path}")
    remarks = []
    if guesses.todo_count:
        remarks.append(f"{guesses.todo_count} of them open: only you can decide")
    if draft.suggested_encoding:
        remarks.append(f"the encoding {draft.suggested_encoding} is a guess")
    command = suggested("plan", str(draft.source), "--config", str(draft.path), "--sandbox")
    doubtful = f" ({'; '.join(remarks)})" if remarks else ""
    say(f"Check each line{doubtful}, then: {command}")


def on_one_line(value: dict[str, Any]) -> str:
    """Keys with their values, such as `column amount, unit major`; ? for an open value."""
    return ", ".join(
        f"{key} {'?' if inner is None else _pairs(inner)}" for key, inner in value.items()
    )


def _pairs(value: Any) -> str:
    """A value of a config: a list as `a + b`, a map as `{R: ZAR}`."""
    if isinstance(value, list):
        return " + ".join(value)
    if not isinstance(value, dict):
        return str(value)
    return f"{{{', '.join(f'{key}: {inner}' for key, inner in value.items())}}}"


def show_inspection(content: dict[str, Any]) -> None:
    """Print the form of a file and why we think so, its columns, its unreadable lines by kind."""
    from rich.table import Table
    from rich.text import Text

    from pipeline.reporting.headline import sentence_of, written

    console = _console()
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
    _out(
        _written(console) + f"{content['records']:,} records, {content['unreadable']:,} unreadable"
    )


def _likely(column: dict[str, Any]) -> "list[tuple[str, int]]":
    """The likely kinds of a column, at most two; specific kinds before reference and word."""
    looks = [
        (look, count) for look, count in column["may_be"].items() if 50 * count >= column["filled"]
    ]
    specific = [(look, count) for look, count in looks if look not in {"reference", "word"}]
    return (specific or looks)[:2]


def _sums_table(content: dict[str, Any], money: Any) -> Any:
    from rich.table import Table

    from pipeline.reporting.headline import currency_label

    table = Table("currency", "fate", "debits", "credits", "net", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for currency, by_fate in content["sums"].items():
        for fate, net in by_fate.items():
            debit, credit = content["debits"][currency][fate], content["credits"][currency][fate]
            if debit or credit:
                table.add_row(
                    printable(currency_label(currency)),
                    fate,
                    *(money(amount, currency) for amount in (debit, credit, net)),
                )
    return table


def _accounts_table(content: dict[str, Any], money: Any) -> Any:
    """The sums of a plan: its creates apart from what is left for a later run."""
    from rich.table import Table

    from pipeline.reporting.headline import accounts, currency_label

    table = Table("records", "currency", "debits", "credits", "net", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for account in accounts(content):
        for currency, debits, credits in account.sums:
            amounts = (money(amount, currency) for amount in (debits, credits, debits + credits))
            table.add_row(account.title, printable(currency_label(currency)), *amounts)
    return table


def _sentence(fate: str) -> str:
    from pipeline.domain.outcomes import Fate

    return next(known.sentence for known in Fate if known == fate)


def _console() -> "Console":
    """A console in memory: on a broken pipe rich would end the process with its own code."""
    from rich.console import Console

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_OFF_A_TERMINAL
    return Console(
        file=io.StringIO(),
        width=width,
        highlight=False,
        soft_wrap=True,
        color_system=None,
        markup=False,
        emoji=False,
    )


def _written(console: "Console") -> str:
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return text


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _is_hidden(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs"}


def show_text(text: str) -> None:
    """Print a result unchanged, with its own line ends."""
    _out(text, end="")


def _out(text: str, end: str = "\n") -> None:
    """Print a result. A broken pipe is no error; raise ResultNotShown for anything else."""
    try:
        print(printable(text), end=end, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise ResultNotShown(
            f"The result cannot be written to stdout ({error.strerror or 'unknown cause'})."
            " Redirect it to a disk with free space, or to /dev/null"
        ) from error
