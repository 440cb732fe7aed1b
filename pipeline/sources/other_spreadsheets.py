"""Recognise files that are not readable workbooks; name the format and the solution."""

import codecs
import re
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import SourceError
from pipeline.sources.file_access import open_regular
from pipeline.sources.workbook_parts import WORD_DOCUMENT

_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_EMPTY_ZIP = b"PK\x05\x06"
#: The first record of a sheet of Excel 2 to 4, without a container.
_OLDEST = re.compile(
    rb"\x09[\x00\x02\x04][\x04\x06\x08]\x00[\x00-\xff]{2}(?:\x10|\x20|\x40)\x00", re.DOTALL
)
#: The beginning of a workbook stream of Excel 5 to 2003 without its container.
_BARE = re.compile(rb"\x09\x08[\x04-\x20]\x00\x00[\x05\x06]")
_LOOKED_AT = 8 << 10  #: bytes that identify a text
_BLOCK = 1 << 20
_CALLED = (
    ".xl",
    ".ods",
    ".fods",
    ".xml",
    ".htm",
)  #: endings of spreadsheets and pages; other texts may be CSV
_SAVE = "open it in a spreadsheet program and save it as .xlsx or CSV"
#: Stream names of an OLE2 file -> the kind of file.
_STREAMS = {
    "EncryptedPackage": "a workbook with a password; save it without one",
    **dict.fromkeys(
        ("Workbook", "WORKBOOK", "Book", "BOOK"), f"an old Excel workbook (.xls); {_SAVE}"
    ),
    "WordDocument": WORD_DOCUMENT,
}
_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|(?:html|head|title|body|table|thead|tbody|tr|div|center|font|span|p|h[1-6]|meta|style|link|script|form)\b)",
    re.IGNORECASE | re.DOTALL,
)
_MHTML = re.compile(
    r"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(?:MIME-Version:|Content-Type: *multipart/)",
    re.IGNORECASE,
)
_RTF = re.compile(r"\s*\{\\rtf")
_SYLK = re.compile(r"ID;P[^\r\n]*[\r\n]+(?:[BCEFPO];|ID;)|ID;P(?:WXL|SCALC|CALCOOO)")
_XML = re.compile(r"\s*<\?xml\b|\s*<(?:ss:)?Workbook\b")


def refuse_other_spreadsheet(path: Path) -> None:
    """Raise SourceError for a lock file, an old or protected workbook, a page, or XML."""
    if what := _lock_file(path.name):
        raise SourceError(f"{path}: {what}")
    with open_regular(path) as file:
        head = file.read(_LOOKED_AT)
        if head.startswith(_OLE2):
            what = _in_ole2(file)
        elif path.suffix.casefold().startswith(_CALLED):
            what = _in_text(head) or _in_old_text(head)
        else:
            what = _spreadsheet_of_2003(_decoded(head))
    if what:
        raise SourceError(f"{path}: this is {what}; nothing was sent")


def _lock_file(name: str) -> str | None:
    """The advice for a lock file of an open workbook."""
    if name.startswith("~$"):
        return f"Excel keeps this file while a workbook is open; close the workbook and import the file without ~$: {name[2:]}"
    if name.startswith(".~lock.") and name.endswith("#"):
        return f"LibreOffice keeps this file while a document is open; close it and import {name[7:-1]}"
    return None


def _in_ole2(file: BinaryIO) -> str:
    """The kind of an OLE2 file, by the names of its streams."""
    names = {name.encode("utf-16-le") + b"\0\0": what for name, what in _STREAMS.items()}
    longest = max(map(len, names))
    found: set[bytes] = set()
    file.seek(0)
    tail = b""
    while block := file.read(_BLOCK):
        found |= {name for name in names if name in tail + block}
        tail = block[-longest:]
    return next(
        (what for name, what in names.items() if name in found),
        f"an old Office file (OLE2); {_SAVE}",
    )


def _in_text(head: bytes) -> str | None:
    if head.startswith(_EMPTY_ZIP):
        return "an empty ZIP file and no workbook"
    if _OLDEST.match(head):
        return f"a very old Excel sheet; {_SAVE}"
    if _BARE.match(head):
        return f"an old Excel workbook (.xls) without its container; {_SAVE}"
    text = _decoded(head)
    if _HTML.match(text):
        return f"a web page (HTML), whatever its name says; {_SAVE}"
    if _XML.match(text) is None:
        return None
    if what := _spreadsheet_of_2003(text):
        return what
    if "opendocument" in text:
        return f"an OpenDocument file in one XML file; {_SAVE}"
    return "an XML file; export the table as CSV or .xlsx"


def _in_old_text(head: bytes) -> str | None:
    """The kind of a text that is neither a page nor XML."""
    text = _decoded(head).lstrip("\ufeff")
    if _MHTML.match(text):
        return f"a web page in one file (MHTML), whatever its name says; {_SAVE}"
    if _RTF.match(text):
        return (
            "a text document (RTF); copy its table into a spreadsheet and save that as .xlsx or CSV"
        )
    return f"a SYLK file; {_SAVE}" if _SYLK.match(text) else None


def _spreadsheet_of_2003(text: str) -> str | None:
    """Whether a text of any name is XML of Excel 2003."""
    if _XML.match(text) and (
        "schemas-microsoft-com:office:spreadsheet" in text or "Excel.Sheet" in text
    ):
        return f"an XML Spreadsheet 2003; {_SAVE}"
    return None


def _decoded(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="replace")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
