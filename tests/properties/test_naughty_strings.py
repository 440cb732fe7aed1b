"""Strings that break programs, as names and metadata: back from billing trimmed and in NFC, or named."""

from tests.prove.naughty_strings import prove

OURS = [
    "", " ", "\u00a0Ann\u2003", "e\u0301", "\ufeffAnn", "\u202ennA", "Ann\u200b\u00a0", "\u200b", "\u3164x\u2800", "a\u200bb", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "Z\u0351\u036ba\u0301l\u0337go",
    "'; DROP TABLE customers; --", '"quoted"', "a,b;c|d", "two\nlines", "two\r\nlines", "lone\rreturn", "=1+1", "+1", "-1", "@sum", "\t=1+1",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "${7*7}", "%s%n", "%00", "\\0", "\x00", "\x07", "\x1b[31m", "\u0085",
    "NULL", "None", "true", "NaN", "1e309", "0x10", "\uff1d1+1", "../../etc/passwd", "CON", "\ufffe", "\U0010ffff", "ı", "ß", "Ⱥ", "﷽" * 3, "x" * 255, "x" * 256, "é" * 255,
]  # fmt: skip


def test_each_comes_back_composed_and_without_invisible_characters_at_its_ends_or_its_row_is_named(
    tmp_path,
):
    told = prove(OURS, tmp_path)

    assert told["came back"] >= 38
    assert told["named"] >= 4
