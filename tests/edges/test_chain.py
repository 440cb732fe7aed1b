"""The hash chain of the ledger: it names every change, and an opening notices a missing end."""

import hashlib
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.customer import Environment, create_key
from pipeline.domain.fates import State
from pipeline.domain.file_expectations import Delivery
from pipeline.errors import LedgerError
from pipeline.storage.ledger import Answer, Intent, Ledger, Withdrawal
from pipeline.storage.ledger.network_mounts import disk_fault, filesystem_of
from pipeline.workflows.audit import audit
from pipeline.workflows.check import CheckRequest, Verdict, check

HERE = Environment("sandbox", "sandbox", "test", "loopback")
AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def intent(reference: str) -> Intent:
    payload = f'{{"external_reference":"{reference}"}}'.encode()
    fingerprint = hashlib.sha256(payload).hexdigest()
    return Intent(reference, fingerprint, create_key(HERE, reference, fingerprint), payload)


def fill(folder: Path) -> None:
    """Four groups of events, of every kind."""
    with Ledger.opened(folder, HERE) as ledger:
        ledger.record_intents(
            "run-1", AT, [intent("A-1"), intent("A-2"), intent("A-3")], "credential"
        )
        ledger.record(
            "run-1",
            AT,
            [
                Answer(
                    intent("A-1"), State.UNKNOWN, "create", "NoAnswer", detail="ReadTimeout \0 ÿ 😀"
                )
            ],
        )
        ledger.record(
            "run-1",
            AT,
            [Answer(intent("A-1"), State.CREATED, "create", "Accepted", 201, replayed=True)],
        )
        ledger.record("run-1", AT, [Withdrawal(intent("A-2"))])


@pytest.fixture
def home(tmp_path) -> Path:
    fill(tmp_path / "sandbox")
    return tmp_path


def change(home: Path, sql: str) -> None:
    raw = sqlite3.connect(home / "sandbox" / "ledger.sqlite")
    raw.executescript(sql)
    raw.close()


def damage(home: Path) -> list[str]:
    """What an opening for writing finds."""
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        return ledger.reader.damage()


def test_an_untouched_ledger_holds(home):
    [found] = audit(home)

    assert (found.broken, found.events, found.damage) == (None, 6, ())
    assert damage(home) == []


EVENT_COLUMNS = {
    "run_id": "'run-9'", "at": "'2026-01-01'", "kind": "'answer'", "external_reference": "'A-9'", "fingerprint": "'f'",
    "generation": "7", "key": "'k'", "state": "'refused'", "call": "'look_up'", "outcome": "'Found'", "status": "200",
    "replayed": "0", "billing_id": "'bcus_9'", "payable": "1", "detail": "'x'", "detail_sha256": "'x'", "credential": "'x'",
    "normalization": "1",
}  # fmt: skip


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_a_changed_event_is_named(home, column):
    seq = 4 if column == "detail" else 5  # event 4 has a detail
    change(home, f"UPDATE events SET {column} = {EVENT_COLUMNS[column]} WHERE seq = {seq}")

    [found] = audit(home)

    assert f"event {seq}" in found.broken or f"events {seq} to {seq}" in found.broken


def test_every_column_of_an_event_is_covered(home):
    raw = sqlite3.connect(home / "sandbox" / "ledger.sqlite")
    columns = {row[1] for row in raw.execute("PRAGMA table_info(events)")}
    raw.close()

    assert columns == {"seq", *EVENT_COLUMNS}


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM events WHERE seq = 2", "event 2 is missing (of events 1 to 3 there are 2"),
        ("UPDATE events SET billing_id = 'bcus_other' WHERE seq = 3", "event 3 is not the one"),
        ("UPDATE events SET at = '2020' WHERE seq = 2", "event 2 is not the one"),
        (
            "UPDATE groups SET digests = NULL; UPDATE events SET at = '2020' WHERE seq = 2",
            "events 1 to 3 are not",
        ),
        ("UPDATE rows SET state = 'created' WHERE seq = 6", "the row of event 6 does not match"),
        (
            "UPDATE rows SET billing_id = 'bcus_other' WHERE state = 'created'",
            "does not match its events",
        ),
        ("DELETE FROM rows", "does not match its events"),
        (
            "INSERT INTO rows SELECT 'stray', state, run_id, fingerprint, generation, key, first_sent, credential, billing_id, payable, detail, 99, NULL FROM rows LIMIT 1",
            "1 rows have no event",
        ),
        ("DELETE FROM events WHERE seq = 6", "of events 6 to 6 there are 0"),
        ("DELETE FROM groups WHERE last_seq = 3", "events 1 to 4 are not"),
        ("DELETE FROM groups WHERE last_seq = 6", "events 6 to 6 belong to no group"),
        ("UPDATE groups SET sha256 = 'x' WHERE last_seq = 4", "events 4 to 4 are not"),
        ("UPDATE payloads SET payload = x'7b7d'", "the payload"),
        (
            "DELETE FROM events WHERE seq > 4; DELETE FROM groups WHERE last_seq > 4",
            "it ends with event 4, and event 6",
        ),
        (
            """INSERT INTO events SELECT 7, run_id, at, kind, external_reference, fingerprint, generation, key, state, call,
            outcome, status, replayed, billing_id, payable, detail, detail_sha256, credential, NULL FROM events WHERE seq = 6""",
            "events 7 to 7 belong to no group",
        ),
    ],
)
def test_an_audit_names_what_was_removed_or_put_in(home, sql, named):
    change(home, sql)

    [found] = audit(home)

    assert named in found.broken


#: What resume relies on beside the events, each changed as somebody with the file could.
RELIED_ON = {
    "when a request was first sent": (
        "UPDATE rows SET first_sent = '2026-03-02T09:14:01+00:00' WHERE seq = 3",
        "(first_sent)",
    ),
    "the key that it was begun with": (
        "UPDATE rows SET credential = 'another' WHERE seq = 3",
        "(credential)",
    ),
    "its generation": ("UPDATE rows SET generation = 2 WHERE seq = 3", "(generation)"),
    "its idempotency key": ("UPDATE rows SET key = 'another' WHERE seq = 3", "(key)"),
    "what billing answered": ("UPDATE rows SET detail = 'another' WHERE seq = 3", "(detail)"),
    "whether it can be paid against": ("UPDATE rows SET payable = 0 WHERE seq = 5", "(payable)"),
    "an unsettled payload": (
        "UPDATE payloads SET payload = CAST(payload || ' ' AS BLOB)",
        "the payload",
    ),
    "an unsettled payload and its name": (
        f"UPDATE payloads SET payload = x'7b7d', fingerprint = '{hashlib.sha256(b'{}').hexdigest()}' WHERE fingerprint = '{intent('A-3').fingerprint}'",
        "1 open requests have no payload",
    ),
    "an unsettled payload that is gone": (
        "DELETE FROM payloads",
        "1 open requests have no payload",
    ),
    "how a run ended": ("UPDATE runs SET status = 'finished'", "the table runs"),
    "which process a run was": ("UPDATE runs SET pid = 1", "the table runs"),
    "a run that is gone": ("DELETE FROM runs", "the table runs"),
    "a run that never was": (
        "INSERT INTO runs VALUES ('run-9', '2026', NULL, 'finished', 1, 1)",
        "the table runs",
    ),
    "a file that a run took": ("UPDATE deliveries SET sha256 = 'x'", "the table deliveries"),
    "a file that was taken whole": ("UPDATE deliveries SET is_whole = 0", "the table deliveries"),
    "files that are gone": ("DROP TABLE deliveries", "the table deliveries"),
    "whose ledger it is": ("UPDATE environment SET merchant = 'another'", "the table environment"),
    "which ledger it is": ("UPDATE identity SET id = 'another'", "the table identity"),
    "damage that was found": ("DELETE FROM damage", "the table damage"),
    "a seal": ("DELETE FROM seals WHERE name = 'runs'", "the table runs"),
}


@pytest.fixture
def home_of_runs(home) -> Path:
    """The same ledger with what runs add, and with damage that an opening has found."""
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        taken = Delivery("c.csv", "0" * 64, 3, ("id",), {"ZAR": 100}, {"ZAR": 0})
        ledger.begin_run("run-1", AT, 3, 4121, files=[taken])
        ledger.end_run("run-1", AT, "stopped")
    (home / "sandbox" / "ledger.mark").unlink()
    assert len(damage(home)) == 1
    assert audit(home)[0].holds
    return home


@pytest.mark.parametrize("changed", RELIED_ON)
def test_an_audit_covers_everything_that_resume_relies_on(home_of_runs, changed):
    sql, named = RELIED_ON[changed]
    change(home_of_runs, sql)

    [found] = audit(home_of_runs)

    assert named in (found.broken or "")


def test_a_ledger_without_seals_holds_and_gets_them_with_the_next_opening(home_of_runs):
    change(home_of_runs, "DROP TABLE seals")
    assert audit(home_of_runs)[0].holds

    damage(home_of_runs)
    change(home_of_runs, "UPDATE runs SET planned = 4")

    assert "the table runs" in audit(home_of_runs)[0].broken


def test_a_pending_row_that_keeps_an_earlier_answer_is_consistent(home):
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        for detail in ("a 403 that is not billing's own", None):
            ledger.record(
                "run-1",
                AT,
                [Answer(intent("A-3"), State.UNKNOWN, "create", "Unexpected", 403, detail=detail)],
            )
        assert ledger.reader.requests_in_doubt() == [
            ("A-3", "run-1", "a 403 that is not billing's own")
        ]

    assert audit(home)[0].holds


def test_a_rebuilt_hash_chain_does_not_match_the_mark(home):
    mark = (home / "sandbox" / "ledger.mark").read_bytes()
    shutil.rmtree(home / "sandbox")
    fill(home / "sandbox")
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        ledger.record_intents("run-2", AT, [intent("A-4")], "credential")
    change(home, "UPDATE groups SET sha256 = sha256")
    (home / "sandbox" / "ledger.mark").write_bytes(mark[:21] + b"0" * 64 + b"\n")

    assert "not the one that its high-water mark remembers" in audit(home)[0].broken


# what an opening notices, without reading the whole


def test_an_end_that_vanished_is_noticed_and_remembered(home):
    change(home, "DELETE FROM events WHERE seq > 4; DELETE FROM groups WHERE last_seq > 4")

    first, second = damage(home), damage(home)

    assert first == second
    assert "its end is missing: it ends with event 4, and event 6 had been written" in first[0]


def test_a_ledger_that_vanished_is_noticed_by_the_mark_that_it_left(home):
    for path in (home / "sandbox").glob("ledger.sqlite*"):
        path.unlink()

    assert "its end is missing: it ends with event 0" in damage(home)[0]


def test_an_older_copy_put_back_is_noticed(home, tmp_path):
    copy = tmp_path / "copy.sqlite"
    shutil.copy(home / "sandbox" / "ledger.sqlite", copy)
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        ledger.record_intents("run-2", AT, [intent("A-4")], "credential")
    shutil.copy(copy, home / "sandbox" / "ledger.sqlite")

    assert "its end is missing: it ends with event 6, and event 7" in damage(home)[0]


@pytest.mark.parametrize("content", [None, b"nonsense", b"0" * 86])
def test_a_missing_or_garbled_mark_is_noticed(home, content):
    mark = home / "sandbox" / "ledger.mark"
    mark.unlink() if content is None else mark.write_bytes(content)

    assert "high-water mark is missing" in damage(home)[0]


def test_a_changed_end_is_noticed(home):
    change(home, "UPDATE events SET billing_id = 'bcus_9' WHERE seq = 6")

    assert "the events after 5 are not those that were written" in damage(home)[0]


def test_an_older_mark_is_no_fault_because_it_is_never_flushed(home):
    mark = (home / "sandbox" / "ledger.mark").read_bytes()
    with Ledger.opened(home / "sandbox", HERE) as ledger:
        ledger.record_intents("run-2", AT, [intent("A-4")], "credential")
    (home / "sandbox" / "ledger.mark").write_bytes(mark)

    assert damage(home) == []
    assert audit(home)[0].holds


def test_a_process_killed_before_its_first_event_leaves_nothing_to_worry_about(tmp_path):
    with Ledger.opened(tmp_path / "sandbox", HERE):
        pass
    (tmp_path / "sandbox" / "ledger.mark").write_bytes(b"")

    assert damage(tmp_path) == []


@given(cut=st.integers(0, 100), flip=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_cut_or_changed_wal_is_never_taken_as_intact(tmp_path_factory, cut, flip):
    """SQLite drops the damaged tail of a WAL in silence; what it drops is noticed, or nothing that was durable is gone."""
    home = tmp_path_factory.mktemp("wal")
    folder = home / "sandbox"
    with Ledger.opened(folder, HERE) as ledger:
        for number in range(8):
            ledger.record_intents("run-1", AT, [intent(f"A-{number}")], "credential")
        saved = home / "saved"
        shutil.copytree(folder, saved)
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)  # as a kill left it: with its WAL
    (folder / "ledger.sqlite-shm").unlink(missing_ok=True)
    wal = folder / "ledger.sqlite-wal"
    content = bytearray(wal.read_bytes())
    at = len(content) * cut // 101
    if flip:
        content[at] ^= 0xFF
    else:
        del content[at:]
    wal.write_bytes(content)

    try:
        with Ledger.opened(folder, HERE) as ledger:
            kept, found = (
                len(ledger.reader.states([f"A-{number}" for number in range(8)])),
                ledger.reader.damage(),
            )
    except LedgerError:
        return
    assert kept == 8 or found


# ledgers of earlier versions

WITHOUT_NORMALIZATION = (
    "ALTER TABLE events DROP COLUMN normalization; ALTER TABLE rows DROP COLUMN normalization"
)


def test_a_ledger_of_the_first_version_is_given_a_chain_over_what_it_holds(home):
    change(
        home,
        f"{WITHOUT_NORMALIZATION}; DROP TABLE groups; DROP TABLE damage; ALTER TABLE events DROP COLUMN detail_sha256;"
        " PRAGMA user_version = 1",
    )
    (home / "sandbox" / "ledger.mark").unlink()
    assert "no chain yet" in audit(home)[0].broken

    assert damage(home) == []
    [found] = audit(home)
    assert (found.holds, found.events) == (True, 6)


def test_a_ledger_of_the_second_version_goes_on_and_its_old_groups_are_named_as_a_whole(home):
    change(
        home,
        f"{WITHOUT_NORMALIZATION}; ALTER TABLE groups DROP COLUMN digests; PRAGMA user_version = 2",
    )
    assert audit(home)[0].holds

    with Ledger.opened(home / "sandbox", HERE) as ledger:
        ledger.record_intents("run-2", AT, [intent("A-9")], "credential")
    assert audit(home)[0].holds
    change(home, "UPDATE events SET at = '2020' WHERE seq = 7")
    assert audit(home)[0].broken == "event 7 is not the one that was written"
    change(home, "UPDATE events SET at = '2020' WHERE seq = 2")
    assert "events 1 to 3 are not" in audit(home)[0].broken


def test_a_ledger_of_the_third_version_holds_and_keeps_from_now_on_by_which_rules_a_payload_was_made(
    home,
):
    change(home, f"{WITHOUT_NORMALIZATION}; PRAGMA user_version = 3")
    assert audit(home)[0].holds
    with Ledger.read(home / "sandbox") as ledger:
        assert {row[-1] for block in ledger.history() for row in block} == {None}
        assert {begun.intent.normalization for begun in ledger.open_requests()} == {None}

    with Ledger.opened(home / "sandbox", HERE) as ledger:
        ledger.record_intents("run-2", AT, [replace(intent("A-9"), normalization=2)], "credential")
        known = {row[0]: row[-1] for block in ledger.reader.history() for row in block}
        [begun] = ledger.reader.open_requests(["A-9"])

    assert (known["A-1"], known["A-9"], begun.intent.normalization) == (None, 2, 2)
    assert audit(home)[0].holds
    change(home, "UPDATE events SET normalization = 1 WHERE seq = 7")
    assert audit(home)[0].broken == "event 7 is not the one that was written"
    change(
        home,
        "UPDATE events SET normalization = 2 WHERE seq = 7; UPDATE rows SET normalization = 1 WHERE seq = 7",
    )
    assert "row of event 7" in audit(home)[0].broken


def test_a_missing_ledger_fails_the_audit(home, tmp_path):
    (home / "sandbox" / "ledger.sqlite").unlink()

    assert "high-water mark remembers event 6" in audit(home)[0].broken
    (home / "sandbox" / "ledger.sqlite").touch()
    assert not audit(home)[0].holds
    with pytest.raises(LedgerError, match="nothing to audit"):
        audit(tmp_path / "nowhere")


# where a ledger may live


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /mnt/books rw,relatime - nfs4 server:/books rw
41 22 0:36 / /mnt/books/local rw,relatime - xfs /dev/sdb1 rw
42 22 0:37 / /mnt/with\\040space rw - cifs //server/share rw
43 22 0:38 / /mnt/sshfs rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x/ledger.sqlite", "ext4"),
        ("/mnt/books/ledger.sqlite", "nfs4"),
        ("/mnt/bookshelf/ledger.sqlite", "ext4"),
        ("/mnt/books/local/ledger.sqlite", "xfs"),
        ("/mnt/with space/ledger.sqlite", "cifs"),
        ("/mnt/sshfs/a/b", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_found(tmp_path, monkeypatch, path, kind):
    monkeypatch.setattr("pipeline.storage.ledger.network_mounts.MOUNTS", tmp_path / "mountinfo")
    (tmp_path / "mountinfo").write_text(MOUNTS)

    assert filesystem_of(Path(path)) == kind


#: File systems of networks, clusters, clouds and guests, by the names under which Linux mounts them; and such as keep no file private.
NOT_LOCAL = (
    "nfs nfs4 cifs smb3 smb2 smbfs ncpfs afs coda 9p ceph glusterfs lustre gfs gfs2 ocfs2 gpfs beegfs orangefs pvfs2 panfs acfs vxfs"
    " wekafs quobyte virtiofs vboxsf vmhgfs prl_fs fakeowner drvfs fuse fuse.sshfs fuse.glusterfs fuse.s3fs fuse.rclone fuse.davfs"
    " fuse.gcsfuse fuse.goofys fuse.mount-s3 fuse.blobfuse2 fuse.juicefs fuse.seaweedfs fuse.mfs fuse.ceph-fuse fuse.vmhgfs-fuse"
    " fuse.gvfsd-fuse fuse.curlftpfs fuse.grpcfuse fuse.osxfs fuse.encfs ecryptfs vfat exfat ntfs3 fuseblk squashfs iso9660 proc"
    " a_file_system_of_tomorrow"
).split()


def mounted(monkeypatch, folder: Path, kind: str, options: str = "rw") -> None:
    """Let the system say that everything is on this file system, and what is below `folder`/upper on `nfs4`."""
    lines = f"22 1 8:1 / / rw,relatime shared:1 - {kind} none {options}\n"
    lines += f"23 22 0:40 / {folder}/upper rw,relatime - nfs4 server:/x rw\n"
    (folder / "mountinfo").write_text(lines)
    monkeypatch.setattr("pipeline.storage.ledger.network_mounts.MOUNTS", folder / "mountinfo")


@pytest.mark.parametrize("kind", NOT_LOCAL)
def test_a_ledger_on_no_local_disk_is_refused_with_what_to_do(tmp_path, monkeypatch, kind):
    mounted(monkeypatch, tmp_path, kind)

    with (
        pytest.raises(LedgerError, match=f"{kind}.*--home with a folder on a local disk"),
        Ledger.opened(tmp_path, HERE),
    ):
        pass

    assert not (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs"])
def test_a_ledger_on_a_local_disk_is_opened(tmp_path, monkeypatch, kind):
    mounted(monkeypatch, tmp_path, kind)

    with Ledger.opened(tmp_path, HERE) as ledger:
        assert ledger.reader.damage() == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("rw,lowerdir=/a:/b,upperdir={folder},workdir=/w", None),
        ("rw,lowerdir=/a,upperdir=/of/the/host,workdir=/w", None),
        ("rw,lowerdir=/a,upperdir={folder}/upper,workdir=/w", "an overlay over nfs4"),
        ("rw,lowerdir=/a,upperdir={folder},workdir=/w,volatile", "mounted as volatile"),
    ],
)
def test_an_overlay_is_judged_by_the_file_system_it_writes_to(
    tmp_path, monkeypatch, options, fault
):
    (tmp_path / "upper").mkdir()
    mounted(monkeypatch, tmp_path, "overlay", options.format(folder=tmp_path))

    found = disk_fault(tmp_path / "ledger.sqlite")

    assert found is None if fault is None else fault in found


def test_check_names_the_file_system_beforehand(tmp_path, monkeypatch):
    mounted(monkeypatch, tmp_path, "virtiofs")
    variables: dict[str, str] = {}

    found = check(CheckRequest(None, "sandbox", tmp_path / "home", tmp_path / "reports", variables))

    [ledger] = [one for one in found if one.what == "ledger"]
    assert (ledger.verdict, "virtiofs" in ledger.detail) == (Verdict.FAULT, True)


def test_a_system_that_names_no_file_system_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.storage.ledger.network_mounts.MOUNTS", tmp_path / "nowhere")

    assert disk_fault(tmp_path) is None
