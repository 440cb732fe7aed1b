"""The part of a config that describes how a file is written: its delimiter, encoding and quotes."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pipeline.domain import defaults
from pipeline.domain.declaration import Declaration
from pipeline.errors import ConfigError


def _checked_encoding(name: str) -> str:
    from pipeline.sources import Declared

    try:
        Declared(encoding=name)
    except ConfigError as refused:
        raise ValueError(str(refused)) from None
    return name


def _checked_mark(text: str) -> str:
    from pipeline.sources import is_mark

    if not is_mark(text):
        raise ValueError(
            f"{text!r} is not supported;"
            " use one ASCII punctuation character that is not a delimiter"
        )
    return text


def _checked_quote(text: str) -> str:
    return text if text == "none" else _checked_mark(text)


_MARKS = r"[!-+\-./:<-@\[-`{}~]"  #: what `_checked_mark` accepts, for editors
Mark = Annotated[
    str, AfterValidator(_checked_mark), WithJsonSchema({"type": "string", "pattern": f"^{_MARKS}$"})
]
Quote = Annotated[
    str,
    AfterValidator(_checked_quote),
    WithJsonSchema({"type": "string", "pattern": f"^({_MARKS}|none)$"}),
]
_TAB = BeforeValidator(lambda given: "\t" if given in {"tab", "\\t"} else given)


class Source(Declaration):
    """The form of CSV files; what is not declared is detected and shown. Parquet needs none."""

    delimiter: Annotated[Literal[",", ";", "\t", "|"], _TAB] | None = Field(
        default=None, description="Delimiter of the fields. Default: detected from the header."
    )
    encoding: Annotated[str, AfterValidator(_checked_encoding)] | None = Field(
        default=None,
        description="utf-8, utf-16, cp1252, latin-1 and others. Default: UTF-8; other files"
        " are refused.",
    )
    trailing_delimiter: bool | None = Field(
        default=None, description="Whether each record ends with a surplus delimiter."
    )
    header: Literal["none", "first_line"] | None = Field(
        default=None,
        description="none: no header, columns are column_1, column_2 and so on; first_line:"
        " always a header. Default: a first line that looks like a record is refused.",
    )
    quote: Quote = Field(
        default=defaults.QUOTE, description="The character that quotes fields, or none."
    )
    escape: Mark | None = Field(
        default=None,
        description="The character that escapes the next one, such as a backslash. Default: none.",
    )
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="Number of lines before the header to skip."
    )
    footer_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Number of lines at the end to skip; blank lines do not count.",
    )
    sheet: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="Sheet of a workbook. Default: the only one that is not hidden.",
    )

    @model_validator(mode="after")
    def _quote_is_not_escape(self) -> Self:
        if self.escape == self.quote:
            raise ValueError(
                f"quote and escape are both {self.escape!r}; doubled quotes need no escape"
            )
        return self
