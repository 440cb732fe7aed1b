"""The letters beyond ASCII of the languages of old encodings, and the cost of other words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

RARE, MISPLACED, FOREIGN = 1.0, 2.5, 4.0
_ODD_CASE, _CAPITALS_OF_ASCII = 4.0, 0.2


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its frequent and rare letters beyond ASCII, and where none occurs."""

    frequent: str
    rare: str = ""
    misplaced: str = r"(?!)"  #: matches a letter in an unusual place

    def cost(self, word: str) -> float:
        """The cost of the letters of a lower-case word in this language."""
        misplaced = {found.start() for found in re.finditer(self.misplaced, word)}
        letters = ((at, letter) for at, letter in enumerate(word) if not letter.isascii())
        return sum(MISPLACED * (at in misplaced) + self._cost_of(letter) for at, letter in letters)

    def _cost_of(self, letter: str) -> float:
        return 0.0 if letter in self.frequent else RARE if letter in self.rare else FOREIGN


_WORDS_OF_ONE_LETTER = "àáèéòóœí"
WESTERN = (
    Language("äöüß", "é", r"^ß"),
    Language("éèêç", "àâîïôûùëœÿæü", r"^[èùïëÿ]|[êâîô]$|é(?=é[^e])"),
    Language("áéíóúñ", "ü", r"ñ(?![aeiouáéíóú])"),
    Language("ãáéçíóõêâôú", "à", r"ã(?![oes]|$)|õ(?!e)|[êâ]$"),
    Language("ëéïêöü", "èóáôîû", r"^[ëï]|[êîôû]$"),
    Language("àèìòùé", "", r"[àèìòù](?!$)"),
    Language("àèéíòóúçïü", "", r"^ï"),
    Language("åäöé"),
    Language("ëç"),
    Language("æøåöé", "ó", r"æ$"),
    Language("áðéíóúýþæö", "", r"^ð"),
)
BALTIC = Language("äöü", "õšž")
CENTRAL = (
    Language("áíéýěščřžůú", "ňťďóľĺŕôä", r"^[ěůýň]|[ěéí](?=[ěéí])"),
    Language("łóąęśżćńź", "", r"^[ąęńó]|ń(?=[aeiouy])"),
    Language("áéöőóüíű", "ú", r"^[őű](?=.?$)"),
    Language("čćšžđ"),
    Language("ăâîşţ"),
    Language("äöüß", "é", r"^ß"),
)
TURKISH = Language("\u0131şğüöçi\u0307", "âî", r"^ğ")
RUSSIAN = Language("оеаинтсрвлкмдпуя", "ыьгзбчйхжшюцщэфъёіїєґў", r"^[ыьъ]|[аеоуыэюя](?=[ьъы])|ъ$")
GREEK = Language("αοιεστνηυρπκμλως", "άέήίόύώγδθφχβξζψϊϋΐΰ", r"ς(?!$)")


def cost_of_word(word: str, languages: Sequence[Language]) -> float:
    """The cost of a word in its best language; 0 if all is usual."""
    if len(word) == 1:  # an initial, or a word such as the French "à"
        return RARE if word.isupper() or word in _WORDS_OF_ONE_LETTER else FOREIGN
    return (
        min(language.cost(word.lower()) for language in languages)
        + _cost_of_case(word)
        + _cost_of_scripts(word)
    )


def _cost_of_case(word: str) -> float:
    """Cost of unusual capitals; old systems leave letters beyond ASCII small (`MüLLER`)."""
    if word.isupper() or word.islower() or word.istitle():
        return 0.0
    plain = "".join(letter for letter in word if letter.isascii())
    marked = "".join(letter for letter in word if not letter.isascii())
    if plain.isupper() and len(plain) > 1 and marked.islower():
        return _CAPITALS_OF_ASCII
    odd = sum(
        letter.isupper() and not (before + letter).isascii() for before, letter in pairwise(word)
    )
    return _ODD_CASE * odd + RARE


def _cost_of_scripts(word: str) -> float:
    """Cost of two scripts in one word, or of adjacent marked Latin letters."""
    other_script = [letter >= "\u0370" for letter in word]
    if any(other_script):
        return FOREIGN * min(sum(other_script), len(word) - sum(other_script))
    return RARE * sum(not (one.isascii() or other.isascii()) for one, other in pairwise(word))
