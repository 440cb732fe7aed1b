"""The DuckDB relations that modules hand to each other: columns, who makes them, who reads them.

A module may make other tables for itself. tests/test_relations.py compares this list with the code
and with a real run.
"""

from dataclasses import dataclass

_PLANNING = "planning/__init__.py"
_MATCHING = "planning/matching/__init__.py"
_DIFFERING = "planning/differing.py"
_COMPARING = "reconciling/comparing.py"
_BRIDGE = "reconciling/bridge.py"
_RESULT = "workflows/reconcile/result.py"
_QUERIES = "workflows/reconcile/ledger_queries.py"
_WORKBENCH = "storage/workbench.py"
_OUR_ROW = (
    "external_reference", "place", "name", "email", "phone", "currency", "balance", "row_id", "fate", "billing_id", "run_id",
    "role",
)  # fmt: skip
_PAIR = ("external_reference", "role", "run_id", "row_id", "place", "times", "their_place", "kind", "created_by", "answer")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view that some modules make and others read."""

    name: str
    rows: str  #: what each row is
    columns: tuple[str, ...]
    made_by: tuple[str, ...]  #: modules
    read_by: tuple[str, ...]  #: other modules
    has_more: bool = False  #: more columns, which the config or the file names


RELATIONS = (
    # A run: what was read, known and planned.
    Relation(
        "records",
        "a record of the input, with its normalized values",
        (
            "position",
            "row_id",
            "line_count",
            "text",
            "origin_run",
            "origin_row",
            "external_reference",
            "name",
            "email",
            "phone",
            "currency",
            "billing_id",
            "balance",
            "kind.balance",
            "identity",
            "phone_abroad",
            "phone_unusual",
            "clue",
            "reasons",
            "fate",
            "payload",
        ),
        ("storage/run_folder.py", _WORKBENCH),
        (
            _PLANNING,
            _DIFFERING,
            "planning/file_checks/texts.py",
            "planning/file_checks/warnings.py",
            _MATCHING,
            "reporting/plan_summary.py",
        ),
        has_more=True,
    ),
    Relation(
        "known",
        "a known customer",
        (
            "place",
            "row_id",
            "external_reference",
            "billing_id",
            "email",
            "phone",
            "name",
            "currency",
            "balance",
            "identity",
        ),
        (_WORKBENCH,),
        (_DIFFERING, _MATCHING, _COMPARING),
    ),
    Relation(
        "known_fields",
        "a field that the known customers have",
        ("field",),
        (_WORKBENCH,),
        (_DIFFERING, _MATCHING),
    ),
    Relation(
        "stored_hashes",
        "the hashes of a known customer; only with known customers",
        ("place", "external_reference", "billing_id", "email", "phone", "identity"),
        (_WORKBENCH,),
        (_MATCHING,),
    ),
    Relation(
        "history",
        "what the ledger knows of an external reference of the input",
        ("external_reference", "state", "fingerprint", "key", "normalization"),
        ("workflows/plan.py",),
        (_PLANNING,),
    ),
    Relation(
        "matches",
        "a record that repeats an earlier record of the input",
        ("position", "row_id", "same_as", "rule", "score"),
        (_MATCHING,),
        (_PLANNING,),
    ),
    Relation(
        "known_matches",
        "a record that matches a known customer",
        ("position", "same_as", "rule", "score"),
        (_MATCHING,),
        (_PLANNING,),
    ),
    Relation(
        "judged",
        "an accepted record that is not simply created, and why",
        ("position", "reason", "begun_key", "flags", "same_as"),
        (_PLANNING,),
        (_DIFFERING,),
    ),
    Relation(
        "outside_wave",
        "an accepted record that a limit leaves for a later run",
        ("position",),
        ("planning/limits.py",),
        (_PLANNING,),
    ),
    Relation(
        "plan",
        "an accepted record, and what the run does with it",
        (
            "position",
            "external_reference",
            "action",
            "fate",
            "reason",
            "flags",
            "same_as",
            "fingerprint",
            "key",
        ),
        ("workflows/plan.py",),
        ("reporting/fates.py", "reporting/plan_summary.py"),
    ),
    # A run after sending.
    Relation(
        "outcomes",
        "the state of a planned external reference in the ledger",
        (
            "external_reference",
            "state",
            "run_id",
            "fingerprint",
            "key",
            "billing_id",
            "payable",
            "detail",
        ),
        ("workflows/submit_run.py",),
        ("reporting/fates.py",),
    ),
    Relation(
        "fates",
        "a record of the input, and where it ended",
        (
            "position",
            "row_id",
            "line_count",
            "external_reference",
            "currency",
            "balance",
            "balance_kind",
            "fate",
            "reasons",
            "payable",
            "detail",
        ),
        ("workflows/write_results.py",),
        (
            "reporting/fates.py",
            "reporting/money.py",
            "reporting/plan_summary.py",
            "reporting/summary.py",
        ),
    ),
    # Several runs: a period, or a reconciliation.
    Relation(
        "input_rows",
        "a record of a run; a resubmitted record has a row in each run",
        ("run", "run_id", "file", "place", "row_id", "fate", "currency", "balance"),
        ("workflows/input_rows.py",),
        ("reporting/period.py",),
    ),
    Relation(
        "current_rows",
        "a record and its current fate, after resubmission",
        ("file", "place", "now", "now_run", "now_row", "now_currency", "now_balance"),
        ("workflows/report/current.py",),
        ("reporting/period.py",),
    ),
    Relation(
        "once",
        "a record of the period, however often it was submitted",
        ("file", "place", "times", "is_by_row", "fate", "currency", "balance", "run_id", "row_id"),
        ("reporting/period.py",),
        (_COMPARING,),
    ),
    # A reconciliation.
    Relation(
        "our_rows",
        "a record that names a customer, and its role in billing",
        _OUR_ROW,
        ("workflows/reconcile/expected.py",),
        (_COMPARING,),
        has_more=True,
    ),
    Relation(
        "resolved",
        "a record that its run left in doubt and that has an outcome now",
        ("external_reference", "run_id", "role"),
        (_QUERIES,),
        (_COMPARING,),
    ),
    Relation(
        "expected",
        "a customer that billing should hold, or may hold",
        (*_OUR_ROW, "is_resolved"),
        (_COMPARING,),
        (_BRIDGE,),
        has_more=True,
    ),
    Relation(
        "counted",
        "a record whose balance the bridge counts",
        (*_OUR_ROW, "rank", "is_resolved"),
        (_COMPARING,),
        (_BRIDGE,),
        has_more=True,
    ),
    Relation(
        "their_rows",
        "a customer that billing holds",
        (
            "external_reference",
            "row_id",
            "name",
            "email",
            "phone",
            "billing_id",
            "currency",
            "balance_text",
            "place",
            "balance",
            "changed_at",
        ),
        ("workflows/reconcile/actual.py",),
        (_BRIDGE, _COMPARING, _RESULT),
        has_more=True,
    ),
    Relation(
        "unanswered",
        "an external reference whose lookup failed",
        ("external_reference", "answer"),
        ("workflows/reconcile/actual.py",),
        (_COMPARING,),
    ),
    Relation(
        "elsewhere",
        "a customer of billing that these runs do not expect and the ledger knows",
        ("external_reference", "run_id", "state"),
        (_QUERIES,),
        (_COMPARING,),
    ),
    Relation(
        "paired",
        "an expected customer and what billing holds",
        _PAIR,
        (_COMPARING,),
        (_BRIDGE, _RESULT),
    ),
    Relation(
        "outcome_times",
        "when a customer that differs got its outcome; microseconds. Only if billing states times",
        ("external_reference", "outcome_at"),
        (_QUERIES,),
        (_COMPARING,),
    ),
    Relation(
        "unequal",
        "a pair, with the fields of both sides side by side",
        (*_PAIR, "fate", "our_balance", "their_balance", "their_text", "changed_at"),
        (_COMPARING,),
        (_BRIDGE,),
        has_more=True,
    ),
    Relation(
        "differences",
        "a difference between us and billing",
        (
            "kind",
            "external_reference",
            "run_id",
            "row_id",
            "place",
            "their_place",
            "field",
            "ours",
            "theirs",
            "currency",
            "amount",
            "pattern",
        ),
        (_COMPARING,),
        (_BRIDGE, _RESULT),
    ),
)
