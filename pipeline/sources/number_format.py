"""Parse number formats (ECMA-376, 18.8.31): their sections, and what each section shows.

`number_text` writes values with them.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache

GENERAL = "General"

_ACCOUNTING = "_(* {0}_);_(* \\({0}\\);_(* {1}_);_(@_)"
_DATE, _TIME = "yyyy-mm-dd", "h:mm:ss"
#: ECMA-376, 18.8.30: formats with an id and no code in the file. The currency sign of 5 to 8, 42
#: and 44 is that of the local machine, so it is left out. 27 to 36 and 50 to 58 are dates and times
#: of East Asia.
BUILT_IN = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "#,##0_);(#,##0)", 6: "#,##0_);(#,##0)",
    7: "#,##0.00_);(#,##0.00)", 8: "#,##0.00_);(#,##0.00)", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "m/d/yy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "m/d/yy h:mm", **dict.fromkeys(range(23, 27), GENERAL),
    **dict.fromkeys(range(27, 32), _DATE), **dict.fromkeys(range(32, 36), _TIME), 36: _DATE,
    37: "#,##0_);(#,##0)", 38: "#,##0_);[Red](#,##0)", 39: "#,##0.00_);(#,##0.00)", 40: "#,##0.00_);[Red](#,##0.00)",
    41: _ACCOUNTING.format("#,##0", '"-"'), 42: _ACCOUNTING.format("#,##0", '"-"'),
    43: _ACCOUNTING.format("#,##0.00", '"-"??'), 44: _ACCOUNTING.format("#,##0.00", '"-"??'),
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    **dict.fromkeys(range(50, 55), _DATE), 55: _TIME, 56: _TIME, 57: _DATE, 58: _DATE,
}  # fmt: skip


class Kind(Enum):
    """The kind of a part of a section."""

    LITERAL = "a text that is shown as it is"
    LETTER = "a letter without quotes, which is shown as it is"
    LAYOUT = "room that is left free"
    DIGIT = "a digit: 0, # or ?"
    POINT = "the decimal point"
    SCALE = "a thousandth"
    GROUP = "the thousands separator"
    PERCENT = "a hundredfold"
    EXPONENT = "the exponent of a power of ten"
    SLASH = "the bar of a fraction, with its denominator where that is fixed"
    TEXT = "the text of the cell"
    GENERAL = "the number as General shows it"
    DATE = "a year, month or day"
    TIME = "an hour or second"
    MINUTE = "a month or a minute"
    ELAPSED = "hours, minutes or seconds in all"
    SCRIPT = "the digits of another script, such as Arabic"
    UNKNOWN = "what programs read differently"


class Shows(Enum):
    """What a section shows."""

    NUMBER = "its digits"
    FRACTION = "a whole number and a fraction"
    GENERAL = "the number as General shows it"
    MOMENT = "a date or a time"
    TEXT = "the text of the cell"
    WORDS = "nothing of it, only words of the format"
    NOTHING = "nothing"
    UNKNOWN = "what cannot be decided"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section; `text` is what it shows, or its code."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """The values to which a section applies, such as >= 100."""

    operator: str
    limit: Decimal

    def holds(self, number: Decimal) -> bool:
        """Whether the section applies to this number."""
        order = (number > self.limit) - (number < self.limit)
        return (
            order
            in {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0), "=": (0,), "<>": (-1, 1)}[
                self.operator
            ]
        )


@dataclass(frozen=True)
class Section:
    """One section of a format: its parts in order, without layout at both ends."""

    parts: tuple[Part, ...]
    condition: Condition | None = None

    @cached_property
    def kinds(self) -> set[Kind]:
        """The kinds of its parts."""
        return {part.kind for part in self.parts}

    def count(self, kind: Kind) -> int:
        """How many parts are of a kind."""
        return sum(part.kind is kind for part in self.parts)

    @cached_property
    def shows(self) -> Shows:
        """What the section shows of a value."""
        kinds = self.kinds - {Kind.LAYOUT, Kind.LITERAL, Kind.LETTER}
        numeric = {Kind.DIGIT, Kind.POINT, Kind.SCALE, Kind.GROUP, Kind.PERCENT, Kind.EXPONENT}
        moment = {Kind.DATE, Kind.TIME, Kind.MINUTE, Kind.ELAPSED}
        if not kinds:
            return Shows.WORDS if any(part.text.strip() for part in self.parts) else Shows.NOTHING
        if kinds & moment:
            return Shows.MOMENT if self._is_moment(kinds - moment) else Shows.UNKNOWN
        if kinds == {Kind.TEXT}:
            return Shows.TEXT
        if kinds == {Kind.GENERAL}:
            return Shows.GENERAL
        if Kind.DIGIT in kinds and kinds <= numeric:
            return Shows.NUMBER
        if Kind.DIGIT in kinds and kinds == {Kind.DIGIT, Kind.SLASH}:
            return Shows.FRACTION
        return Shows.UNKNOWN

    def _is_moment(self, others: set[Kind]) -> bool:
        """Whether all digits are decimals of seconds, and all letters the T and Z of ISO 8601."""
        decimals = all(
            part.text == "0" and before.kind in {Kind.POINT, Kind.DIGIT}
            for before, part in itertools.pairwise(self.parts)
            if part.kind is Kind.DIGIT
        )
        letters = {part.text.upper() for part in self.parts if part.kind is Kind.LETTER}
        punctuation = {Kind.DIGIT, Kind.POINT, Kind.SLASH, Kind.GROUP, Kind.SCALE, Kind.SCRIPT}
        return (
            decimals
            and letters <= {"T", "Z"}
            and others <= punctuation
            and self.parts[0].kind is not Kind.DIGIT
        )


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A format: up to three number sections (none: texts only), and a text section or None."""

    numbers: tuple[Section, ...]
    text: Section | None


_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)"
    |\\(?P<escaped>.?)
    |_(?P<layout>.?)
    |\*(?P<fill>.?)
    |\[(?P<bracket>[^\[\]]*)\]
    |(?P<general>general)
    |(?P<half>am/pm|a/p)
    |(?P<exponent>e[+-])
    |(?P<date>[ydegb]+)
    |(?P<time>[hs]+)
    |(?P<minute>m+)
    |(?P<digit>[0\#?])
    |(?P<comma>,)
    |(?P<point>\.)
    |(?P<percent>%)
    |(?P<slash>/(?:[ ]*[1-9][0-9]*)?)
    |(?P<text>@)
    |(?P<end>;)
    |(?P<unknown>["\[\]])
    |(?P<letter>[a-z])
    |(?P<literal>.)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "quoted": Kind.LITERAL, "escaped": Kind.LITERAL, "literal": Kind.LITERAL, "letter": Kind.LETTER, "general": Kind.GENERAL, "half": Kind.TIME,
    "exponent": Kind.EXPONENT, "date": Kind.DATE, "time": Kind.TIME, "minute": Kind.MINUTE, "digit": Kind.DIGIT,
    "comma": Kind.GROUP, "point": Kind.POINT, "percent": Kind.PERCENT, "slash": Kind.SLASH, "text": Kind.TEXT,
    "unknown": Kind.UNKNOWN,
}  # fmt: skip
_COLOUR = re.compile(
    r"black|blue|cyan|green|magenta|red|white|yellow|color ?[0-9]{1,2}", re.IGNORECASE
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=) ?(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
#: [$R-1C09], [$€-407], [$-409], [$kr.-x-euro2], [$₹-hi-IN]: a text, and the number or the name of a
#: language.
_CURRENCY = re.compile(
    r"\$(.*?)(?:-((?:[0-9A-F]{1,8}|x-[a-z0-9]+|[a-z]{2,3}(?:-[a-z0-9]+)*)(?:,[0-9A-F]+)?))?",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"DBNum[0-9]|NatNum[0-9]{1,2}", re.IGNORECASE)
_WESTERN_DIGITS = 0x01FF_FFFF  #: higher numbers select the digits of a language
_MOST_SECTIONS = 4


@lru_cache(4096)
def parsed(code: str) -> NumberFormat | None:
    """The sections of a format; None if it has too many."""
    sections = _sections(code)
    if len(sections) > _MOST_SECTIONS:
        return None
    if not code:
        return parsed(GENERAL)
    if len(sections) == _MOST_SECTIONS or Kind.TEXT in sections[-1].kinds:
        return NumberFormat(tuple(sections[:-1]), sections[-1])
    return NumberFormat(tuple(sections), None)


def _sections(code: str) -> list[Section]:
    tokens = [
        (str(found.lastgroup), found[str(found.lastgroup)]) for found in _TOKEN.finditer(code)
    ]
    ends = [index for index, (name, _) in enumerate(tokens) if name == "end"]
    begins = [0, *(index + 1 for index in ends)]
    return [
        _section(tokens[begin:end]) for begin, end in zip(begins, [*ends, len(tokens)], strict=True)
    ]


def _section(tokens: list[tuple[str, str]]) -> Section:
    parts: list[Part] = []
    condition = None
    for name, text in tokens:
        if name == "bracket" and (limit := _CONDITION.fullmatch(text)):
            condition = Condition(limit[1], Decimal(limit[2]))
        else:
            parts += _part(name, text)
    return Section(tuple(_refined(parts)), condition)


def _part(name: str, text: str) -> Iterator[Part]:
    if name == "layout":
        yield Part(Kind.LAYOUT, " ")
    elif name == "bracket":
        yield from _bracket(text)
    elif name != "fill":
        yield Part(_KINDS[name], text)


def _bracket(text: str) -> Iterator[Part]:
    if _COLOUR.fullmatch(text):
        return
    if _ELAPSED.fullmatch(text):
        yield Part(Kind.ELAPSED, text)
    elif found := _CURRENCY.fullmatch(text):
        yield Part(Kind.LITERAL, found[1])
        if _has_other_digits(found[2]):
            yield Part(Kind.SCRIPT, text)
    else:
        yield Part(Kind.SCRIPT if _SCRIPT.fullmatch(text) else Kind.UNKNOWN, text)


def _has_other_digits(language: str | None) -> bool:
    return bool(
        language
        and re.fullmatch(r"[0-9A-Fa-f]{7,8}", language)
        and int(language, 16) > _WESTERN_DIGITS
    )


def _refined(parts: list[Part]) -> list[Part]:
    """The parts, with commas and bars resolved by their neighbours, without outer layout."""
    while parts and parts[0].kind is Kind.LAYOUT:
        parts = parts[1:]
    while parts and parts[-1].kind is Kind.LAYOUT:
        parts = parts[:-1]
    digits = [index for index, part in enumerate(parts) if part.kind is Kind.DIGIT]
    if not digits:
        return [_plain(part) for part in parts]
    return [_judged(part, index, parts, digits) for index, part in enumerate(parts)]


def _plain(part: Part) -> Part:
    """Without digits, commas, points and bars are texts."""
    return (
        Part(Kind.LITERAL, part.text) if part.kind in {Kind.GROUP, Kind.SLASH, Kind.POINT} else part
    )


def _judged(part: Part, index: int, parts: list[Part], digits: list[int]) -> Part:
    is_between = digits[0] < index < digits[-1]
    if part.kind is Kind.SLASH and not (is_between or (len(part.text) > 1 and digits[0] < index)):
        return Part(Kind.LITERAL, part.text)
    if part.kind is not Kind.GROUP:
        return part
    before = next((one.kind for one in reversed(parts[:index]) if one.kind is not Kind.GROUP), None)
    after = next((one.kind for one in parts[index:] if one.kind is not Kind.GROUP), None)
    if before is Kind.DIGIT and (after is Kind.POINT or not is_between):
        return Part(Kind.SCALE, part.text)
    return part if is_between else Part(Kind.UNKNOWN, part.text)
