"""Render the pages: self-contained, every value escaped, one script allowed by its hash."""

import base64
import hashlib
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from pipeline.domain.fates import Fate
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.reasons import Reason


def our_own_words() -> str:
    """All text of pages, lists and explanations that does not depend on the data."""
    ours = [
        part.read_text(encoding="utf-8")
        for folder in (files("pipeline.reporting"), files(__package__))
        for part in folder.iterdir()
        if part.name.endswith((".j2", ".css", ".js", ".py"))
    ]
    helps = [f"{one.mend} {' '.join(one.bears_on_it)}" for one in EXPLANATIONS.values()]
    return "\n".join([*ours, *helps, *(code.sentence for code in (*Reason, *FileIssue, *Fate))])


def hash_of(name: str) -> str:
    """The hash by which a Content-Security-Policy allows a script of this folder."""
    included = files(__package__).joinpath(name).read_text(encoding="utf-8").removesuffix("\n")
    return "sha256-" + base64.b64encode(hashlib.sha256(included.encode()).digest()).decode()


@cache
def template(name: str) -> Template:
    """A template of this folder with its includes; every value is escaped."""
    loader = FunctionLoader(
        lambda part: files(__package__).joinpath(part).read_text(encoding="utf-8")
    )
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
        loader=loader,
    )
    environment.tests["whole_number"] = lambda text: str(text).isascii() and str(text).isdigit()
    return environment.get_template(name)


def _visible(value: Any) -> Any:
    """Replace control, bidirectional and other invisible characters in foreign texts."""
    if type(value) is not str:  # numbers, and markup of the template itself
        return value
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in value)
