"""Trim invisible characters (spaces, format characters, fillers) and escape controls."""

import re
import unicodedata

import polars as pl

_LINE_BREAKS = re.compile("[ \t]*[\r\n\v\f\x85\u2028\u2029]+[ \t]*")
_BLANK = " \t\n\r\x0b\x0c"  #: white space of ASCII
#: First and last code points in Unicode 14: white space and separators (Z), format characters (Cf),
#: default ignorable characters, and letters and symbols without a glyph.
_RANGES = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605), (0x61C, 0x61C),
    (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180E, 0x180E),
    (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F),
)  # fmt: skip
#: Variation selectors change the previous character, so they are not trimmed; in a code they are
#: invisible.
_SELECTORS = ((0x180B, 0x180D), (0x180F, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
#: Code points that Unicode reserves for more of these. They do not occur in texts, and comparing
#: with all of them is slow.
_RESERVED = ((0xE0000, 0xE0000), (0xE0002, 0xE001F), (0xE0080, 0xE00FF), (0xE01F0, 0xE0FFF))

#: Characters that are trimmed at both ends of every field.
INVISIBLE = "".join(chr(code) for first, last in _RANGES for code in range(first, last + 1))
_ESCAPED = {chr(code): f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 9}
#: Names of controls, which have no name in Unicode.
_CONTROLS = {
    "\t": "TAB",
    "\n": "LINE FEED",
    "\r": "CARRIAGE RETURN",
    "\x0b": "VERTICAL TAB",
    "\x0c": "FORM FEED",
}


def _character_class(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in ranges)


#: The same characters, for a character class of a regular expression.
INVISIBLE_CLASS = _character_class(_RANGES)
#: Characters of a blank cell: all but the controls other than tab, which are errors of their own.
BLANK = "".join(one for one in INVISIBLE if one == "\t" or unicodedata.category(one) != "Cc")
#: The same, for a character class.
BLANK_CLASS = _character_class(
    ((0x09, 0x09), *(one for one in _RANGES if one not in {(0x09, 0x0D), (0x85, 0x85)}))
)
#: One invisible character other than a plain space, as a regular expression.
_HIDDEN_RANGES = tuple(one for one in (*_RANGES, *_SELECTORS, *_RESERVED) if one[0] != ord(" "))
HIDDEN = f"[{_character_class(_HIDDEN_RANGES)}]"


def trimmed(cell: pl.Expr) -> pl.Expr:
    """The text without invisible characters at its ends; empty if there is nothing else."""
    # Few texts begin or end beyond ASCII, and only those are compared with all 200 characters.
    beyond_ascii = pl.when(cell.str.len_bytes() != cell.str.len_chars()).then(cell)
    odd = pl.when(beyond_ascii.str.contains(r"^[^\x21-\x7e]|[^\x21-\x7e]$")).then(cell)
    return pl.coalesce(odd.str.strip_chars(INVISIBLE), cell.str.strip_chars(_BLANK))


def escaped(text: pl.Expr) -> pl.Expr:
    r"""Text with control characters and line ends written as \xNN, so that lists stay readable."""
    return text.str.replace_many(_ESCAPED)


def name_of(character: str) -> str:
    """The name of a character in a hint: `U+200B ZERO WIDTH SPACE`."""
    name = unicodedata.name(character, None) or _CONTROLS.get(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def clean_name(name: str) -> str:
    """The name without invisible characters at its ends; an inner line break becomes a space."""
    return _LINE_BREAKS.sub(" ", name).strip(INVISIBLE)


def fold_name(name: str) -> str:
    """The form for comparing names: without case, and trimmed of invisible characters."""
    return unicodedata.normalize("NFC", clean_name(name)).casefold()
