"""Whether an API key opens the account that this environment's ledger speaks of: three of its customers are looked up.

A key of another account on the same host is accepted there as gladly, and everybody would be created a second time. So
before the first write with a key that the ledger has not seen, customers of this environment must stand there under the
ids that billing gave them.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.billing import Call, LookUp
from pipeline.files import write_bytes
from pipeline.ledger import Ledger
from pipeline.outcomes import Alarm, AnotherCustomer, Found, NotFound, Outcome
from pipeline.references import known_to, some_customers
from pipeline.run_folder import RunFolder
from pipeline.submission import Stop

CHANGED = Alarm.ACCOUNT_CHANGED.value
_TRIES = 3
_KEPT = "account.json"  #: among the staged files of a run


@dataclass(frozen=True, slots=True)
class Account:
    """What look-ups of this environment's customers showed of the account."""

    asked: int = 0
    agreed: int = 0
    is_known: bool = False  #: the key was used before, so nothing was asked
    unanswered: int = 0

    @property
    def sentence(self) -> str:
        """What the report says of it."""
        if self.is_known:
            return "The API key was used in this environment before."
        if not self.asked:
            return "Not checked: neither the ledger nor the known customers hold a customer with a billing id."
        if self.agreed == self.asked:
            return f"Checked: {self.agreed} of {self.asked} customers of this environment stand there under their ids."
        return (
            f"Doubtful: {self.agreed} of {self.asked} customers of this environment stand there under their ids; were some "
            "deleted in billing, or is this another account?"
        )

    @property
    def is_doubtful(self) -> bool:
        """Whether some of the customers are not there, and some are."""
        return self.agreed < self.asked


def kept_account(folder: RunFolder) -> Account | None:
    """What an earlier process of this run found."""
    path = folder.staged / _KEPT
    return Account(**json.loads(path.read_bytes())) if path.is_file() else None


def keep_account(folder: RunFolder, account: Account) -> None:
    """Remember what was found, for the processes that finish this run."""
    write_bytes(folder.staged / _KEPT, json.dumps(asdict(account)).encode())


def check_account(
    ledger: Ledger, folder: Path, credential: str, make: Callable[[Call], Outcome], *, is_accepted: bool, is_here: bool
) -> tuple[Account, Stop | None]:
    """Look up the oldest, the newest and another customer of this environment where the key is new to its ledger.

    `folder`: where the ledger and the known customers are; `is_here`: billing is on this machine, so it is a sandbox, which
    holds none of the known customers.
    Return what was found, and the reason to stop where none of them is there and nobody has accepted that.
    """
    if ledger.has_used(credential):
        return Account(is_known=True), None
    customers = ledger.some_customers()
    if not customers and not is_here and (references := known_to(folder)) is not None:
        customers = some_customers(references)
    answers = [_holds(make, *customer) for customer in customers]
    told = [answer for answer in answers if answer is not None]
    account = Account(len(told), sum(told), unanswered=len(answers) - len(told))
    if answers and not told:
        return account, Stop("billing does not answer look-ups; nothing was sent: resume when it does", exit_code=5)
    if not told or account.agreed or is_accepted:
        return account, None
    return account, Stop(_no_such_account(len(told), is_here=is_here))


def _no_such_account(asked: int, *, is_here: bool) -> str:
    missing = f"none of {asked} customers that this environment knows" if asked > 1 else "no known customer"
    if is_here:
        return (
            f"{CHANGED}: the sandbox at this address holds {missing}. A sandbox forgets its customers when it is restarted"
            f" without --state. Restart it with the same --state, or use a new --home; to proceed anyway: --accept {CHANGED}."
            " Nothing was sent"
        )
    return (
        f"{CHANGED}: the account of this API key holds {missing}, so it is probably another account. Correct"
        f" BILLING_API_KEY, then resume. To proceed anyway: --accept {CHANGED}. Nothing was sent"
    )


def _holds(make: Callable[[Call], Outcome], reference: str, billing_id: str) -> bool | None:
    """Whether billing holds this customer under its id; None where it gives no answer to that."""
    call = LookUp(reference, json.dumps({"external_reference": reference}).encode())
    for _ in range(_TRIES):
        match make(call):
            case Found(billing_id=theirs):
                return theirs == billing_id
            case NotFound() | AnotherCustomer():
                return False
            case _:
                continue
    return None
