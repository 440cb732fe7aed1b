"""The files of a run's folder: who reads each of them, and what it holds.

`storage.run_folder` writes them, and the reference pages list them.
"""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.fates import LISTS


class Reader(StrEnum):
    """The reader of a file."""

    PEOPLE = "people"
    SUPPLIER = "whoever corrects the records"
    PROGRAMS = "programs"
    PIPELINE = "pipeline itself"


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file of a run's folder."""

    name: str
    reader: Reader
    holds: str
    #: The file exists only then; empty if every run has it.
    condition: str = ""
    #: The run writes it again when it sends, so earlier content is removed at the first intent.
    is_replaced: bool = True
    #: A result that evidence covers: sign-offs and reports name its SHA-256.
    is_result: bool = True
    has_personal_data: bool = False


_LISTS = {
    "created": (
        Reader.PROGRAMS,
        "The crosswalk: external reference and billing id of each customer created so far.",
    ),
    "skipped": (Reader.PEOPLE, "Records that billing has already, or that repeat another record."),
    "held": (Reader.SUPPLIER, "Records for which a person decides, and the fields that differ."),
    "in_doubt": (Reader.PEOPLE, "Records that were sent and whose outcome is unknown."),
    "rejected": (
        Reader.SUPPLIER,
        "Records that could not be read, broke a rule or were refused, with reasons and hints.",
    ),
    "unprocessed": (Reader.PEOPLE, "Records that were planned and never sent."),
}

RUN_FILES: tuple[RunFile, ...] = (
    RunFile("report.html", Reader.PEOPLE, "The report as one page, which opens offline."),
    RunFile(
        "report.xlsx",
        Reader.PEOPLE,
        "The report as a workbook, with masked lists of up to 20,000 rows.",
        condition="after apply",
        is_result=False,
    ),
    *(
        RunFile(
            f"{name}.csv",
            *_LISTS[name],
            # A run writes the customers created so far to it while it sends.
            is_replaced=name != "created",
            has_personal_data=True,
        )
        for name in LISTS
    ),
    RunFile(
        "rejected.xlsx",
        Reader.SUPPLIER,
        "The rejected records as a workbook, every cell as text.",
        condition="for 1 to 20,000 rejected rows",
        is_result=False,
        has_personal_data=True,
    ),
    RunFile(
        "differences.csv",
        Reader.PEOPLE,
        "The fields in which billing's answer differs from what was sent.",
        has_personal_data=True,
    ),
    RunFile(
        "returned.csv",
        Reader.SUPPLIER,
        "For resubmitted rows: cells that a spreadsheet changed or that belong to another record.",
        has_personal_data=True,
    ),
    RunFile(
        "summary.json",
        Reader.PROGRAMS,
        "Counts per fate, sums per currency and fate, the accounting checks, and the exit code.",
    ),
    RunFile(
        "rows.parquet",
        Reader.PROGRAMS,
        "Each record once: row id, fate, reasons, fingerprint of the payload, idempotency key,"
        " billing id.",
        is_replaced=False,  # `trace` reads it while the run sends
    ),
    RunFile(
        "plan.json",
        Reader.PROGRAMS,
        "The plan: what an import would do, and all that it depends on.",
        is_replaced=False,
        is_result=False,
    ),
    RunFile(
        "manifest.json",
        Reader.PROGRAMS,
        "SHA-256 of the inputs and of each file in the folder, and a seal over them.",
        is_result=False,
    ),
    RunFile(
        "accepted.jsonl",
        Reader.PEOPLE,
        "Who accepted which file issue, and when.",
        condition="if anybody did",
        is_replaced=False,
    ),
    RunFile(
        "signatures.jsonl",
        Reader.PEOPLE,
        "Who planned, approved and reviewed, when, and the SHA-256 of what they signed.",
        is_replaced=False,
    ),
    RunFile(
        "unfinished.txt",
        Reader.PEOPLE,
        "Says that the files here are partial, and which command finishes them.",
        condition="while a run goes on, or after it failed",
        is_replaced=False,
        is_result=False,
    ),
    RunFile(
        "staged/",
        Reader.PIPELINE,
        "The tables that one stage leaves for the next, as Parquet files.",
        is_replaced=False,
        is_result=False,
        has_personal_data=True,
    ),
)
