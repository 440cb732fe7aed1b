"""What became of each record: the one computation that every page, list of figures and command reads.

`carried` takes one run after the other. It follows the records that were ever open or ever came back; any other record
stands where its run left it. A record is known by the file (SHA-256) and the place in which it first came. The rules:

- **Fed again**: a row of a file that an earlier run took is the same record. The newest run decides.
- **Returned**: a row of a list of ours is the record that it names. One row alone stands for it; a row that somebody mended
  into two is two records. A row with another external reference is no return of a record that was created.
- **In a file of the supplier's own**: the first row of a new file with the external reference of an open record is that record.
  A record that was sent and is in doubt, or was given up, is that of the same content only.
- **Created stays created**, whatever becomes of the same row later.
- **Settled by a return stays settled** when the old file is fed once more: its row repeats what was decided.
- **Superseded**: a record is settled when a later run brings another row of its external reference into billing, or finds it
  there. So the twin that somebody dropped from a conflict is settled by the choice.
- **Settled by the ledger**: a record in doubt, or not attempted, is what the ledger says that a later run has found; other open
  records of its reference are then superseded. A record that waits for an earlier request is held once that request's customer exists.
- Whatever cannot be linked by these rules stays open: a rejected row that was dropped from its list, or a conflict of which
  no row was chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from pipeline.domain.outcomes import LISTS, SUPERSEDED, Fate, Reason, State
from pipeline.reporting.open_items import OPEN_FATES

ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "row_id": pl.String, "external_reference": pl.String, "fate": pl.String, "reasons": pl.List(pl.String), "fingerprint": pl.String,
    "currency": pl.String, "balance": pl.Int64, "origin_run": pl.String, "origin_row": pl.String,
    "file": pl.String, "place": pl.String,
}  # fmt: skip
#: `run_id` and `row_id` name the row that decided the fate; `since` is when the record was first met, `runs` how often.
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
#: Rows of earlier runs that rows of a run name as their origin; no fate where another environment holds them.
ORIGINS = pl.Schema({name: kind for name, kind in ROWS.items() if name != "row_id"})
_CREATED = [fate.value for fate in LISTS["created"]]
_SETTLING = [*_CREATED, Fate.ALREADY_EXISTS_SAME.value]
_WAITING = [Fate.IN_DOUBT.value, Fate.NOT_ATTEMPTED.value]
#: A record that was given up is closed, and is the same record where its content comes again.
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
    """Where records stand after some runs. Records that are in neither table stand where their run left them."""

    records: pl.DataFrame = field(
        default_factory=lambda: _empty(RECORDS)
    )  #: those that were open or came back
    returns: pl.DataFrame = field(
        default_factory=lambda: _empty(RETURNS)
    )  #: place -> the record that its row is
    files: frozenset[str] = frozenset()  #: SHA-256 of every file that these runs took

    @property
    def open(self) -> pl.DataFrame:
        """The records that wait for somebody."""
        return self.records.filter(pl.col("fate").is_in(OPEN_FATES))

    def at_their_records(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `root_file` and `root_place`: the record that each is."""
        found = rows.join(
            self.returns.select(*_KEY, *_ROOT), on=_KEY, how="left", maintain_order="left"
        )
        return found.with_columns(
            pl.coalesce(root, key).alias(root) for root, key in zip(_ROOT, _KEY, strict=True)
        )


def carried(
    before: Current,
    run_id: str,
    day: str,
    rows: pl.LazyFrame,
    files: frozenset[str],
    origins: pl.DataFrame | None = None,
) -> Current:
    """Where records stand after one more run.

    `rows` has the columns of `ROWS`, `origins` those of `ORIGINS`, `files` is every file of the run, `day` is when it was
    planned (ISO 8601).
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
    """Where the ledger has led a request: its state, the run that led it there, and which content it is of."""

    state: State
    run_id: str
    fingerprint: str


def settled_by_ledger(
    current: Current,
    newest: Mapping[str, End],
    own: Mapping[tuple[str, str], End] = MappingProxyType({}),
) -> Current:
    """The same, with what the ledger knows of records that were in doubt or not attempted.

    `newest`: external reference -> its newest request. `own`: (reference, fingerprint) -> the request of this content, if a newer one
    has other content. A record is what its own content became; another content's customer only keeps it from being sent.
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
    """The fate of one record by the ledger, and the run that settled it; None where nothing does."""
    if newest is None:
        return None
    if own is None and fingerprint in {None, newest.fingerprint}:
        own = newest
    if own is None:  # it was never sent: a request with other content stands in its way, or did
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
    """What became of one run's records: fate then, fate now, run that decided it, records; only of those that are followed.

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
    """How many of a run's records later runs took once more, as rows of a list or of a file of the supplier's own."""
    later = current.returns.filter(pl.col("run_id") > run_id)
    # A row of this run may have been a return itself, so that its record first came in an earlier file.
    same = current.returns.join(later, on=_ROOT, how="semi")
    followed = pl.concat([same.select(_KEY), later.select(file="root_file", place="root_place")])
    here = rows.select(_KEY).join(followed.lazy(), on=_KEY, how="semi").collect()
    return current.at_their_records(here).join(later, on=_ROOT, how="semi").select(_ROOT).n_unique()


def _met(before: Current, rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a run that bear on a record which is followed, or is to be followed from now on.

    Of copies of one file in a run each row counts once.
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
    """Origins at their records: `named_file`, `named_place`."""
    return before.at_their_records(origins).rename(
        {"root_file": "named_file", "root_place": "named_place"}
    )


def _with_origins(records: pl.DataFrame, named: pl.DataFrame, day: str) -> pl.DataFrame:
    """The records that are followed, and those of which rows came back that were not followed before."""
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
    """Each row with the record that it is (`root_file`, `root_place`) and `how`: again, returned, or new."""
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
    # What was sent and is in doubt is no other content's record: both may end in their own way.
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
    """`flag` is left to the first row alone of each group."""
    return rows.with_columns((pl.col(flag) & (pl.col(flag).cum_sum().over(names) == 1)).alias(flag))


def _by_reference(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The oldest open record of each external reference for which no row of this run stands yet."""
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
    """The records with what this run says of them; `is_met` where it says anything."""
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
    """The references that this run brought into billing or found there: external_reference, by_row.

    A row of a file that is fed again says so where its own record was open until now.
    """
    was_open = before.open.select(root_file="file", root_place="place", was_open=pl.lit(value=True))
    says_so = (
        pl.col("fate").is_in(_CREATED)
        | ~pl.col("file").is_in(list(before.files))
        | pl.col("was_open").is_not_null()
    )
    return (
        linked.join(was_open, on=_ROOT, how="left", maintain_order="left")
        .filter(pl.col("fate").is_in(_SETTLING) & says_so)
        .select("external_reference", by_row="row_id")
        .drop_nulls("external_reference")
        .unique("external_reference", keep="first", maintain_order=True)
    )


def _superseded(records: pl.DataFrame, settling: pl.DataFrame) -> pl.DataFrame:
    """The records; open ones of which this run says nothing are settled by another row of their reference.

    `settling`: external_reference, the row (by_row) and the run (by_run) that settle it. Records that came after `until_run` stay open:
    a newer record with other content is not settled by an older one.
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
