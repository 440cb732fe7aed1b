"""`manifest.json`: the SHA-256 of every file of a folder or bundle, and a seal."""

from typing import Literal, Self

from pydantic import Field, JsonValue

from pipeline.domain.customer import Environment
from pipeline.domain.plan_file import ConfigFile, InputFile
from pipeline.domain.plan_versions import upgraded_input
from pipeline.domain.published import Count, Published, Sha256, Text
from pipeline.domain.upgrades import Document, upgraded, with_each

MANIFEST_SCHEMA = 3  #: the version of every manifest
MANIFEST = "manifest.json"
SIGNATURES = "signatures.jsonl"
ACCEPTED = "accepted.jsonl"
#: Append-only files -> the key with the SHA-256 of lines about to be written.
GROWING = {SIGNATURES: "signing", ACCEPTED: "accepting"}


class RunManifest(Published):
    """The manifest of a run folder."""

    schema_version: Count = Field(default=MANIFEST_SCHEMA, le=MANIFEST_SCHEMA, alias="schema")
    run_id: Text
    inputs: tuple[InputFile, ...]
    config: ConfigFile | None
    files: dict[str, Sha256] = Field(description="path within the folder -> SHA-256")
    signing: Sha256 | None = Field(default=None, description="of signatures.jsonl, while it grows")
    accepting: Sha256 | None = Field(default=None, description="of accepted.jsonl, while it grows")

    def to_json(self) -> dict[str, JsonValue]:
        """The manifest as JSON values; the key of a growing file is there only meanwhile."""
        document = super().to_json()
        meanwhile = GROWING.values()
        return {
            name: value
            for name, value in document.items()
            if value is not None or name not in meanwhile
        }

    def with_growing(self, name: str, sha256: str | None) -> Self:
        """The manifest while lines are appended to this file; None once they are written."""
        return self.changed(**{GROWING[name]: sha256})


class FolderManifest(Published):
    """The manifest of a reconciliation or of the report of a period."""

    schema_version: Count = Field(default=MANIFEST_SCHEMA, le=MANIFEST_SCHEMA, alias="schema")
    kind: Literal["reconciliation", "period"]
    id: Text
    files: dict[str, Sha256]


class SealedManifest(RunManifest):
    """`manifest.json` of a run, with the seal that is added when it is written."""

    seal: Sha256 = Field(description="SHA-256 of the manifest with zeros in place of the seal")


class JournalEnd(Published):
    """The last event of the ledger when a bundle was made."""

    seq: Count
    sha256: Sha256


class BundleManifest(Published):
    """The manifest of an evidence bundle."""

    schema_version: Count = Field(default=MANIFEST_SCHEMA, le=MANIFEST_SCHEMA, alias="schema")
    kind: Literal["evidence"] = "evidence"
    run_id: Text
    made_at: Text
    made_by: Text
    pii: Literal["masked", "none"]
    allowed_texts: Count = Field(description="personal texts that somebody allowed")
    environment: Environment
    tools: dict[str, str] = Field(description="program or library -> version")
    journal_end: JournalEnd | None
    files: dict[str, Sha256]


Manifest = RunManifest | FolderManifest | BundleManifest


def manifest_of(document: Document) -> Manifest:
    """Parse a manifest of any kind and version; raise ValidationError if it has another shape."""
    current = upgraded(document, _STEPS)
    kind = current.get("kind")
    if kind is None:
        return RunManifest.model_validate(current)
    model = BundleManifest if kind == "evidence" else FolderManifest
    return model.model_validate(current)


def digests_of(manifest: Manifest, name: str) -> set[str | None]:
    """The digests that a file may have: before and, while lines are appended, after it grows."""
    here = manifest.files.get(name)
    if not isinstance(manifest, RunManifest):
        return {here}
    growing = {SIGNATURES: manifest.signing, ACCEPTED: manifest.accepting}.get(name)
    return {here, growing} if growing else {here}


def _from_1(document: Document) -> Document:
    """Some manifests of version 1 lack the config, and its bundles did not count allowed texts."""
    return {"config": None, "allowed_texts": 0, **document}


def _from_2(document: Document) -> Document:
    """Rename two keys of the inputs."""
    if "inputs" not in document:
        return document
    return {**document, "inputs": with_each(document, "inputs", upgraded_input)}


_STEPS = {1: _from_1, 2: _from_2}
