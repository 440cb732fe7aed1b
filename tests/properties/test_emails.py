"""The expressions for emails take no address that email-validator refuses, and refuse none that it takes."""

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.transforming.normalize.email import _by_library, _is_plain, email_kinds, is_hopeless

marks = st.sampled_from("@@@...--__+ '\"<>()[]:;,\\!#$%&*/=?^`{|}~\téü。＠")
words = st.sampled_from(
    ["a", "Ab", "x1", "example", "Example", "com", "co", "za", "xn--p1ai", "localhost", "test", "1"]
)
texts = (
    st.lists(marks | words, min_size=1, max_size=9)
    .map("".join)
    .filter(lambda text: text.strip(" \t"))
)


@settings(max_examples=105)
@given(st.lists(texts, min_size=1, max_size=60, unique=True))
@example(
    [
        "a@b@c.com",
        '"a@b"@c.com',
        "a@[127.0.0.1]",
        "a@b.c.",
        ".a@b.com",
        "a..b@c.com",
        "a@b",
        "A <a@b.com>",
        "a@b.c",
    ]
)
def test_decisions_of_the_expressions_equal_those_of_email_validator(given):
    addresses = pl.Series("text", given, dtype=pl.String)
    plain = addresses.to_frame().select(_is_plain(pl.col("text"))).to_series()
    hopeless = is_hopeless(addresses)

    for text, takes, refuses in zip(given, plain, hopeless, strict=True):
        says = _by_library(text)
        assert not (takes and says is None), text
        assert not (refuses and says is not None), text
    assert email_kinds(addresses).value.to_list() == [_by_library(text) for text in given]
