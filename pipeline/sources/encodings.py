"""Suggest an encoding for lines that are not UTF-8: the one in which letters form words.

Every candidate decodes the same bytes. A character costs nothing if it is a letter of a language of
that encoding, and much if it is a sign inside a word. cp1252 wins unless another is clearly
cheaper.
"""

import re
from collections.abc import Sequence

from pipeline.sources.languages import (
    BALTIC,
    CENTRAL,
    FOREIGN,
    GREEK,
    MISPLACED,
    RARE,
    RUSSIAN,
    TURKISH,
    WESTERN,
    Language,
    cost_of_word,
)

_SIGN, _IMPOSSIBLE = 5.0, 8.0  #: a sign inside a word, a byte without a character
#: How much cheaper than cp1252 another encoding must be: in all, and per word.
_PREFERENCE, _PREFERENCE_PER_WORD = 1.5, 0.25
#: Encoding -> its languages; of equals the first is suggested.
_CANDIDATES: dict[str, tuple[Language, ...]] = {
    "cp1252": (*WESTERN, BALTIC),
    "cp850": WESTERN,
    "mac-roman": WESTERN,
    "cp1250": CENTRAL,
    "cp1251": (RUSSIAN,),
    "koi8-r": (RUSSIAN,),
    "cp1253": (GREEK,),
    "cp1254": (TURKISH,),
    "iso-8859-2": CENTRAL,
    "cp852": CENTRAL,
    "cp866": (RUSSIAN,),
}
_WORD = re.compile(r"[^\W\d_\u00aa\u00b2\u00b3\u00b5\u00b9\u00ba\u00bc-\u00be]+")
_APOSTROPHE = "\u2019"
_SHORT_ENDS = {"s", "n", "t", "ll", "re", "ve", "d", "m", "e", "tje", "er", "hui"}
_OPENING, _CLOSING = "\u2018\u201a\u201e\u00ab\u2039\u00a1\u00bf", "\u201d\u00bb\u203a"
_EITHER = "\u201c"  #: opens in English, closes in German
_DASHES = "\u2013\u2014"
_AFTER = "\u00aa\u00ba\u00b0\u00b2\u00b3\u00b9\u00bc\u00bd\u00be\u2122\u00ae\u2026"  #: follow a number or a word
_ALONE = (
    "\u20ac\u00a3\u00a7\u00a0\u00b5\u00a9\u00b1\u00d7"  #: stand beside numbers, or by themselves
)
_LONGEST_LINE, _LONGEST_WORD = 2_000, 40  #: longer parts add nothing


def suggested_encoding(lines: Sequence[bytes]) -> str:
    """The most likely encoding of these lines; a guess, never a fact."""
    beginnings = [line[:_LONGEST_LINE] for line in lines]
    costs = {encoding: _cost(beginnings, encoding) for encoding in _CANDIDATES}
    return min(costs, key=costs.__getitem__)


def _cost(lines: Sequence[bytes], encoding: str) -> float:
    words, cost = 0, 0.0
    for line in lines:
        text = line.decode(encoding, errors="replace")
        beyond_ascii = [found for found in _WORD.finditer(text) if not found[0].isascii()]
        words += len(beyond_ascii)
        cost += sum(cost_of_word(found[0], _CANDIDATES[encoding]) for found in beyond_ascii)
        cost += sum(FOREIGN for found in beyond_ascii if _touches_digit(found))
        signs = (at for at, sign in enumerate(text) if not (sign.isascii() or _WORD.match(sign)))
        cost += sum(_cost_of_sign(text, at) for at in signs)
    preference = 0.0 if encoding == "cp1252" else _PREFERENCE + _PREFERENCE_PER_WORD * words
    return cost + preference


def _touches_digit(found: re.Match[str]) -> bool:
    text = found.string
    return (
        text[max(found.start() - 1, 0) : found.start()] + text[found.end() : found.end() + 1]
    ).isdecimal()


def _cost_of_sign(text: str, at: int) -> float:
    sign, before, after = text[at], text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if sign == "\ufffd" or not (sign.isprintable() or sign == "\u00a0"):
        return _IMPOSSIBLE
    if sign == _APOSTROPHE:
        return _cost_of_apostrophe(text, at)
    if sign in _DASHES:
        return _cost_of_dash(before, after)
    if sign in _EITHER:
        return _SIGN if before.isalnum() and after.isalnum() else 0.0
    if sign in _OPENING or sign in _CLOSING:
        return _SIGN if (before if sign in _OPENING else after).isalnum() else 0.0
    if sign in _AFTER:
        return _SIGN if after.isalpha() else RARE
    if sign in _ALONE:
        return (
            RARE
            if not (before.isalpha() and after.isalpha())
            else MISPLACED
            if after.isupper()
            else _SIGN
        )
    return _SIGN


def _cost_of_dash(before: str, after: str) -> float:
    """Between two numbers, two names or two spaces."""
    if before.isalpha() and after.isalpha():
        return RARE if after.isupper() else MISPLACED
    return RARE if before.isalpha() or after.isalpha() else 0.0


def _cost_of_apostrophe(text: str, at: int) -> float:
    """An apostrophe follows a short beginning (O', d', qu'), or precedes a short end ('s)."""
    start = re.findall(r"[^\W\d_]*$", text[max(at - _LONGEST_WORD, 0) : at])[0]
    end = re.findall(r"^[^\W\d_]*", text[at + 1 : at + _LONGEST_WORD])[0]
    if len(start) <= 2 or not end or end.lower() in _SHORT_ENDS:
        return 0.0
    return RARE if end[0].isupper() else FOREIGN
