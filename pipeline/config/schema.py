"""The form of a config for editors (JSON Schema), and of a file for people (the header of a CSV)."""

import csv
import io
from typing import Any

from pipeline.config.job import Job
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import FIELDS, METADATA_PREFIX

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """What a config may say, as JSON Schema; `configs/*.yaml` name it in their first line."""
    return {"$schema": _SCHEMA, **Job.model_json_schema(), "title": "A job of pipeline"}


def template_columns(layout: Layout | None) -> list[str]:
    """The columns that a file of this job has: those that its mapping names, else the canonical ones."""
    if layout is None:
        return [*FIELDS, f"{METADATA_PREFIX}<key>"]
    return list(dict.fromkeys(column for _, column in layout.sources()))


def template_line(layout: Layout | None, delimiter: str) -> str:
    """A header line to begin a file with."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(template_columns(layout))
    return text.getvalue()
