"""The ledger: durable before it returns, one environment, one writer, private, and never a raw database error."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.customer import Environment, create_key
from pipeline.domain.fates import State
from pipeline.domain.responses import Difference
from pipeline.errors import LedgerError, LedgerLocked, OutputRefused
from pipeline.storage.ledger import Answer, Begun, Intent, Ledger, Withdrawal, run_lock

HERE = Environment("sandbox", "sandbox", "test", "loopback")
AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def intent(reference: str, fingerprint: str = "f1", generation: int = 1) -> Intent:
    key = create_key(HERE, reference, fingerprint, generation)
    return Intent(
        reference, fingerprint, key, f'{{"external_reference":"{reference}"}}'.encode(), generation
    )


def answered(meant: Intent, state: State, **more: object) -> Answer:
    return Answer(meant, state, "create", "Accepted", **more)


@contextmanager
def umask(mask: int):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.opened(tmp_path, HERE) as opened:
        yield opened


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# what is recorded


def test_intents_are_seen_by_another_connection_as_soon_as_they_are_recorded(ledger):
    ledger.record_intents("run-1", AT, [intent("A-1"), intent("A-2")], "credential")

    other = sqlite3.connect(ledger.path)
    seen = other.execute("SELECT external_reference, state, key FROM rows ORDER BY 1").fetchall()
    events = other.execute("SELECT kind, external_reference FROM events ORDER BY seq").fetchall()
    other.close()

    assert seen == [(r, "unknown", intent(r).key) for r in ("A-1", "A-2")]
    assert events == [("intent", "A-1"), ("intent", "A-2")]


def test_the_database_uses_a_wal_with_full_synchronization(ledger):
    modes = [
        ledger.reader.database.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]

    assert modes == ["wal", 2]


def test_a_window_of_intents_is_recorded_whole_or_not_at_all(ledger):
    broken = Intent("A-2", "f2", None, b"{}")  # a key is NOT NULL

    with pytest.raises(LedgerError):
        ledger.record_intents("run-1", AT, [intent("A-1"), broken], "credential")

    assert ledger.reader.states(["A-1", "A-2"]) == {}
    assert ledger.reader.last_event() == 0


def test_states_cover_the_references_that_have_an_intent(ledger):
    ledger.record_intents("run-1", AT, [intent("A-1"), intent("A-2", "f2")], "credential")
    ledger.record("run-2", AT, [answered(intent("A-2", "f2"), State.CREATED, billing_id="bcus_2")])

    found = ledger.reader.states(["A-1", "A-2", "A-3", "", "'; DROP TABLE rows; --"])

    assert {
        reference: (known.state, known.fingerprint, known.run_id)
        for reference, known in found.items()
    } == {
        "A-1": (State.UNKNOWN, "f1", "run-1"),
        "A-2": (State.CREATED, "f2", "run-2"),
    }


def test_one_query_reads_the_states_of_ten_thousand_references(ledger):
    many = [intent(f"A-{n}") for n in range(10_000)]
    ledger.record_intents("run-1", AT, many, "credential")

    found = ledger.reader.states([one.external_reference for one in many])

    assert len(found) == 10_000


def test_a_request_in_doubt_keeps_bytes_key_generation_age_and_credential(ledger):
    meant = intent("A-1", generation=2)
    later = AT + timedelta(hours=3)
    ledger.record_intents("run-1", AT, [meant], "credential-1")
    ledger.record(
        "run-1", later, [Answer(meant, State.UNKNOWN, "create", "NoAnswer", detail="ReadTimeout")]
    )

    assert ledger.reader.open_requests() == [Begun(meant, AT, "credential-1", "run-1")]


def test_open_requests_are_all_in_doubt_or_those_of_given_references_and_never_a_final_one(ledger):
    ledger.record_intents(
        "run-1", AT, [intent(r) for r in ("A-1", "A-2", "A-3", "A-4")], "credential"
    )
    ledger.record("run-1", AT, [answered(intent("A-2"), State.CREATED), Withdrawal(intent("A-4"))])

    everything = [begun.intent.external_reference for begun in ledger.reader.open_requests()]
    asked_for = [
        begun.intent.external_reference
        for begun in ledger.reader.open_requests(["A-3", "A-2", "A-9"])
    ]

    assert everything == ["A-1", "A-3"]
    assert asked_for == ["A-3"]
    assert ledger.reader.open_requests([]) == []


def test_a_new_generation_replaces_key_and_age_and_keeps_the_bytes(ledger):
    first, second = intent("A-1"), intent("A-1", generation=2)
    ledger.record_intents("run-1", AT, [first], "old")
    ledger.record_intents("run-1", AT + timedelta(hours=1), [second], "new")

    assert ledger.reader.open_requests() == [Begun(second, AT + timedelta(hours=1), "new", "run-1")]
    assert first.key != second.key


def test_the_bytes_of_an_intent_stay_frozen_when_its_fingerprint_repeats(ledger):
    ledger.record_intents("run-1", AT, [intent("A-1")], "credential")
    ledger.record("run-1", AT, [Withdrawal(intent("A-1"))])
    again = Intent("A-1", "f1", intent("A-1").key, b"other bytes")

    ledger.record_intents("run-2", AT, [again], "credential")

    assert ledger.reader.open_requests()[0].intent.payload == intent("A-1").payload


def test_a_lookup_that_finds_nothing_keeps_the_last_outcome_of_a_request_in_doubt(ledger):
    meant = intent("A-1")
    ledger.record_intents("run-1", AT, [meant], "credential")
    ledger.record("run-1", AT, [answered(meant, State.UNKNOWN, detail="no answer within 30 s")])
    ledger.record("run-2", AT, [answered(meant, State.UNKNOWN)])
    assert ledger.reader.requests_in_doubt() == [("A-1", "run-2", "no answer within 30 s")]

    ledger.record("run-2", AT, [answered(meant, State.CREATED, billing_id="b-1")])
    assert next(ledger.reader.outcomes())[0][-1] is None


def test_the_events_of_a_reference_come_in_order_and_without_those_of_others(ledger):
    first, again = intent("A-1"), intent("A-1", generation=2)
    ledger.record_intents("run-1", AT, [first, intent("A-2")], "credential")
    ledger.record("run-1", AT, [answered(first, State.UNKNOWN, status=500, replayed=True)])
    ledger.record_intents("run-2", AT, [again], "credential")
    ledger.record("run-2", AT, [answered(again, State.CREATED, status=201, billing_id="cus_1")])

    life = ledger.reader.events_of("A-1")

    assert [(event.run_id, event.kind, event.generation, event.status) for event in life] == [
        ("run-1", "intent", 1, None),
        ("run-1", "answer", 1, 500),
        ("run-2", "intent", 2, None),
        ("run-2", "settled", 2, 201),
    ]
    assert life[-1].billing_id == "cus_1"
    assert ledger.reader.events_of("A-9") == []


def test_the_final_states_of_a_run_leave_out_open_requests_and_what_another_run_moved(ledger):
    made = [intent(f"A-{number}") for number in range(4)]
    ledger.record_intents("run-1", AT, made, "credential")
    ledger.record(
        "run-1",
        AT,
        [answered(made[0], State.CREATED), answered(made[1], State.REFUSED), Withdrawal(made[2])],
    )
    ledger.record_intents("run-2", AT, [intent("B-1")], "credential")
    ledger.record("run-2", AT, [answered(intent("B-1"), State.CREATED)])

    settled = chain.from_iterable(ledger.reader.runs.final_states("run-1"))
    assert sorted(reference for reference, _, _ in settled) == ["A-0", "A-1"]
    assert list(ledger.reader.runs.final_states("run-3")) == []


def test_outcomes_of_a_run_stay_its_own_after_another_run_began_other_content(ledger):
    first, second = intent("A-1", "f1"), intent("A-1", "f2")
    ledger.begin_run("run-1", AT, 1, 1)
    ledger.begin_run("run-2", AT, 1, 1)
    ledger.record_intents("run-1", AT, [first], "credential")
    ledger.record("run-1", AT, [answered(first, State.REFUSED, detail="no")])
    ledger.record_intents("run-2", AT, [second], "credential")

    assert [row[:4] for row in ledger.reader.runs.moved_from("run-1")] == [
        ("A-1", "refused", "run-1", "f1")
    ]
    assert list(chain.from_iterable(ledger.reader.runs.final_states("run-1"))) == [
        ("A-1", "refused", None)
    ]
    assert ledger.reader.runs.moved_from("run-2") == []
    ledger.record("run-2", AT, [answered(second, State.REFUSED)])
    ledger.record_intents("run-1", AT, [intent("A-1", "f3")], "credential")
    assert [row[:4] for row in ledger.reader.runs.moved_from("run-2")] == [
        ("A-1", "refused", "run-2", "f2")
    ]  # by an older run
    assert {
        pair: end.state
        for pair, end in ledger.reader.last_states(
            [("A-1", "f1"), ("A-1", "f2"), ("A-1", "f3")]
        ).items()
    } == {
        ("A-1", "f1"): State.REFUSED,
        ("A-1", "f2"): State.REFUSED,
        ("A-1", "f3"): State.UNKNOWN,
    }


def test_a_lookup_by_reference_finds_the_same_rows_as_reading_all_of_them(ledger):
    ledger.record_intents("run-1", AT, [intent(f"A-{number}") for number in range(7)], "credential")
    wanted = ["A-3", "A-1", "B-1", 'it\'s "1"']

    for ask in (ledger.reader.history, ledger.reader.outcomes):
        all_of_them = [row for block in ask() for row in block]
        some = [row for block in ask(wanted) for row in block]
        assert sorted(some) == [row for row in all_of_them if row[0] in wanted]
        assert len(some) == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM events WHERE external_reference = 'A-1' ORDER BY seq",
        "SELECT external_reference FROM rows WHERE run_id = 'run-1' AND state NOT IN ('unknown', 'withdrawn')",
        "SELECT state, count(*) FROM rows WHERE run_id = 'run-1' GROUP BY state",
        "SELECT * FROM rows WHERE external_reference IN (SELECT value FROM json_each('[]'))",
    ],
)
def test_queries_during_a_run_never_scan_the_whole_ledger(tmp_path, query):
    with Ledger.opened(tmp_path, HERE), sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("DROP INDEX events_by_reference")
        connection.execute("DROP INDEX rows_by_run")
    with Ledger.opened(tmp_path, HERE) as again:  # a ledger that was made without them gets them
        told = " ".join(
            row[3]
            for row in again.reader.database.connection.execute(f"EXPLAIN QUERY PLAN {query}")
        )

    assert "SEARCH" in told
    assert "SCAN events" not in told
    assert "SCAN rows" not in told


def test_the_ledger_names_the_references_that_moved_since_an_event(ledger):
    ledger.record_intents("run-1", AT, [intent("A-1"), intent("A-2")], "credential")
    mark = ledger.reader.last_event()
    ledger.record("run-1", AT, [answered(intent("A-2"), State.CREATED)])
    ledger.record_intents("run-1", AT, [intent("A-3")], "credential")

    assert set(ledger.reader.moved_since(mark)) == {"A-2", "A-3"}
    assert list(ledger.reader.moved_since(ledger.reader.last_event())) == []
    assert set(ledger.reader.moved_since(0)) == {"A-1", "A-2", "A-3"}


def test_requests_are_counted_by_run_from_the_events(ledger):
    meant = intent("A-1")
    ledger.record_intents("run-1", AT, [meant, intent("A-2")], "credential")
    ledger.record(
        "run-1",
        AT,
        [
            Answer(meant, State.UNKNOWN, "create", "NoAnswer"),
            Answer(meant, State.CREATED, "create", "Accepted", replayed=True),
            Answer(intent("A-2"), State.ADOPTED, "look_up", "Found"),
        ],
    )

    assert ledger.reader.runs.requests("run-1") == (2, 1, 1)
    assert ledger.reader.runs.requests("run-2") == (0, 0, 0)
    assert ledger.reader.runs.counts("run-1") == {"created": 1, "adopted": 1}


def test_differences_and_naughty_texts_come_back_as_they_were(ledger):
    naughty = "Ünï\u202e \x1b[31m '; DROP TABLE rows; -- \x00 😀"
    ledger.record_intents("run-1", AT, [intent("A-1")], "credential")
    ledger.record(
        "run-1",
        AT,
        [
            answered(
                intent("A-1"),
                State.CREATED_DIFFERENT,
                differences=(Difference("name", naughty, None),),
            )
        ],
    )

    ((reference, *_, detail),) = next(ledger.reader.outcomes())

    assert reference == "A-1"
    assert json.loads(detail) == [["name", naughty, None]]


def test_the_ledger_records_when_a_run_starts_stops_and_resumes(ledger):
    ledger.begin_run("run-1", AT, 7, 4121)
    running = ledger.reader.runs.find("run-1")
    ledger.end_run("run-1", AT + timedelta(seconds=5), "stopped")
    stopped = ledger.reader.runs.find("run-1")
    ledger.begin_run("run-1", AT + timedelta(hours=1), 7, 99)

    assert (running.status, running.planned, running.pid, running.ended_at) == (
        "running",
        7,
        4121,
        None,
    )
    assert (stopped.status, stopped.ended_at) == ("stopped", "2026-11-22T06:00:05+00:00")
    assert (
        ledger.reader.runs.find("run-1").status,
        ledger.reader.runs.find("run-1").ended_at,
    ) == ("running", None)
    assert ledger.reader.runs.find("run-1").started_at == AT.isoformat()
    assert ledger.reader.runs.find("run-2") is None


MOVES = st.tuples(
    st.sampled_from(["A-1", "A-2", "A-3"]),
    st.sampled_from(["intent", "intent, next generation", "withdrawn", *State]),
)


@given(st.lists(MOVES, max_size=12))
@settings(max_examples=25, deadline=None)
def test_the_state_table_equals_the_replayed_events(tmp_path_factory, moves):
    with Ledger.opened(tmp_path_factory.mktemp("ledger"), HERE) as ledger:
        current: dict[str, Intent] = {}
        for number, (reference, move) in enumerate(moves):
            at, run_id = AT + timedelta(minutes=number), f"run-{number % 3}"
            if move.startswith("intent") or reference not in current:
                generation = (
                    current[reference].generation + 1
                    if "next" in move and reference in current
                    else 1
                )
                current[reference] = intent(reference, f"f{number % 2}", generation)
                ledger.record_intents(run_id, at, [current[reference]], f"credential-{number % 2}")
            elif move == "withdrawn":
                ledger.record(run_id, at, [Withdrawal(current[reference])])
            else:
                ledger.record(
                    run_id,
                    at,
                    [answered(current[reference], State(move), billing_id=f"bcus_{number}")],
                )
        events = ledger.reader.database.connection.execute(
            "SELECT seq, run_id, at, kind, external_reference, fingerprint, generation, key, state, billing_id, credential"
            " FROM events ORDER BY seq"
        ).fetchall()
        rows = ledger.reader.database.connection.execute(
            "SELECT external_reference, state, run_id, fingerprint, generation, key, first_sent, credential, billing_id, seq"
            " FROM rows ORDER BY external_reference"
        ).fetchall()

    folded: dict[str, tuple] = {}
    for (
        seq,
        run_id,
        at,
        kind,
        reference,
        fingerprint,
        generation,
        key,
        state,
        billing_id,
        credential,
    ) in events:
        sent, by = (at, credential) if kind == "intent" else folded[reference][5:7]
        folded[reference] = (state, run_id, fingerprint, generation, key, sent, by, billing_id, seq)
    assert {row[0]: row[1:] for row in rows} == folded
    assert [event[0] for event in events] == list(range(1, len(events) + 1))


# whose it is


@pytest.mark.parametrize(
    "other",
    [
        Environment("test", "sandbox", "test", "loopback"),
        Environment("sandbox", "another", "test", "loopback"),
        Environment("sandbox", "sandbox", "live", "loopback"),
        Environment("sandbox", "sandbox", "test", "api.momentco.io"),
    ],
)
def test_the_ledger_of_another_environment_is_refused_and_left_as_it_was(tmp_path, other):
    with Ledger.opened(tmp_path, HERE) as ledger:
        ledger.record_intents("run-1", AT, [intent("A-1")], "credential")

    with (
        pytest.raises(LedgerError, match="belongs to environment sandbox of"),
        Ledger.opened(tmp_path, other),
    ):
        pass

    with Ledger.opened(tmp_path, HERE) as ledger:
        assert ledger.reader.last_event() == 1


def test_a_ledger_of_a_newer_version_is_refused_for_reading_and_writing(tmp_path):
    with Ledger.opened(tmp_path, HERE):
        pass
    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    raw.execute("PRAGMA user_version = 99")
    raw.close()

    with pytest.raises(LedgerError, match="version 99"), Ledger.opened(tmp_path, HERE):
        pass
    with pytest.raises(LedgerError, match="version 99"), Ledger.read(tmp_path):
        pass


@pytest.mark.parametrize("name", ["ledger.sqlite", "lock"])
def test_a_symbolic_link_in_place_of_a_ledger_file_is_refused(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    home = tmp_path / "home"
    home.mkdir()
    (home / name).symlink_to(elsewhere)

    with (
        pytest.raises(OutputRefused, match="symbolic link"),
        run_lock(home, "run-1", "now"),
        Ledger.opened(home, HERE),
    ):
        pass

    assert not elsewhere.exists()


def test_a_home_that_is_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")

    with pytest.raises(OutputRefused), Ledger.opened(tmp_path / "home", HERE):
        pass

    assert list((tmp_path / "real").iterdir()) == []


def test_ledger_and_lock_are_private_even_where_the_umask_is_not(tmp_path):
    home = tmp_path / "home" / "sandbox"

    with umask(0), run_lock(home, "run-1", "now"), Ledger.opened(home, HERE) as ledger:
        ledger.record_intents("run-1", AT, [intent("A-1")], "credential")
        modes = {path.name: oct(mode(path)) for path in home.iterdir()}

    assert modes == dict.fromkeys(
        ["ledger.mark", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "lock"], "0o600"
    )
    assert (mode(home), mode(home.parent)) == (0o700, 0o700)


# what goes wrong is a LedgerError, which the command line maps to "fatal", and never our own fault


def test_a_file_that_is_no_database_is_a_ledger_error(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(
        b"this is no database, it is a letter to a friend" * 100
    )

    with pytest.raises(LedgerError, match=r"ledger\.sqlite"), Ledger.opened(tmp_path, HERE):
        pass
    with pytest.raises(LedgerError, match=r"ledger\.sqlite"), Ledger.read(tmp_path):
        pass


def test_a_database_of_something_else_is_a_ledger_error_and_is_not_written_to(tmp_path):
    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()

    with pytest.raises(LedgerError), Ledger.opened(tmp_path, HERE):
        pass

    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    tables = raw.execute("SELECT name FROM sqlite_schema").fetchall()
    raw.close()
    assert tables == [("recipes",)]


@pytest.mark.parametrize("ask", ["history", "outcomes", "open_requests", "moved_since", "states"])
def test_damage_that_shows_only_while_rows_are_read_is_a_ledger_error(tmp_path, ask):
    many = [intent(f"A-{n:05}") for n in range(5_000)]
    with Ledger.opened(tmp_path, HERE) as ledger:
        ledger.record_intents("run-1", AT, many, "credential")
    path = tmp_path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    assert len(content) > 100 * 4096  # the WAL was taken in when the last connection closed
    for page in range(
        len(content) // 4096 * 2 // 3, len(content) // 4096
    ):  # the first rows can still be read
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)

    with Ledger.read(tmp_path) as ledger:
        asking = {
            "history": lambda: list(ledger.history()),
            "outcomes": lambda: list(ledger.outcomes()),
            "open_requests": ledger.open_requests,
            "moved_since": lambda: list(ledger.moved_since(0)),
            "states": lambda: ledger.states([one.external_reference for one in many]),
        }[ask]
        with pytest.raises(LedgerError):
            asking()


def test_a_disk_without_room_is_a_ledger_error_and_the_intents_are_not_there(ledger):
    pages = ledger.reader.database.connection.execute("PRAGMA page_count").fetchone()[0]
    ledger.reader.database.connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    with pytest.raises(LedgerError, match="disk has room"):
        ledger.record_intents("run-1", AT, [intent(f"A-{n}") for n in range(1_000)], "credential")

    assert ledger.reader.states(["A-1"]) == {}


READ_ONLY = """
import os, sys
from pathlib import Path
from pipeline.domain.customer import Environment
from pipeline.errors import LedgerError
from pipeline.storage.ledger import Ledger

if __name__ == "__main__":
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        with Ledger.opened(Path(sys.argv[1]), Environment("sandbox", "sandbox", "test", "loopback")):
            print("opened")
    except LedgerError as error:
        print("LedgerError", error)
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_a_ledger_that_may_not_be_written_is_a_ledger_error(tmp_path_factory, is_there):
    # The reader is another user, for root may write everything; so every folder above must let it through.
    home = Path(tmp_path_factory.mktemp("read-only"))
    for folder in (home, *home.parents):
        if "pytest-of-" in str(folder):
            folder.chmod(0o755)
    if is_there:
        with Ledger.opened(home, HERE):
            pass
        (home / "ledger.sqlite").chmod(0o444)
    if os.getuid() != 0:
        home.chmod(0o555)

    told = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(home)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert told.stdout.startswith("LedgerError"), told


# beside a run that writes


def test_a_reader_sees_recorded_events_while_the_writer_continues(ledger):
    ledger.record_intents("run-1", AT, [intent("A-1")], "credential")

    with Ledger.read(ledger.path.parent) as reader:
        first = reader.states(["A-1"])["A-1"].state
        ledger.reader.database.connection.execute(
            "BEGIN IMMEDIATE"
        )  # a writer in the middle of its transaction keeps no reader out
        ledger.reader.database.connection.execute("UPDATE rows SET state = 'created'")
        during = reader.states(["A-1"])["A-1"].state
        ledger.reader.database.connection.execute("COMMIT")
        after = reader.states(["A-1"])["A-1"].state

    assert (first, during, after) == (State.UNKNOWN, State.UNKNOWN, State.CREATED)


def test_a_reader_cannot_write(ledger):
    with Ledger.read(ledger.path.parent) as reader, pytest.raises(LedgerError):
        Ledger(reader.database).record_intents("run-1", AT, [intent("A-1")], "credential")

    assert ledger.reader.last_event() == 0


def test_reading_without_a_ledger_creates_none(tmp_path):
    with Ledger.read(tmp_path / "nowhere") as nothing:
        assert nothing is None

    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from pipeline.storage.ledger import run_lock

if __name__ == "__main__":
    with run_lock(Path(sys.argv[1]), "20260302T091400Z-customers-3f9a1c", "2026-03-02T09:14:00+00:00"):
        print("held", flush=True)
        time.sleep(30)
"""


@contextmanager
def held_elsewhere(home: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_lock_that_another_process_holds_is_refused_naming_its_run_process_and_since_when(
    tmp_path,
):
    with (
        held_elsewhere(tmp_path) as holder,
        pytest.raises(LedgerLocked) as refused,
        run_lock(tmp_path, "run-2", "now"),
    ):
        pass

    assert "20260302T091400Z-customers-3f9a1c" in str(refused.value)
    assert f"pid {holder.pid}" in str(refused.value)
    assert "2026-03-02T09:14:00" in str(refused.value)


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    with held_elsewhere(tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

        with run_lock(tmp_path, "run-2", "now"):
            held = json.loads((tmp_path / "lock").read_text())

    assert (held["run_id"], held["pid"]) == ("run-2", os.getpid())


def test_a_refused_second_run_does_not_take_the_first_one_s_name_off_the_lock(tmp_path):
    with run_lock(tmp_path, "run-1", "noon"):
        for _ in range(2):
            with pytest.raises(LedgerLocked, match="run-1"), run_lock(tmp_path, "run-2", "later"):
                pass


def test_a_lock_is_let_go_after_an_error_inside(tmp_path):
    with pytest.raises(RuntimeError), run_lock(tmp_path, "run-1", "now"):
        raise RuntimeError

    with run_lock(tmp_path, "run-2", "now"):
        pass


@pytest.mark.parametrize("is_writing_now", [True, False])
def test_a_run_whose_lock_was_removed_and_that_meets_another_writer_stops_and_names_the_lock(
    tmp_path, is_writing_now
):
    with run_lock(tmp_path, "run-1", "now"), Ledger.opened(tmp_path, HERE) as first:
        first.record_intents("run-1", AT, [intent("A-1")], "credential")
        (tmp_path / "lock").unlink()
        with run_lock(tmp_path, "run-2", "later"), Ledger.opened(tmp_path, HERE) as second:
            second.record_intents("run-2", AT, [intent("A-2")], "credential")
            if is_writing_now:
                second.reader.database.connection.execute("BEGIN IMMEDIATE")
                first.reader.database.connection.execute("PRAGMA busy_timeout = 0")
            with pytest.raises(LedgerError, match="another process writes") as stopped:
                first.record_intents("run-1", AT, [intent("A-3")], "credential")

    assert str(tmp_path / "lock") in stopped.value.message
    assert "disk" not in stopped.value.message


def test_locks_of_two_environments_do_not_meet(tmp_path):
    with run_lock(tmp_path / "test", "run-1", "now"), run_lock(tmp_path / "live", "run-2", "now"):
        pass


# files of another kind


def to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, to_a_device, to_nowhere])
@pytest.mark.parametrize(
    "name", ["ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal", "ledger.mark"]
)
def test_a_file_beside_the_ledger_that_is_of_another_kind_is_named_with_what_to_do(
    tmp_path, name, make
):
    with Ledger.opened(tmp_path, HERE):
        pass
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)

    with pytest.raises((LedgerError, OutputRefused)) as refused, Ledger.opened(tmp_path, HERE):
        pass

    assert str(refused.value).startswith(f"{tmp_path / name} is ")
    assert "emove it" in str(refused.value) or "Restore the home folder" in str(refused.value)
    assert "disk" not in str(refused.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, to_a_device, to_nowhere])
def test_a_ledger_of_another_kind_is_not_treated_as_missing(tmp_path, make):
    make(tmp_path / "ledger.sqlite")

    with (
        pytest.raises(LedgerError, match=r"ledger\.sqlite is not a regular file\. Restore"),
        Ledger.read(tmp_path),
    ):
        pass


def test_nothing_is_read_from_the_log_of_a_ledger_whose_database_is_another_file(tmp_path):
    """SQLite alone serves the pages that the log holds, and empty ones for the others."""
    with Ledger.opened(tmp_path, HERE) as ledger:
        ledger.record_intents("run-1", AT, [intent("A-1")], "credential")
        (tmp_path / "ledger.sqlite").write_bytes(b"\x07" * 700)

        for opened in (Ledger.opened(tmp_path, HERE), Ledger.read(tmp_path)):
            with (
                pytest.raises(
                    LedgerError, match=r"ledger\.sqlite is not an SQLite database\. Restore"
                ),
                opened,
            ):
                pass


def test_a_ledger_with_damaged_pages_is_to_be_restored(tmp_path):
    with Ledger.opened(tmp_path, HERE):
        pass
    whole = (tmp_path / "ledger.sqlite").read_bytes()
    (tmp_path / "ledger.sqlite").write_bytes(whole[:100] + b"\x07" * (len(whole) - 100))

    with (
        pytest.raises(LedgerError, match=r"malformed\. Restore the home folder"),
        Ledger.opened(tmp_path, HERE),
    ):
        pass
