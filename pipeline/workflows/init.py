"""`pipeline init`: guess the meaning of columns and write a config for a person to check."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import HOME, REPORTS, Settings, config_schema
from pipeline.domain.plurals import number_of
from pipeline.domain.published import JsonObject
from pipeline.errors import NoHeader, NotUtf8, OutputRefused
from pipeline.storage.files import write_bytes
from pipeline.transforming.profiling.guess import Guess
from pipeline.transforming.profiling.infer_mapping import Guesses, guess
from pipeline.workflows.inspect import Inspection, inspect_file
from pipeline.workflows.progress import NOBODY, StopRequest, Watch

_SCHEMA = "pipeline.schema.json"
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
#: Words that YAML does not read as text.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_COLUMN = 44  #: in which the comments begin
_MOST_NAMED = 40  #: columns in one comment


@dataclass(frozen=True, slots=True)
class Draft:
    """A guessed config as text, with its guesses."""

    source: Path  #: the file that was read
    path: Path | None
    text: str
    guesses: Guesses
    suggested_encoding: str | None
    #: columns that `plan` refuses to map -> why
    unsendable: Mapping[str, str] = field(default_factory=dict)

    @property
    def todo_count(self) -> int:
        """How many lines of the config a person must decide: no file names the merchant account."""
        return self.guesses.todo_count + 1

    def content(self) -> JsonObject:
        """The result for programs."""
        guesses = [*self.guesses.fields, *self.guesses.metadata, *self.guesses.never_sent]
        return {
            "path": str(self.path) if self.path else None,
            "guesses": [
                {"field": one.field, "value": one.value, "sure": one.sure, "why": one.why}
                for one in guesses
            ],
            "absent": {**self.guesses.absent},
            "open": self.todo_count,
            "not_sent": [*self.guesses.left_out],
            "cannot_be_sent": {**self.unsendable},
        }


def draft_config(
    path: Path,
    settings: Settings,
    output: Path | None,
    *,
    force: bool = False,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Draft:
    """Read a whole file and write its config and the schema to `output`; None writes neither."""
    if output is not None and output.exists() and not force:
        raise OutputRefused(
            f"{output} exists: replace it with --force, or name another file with --output"
        )
    found, guessed = _inspected(path, settings, stopping, watch)
    guesses = guess(found.profile.without(found.file.unsendable))
    text = "\n".join(_lines(found, guesses, settings, guessed)) + "\n"
    if output is not None:
        write_bytes(output, text.encode())
        schema = output.parent / _SCHEMA
        if not schema.exists():
            write_bytes(
                schema, (json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n").encode()
            )
    return Draft(path, output, text, guesses, guessed.get("encoding"), found.file.unsendable)


def _inspected(
    path: Path, settings: Settings, stopping: StopRequest | None, watch: Watch
) -> tuple[Inspection, dict[str, str]]:
    """The file, and the keys of `source` that had to be guessed to read it."""
    guessed: dict[str, str] = {}
    while True:
        source = settings.source.model_copy(update=guessed)
        try:
            found = inspect_file(
                path, settings.model_copy(update={"source": source}), stopping=stopping, watch=watch
            )
        except NotUtf8 as refused:
            guessed["encoding"] = refused.suggested
        except NoHeader:
            if "header" in guessed:
                raise
            guessed["header"] = "none"
        else:
            return found, guessed


def _lines(
    found: Inspection, guesses: Guesses, settings: Settings, guessed: Mapping[str, str]
) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={_SCHEMA}"
    yield "#"
    yield f"# Guessed from {found.file.name} ({_records(found)})."
    yield "# Each comment states how sure the guess is: sure, likely, a guess, or open."
    yield "# Decide the open ones, check the others, then:"
    yield "#   pipeline plan FILE --config THIS_FILE --sandbox"
    yield ""
    yield _remarked("environment: sandbox", "a name for the environment of the customers")
    yield _remarked(
        "merchant: example", "open: the merchant account; part of every idempotency key"
    )
    yield _remarked("address: sandbox", "address of billing; sandbox is for practice")
    yield _remarked(f"home: {HOME}", "folder of ledgers, relative to this file")
    yield _remarked(f"reports: {REPORTS}", "folder of the runs, relative to this file")
    yield ""
    yield from _source(found, settings, guessed)
    yield _remarked(f"region: {settings.region}", "a guess: country of national phone numbers")
    yield ""
    yield from _mapping(guesses)
    yield from _left_out(guesses, found.file.unsendable)


def _mapping(guesses: Guesses) -> Iterator[str]:
    yield "mapping:"
    for one in guesses.fields:
        yield from _guessed(one)
    if guesses.metadata:
        yield "  metadata:"
        yield from (
            _explained(f"    {_scalar(one.field)}: {_value(one.value)}", one)
            for one in guesses.metadata
        )
    if guesses.absent:
        counts = ", ".join(f"{text} ({count:,})" for text, count in guesses.absent.items())
        yield _remarked(
            f"  absent: {_value(list(guesses.absent))}",
            f"likely: these texts mean an empty cell: {counts}",
        )
    if guesses.never_sent:
        yield "  never_sent:"
        yield from (_explained(f"    - {_scalar(one.value)}", one) for one in guesses.never_sent)


def _left_out(guesses: Guesses, unsendable: Mapping[str, str]) -> Iterator[str]:
    """Comments that name the columns without a field, and why."""
    if unsendable:
        yield ""
        yield "# Left out, because their values cannot be sent exactly:"
        yield from (f"#   {_shown(name)} ({_shown(why)})" for name, why in unsendable.items())
    empty = set(guesses.empty)
    filled = [name for name in guesses.left_out if name not in empty]
    for remark, names in (
        ("Kept in the lists and not sent", filled),
        ("No guess, because these columns are empty", guesses.empty),
    ):
        if names:
            yield ""
            more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
            yield f"# {remark}: {', '.join(map(_shown, names[:_MOST_NAMED]))}{more}"


def _records(found: Inspection) -> str:
    readable, unreadable = found.profile.records, len(found.unreadable)
    return (
        f"{number_of(readable, 'record')}, {number_of(unreadable, 'more is', 'more are')} unreadable"
        if unreadable
        else number_of(readable, "record")
    )


def _source(found: Inspection, settings: Settings, guessed: Mapping[str, str]) -> Iterator[str]:
    how, why = found.file.written, found.file.why
    lines = []
    if "delimiter" in how:
        lines.append(
            _remarked(
                f"  delimiter: {_scalar(how['delimiter'])}",
                f"sure: {why.get('delimiter', 'as declared')}",
            )
        )
        lines.append(_remarked(f"  encoding: {how['encoding']}", _encoding(how, why, guessed)))
    if "sheet" in how:
        lines.append(
            _remarked(
                f"  sheet: {_scalar(how['sheet'])}", f"sure: {why.get('sheet', 'as declared')}"
            )
        )
    if "header" in guessed:
        lines.append(
            _remarked(
                f"  header: {guessed['header']}", "a guess: the first line looks like a record"
            )
        )
    declared = settings.source.model_dump(
        exclude_defaults=True, exclude={"delimiter", "encoding", "sheet"}
    )
    lines += [
        _remarked(f"  {name}: {_value(value)}", "as declared") for name, value in declared.items()
    ]
    if lines:
        yield from ("source:", *lines, "")


def _encoding(how: Mapping[str, str], why: Mapping[str, str], guessed: Mapping[str, str]) -> str:
    if "encoding" in guessed:
        return "a guess: the file is not UTF-8, and its letters fit this encoding"
    sure = "a guess" if "not_in_encoding" in how else "sure"
    return f"{sure}: {why.get('encoding', 'as declared')}"


def _guessed(one: Guess) -> Iterator[str]:
    if not isinstance(one.value, dict) or "columns" in one.value or "value" in one.value:
        yield _explained(f"  {one.field}: {_value(one.value)}".rstrip(), one)
        return
    yield _explained(f"  {one.field}:", one)
    for key, value in one.value.items():
        yield f"    {key}: {_value(value)}".rstrip()


def _explained(line: str, one: Guess) -> str:
    return _remarked(line, f"{one.sure}: {one.why}")


def _remarked(line: str, remark: str) -> str:
    return f"{line:<{_COLUMN}} # {_shown(remark)}"


def _value(value: Any) -> str:
    match value:
        case None:
            return "{}"  # the loader refuses it and names this line
        case bool() | int():
            return str(value).lower()
        case dict():
            return (
                "{"
                + ", ".join(f"{_scalar(str(key))}: {_value(inner)}" for key, inner in value.items())
                + "}"
            )
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return _scalar(str(value))


def _scalar(text: str) -> str:
    """A text for YAML: plain if unambiguous, else quoted; single quotes need fewer escapes."""
    plain = (
        bool(text) and set(text) <= _BARE and not text[0].isdigit() and text.lower() not in _WORDS
    )
    if plain:
        return text
    if text.isprintable() and ('"' in text or "\\" in text):
        return "'" + text.replace("'", "''") + "'"
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(escaped)}"'


def _shown(text: str) -> str:
    """A text for a comment, without line ends and other unprintable characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
