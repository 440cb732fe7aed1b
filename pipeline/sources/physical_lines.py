"""Split bytes into physical lines with number and text check."""

import polars as pl

from pipeline.sources.dialect import Dialect, without_end_mark

_LONGEST_MARK = 3  #: bytes: Ctrl-Z, CR, LF


def physical_lines(whole: bytes, first_line: int, dialect: Dialect) -> pl.DataFrame:
    """Complete lines -> line, raw (String with its CR), undecoded, line_count."""
    try:
        parts = _lines_of(_as_utf8(whole, dialect))
        raw = pl.Series("raw", parts, dtype=pl.Binary).cast(pl.String)
        bad = pl.repeat(value=False, n=len(parts), eager=True, dtype=pl.Boolean)
    except UnicodeDecodeError:
        texts = [_decoded(part, dialect.codec) for part in _lines_of(whole)]
        raw = pl.Series("raw", [text for text, _ in texts], dtype=pl.String)
        bad = pl.Series([is_bad for _, is_bad in texts], dtype=pl.Boolean)
    line = pl.int_range(first_line, first_line + len(raw), dtype=pl.Int64, eager=True)
    count = pl.repeat(1, len(raw), dtype=pl.Int64, eager=True)
    return pl.DataFrame({"line": line, "raw": raw, "undecoded": bad, "line_count": count})


def cut(content: bytes, *, at_end: bool) -> tuple[bytes, bytes]:
    """Whole lines and the rest; a line that may end the file with Ctrl-Z waits with it."""
    if at_end:
        return content, b""
    end = content.rfind(b"\n") + 1
    if (
        end == len(content)
        and without_end_mark(content[-_LONGEST_MARK:]) != content[-_LONGEST_MARK:]
    ):
        end = content.rfind(b"\n", 0, end - 1) + 1
    return content[:end], content[end:]


def _as_utf8(whole: bytes, dialect: Dialect) -> bytes:
    text = whole.decode(dialect.codec)
    return whole if dialect.is_utf8 else text.encode()


def _lines_of(whole: bytes) -> list[bytes]:
    parts = whole.split(b"\n")
    if parts and not parts[-1]:
        parts.pop()
    return parts


def _decoded(part: bytes, codec: str) -> tuple[str, bool]:
    try:
        return part.decode(codec), False
    except UnicodeDecodeError:
        return part.decode(codec, errors="backslashreplace"), True
