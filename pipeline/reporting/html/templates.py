"""The templates of the pages: self-contained, openable offline, every value escaped, and one script that the policy names by its hash."""

import base64
import hashlib
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from pipeline.domain.outcomes import Alarm, Fate, Reason
from pipeline.domain.reason_help import EXPLANATIONS


def our_own_words() -> str:
    """What pages, lists and their explanations say whatever the data is."""
    ours = [
        part.read_text(encoding="utf-8")
        for room in (files("pipeline.reporting"), files(__package__))
        for part in room.iterdir()
        if part.name.endswith((".j2", ".css", ".js", ".py"))
    ]
    told = [f"{told.mend} {' '.join(told.bears_on_it)}" for told in EXPLANATIONS.values()]
    return "\n".join([*ours, *told, *(code.sentence for code in (*Reason, *Alarm, *Fate))])


def hash_of(name: str) -> str:
    """How a Content-Security-Policy names a script of this room that a page includes."""
    included = files(__package__).joinpath(name).read_text(encoding="utf-8").removesuffix("\n")
    return "sha256-" + base64.b64encode(hashlib.sha256(included.encode()).digest()).decode()


@cache
def template(name: str) -> Template:
    """A page of this room, and what it includes; every value that is put in is escaped."""
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
    """Text without control, bidirectional and other invisible characters: names and headers are other people's."""
    if type(value) is not str:  # numbers, and markup of the template itself
        return value
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in value)
