"""The currencies of a column whose texts are signs and not ISO 4217 codes."""

from collections.abc import Sequence

from pipeline.domain.currency import with_minor_unit
from pipeline.domain.currency_signs import currencies_of
from pipeline.domain.plurals import number_of
from pipeline.transforming.profiling import Column
from pipeline.transforming.profiling.guess import Guess

_MOST_TEXTS = 20  #: of a column of currencies; a column with more is something else


def currency_guess(column: Column, why: str, records: int) -> Guess | None:
    """The column with a code for each text that is a sign; None if no text is a sign."""
    by_frequency = sorted(column.texts.items(), key=lambda counted: (-counted[1], counted[0]))
    texts = [text for text, _ in by_frequency if text not in column.nothing]
    codes = {text: next(iter(codes)) for text in texts if len(codes := _currencies(text)) == 1}
    if len(texts) > _MOST_TEXTS or all(text.upper() in with_minor_unit() for text in codes):
        return None
    unknown = [text for text in texts if text not in codes]
    tasks = _tasks(unknown, records - column.present)
    value = {"column": column.name, "values": codes}
    return Guess("currency", value, "open" if unknown else "likely", "; ".join([why, *tasks]))


def _currencies(text: str) -> frozenset[str]:
    return currencies_of(text) or currencies_of(text.upper())


def _tasks(unknown: Sequence[str], without: int) -> list[str]:
    """Tasks for a person: texts without a code, and records without a text."""
    listed = (
        [f"add to values, or their records are rejected: {', '.join(unknown)}"] if unknown else []
    )
    records = (
        f"{number_of(without, 'record has', 'records have')} none: for a default add default: CODE"
    )
    return [*listed, *([records] if without else [])]
