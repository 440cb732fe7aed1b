"""The shared texts of a workbook, and its XML escapes."""

import re
from typing import IO

from pipeline.sources.cell import Text, Trouble
from pipeline.sources.limits import MOST_BYTES_HELD, MOST_CELLS_HELD
from pipeline.sources.xml_part import IGNORED, NoWorkbook, check_depth, parse, place

LONGEST_TEXT = 16 << 20  #: characters of one cell; Excel itself takes 32,767
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: The places of a text and its runs, without phonetic readings.
TEXT = place()
TEXT_ITEM = {"t": TEXT, "r": place({"t": TEXT})}
_ITEM = place(TEXT_ITEM)
_ROOT = place({"sst": place({"si": _ITEM})})


class Collected:
    """Collect the pieces of a text from the parser; refuse too long texts."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        """Add a piece."""
        self._pieces.append(text)
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise NoWorkbook(
                f"a workbook with a text of more than {LONGEST_TEXT:,} characters in one cell; save it as CSV"
            )

    def take(self) -> str:
        """Return the whole text and start a new one."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        return text


class _SharedTexts:
    """Collects the items of the part."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self._places = [_ROOT]
        self._collected = Collected()
        self._held = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._places.append(self._places[-1].get(name, IGNORED))
        check_depth(len(self._places))

    def text(self, text: str) -> None:
        if self._places[-1] is TEXT:
            self._collected.add(text)

    def end(self, _name: str) -> None:
        if self._places.pop() is _ITEM:
            text = self._collected.take()
            self._held += len(text)
            self.texts.append(unescaped(text))
            if self._held > MOST_BYTES_HELD or len(self.texts) > MOST_CELLS_HELD:
                raise NoWorkbook(
                    f"a workbook with more texts than are held at once ({MOST_CELLS_HELD:,} texts, "
                    f"{MOST_BYTES_HELD >> 20:,} MiB); save it as CSV"
                )


def shared_texts(content: IO[bytes]) -> list[Text]:
    """The shared texts, by the numbers in cells."""
    found = _SharedTexts()
    for _ in parse(content, found):
        pass
    return found.texts


def unescaped(text: str) -> Text:
    """Decode `_x000D_` escapes of a text; half a character is malformed."""
    if "_x" not in text:
        return text
    whole = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    if _SURROGATE.search(whole) is None:
        return whole
    try:
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return Trouble.MALFORMED
