"""Checks at the opening of a ledger for writing: is its end there, and is it the ledger that others knew?"""

from datetime import datetime
from pathlib import Path

from pipeline.domain.customer import Environment
from pipeline.domain.file_issues import FileIssue
from pipeline.errors import HomeIsNew
from pipeline.storage.ledger import integrity
from pipeline.storage.ledger.hash_chain import START, Link
from pipeline.storage.ledger.reader import LedgerReader
from pipeline.storage.ledger.transactions import Transactions
from pipeline.storage.ledger.witnesses import Statement, Witness, statements

HOME_IS_NEW = FileIssue.HOME_NEW.value


def check_end(transactions: Transactions, reader: LedgerReader, now: datetime) -> None:
    """Notice at opening what SQLite does not: a missing end. `first_fault` checks the whole chain."""
    database, mark = transactions.database, transactions.mark
    transactions.link = integrity.last_link(database) or START
    known = mark.read()
    is_garbled = known is None and mark.holds_something
    fault = integrity.mark_fault(database, known, is_garbled=is_garbled)
    if fault is None and transactions.link != START:
        fault = integrity.end_fault(database)
    if fault is None and mark.tells_of_damage and not reader.damage():
        fault = "an earlier ledger at this place was damaged"
    if fault is not None:
        transactions.note_damage(now, fault)
    elif known != transactions.link:
        mark.move(transactions.link)


def check_statements(
    transactions: Transactions,
    reader: LedgerReader,
    reports: Path,
    environment: Environment,
    now: datetime,
    *,
    accepts_new_home: bool,
) -> tuple[str, ...]:
    """Compare a ledger with the statements in the reports folder, and keep its own statement there.

    Return the ids of other ledgers of the environment that the folder knows.
    """
    path, link = reader.path, transactions.link
    ours = integrity.identity(transactions.database)
    known = list(statements(reports, environment))
    others = tuple(sorted({one.ledger for one in known} - {ours}))
    faults = []
    if others and link == START and not any(one.ledger == ours for one in known):
        if not accepts_new_home:
            raise HomeIsNew(
                f"{HOME_IS_NEW}: {path} is new, but {known[0].path.parent} knows another ledger of the"
                f" environment {environment.name!r}. Restore the home folder, or use --home."
                f" If it is lost: --accept {HOME_IS_NEW}; then every customer is looked up before it is"
                " sent. Nothing was sent"
            )
        lost = others[0][:8]
        faults.append(f"the ledger is new; another one of this environment is lost ({lost})")
    newer = (one for one in known if one.ledger == ours and _knows_more(transactions, one))
    if (one := next(newer, None)) is not None:
        faults.append(
            f"{one.path} knows event {one.link.seq}, and this ledger does not: an older copy was restored"
        )
    for fault in faults:
        if fault not in reader.damage():
            transactions.note_damage(now, fault)
    transactions.watch_with(Witness(reports, ours, environment))
    return others


def _knows_more(transactions: Transactions, statement: Statement) -> bool:
    """Whether a statement names an event that the ledger does not have."""
    link: Link = statement.link
    if link == START:
        return False
    return (
        link.seq > transactions.link.seq
        or integrity.link_at(transactions.database, link.seq) != link
    )
