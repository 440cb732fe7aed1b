"""`pipeline schema`: the JSON Schemas of the documents that a run writes, and of its config."""

from collections.abc import Callable, Mapping
from functools import partial

from pipeline.config import config_schema
from pipeline.domain.manifest import SealedManifest
from pipeline.domain.period_report import PeriodReport
from pipeline.domain.plan_file import PlanFile
from pipeline.domain.published import JsonObject, Published
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.run_summary import RunSummary

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _schema_of(model: type[Published], title: str, *absent: str) -> JsonObject:
    """The JSON Schema of a document as it is written; the keys `absent` may be left out."""
    schema = model.model_json_schema(mode="serialization")
    required = [name for name in schema["required"] if name not in absent]
    return {"$schema": _DIALECT, **schema, "required": required, "title": title}


#: Name for `--of` -> its JSON Schema.
SCHEMAS: Mapping[str, Callable[[], JsonObject]] = {
    "config": config_schema,
    "plan": partial(_schema_of, PlanFile, "plan.json"),
    "summary": partial(_schema_of, RunSummary, "summary.json"),
    "reconciliation": partial(_schema_of, Reconciliation, "summary.json of a reconciliation"),
    "period": partial(_schema_of, PeriodReport, "summary.json of a period"),
    "manifest": partial(_schema_of, SealedManifest, "manifest.json", "signing", "accepting"),
}
