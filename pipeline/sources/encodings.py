"""Suggest the encoding of lines that are not UTF-8: the one in which their letters make words of a language.

Every candidate decodes the same bytes, and each byte beyond ASCII costs what its character costs there: nothing for a
letter that a language of that encoding uses, much for a sign inside a word. cp1252 wins unless another is clearly cheaper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_RARE, _MISPLACED, _FOREIGN, _ODD_CASE, _SIGN, _IMPOSSIBLE = 1.0, 2.5, 4.0, 4.0, 5.0, 8.0
#: How much cheaper than cp1252 another encoding must be: once, and for each word.
_PREFERENCE, _PREFERENCE_PER_WORD = 1.5, 0.25


@dataclass(frozen=True, slots=True)
class _Language:
    """Its letters beyond ASCII in lower case: the frequent ones, the rare ones, and where none of them stands."""

    frequent: str
    rare: str = ""
    misplaced: str = r"(?!)"  #: matches at a letter that stands where the language does not put it

    def cost(self, word: str) -> float:
        """What the letters of a word in lower case cost in this language."""
        if word in self.frequent + self.rare:
            return _RARE if word in _WORDS_OF_ONE_LETTER else _FOREIGN
        misplaced = {found.start() for found in re.finditer(self.misplaced, word)}
        letters = ((at, letter) for at, letter in enumerate(word) if not letter.isascii())
        return sum(_MISPLACED * (at in misplaced) + self._cost_of(letter) for at, letter in letters)

    def _cost_of(self, letter: str) -> float:
        return 0.0 if letter in self.frequent else _RARE if letter in self.rare else _FOREIGN


_WORDS_OF_ONE_LETTER = "àáèéòóœí"
_WESTERN = (
    _Language("äöüß", "é", r"^ß"),
    _Language("éèêç", "àâîïôûùëœÿæü", r"^[èùïëÿ]|[êâîô]$|é(?=é[^e])"),
    _Language("áéíóúñ", "ü", r"ñ(?![aeiouáéíóú])"),
    _Language("ãáéçíóõêâôú", "à", r"ã(?![oes]|$)|õ(?!e)|[êâ]$"),
    _Language("ëéïêöü", "èóáôîû", r"^[ëï]|[êîôû]$"),
    _Language("àèìòùé", "", r"[àèìòù](?!$)"),
    _Language("åäöé"),
    _Language("æøåöé", "ó", r"æ$"),
    _Language("áðéíóúýþæö", "", r"^ð"),
)
_BALTIC = _Language("äöü", "õšž")
_CENTRAL = (
    _Language("áíéýěščřžůú", "ňťďóľĺŕôä", r"^[ěůýň]|[ěéí](?=[ěéí])"),
    _Language("łóąęśżćńź", "", r"^[ąęńó]|ń(?=[aeiouy])"),
    _Language("áéöőóüíű", "ú", r"^[őű](?=.?$)"),
    _Language("čćšžđ"),
    _Language("ăâîşţ"),
    _Language("äöüß", "é", r"^ß"),
)
_TURKISH = _Language("\u0131şğüöçi\u0307", "âî", r"^ğ")
_RUSSIAN = _Language("оеаинтсрвлкмдпуя", "ыьгзбчйхжшюцщэфъёіїєґў", r"^[ыьъ]|[аеоуыэюя](?=[ьъы])|ъ$")
_GREEK = _Language("αοιεστνηυρπκμλως", "άέήίόύώγδθφχβξζψϊϋΐΰ", r"ς(?!$)")

#: Encoding -> the languages that use it; of equals the first is suggested.
_CANDIDATES: dict[str, tuple[_Language, ...]] = {
    "cp1252": (*_WESTERN, _BALTIC),
    "cp850": _WESTERN,
    "mac-roman": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": (_RUSSIAN,),
    "koi8-r": (_RUSSIAN,),
    "cp1253": (_GREEK,),
    "cp1254": (_TURKISH,),
    "iso-8859-2": _CENTRAL,
    "cp852": _CENTRAL,
    "cp866": (_RUSSIAN,),
}
_WORD = re.compile(r"[^\W\d_]+")
_SHORT_ENDS = {"s", "n", "t", "ll", "re", "ve", "d", "m", "e", "tje", "er"}
_APOSTROPHE, _OPENING, _CLOSING, _DASHES = "\u2019", "\u2018\u201c\u201e\u00ab", "\u201d\u00bb", "\u2013\u2014"
_LONGEST_LINE, _LONGEST_WORD = 2_000, 40  #: more of a line shows nothing else
_BESIDE_NUMBERS = "\u20ac\u00a3\u00b0\u00a7\u00a0\u00bd"


def suggested_encoding(lines: Sequence[bytes]) -> str:
    """The encoding in which these lines, which are not UTF-8, are most likely written; a guess, never a finding."""
    beginnings = [line[:_LONGEST_LINE] for line in lines]
    costs = {encoding: _cost(beginnings, encoding) for encoding in _CANDIDATES}
    return min(costs, key=costs.__getitem__)


def _cost(lines: Sequence[bytes], encoding: str) -> float:
    words, cost = 0, 0.0
    for line in lines:
        text = line.decode(encoding, errors="replace")
        beyond_ascii = [found for found in _WORD.finditer(text) if not found[0].isascii()]
        words += len(beyond_ascii)
        cost += sum(_cost_of_word(found, _CANDIDATES[encoding]) for found in beyond_ascii)
        signs = (at for at, sign in enumerate(text) if not sign.isascii() and not sign.isalpha())
        cost += sum(_cost_of_sign(text, at) for at in signs)
    preference = 0.0 if encoding == "cp1252" else _PREFERENCE + _PREFERENCE_PER_WORD * words
    return cost + preference


def _cost_of_word(found: re.Match[str], languages: Sequence[_Language]) -> float:
    word, text = found[0], found.string
    beside = text[max(found.start() - 1, 0) : found.start()] + text[found.end() : found.end() + 1]
    touches_digit = any(character.isdigit() for character in beside)
    cost = min(language.cost(word.lower()) for language in languages)
    return cost + _cost_of_case(word) + _FOREIGN * touches_digit + _cost_of_scripts(word)


def _cost_of_case(word: str) -> float:
    """Capitals stand first in a word, or throughout; a letter that breaks this was probably not meant."""
    if word.isupper() or word.islower() or word.istitle():
        return 0.0
    pairs = pairwise(word)
    odd = sum(letter.isupper() and not (before + letter).isascii() for before, letter in pairs)
    return _ODD_CASE * odd + _RARE


def _cost_of_scripts(word: str) -> float:
    """Letters of two scripts in one word, or many marked Latin letters side by side, make no word."""
    other_script = [letter >= "\u0370" for letter in word]
    if any(other_script) and not all(other_script):
        return _FOREIGN * min(sum(other_script), len(word) - sum(other_script))
    pairs = pairwise(word)
    return 0.0 if any(other_script) else _RARE * sum(not (a.isascii() or b.isascii()) for a, b in pairs)


def _cost_of_sign(text: str, at: int) -> float:
    sign, before, after = text[at], text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if sign == "\ufffd" or not (sign.isprintable() or sign == "\u00a0"):
        return _IMPOSSIBLE
    if sign == _APOSTROPHE:
        return _cost_of_apostrophe(text, at)
    if sign in _OPENING:
        return _SIGN if before.isalnum() else 0.0
    if sign in _CLOSING:
        return _SIGN if after.isalnum() else 0.0
    if sign in _DASHES:
        return (_RARE if after.isupper() else _MISPLACED) if before.isalpha() and after.isalpha() else 0.0
    if sign in _BESIDE_NUMBERS:
        return _RARE if not (before.isalpha() and after.isalpha()) else _MISPLACED if after.isupper() else _SIGN
    return _MISPLACED if not (before.isalpha() or after.isalpha()) else _SIGN


def _cost_of_apostrophe(text: str, at: int) -> float:
    """Names and languages put it after a short beginning (O', d', qu') or before a short end ('s, 'n)."""
    start = re.findall(r"[^\W\d_]*$", text[max(at - _LONGEST_WORD, 0) : at])[0]
    end = re.findall(r"^[^\W\d_]*", text[at + 1 : at + _LONGEST_WORD])[0]
    if not (start and end) or end.lower() in _SHORT_ENDS:
        return 0.0
    if len(start) > 2:
        return _FOREIGN
    return _RARE if start[-1:].isupper() and end[0].islower() else 0.0
