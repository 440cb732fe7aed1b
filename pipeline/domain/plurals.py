"""Counts with their nouns, for messages and pages."""


def number_of(number: int, one: str, many: str = "") -> str:
    """A count and its noun: `1 record`, `1,120 records`. `many` defaults to `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
