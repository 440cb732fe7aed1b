"""The JSON Schema of a config, and the CSV header that a job expects."""

import csv
import io

from pipeline.config.job import Job
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import FIELDS, METADATA_PREFIX
from pipeline.domain.published import JsonObject

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> JsonObject:
    """The JSON Schema of a config; `configs/*.yaml` name it in their first line."""
    return {"$schema": _SCHEMA, **Job.model_json_schema(), "title": "A job of pipeline"}


def template_columns(layout: Layout | None) -> list[str]:
    """The columns of a file: those of the mapping, else the canonical ones."""
    if layout is None:
        return [*FIELDS, f"{METADATA_PREFIX}<key>"]
    return list(dict.fromkeys(column for _, column in layout.sources()))


def template_line(layout: Layout | None, delimiter: str) -> str:
    """The header line of a CSV file."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(template_columns(layout))
    return text.getvalue()
