"""Compare a file with earlier ones: repeated, missing day, other columns, unusual volume."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from statistics import median

from pipeline.domain.currency import major_units
from pipeline.domain.file_expectations import Delivery, Stream
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.plurals import number_of

_TWO_WEEKS = timedelta(days=14)
_FEWEST_TO_COMPARE = 3  #: deliveries; fewer do not show what is usual
_NAMED = 5
#: The factor between mean debits of two deliveries that indicates a wrong unit.
_HUNDREDFOLD = (50.0, 200.0)


def judge_repeats(arriving: Sequence[Delivery], delivered: Sequence[Delivery]) -> list[Finding]:
    """Without a stream: warn about files that an earlier run finished, byte for byte."""
    return [
        Finding(
            FileIssue.STREAM_SAME_FILE,
            f"{file.name}: run {before.run_id} finished it on {_day(before)}",
            stops=False,
        )
        for file in arriving
        for before in _same(file, delivered)[-1:]
    ]


def judge_stream(
    stream: Stream, arriving: Sequence[Delivery], delivered: Sequence[Delivery]
) -> list[Finding]:
    """Everything unusual about new files, in the order of their days."""
    known = [
        (day, before) for before in delivered if (day := stream.day_of(before.name)) is not None
    ]
    known.sort(key=_by_day)
    found: list[Finding] = []
    dated: list[tuple[date, Delivery]] = []
    for file in arriving:
        day = stream.day_of(file.name)
        if day is None:
            found.append(
                Finding(FileIssue.STREAM_NAME, f"{file.name}: a name like {stream.name} is agreed")
            )
        else:
            dated.append((day, file))
    for day, file in sorted(dated, key=_by_day):
        found += _judge(stream, day, file, known)
        known = sorted([*known, (day, file)], key=_by_day)
    return found


def _by_day(dated: tuple[date, Delivery]) -> date:
    return dated[0]


def _judge(
    stream: Stream, day: date, file: Delivery, known: Sequence[tuple[date, Delivery]]
) -> Iterator[Finding]:
    same = _same(file, [before for _, before in known])
    if same:
        again = any(before.name == file.name for before in same)
        issue = FileIssue.STREAM_SAME_FILE if again else FileIssue.STREAM_OLD_FILE_NEW_NAME
        yield Finding(
            issue,
            f"{file.name}: byte for byte {same[-1].name}, which run {same[-1].run_id} took on {_day(same[-1])}",
        )
    elif _unfinished(file, known):
        return  # the rest of a file that an earlier run began
    elif any(other == day for other, _ in known):
        yield Finding(
            FileIssue.STREAM_DAY_AGAIN, f"{file.name}: {day} came before, with other content"
        )
    if not known:
        return
    last_day, last = known[-1]
    if day < last_day:
        yield Finding(FileIssue.STREAM_EARLIER_DAY, f"{file.name}: {last_day} has come already")
    elif missing := list(stream.days_between(last_day, day)):
        named = ", ".join(map(str, missing[:_NAMED])) + (" …" if len(missing) > _NAMED else "")
        yield Finding(
            FileIssue.STREAM_MISSING_DAY,
            f"{file.name}: nothing came for {named} ({len(missing)} day{'s' * (len(missing) > 1)} after {last_day})",
        )
    if file.columns != last.columns:
        yield Finding(
            FileIssue.STREAM_COLUMNS_MOVED,
            f"{file.name}: {_moved(last.columns, file.columns)} since {last.name}",
        )
    yield from _volume(stream, day, file, known)
    yield from _hundredfold(file, last)


def _same(file: Delivery, known: Sequence[Delivery]) -> list[Delivery]:
    """Finished deliveries with the same bytes."""
    return [
        before
        for before in known
        if before.sha256 == file.sha256 and (before.finished or before.at is None)
    ]


def _unfinished(file: Delivery, known: Sequence[tuple[date, Delivery]]) -> bool:
    return any(before.sha256 == file.sha256 for _, before in known)


def _volume(
    stream: Stream, day: date, file: Delivery, known: Sequence[tuple[date, Delivery]]
) -> Iterator[Finding]:
    lately = [before.records for other, before in known if timedelta(0) < day - other <= _TWO_WEEKS]
    if len(lately) < _FEWEST_TO_COMPARE:
        return
    usual = median(lately)
    if file.records > usual * stream.usual_volume or file.records * stream.usual_volume < usual:
        yield Finding(
            FileIssue.STREAM_VOLUME,
            f"{file.name}: {number_of(file.records, 'record')}; of the {len(lately)} files of the last two weeks the middle one had {usual:g}",
        )


def _hundredfold(file: Delivery, last: Delivery) -> Iterator[Finding]:
    for currency in sorted({*file.debits} & {*last.debits}):
        if not (
            file.records
            and last.records
            and last.debits[currency] > 0
            and file.debits[currency] > 0
        ):
            continue
        times = (file.debits[currency] / file.records) / (last.debits[currency] / last.records)
        low, high = _HUNDREDFOLD
        if low <= times <= high or low <= 1 / times <= high:
            yield Finding(
                FileIssue.TOTAL_HUNDREDFOLD,
                f"{file.name}: debits of {major_units(file.debits[currency], currency)} {currency}, after "
                f"{major_units(last.debits[currency], currency)} in {last.name}",
            )


def _moved(before: Sequence[str], now: Sequence[str]) -> str:
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    parts = [
        f"{what}: {', '.join(names)}" for what, names in (("gone", gone), ("new", new)) if names
    ]
    return "; ".join(parts) or "the columns stand in another order"


def _day(delivery: Delivery) -> str:
    return f"{delivery.at:%Y-%m-%d}" if delivery.at else "this very run"
