"""The reasons of records and the issues of files: meaning, example, and what to do."""

from collections.abc import Sequence
from itertools import groupby

from generated.markdown import anchor, code, defined, escaped, section
from pipeline.domain.file_issues import WARNINGS, FileIssue
from pipeline.domain.reason_help import EXPLANATIONS, Explanation
from pipeline.domain.reasons import Reason

#: The part of a code before the dot -> the step that finds it.
STAGES = {
    "READ": "while the file is read",
    "RETURN": "while a corrected list is compared with the run that wrote it",
    "MAP": "while columns are mapped to fields",
    "VALIDATE": "while fields are checked against the billing API",
    "MATCH": "while records are compared with each other and with known customers",
    "PLAN": "while the plan decides what to do",
    "SUBMIT": "while customers are created",
    "ACCOUNT": "before the first request, about the API key",
    "HOME": "before the plan, about the ledger",
    "STREAM": "about files that come regularly",
    "TOTAL": "about control totals",
    "THRESHOLD": "about the limits of the job",
    "DOUBT": "about content that looks wrong",
}


def reasons() -> str:
    """Every reason, grouped by the step that finds it."""
    return _by_stage(list(Reason))


def file_issues() -> str:
    """Every file issue, grouped by what it is about."""
    return _by_stage(list(FileIssue))


def _by_stage(codes: Sequence[Reason] | Sequence[FileIssue]) -> str:
    ordered = sorted(codes, key=lambda one: [*STAGES].index(_stage(one)))
    return "\n".join(
        "\n".join([section(f"{stage}: {STAGES[stage]}", level=2), *map(_explained, members)])
        for stage, members in groupby(ordered, key=_stage)
    )


def _stage(one: Reason | FileIssue) -> str:
    return one.value.partition(".")[0]


def _explained(one: Reason | FileIssue) -> str:
    help_text = EXPLANATIONS[one]
    effect = ""
    if isinstance(one, FileIssue):
        effect = (
            "A warning: it stops nothing."
            if one in WARNINGS
            else f"Stops the plan with exit code 3. `--accept {one.value}` proceeds."
        )
    facts = [
        defined("What to do", escaped(help_text.remedy)),
        defined("Example", _example(help_text)) if help_text.shown else "",
        defined("Settings", ", ".join(map(_setting, help_text.settings)))
        if help_text.settings
        else "",
    ]
    return "\n".join(
        part
        for part in [
            section(one.value, level=3, label=anchor("code", one.value)),
            f"{escaped(one.sentence)}\n",
            f"{effect}\n" if effect else "",
            *facts,
        ]
        if part
    )


def _example(help_text: Explanation) -> str:
    """Words as they are; cells as code."""
    return escaped(help_text.example) if help_text.example else code(help_text.shown)


def _setting(name: str) -> str:
    """An option as code, or a key as a link to its entry."""
    return code(name) if name.startswith("--") else f"[{code(name)}](#{anchor('key', name)})"
