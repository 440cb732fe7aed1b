"""Check that an API key opens the account of this environment, with lookups of three customers.

Billing also accepts the key of another account on the same host, and would create every customer
there a second time. So before the first write with a new key, the account must hold customers of
this environment under the ids that billing gave them.
"""

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import StrictBool

from pipeline.billing import Call, Lookup
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.published import Count, Published
from pipeline.domain.responses import AnotherCustomer, Found, NotFound, Outcome
from pipeline.storage.files import write_bytes
from pipeline.storage.known_customers import known_to, some_customers
from pipeline.storage.ledger import LedgerReader
from pipeline.storage.run_damage import RunDamaged, document_in
from pipeline.storage.run_folder import RunFolder
from pipeline.submission import Stop

CHANGED = FileIssue.ACCOUNT_CHANGED.value
_TRIES = 3
_KEPT = "account.json"  #: among the staged files of a run


class Account(Published):
    """How many customers of this environment were looked up, and how many the account holds."""

    asked: Count
    agreed: Count
    is_known: StrictBool  #: the ledger has seen the key, so nothing was looked up

    @property
    def sentence(self) -> str:
        """The sentence for the report."""
        if self.is_known:
            return "The API key was used in this environment before."
        if not self.asked:
            return (
                "Not checked: neither the ledger nor the known customers hold a customer"
                " with a billing id."
            )
        if self.agreed == self.asked:
            return (
                f"Checked: the account holds {self.agreed} of {self.asked} customers"
                " that were looked up."
            )
        return (
            f"Doubtful: the account holds {self.agreed} of {self.asked} customers"
            " that were looked up. Were the others deleted, or is this another account?"
        )

    @property
    def is_doubtful(self) -> bool:
        """Whether the account lacks some of the customers."""
        return self.agreed < self.asked


def kept_account(folder: RunFolder) -> Account | None:
    """The result of an earlier process of this run, for display only; None if it cannot be read."""
    try:
        return document_in(folder.staged / _KEPT, Account.model_validate)
    except RunDamaged:
        return None


def keep_account(folder: RunFolder, account: Account) -> None:
    """Store the result for the processes that finish this run."""
    write_bytes(folder.staged / _KEPT, json.dumps(account.to_json()).encode())


def check_account(
    ledger: LedgerReader,
    folder: Path,
    credential: str,
    make: Callable[[Call], Outcome],
    *,
    is_accepted: bool,
    is_here: bool,
) -> tuple[Account, Stop | None]:
    """If the key is new to the ledger, look up its oldest, its newest and another customer.

    `folder`: the folder of the ledger and the known customers. `is_here`: billing is on this
    machine, so it is a sandbox, which holds none of the known customers. Return the result, and a
    reason to stop if the account holds none of them and the issue is not accepted.
    """
    if ledger.has_used(credential):
        return Account(asked=0, agreed=0, is_known=True), None
    customers = ledger.some_customers()
    if not customers and not is_here and (references := known_to(folder)) is not None:
        customers = some_customers(references)
    answers = [_holds(make, *customer) for customer in customers]
    answered = [answer for answer in answers if answer is not None]
    account = Account(asked=len(answered), agreed=sum(answered), is_known=False)
    if answers and not answered:
        return account, Stop(
            "billing does not answer lookups; nothing was sent. Resume when it does", exit_code=5
        )
    if not answered or account.agreed or is_accepted:
        return account, None
    return account, Stop(_no_such_account(len(answered), is_here=is_here))


def _no_such_account(asked: int, *, is_here: bool) -> str:
    missing = (
        f"none of {asked} customers that this environment knows"
        if asked > 1
        else "no known customer"
    )
    if is_here:
        return (
            f"{CHANGED}: the sandbox at this address holds {missing}."
            " A sandbox forgets its customers when it is restarted without --state."
            " Restart it with the same --state, or use a new --home;"
            f" to proceed anyway: --accept {CHANGED}. Nothing was sent"
        )
    return (
        f"{CHANGED}: the account of this API key holds {missing},"
        " so it is probably another account."
        f" Correct BILLING_API_KEY, then resume. To proceed anyway: --accept {CHANGED}."
        " Nothing was sent"
    )


def _holds(make: Callable[[Call], Outcome], reference: str, billing_id: str) -> bool | None:
    """Whether billing holds this customer under its id; None without a usable answer."""
    call = Lookup(reference, json.dumps({"external_reference": reference}).encode())
    for _ in range(_TRIES):
        match make(call):
            case Found(billing_id=theirs):
                return theirs == billing_id
            case NotFound() | AnotherCustomer():
                return False
            case _:
                continue
    return None
