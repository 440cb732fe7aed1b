"""The merchant's account: what a create and a retrieve do, without HTTP."""

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from . import contract, problems, strict_json
from .clock import Clock
from .faults import Dice, Faults, LookupMishap, Mishap
from .problems import Problem
from .store import Customer, Store, StoredAnswer, random_text

KEY_LIFETIME = 24 * 60 * 60
CREATE_PATH = "/billing/customers"


@dataclass(frozen=True)
class Answer:
    """A status and a body; `replayed`: the answer to an earlier request."""

    status: int
    body: bytes
    is_replay: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Write:
    """A create, or an update of `customer` (an id or an external_reference); the same one has the same digest."""

    path: str
    payload: bytes
    customer: str | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the payload, and of the path of an update: one key is for one request."""
        what = f"PATCH {self.path}\n".encode() if self.customer is not None else b""
        return hashlib.sha256(what + self.payload).digest()


@dataclass
class Rush:
    """The largest number of requests within any one second."""

    most: int = 0
    _last: deque[float] = field(default_factory=deque)

    def note(self, now: float) -> None:
        """Count a request at `now`, in seconds of a monotonic clock."""
        self._last.append(now)
        while self._last[0] <= now - 1:
            self._last.popleft()
        self.most = max(self.most, len(self._last))


@dataclass
class Account:
    """One merchant's account with its key, its clock and its faults."""

    store: Store
    clock: Clock
    api_key: str
    faults: Faults
    dice: Dice
    #: Keys whose first request is under way -> digest of it. They die with the process, as the requests do.
    running: dict[str, bytes] = field(default_factory=dict)
    #: Creates with a good key since the faults were set, each counted before anything of it is awaited.
    creates: int = 0
    #: Since the process began, by the monotonic clock.
    rush: Rush = field(default_factory=Rush)

    def misbehave(self, faults: Faults) -> None:
        """Use other fault settings from now on; restart the count for a revoked key."""
        self.faults = faults
        self.creates = 0

    def check_key(self, authorization: str | None) -> Problem | None:
        """Return the problem with an Authorization header of a call."""
        return self.check_owner(authorization) or (
            problems.INVALID_KEY if self._is_revoked() else None
        )

    def check_owner(self, authorization: str | None) -> Problem | None:
        """Return the problem with an Authorization header, regardless of faults, because the pages can end faults."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return problems.MISSING_KEY
        if key.strip().startswith("pk_"):
            return problems.FORBIDDEN
        is_ours = hmac.compare_digest(key.strip().encode(), self.api_key.encode())
        return None if is_ours else problems.INVALID_KEY

    def throw_dice(self) -> frozenset[Mishap]:
        """Return the mishaps of the next create."""
        return self.dice.throw(self.faults)

    def throw_dice_for_look_up(self) -> frozenset[LookupMishap]:
        """Return the mishaps of the next lookup."""
        return self.dice.throw_for_lookup(self.faults)

    def retry_after(self) -> str:
        """The Retry-After header of a 429; empty if there is none."""
        retry_after = self.faults.retry_after
        if not retry_after.startswith("date:"):
            return retry_after
        return formatdate(
            self.clock.seconds() + float(retry_after.removeprefix("date:")), usegmt=True
        )

    def note_key(self, key: str, write: "Write") -> None:
        """Note, as an observer would, with which request a key was sent."""
        self.store.note_key(key, write.digest)

    async def answer(self, key: str, write: "Write", mishaps: frozenset[Mishap]) -> Answer:
        """Return the answer to a create or an update; for a known key, the answer to its first request."""
        earlier = self._earlier_answer(key, write)
        if earlier:
            return earlier
        received_at = self.clock.seconds()
        self.running[key] = write.digest
        try:
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            return self._first_answer(key, write, received_at, mishaps)
        finally:
            del self.running[key]

    def retrieve(self, id_or_reference: str, instance: str) -> Answer:
        """Return the customer of that id or external_reference as the create answered it, or 404."""
        customer = self.store.find_customer(id_or_reference)
        return _shown(200, customer) if customer else self.refusal(problems.NOT_FOUND, instance)

    def seed(self, customers: Iterable[Customer]) -> None:
        """Add these customers, all or none; ValueError if an external_reference or an id is taken."""
        with self.store.transaction():
            for customer in customers:
                reference = str(customer.fields["external_reference"])
                if not self._may_hold(reference) or self.store.find_customer(customer.id):
                    raise ValueError(f"{reference} is taken already, or its id is")
                self.store.add_customers([customer])

    def refusal(self, problem: Problem, instance: str) -> Answer:
        """Return a problem as an answer, opaque if the settings say so."""
        body = problem.body(instance, is_opaque=self.faults.opaque_types)
        return Answer(problem.status, body, headers=problem.headers)

    def _is_revoked(self) -> bool:
        return self.faults.revoked_after is not None and self.creates >= self.faults.revoked_after

    def _earlier_answer(self, key: str, write: "Write") -> Answer | None:
        """Return the answer that follows from an earlier request with the same key, or None."""
        stored = self.store.find_answer(key)
        if stored and self.clock.seconds() - stored.received_at < KEY_LIFETIME:
            if stored.request_sha256 != write.digest:
                return self.refusal(problems.KEY_REUSED, write.path)
            self.store.count("replays")
            return Answer(stored.status, stored.body, is_replay=True)
        if key in self.running:
            is_same = self.running[key] == write.digest
            return self.refusal(
                problems.IN_PROGRESS if is_same else problems.KEY_REUSED, write.path
            )
        return None

    def _first_answer(
        self, key: str, write: "Write", received_at: float, mishaps: frozenset[Mishap]
    ) -> Answer:
        """Carry out a request and store its answer under the key, both or neither."""
        with self.store.transaction():
            answer = self._effect(write, mishaps)
            if Mishap.ERROR_STORED_AFTER in mishaps:
                answer = self.refusal(problems.SERVER_ERROR, write.path)
            self.store.keep_answer(
                key, StoredAnswer(write.digest, answer.status, answer.body, received_at)
            )
        return answer

    def _effect(self, write: "Write", mishaps: frozenset[Mishap]) -> Answer:
        if Mishap.ERROR_STORED in mishaps:
            return self.refusal(problems.UNAVAILABLE, write.path)
        if write.customer is not None:
            return self._change(write, write.customer)
        fields = contract.read_customer(write.payload)
        if isinstance(fields, Problem):
            return self.refusal(fields, write.path)
        return self._add(Customer(fields, has_payment_rules=Mishap.NO_PAYMENT_RULES not in mishaps))

    def _change(self, write: "Write", id_or_reference: str) -> Answer:
        """Replace the stored fields with the given ones; a balance then needs a currency."""
        customer = self.store.find_customer(id_or_reference)
        if customer is None:
            return self.refusal(problems.NOT_FOUND, write.path)
        fields = contract.read_changes(write.payload, customer.fields)
        if isinstance(fields, Problem):
            return self.refusal(fields, write.path)
        changed = replace(customer, fields=fields)
        self.store.change_customer(changed)
        return _shown(200, changed)

    def _add(self, customer: Customer) -> Answer:
        reference = str(customer.fields["external_reference"])
        # Noted before the unique check, so that a second attempt shows even where the check would hide it.
        self.store.note_effect(reference)
        if not self._may_hold(reference):
            return self.refusal(problems.REFERENCE_TAKEN, CREATE_PATH)
        self.store.add_customers([customer])
        return _shown(201, customer)

    def _may_hold(self, reference: str) -> bool:
        return self.faults.uniqueness_off or not self.store.is_taken(reference)


def open_account(store: Store, api_key: str | None, faults: Faults, seed: int | None) -> Account:
    """Return the account of this state; its key is the given one, else the stored one, else a new one."""
    key = api_key or store.setting("api_key") or fresh_key()
    if not key.startswith("sk_test_"):
        raise ValueError("the sandbox takes a secret test key (sk_test_…), and never any other")
    store.keep_setting("api_key", key)
    return Account(store, Clock(float(store.setting("clock_offset") or 0)), key, faults, Dice(seed))


def fresh_key() -> str:
    """Return a new random test key."""
    return f"sk_test_{random_text(24)}"


def _shown(status: int, customer: Customer) -> Answer:
    return Answer(status, strict_json.dumps(customer.shown()))
