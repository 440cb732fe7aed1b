"""The current fate of each record over all runs, for every page, list and command.

`add_run` takes the runs in order. It follows records that were open at some time or came back; all
other records keep the fate of their run. The file (SHA-256) and the place where a record first
appeared identify it. The rules:

- **Submitted again**: a row of a file that an earlier run took is the same record. The newest run
  decides.
- **Returned**: a row of one of our lists is the record that it names. Only one row can be that
  record; if somebody split a row in two, the second is a new record. A row with another external
  reference is not a return of a created record.
- **In a new file of the supplier**: the first row with the external reference of an open record is
  that record. If the record was sent and is in doubt, or was given up, the content must be equal.
- **Created stays created**, whatever happens to the same row later.
- **A return stays decided** when the old file is submitted again: its row only repeats the record.
- **Superseded**: a record is closed when a later run creates another row of its external reference,
  or finds it in billing. This closes the row of a conflict that somebody dropped.
- **Settled by the ledger**: a record in doubt or not attempted gets the state that a later run
  recorded in the ledger; other open records of its reference are then superseded. A record that
  waits for an earlier request is held once that request has created the customer.
- Everything else stays open: a rejected row that was dropped from its list, or a conflict of which
  no row was chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from pipeline.domain.fates import LISTS, SUPERSEDED, Fate, State
from pipeline.domain.reasons import Reason
from pipeline.reporting.open_items import OPEN_FATES

ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "row_id": pl.String, "external_reference": pl.String, "fate": pl.String, "reasons": pl.List(pl.String), "fingerprint": pl.String,
    "currency": pl.String, "balance": pl.Int64, "origin_run": pl.String, "origin_row": pl.String,
    "file": pl.String, "place": pl.String,
}  # fmt: skip
#: `run_id` and `row_id` name the row that decided the fate. `since` is the first time the record
#: appeared; `runs` is how often it did.
RECORDS = pl.Schema(
    {
        **{name: kind for name, kind in ROWS.items() if not name.startswith("origin")},
        **dict.fromkeys(("run_id", "since_run", "since"), pl.String),
        "runs": pl.Int64,
        "by_return": pl.Boolean,
    }
)
RETURNS = pl.Schema(
    dict.fromkeys(("file", "place", "root_file", "root_place", "run_id"), pl.String)
)
#: Rows of earlier runs that rows of a run name as their origin; without a fate if they belong to
#: another environment.
ORIGINS = pl.Schema({name: kind for name, kind in ROWS.items() if name != "row_id"})
_CREATED = [fate.value for fate in LISTS["created"]]
_SETTLING = [*_CREATED, Fate.ALREADY_EXISTS_SAME.value]
_WAITING = [Fate.IN_DOUBT.value, Fate.NOT_ATTEMPTED.value]
#: A record that was given up is closed; it is the same record if the same content appears again.
_FOLLOWED = [*OPEN_FATES, Fate.GIVEN_UP.value]
_WAITS_FOR_EARLIER = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
_KEY, _ROOT = ["file", "place"], ["root_file", "root_place"]
_FATE_OF_STATE = {
    State.CREATED: Fate.CREATED,
    State.ADOPTED: Fate.CREATED,
    State.CREATED_DIFFERENT: Fate.CREATED_DIFFERENT,
    State.PRE_EXISTING: Fate.ALREADY_EXISTS_SAME,
    State.CONFLICT: Fate.ALREADY_EXISTS_DIFFERENT,
    State.REFUSED: Fate.REFUSED,
}


def _empty(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True, slots=True)
class Current:
    """Current fates after some runs. Records in neither table keep the fate of their run."""

    #: Records that were open or came back.
    records: pl.DataFrame = field(default_factory=lambda: _empty(RECORDS))
    #: The place of a row -> the record that the row is.
    returns: pl.DataFrame = field(default_factory=lambda: _empty(RETURNS))
    files: frozenset[str] = frozenset()  #: SHA-256 of every file that these runs took

    @property
    def open(self) -> pl.DataFrame:
        """The records that wait for a person."""
        return self.records.filter(pl.col("fate").is_in(OPEN_FATES))

    def at_their_records(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `root_file` and `root_place`, which identify the record of each row."""
        found = rows.join(
            self.returns.select(*_KEY, *_ROOT), on=_KEY, how="left", maintain_order="left"
        )
        return found.with_columns(
            pl.coalesce(root, key).alias(root) for root, key in zip(_ROOT, _KEY, strict=True)
        )


def add_run(
    before: Current,
    run_id: str,
    day: str,
    rows: pl.LazyFrame,
    files: frozenset[str],
    origins: pl.DataFrame | None = None,
) -> Current:
    """The current fates after one more run.

    `rows` has the columns of `ROWS`, `origins` those of `ORIGINS`. `files` is every file of the
    run,
    `day` the time of its plan (ISO 8601).
    """
    met = _met(before, rows)
    named = _named(before, _empty(ORIGINS) if origins is None else origins)
    known = _with_origins(before.records, named, day)
    linked = _linked(before, known, met, named)
    returns = (
        linked.filter(pl.col("how") == "returned")
        .with_columns(run_id=pl.lit(run_id))
        .select(RETURNS.names())
    )
    decided = _decided(known, linked, run_id, day)
    settling = _settling(linked, before).with_columns(
        by_run=pl.lit(run_id), until_run=pl.lit(run_id)
    )
    records = _superseded(decided, settling)
    return Current(records, pl.concat([before.returns, returns]), before.files | files)


@dataclass(frozen=True, slots=True)
class End:
    """The final state of a request in the ledger, the run that reached it, and the content."""

    state: State
    run_id: str
    fingerprint: str


def settled_by_ledger(
    current: Current,
    newest: Mapping[str, End],
    own: Mapping[tuple[str, str], End] = MappingProxyType({}),
) -> Current:
    """Apply the states of the ledger to records that were in doubt or not attempted.

    `newest`: external reference -> its newest request. `own`: (reference, fingerprint) -> the
    request with this content, if a newer request has other content. The request with a record's own
    content decides its fate; a customer with other content only prevents the record from being
    sent.
    """
    keys = current.records.filter(
        pl.col("fate").is_in(_WAITING) & pl.col("external_reference").is_in(list(newest))
    )
    found = [
        (file, place, *settled)
        for file, place, fate, reference, fingerprint in keys.select(
            *_KEY, "fate", "external_reference", "fingerprint"
        ).rows()
        if (
            settled := _settled(
                fate, newest.get(reference), own.get((reference, fingerprint)), fingerprint
            )
        )
        is not None
    ]
    names = (*_KEY, "ledger_fate", "ledger_run")
    table = pl.DataFrame(found, schema=dict.fromkeys(names, pl.String), orient="row")
    is_settled = pl.col("ledger_fate").is_not_null()
    records = current.records.join(table, on=_KEY, how="left", maintain_order="left").with_columns(
        fate=pl.coalesce("ledger_fate", "fate"),
        run_id=pl.coalesce("ledger_run", "run_id"),
        is_met=is_settled,
        met_by="run_id",
    )
    settling = (
        records.filter(pl.col("is_met") & pl.col("fate").is_in(_SETTLING))
        .select("external_reference", by_row="row_id", by_run="run_id", until_run="met_by")
        .unique("external_reference", keep="first", maintain_order=True)
    )
    return Current(_superseded(records, settling), current.returns, current.files)


def _settled(
    fate: str, newest: End | None, own: End | None, fingerprint: str | None
) -> tuple[str, str] | None:
    """The fate of one record by the ledger and the run that settled it; None if still open."""
    if newest is None:
        return None
    if own is None and fingerprint in {None, newest.fingerprint}:
        own = newest
    if own is None:  # never sent: a request with other content blocks it, or did
        kept = {State.GIVEN_UP: Fate.NEEDS_REVIEW, State.REFUSED: None, State.NEVER_CREATED: None}
        held = Fate.ALREADY_EXISTS_DIFFERENT if newest.state in _FATE_OF_STATE else None
        now = kept.get(newest.state, held)
    elif own.state in {State.GIVEN_UP, State.NEVER_CREATED}:
        now = Fate.GIVEN_UP if fate == Fate.IN_DOUBT.value else None
    else:
        now = _FATE_OF_STATE.get(own.state)
    end = own or newest
    return None if now is None else (now.value, end.run_id)


def became(current: Current, rows: pl.LazyFrame) -> pl.DataFrame:
    """Changes of one run's followed records: fate then, fate now, deciding run, records.

    A record that the run created stays created.
    """
    keys = pl.concat([current.records.select(_KEY), current.returns.select(_KEY)])
    followed = rows.select(*_KEY, "fate").join(keys.lazy(), on=_KEY, how="semi").collect()
    now = current.records.select(*_KEY, now="fate", run_id="run_id")
    is_created = pl.col("fate").is_in(_CREATED)
    return (
        current.at_their_records(followed)
        .join(now, left_on=_ROOT, right_on=_KEY, how="inner")
        .with_columns(now=pl.when(is_created).then("fate").otherwise("now"))
        .group_by(then="fate", now="now", run_id="run_id")
        .agg(records=pl.len().cast(pl.Int64))
        .sort("then", "now", "run_id")
    )


def came_back(current: Current, rows: pl.LazyFrame, run_id: str) -> int:
    """How many of a run's records came back in later runs, in a list or in a new file."""
    later = current.returns.filter(pl.col("run_id") > run_id)
    # A row of this run may have been a return itself, so that its record first came in an earlier
    # file.
    same = current.returns.join(later, on=_ROOT, how="semi")
    followed = pl.concat([same.select(_KEY), later.select(file="root_file", place="root_place")])
    here = rows.select(_KEY).join(followed.lazy(), on=_KEY, how="semi").collect()
    return current.at_their_records(here).join(later, on=_ROOT, how="semi").select(_ROOT).n_unique()


def _met(before: Current, rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a run that concern a followed record, or start one.

    If a run has several copies of one file, each row counts once.
    """
    keys = pl.concat([before.records.select(_KEY), before.returns.select(_KEY)])
    followed = before.records.filter(pl.col("fate").is_in(_FOLLOWED))
    references = followed["external_reference"].drop_nulls().unique()
    return (
        rows.with_row_index("at")
        .join(
            keys.unique().with_columns(is_known=True).lazy(),
            on=_KEY,
            how="left",
            maintain_order="left",
        )
        .with_columns(is_known=pl.col("is_known").fill_null(value=False))
        .filter(
            pl.col("is_known")
            | pl.col("fate").is_in(_FOLLOWED)
            | pl.col("origin_run").is_not_null()
            | pl.col("external_reference").is_in(references.implode())
        )
        .collect()
        .sort(~pl.col("fate").is_in(_CREATED), "at")
        .unique(_KEY, keep="first", maintain_order=True)
        .sort("at")
    )


def _named(before: Current, origins: pl.DataFrame) -> pl.DataFrame:
    """Origins with `named_file` and `named_place`, which identify their records."""
    return before.at_their_records(origins).rename(
        {"root_file": "named_file", "root_place": "named_place"}
    )


def _with_origins(records: pl.DataFrame, named: pl.DataFrame, day: str) -> pl.DataFrame:
    """The followed records, and those whose rows came back for the first time."""
    found = (
        named.filter(pl.col("fate").is_not_null())
        .with_columns(
            file="named_file", place="named_place", row_id="origin_row", run_id="origin_run", since_run="origin_run",
            since=pl.lit(day), runs=pl.lit(1), by_return=pl.lit(value=False),
        )
        .select(RECORDS.names())
        .cast(RECORDS)
        .unique(_KEY, keep="first", maintain_order=True)
        .join(records, on=_KEY, how="anti", maintain_order="left")
    )  # fmt: skip
    return pl.concat([records, found])


def _linked(
    before: Current, known: pl.DataFrame, met: pl.DataFrame, named: pl.DataFrame
) -> pl.DataFrame:
    """Each row with its record (`root_file`, `root_place`) and `how`: again, returned, or new."""
    names = ["origin_run", "origin_row"]
    origins = named.select(*names, "named_file", "named_place").unique(names, keep="first")
    now = known.select(
        named_file="file", named_place="place", now="fate", now_reference="external_reference"
    )
    is_another = pl.col("now").is_in(_CREATED) & (
        pl.col("now_reference") != pl.col("external_reference")
    )
    is_new = ~pl.col("is_known") & ~pl.col("file").is_in(list(before.files))
    rows = (
        before.at_their_records(met)
        .join(origins, on=names, how="left", maintain_order="left")
        .join(now, on=["named_file", "named_place"], how="left", maintain_order="left")
        .with_columns(
            is_return=is_new
            & pl.col("named_file").is_not_null()
            & ~is_another.fill_null(value=False)
        )
    )
    rows = _first_of(rows, "is_return", ["named_file", "named_place"])
    rows = rows.join(
        _by_reference(known, rows), on="external_reference", how="left", maintain_order="left"
    )
    # A record in doubt and a row with other content are two records: each has a fate of its own.
    is_other = pl.col("open_sent").is_not_null() & ~pl.col("open_sent").eq_missing(
        pl.col("fingerprint")
    )
    has_reference = is_new & ~pl.col("is_return") & pl.col("open_file").is_not_null() & ~is_other
    rows = _first_of(rows.with_columns(is_met=has_reference), "is_met", ["external_reference"])
    return rows.with_columns(
        how=pl.when(pl.col("is_return") | pl.col("is_met")).then(pl.lit("returned"))
        .when(~is_new).then(pl.lit("again")).otherwise(pl.lit("new")),
        **{
            root: pl.when("is_return").then(f"named_{key}").when("is_met").then(f"open_{key}").otherwise(root)
            for root, key in zip(_ROOT, _KEY, strict=True)
        },
    )  # fmt: skip


def _first_of(rows: pl.DataFrame, flag: str, names: list[str]) -> pl.DataFrame:
    """Keep `flag` only on the first row of each group."""
    return rows.with_columns((pl.col(flag) & (pl.col(flag).cum_sum().over(names) == 1)).alias(flag))


def _by_reference(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The oldest open record of each external reference that no row of this run is yet."""
    taken = pl.concat(
        [
            rows.filter("is_return").select(file="named_file", place="named_place"),
            rows.filter("is_known").select(file="root_file", place="root_place"),
        ]
    )
    was_sent = pl.col("fate").is_in([Fate.IN_DOUBT.value, Fate.GIVEN_UP.value]) & ~pl.col(
        "reasons"
    ).list.contains(_WAITS_FOR_EARLIER)
    return (
        known.filter(pl.col("fate").is_in(_FOLLOWED) & pl.col("external_reference").is_not_null())
        .join(taken, on=_KEY, how="anti", maintain_order="left")
        .sort("since", maintain_order=True)
        .unique("external_reference", keep="first", maintain_order=True)
        .select(
            "external_reference",
            open_file="file",
            open_place="place",
            open_sent=pl.when(was_sent).then("fingerprint"),
        )
    )


def _decided(known: pl.DataFrame, linked: pl.DataFrame, run_id: str, day: str) -> pl.DataFrame:
    """The records with the fates of this run; `is_met` if the run has a row of the record."""
    is_followed = (
        pl.col("is_known") | pl.col("fate").is_in(_FOLLOWED) | (pl.col("how") == "returned")
    )
    first = (
        linked.filter(is_followed)
        .sort(~pl.col("fate").is_in(_CREATED), pl.col("how") != "returned", "at")
        .unique(_ROOT, keep="first", maintain_order=True)
        .with_columns(run_id=pl.lit(run_id), by_return=pl.col("how") == "returned")
    )
    columns = [
        "fate",
        "external_reference",
        "reasons",
        "fingerprint",
        "currency",
        "balance",
        "run_id",
        "row_id",
        "by_return",
    ]
    new = first.select(*columns, "how", file="root_file", place="root_place")
    both = known.join(
        new, on=_KEY, how="full", suffix=":new", coalesce=True, maintain_order="left_right"
    )
    stays = pl.col("fate:new").is_null() | (
        pl.col("fate").is_in(_CREATED)
        | ((pl.col("how") == "again") & pl.col("by_return") & ~pl.col("fate").is_in(OPEN_FATES))
    ).fill_null(value=False)
    return both.with_columns(
        *(pl.when(stays).then(name).otherwise(f"{name}:new").alias(name) for name in columns),
        since_run=pl.coalesce("since_run", pl.lit(run_id)),
        since=pl.coalesce("since", pl.lit(day)),
        runs=pl.col("runs").fill_null(0) + pl.col("fate:new").is_not_null().cast(pl.Int64),
        is_met=pl.col("fate:new").is_not_null(),
    )


def _settling(linked: pl.DataFrame, before: Current) -> pl.DataFrame:
    """The references that this run created or found in billing: external_reference, by_row.

    A row of a file that is submitted again counts only if its own record was open until now.
    """
    was_open = before.open.select(root_file="file", root_place="place", was_open=pl.lit(value=True))
    counts = (
        pl.col("fate").is_in(_CREATED)
        | ~pl.col("file").is_in(list(before.files))
        | pl.col("was_open").is_not_null()
    )
    return (
        linked.join(was_open, on=_ROOT, how="left", maintain_order="left")
        .filter(pl.col("fate").is_in(_SETTLING) & counts)
        .select("external_reference", by_row="row_id")
        .drop_nulls("external_reference")
        .unique("external_reference", keep="first", maintain_order=True)
    )


def _superseded(records: pl.DataFrame, settling: pl.DataFrame) -> pl.DataFrame:
    """The records; another row of its reference settles an open record without a row in this run.

    `settling`: external_reference, and the row (by_row) and the run (by_run) that settle it.
    Records that are newer than `until_run` stay open: an older record does not settle a newer one
    with other content.
    """
    is_settled = (
        pl.col("fate").is_in(OPEN_FATES)
        & ~pl.col("is_met")
        & pl.col("by_row").is_not_null()
        & (pl.col("since_run") <= pl.col("until_run"))
    )
    return (
        records.join(settling, on="external_reference", how="left", maintain_order="left")
        .with_columns(
            fate=pl.when(is_settled).then(pl.lit(SUPERSEDED)).otherwise("fate"),
            run_id=pl.when(is_settled).then("by_run").otherwise("run_id"),
            row_id=pl.when(is_settled).then("by_row").otherwise("row_id"),
            by_return=pl.col("by_return") | is_settled.fill_null(value=False),
        )
        .select(RECORDS.names())
        .cast(RECORDS)
    )
