"""Check a history of requests and answers, recorded by a server, against a sequential model.

Pure: a history and what our files claim go in, violations come out. It shares no code with the simulation or with the
package, so that a mistake which they share does not hide here. A reference in the model is absent until one create of
ours makes its customer, and from then on each read shows that customer, unchanged.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

_REFUSALS = frozenset(
    {400, 413, 414, 422, 431}
)  #: in billing's own words, these are about the record


class Sender(StrEnum):
    """Who made a request."""

    US = "us"
    NETWORK = "network"  #: delivered our request a second time; nobody gets this answer
    ANOTHER = "another"  #: somebody else, who shares the account


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it; times are of one clock that only goes forward, in seconds."""

    at: float  #: it arrived
    until: float  #: its effect is done, and its answer leaves from here on
    method: str
    reference: str
    key: str = ""
    body: str = ""  #: hash of the bytes
    content: str = ""  #: hash of what the body says, whatever the order of its fields
    effect: str = ""  #: id of the customer that it made
    status: int = 0  #: of the answer; 0 where none was sent
    is_replay: bool = False
    is_own: bool = False  #: in billing's own words
    customer: str = ""  #: id of the customer that the answer shows
    version: str = ""  #: hash of what the answer shows of that customer
    sender: Sender = Sender.US


class Claimed(StrEnum):
    """What our files say about a record that was to be created."""

    CREATED = "created"
    EXISTS = "there already, whoever made it"
    OF_ANOTHER = "there already, made by somebody else"
    REFUSED = "refused"
    IN_DOUBT = "in doubt"
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one book (the ledger, or the lists of a run) says about one record."""

    book: str
    reference: str
    claimed: Claimed
    key: str = ""
    customer: str = ""


class Rule(StrEnum):
    """What a history can violate."""

    ONE_EFFECT = "at most one create of a reference takes effect"
    ONE_KEY_WITH_EFFECT = "two keys of a reference do not both take effect"
    ONE_BODY_PER_KEY = "a key carries one body"
    SETTLED_BEFORE_NEXT_KEY = "a second key follows only after billing's own word about the first"
    NO_KEY_AFTER_FOUND = "no further key follows once billing has shown the customer"
    READS_AGREE = "reads show one version of a customer that exists"
    READS_KEEP_UP = "a read shows a customer once the lag has passed"
    NO_UPDATE = "an import changes no customer"
    PLANNED = "only what the files hold is sent"
    NO_MORE_THAN_PLANNED = "no more customers are created than the files plan"
    CREATED_IS_TRUE = "what a book calls created took effect"
    REFUSED_IS_TRUE = "what a book calls refused took no effect"
    NOT_SENT_IS_TRUE = "what a book calls not sent was not sent"
    OTHERS_ARE_OTHERS = "what a book calls somebody else's was not made by us"
    EXISTING_EXISTS = "what a book calls there already was made by somebody"
    EFFECT_IS_CLAIMED = "each effect stands in each set of books as created or in doubt"
    CLAIMED_ONCE = "a reference is counted as created once"


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a history breaks; the reference is empty where it is about all of them."""

    rule: Rule
    reference: str
    sentence: str


@dataclass(frozen=True)
class Books:
    """A set of claims that must account for all effects by itself."""

    name: str
    claims: tuple[Claim, ...]
    #: Idempotency key -> when the ledger recorded that it would be sent, by the clock of the history.
    begun: Mapping[str, float] = field(default_factory=dict)


def content_of(body: Mapping[str, Any]) -> str:
    """The hash of what a customer's fields say; an absent field and an empty one are the same."""
    told = {name: value for name, value in body.items() if value not in (None, {})}
    return hashed(json.dumps(told, sort_keys=True, ensure_ascii=False).encode())


def hashed(content: bytes) -> str:
    """A short hash, enough to tell contents of one history apart."""
    return sha256(content).hexdigest()[:16]


def answered(status: int, content_type: str, body: bytes, reference: str) -> dict[str, Any]:
    """What an answer says, as fields of `Seen`: whether it is billing's own word, and which customer it shows."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return {"status": status}
    if status in {200, 201}:
        if content_type != "application/json" or told.get("external_reference") != reference:
            return {"status": status}
        fields = {
            name: value for name, value in told.items() if name not in {"id", "payment_rules"}
        }
        return {
            "status": status,
            "is_own": True,
            "customer": told["id"],
            "version": content_of(fields),
        }
    is_problem = content_type == "application/problem+json" and told.get("status") == status
    return {"status": status, "is_own": is_problem and status >= 400}


def asked(body: bytes) -> dict[str, str]:
    """What a create asks for, as fields of `Seen`."""
    told = json.loads(body)
    return {
        "reference": told["external_reference"],
        "body": hashed(body),
        "content": content_of(told),
    }


def as_lines(history: Iterable[Seen]) -> str:
    """A history as JSON lines."""
    return "".join(json.dumps(asdict(one)) + "\n" for one in history)


def read_lines(text: str) -> list[Seen]:
    """A history from JSON lines, in the order in which requests arrived."""
    found = [json.loads(line) for line in text.splitlines()]
    return sorted(
        (Seen(**{**one, "sender": Sender(one["sender"])}) for one in found), key=lambda one: one.at
    )


def audit(
    history: Iterable[Seen],
    planned: Mapping[str, frozenset[str]],
    books: Iterable[Books] = (),
    *,
    lag: float = 0.0,
    ends: Sequence[float] = (),
) -> list[Violation]:
    """Everything that a history violates.

    `planned`: reference -> hashes of the contents that the files hold for it. `ends`: when each process of ours ended, by
    the clock of the history.
    """
    found = sorted(history, key=lambda one: one.at)
    by_reference: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in found:
        by_reference[one.reference].append(one)
    violations = [*_bodies_of_keys(found), *_amount(found, planned)]
    for reference, seen in by_reference.items():
        violations += _Reference(reference, seen, lag).violations(
            planned.get(reference, frozenset())
        )
    for one in books:
        violations += _check_books(one, by_reference, lag, ends)
    return violations


def _bodies_of_keys(history: Iterable[Seen]) -> Iterator[Violation]:
    bodies: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in history:
        if one.method == "POST" and one.sender is not Sender.ANOTHER:
            bodies[one.key][one.body] = one.reference
    for key, carried in bodies.items():
        if len(carried) > 1:
            sentence = f"The key {key} came with {len(carried)} bodies."
            yield Violation(Rule.ONE_BODY_PER_KEY, next(iter(carried.values())), sentence)


def _amount(history: Iterable[Seen], planned: Mapping[str, frozenset[str]]) -> Iterator[Violation]:
    created = sum(bool(one.effect) for one in history if one.sender is not Sender.ANOTHER)
    if created > len(planned):
        sentence = f"{created} customers were created, and the files plan {len(planned)}."
        yield Violation(Rule.NO_MORE_THAN_PLANNED, "", sentence)


class _Reference:
    """The requests about one reference, in order of arrival."""

    def __init__(self, reference: str, seen: list[Seen], lag: float) -> None:
        self.reference, self.seen, self.lag = reference, seen, lag
        self.creates = [
            one for one in seen if one.method == "POST" and one.sender is not Sender.ANOTHER
        ]
        self.effects = [one for one in self.creates if one.effect]
        self.customers = [one for one in seen if one.effect]
        self.heard = [one for one in seen if one.sender is Sender.US and one.is_own]

    def violations(self, planned: frozenset[str]) -> Iterator[Violation]:
        """What these requests violate by themselves."""
        yield from self._effects()
        yield from self._keys()
        yield from self._reads()
        for one in self.creates:
            if one.content not in planned:
                yield self._broken(
                    Rule.PLANNED, f"A create at {one.at:.2f} carries what no file holds."
                )
        for one in self.seen:
            if one.method == "PATCH":
                yield self._broken(Rule.NO_UPDATE, f"A PATCH came at {one.at:.2f}.")

    def may_be_credited(
        self, claim: "Claim", contents: set[str], begun: float | None, ends: Sequence[float]
    ) -> bool:
        """Whether nobody on our side can know that somebody else made this customer.

        It says what we sent, and before a lookup showed it an answer was lost, or the process ended that had recorded the
        request: a later one cannot know what the earlier one sent. The protocol counts such a customer as ours.
        """
        is_equal = any(
            one.effect == claim.customer and one.content in contents for one in self.customers
        )
        shown = [
            one for one in self.heard if one.method == "GET" and one.customer == claim.customer
        ]
        doubtful = [
            one.until for one in self.creates if one.key == claim.key and not self._is_final(one)
        ]
        if begun is not None:
            doubtful += [end for end in ends if begun <= end]
        return is_equal and any(since <= read.at for since in doubtful for read in shown)

    def is_settled(self, key: str, before: float) -> bool:
        """Whether billing's own word about a key had left before that moment."""
        requests = [one for one in self.creates if one.key == key and one.sender is Sender.US]
        for one in self.heard:
            if one.until > before:
                continue
            if self._shows(one):
                return True
            is_first = one.method == "POST" and one is requests[0]
            is_final = is_first and not one.is_replay and one.status in _REFUSALS
            is_replayed = one.key == key and one.is_replay
            is_refused = one.key == key and one.status in _REFUSALS
            if is_final or ((is_replayed or is_refused) and self._finds_nothing(one.until, before)):
                return True
        return False

    def _finds_nothing(self, after: float, before: float) -> bool:
        """Whether a lookup between two moments was answered that nothing is there."""
        return any(
            one.method == "GET" and one.status == 404 and one.at >= after and one.until <= before
            for one in self.heard
        )

    def _effects(self) -> Iterator[Violation]:
        if len(self.effects) > 1:
            moments = ", ".join(f"{one.at:.2f}" for one in self.effects)
            yield self._broken(
                Rule.ONE_EFFECT, f"{len(self.effects)} creates took effect, at {moments}."
            )
        if (keys := len({one.key for one in self.effects})) > 1:
            yield self._broken(Rule.ONE_KEY_WITH_EFFECT, f"Creates under {keys} keys took effect.")

    def _keys(self) -> Iterator[Violation]:
        begun: dict[str, float] = {}
        for one in self.creates:
            if one.key in begun or one.sender is not Sender.US:
                continue
            for earlier in begun:
                if not self.is_settled(earlier, one.at):
                    sentence = f"The key {one.key} came at {one.at:.2f}, and nothing settles {earlier} before."
                    yield self._broken(Rule.SETTLED_BEFORE_NEXT_KEY, sentence)
            if any(self._shows(answer) and answer.until <= one.at for answer in self.heard):
                sentence = f"The key {one.key} came at {one.at:.2f}, after an answer had shown the customer."
                yield self._broken(Rule.NO_KEY_AFTER_FOUND, sentence)
            begun[one.key] = one.at

    def _reads(self) -> Iterator[Violation]:
        versions = {(one.customer, one.version) for one in self.heard if self._shows(one)}
        if len(versions) > 1:
            yield self._broken(
                Rule.READS_AGREE, f"Answers show {len(versions)} versions of the customer."
            )
        for one in self.heard:
            if self._shows(one) and not self._exists(one):
                yield self._broken(
                    Rule.READS_AGREE,
                    f"The answer at {one.at:.2f} shows a customer that nobody made.",
                )
            if one.method == "GET" and one.status == 404 and self._is_overdue(one):
                sentence = f"The lookup at {one.at:.2f} finds nothing, longer than the lag after the customer was made."
                yield self._broken(Rule.READS_KEEP_UP, sentence)

    def _exists(self, read: Seen) -> bool:
        return any(
            made.effect == read.customer and made.content == read.version and made.at <= read.until
            for made in self.customers
        )

    def _is_overdue(self, read: Seen) -> bool:
        return any(made.until + self.lag < read.at for made in self.customers)

    @staticmethod
    def _is_final(one: Seen) -> bool:
        """Whether an answer to a create leaves no doubt about that very request."""
        return one.is_own and (
            one.is_replay or bool(one.customer) or one.status in {409, *_REFUSALS}
        )

    @staticmethod
    def _shows(one: Seen) -> bool:
        return one.is_own and bool(one.customer)

    def _broken(self, rule: Rule, sentence: str) -> Violation:
        return Violation(rule, self.reference, sentence)


def _check_books(
    books: Books, by_reference: Mapping[str, list[Seen]], lag: float, ends: Sequence[float]
) -> Iterator[Violation]:
    """Compare a set of books with what happened, each claim by itself and all of them together."""
    accounted: set[str] = set()
    created: defaultdict[str, list[str]] = defaultdict(list)
    for claim in books.claims:
        reference = _Reference(claim.reference, by_reference.get(claim.reference, []), lag)
        yield from _check_claim(claim, reference, books.begun.get(claim.key), ends)
        if claim.claimed in {Claimed.CREATED, Claimed.IN_DOUBT}:
            accounted.add(claim.reference)
        if claim.claimed is Claimed.CREATED:
            created[claim.reference].append(claim.book)
    for reference, where in created.items():
        if len(where) > 1:
            yield Violation(
                Rule.CLAIMED_ONCE, reference, f"It is counted as created by {', '.join(where)}."
            )
    for reference, seen in by_reference.items():
        if reference not in accounted and _Reference(reference, seen, lag).effects:
            sentence = (
                f"A create took effect, and {books.name} has it neither as created nor as in doubt."
            )
            yield Violation(Rule.EFFECT_IS_CLAIMED, reference, sentence)


def _check_claim(
    claim: Claim, reference: _Reference, begun: float | None, ends: Sequence[float]
) -> Iterator[Violation]:
    contents = {one.content for one in reference.creates if one.key == claim.key}
    effects = [one for one in reference.effects if one.content in contents]
    match claim.claimed:
        case Claimed.CREATED if not any(
            one.effect == claim.customer for one in effects
        ) and not reference.may_be_credited(claim, contents, begun, ends):
            rule, what = Rule.CREATED_IS_TRUE, "no create with this content made this customer"
        case Claimed.REFUSED if effects:
            rule, what = Rule.REFUSED_IS_TRUE, "a create with this content took effect"
        case Claimed.NOT_SENT if reference.creates and claim.key in {
            one.key for one in reference.creates
        }:
            rule, what = Rule.NOT_SENT_IS_TRUE, "creates came under its key"
        case Claimed.OF_ANOTHER if effects:
            rule, what = Rule.OTHERS_ARE_OTHERS, "a create of ours with this content took effect"
        case Claimed.OF_ANOTHER | Claimed.EXISTS if not reference.customers:
            rule, what = Rule.EXISTING_EXISTS, "nobody ever made such a customer"
        case _:
            return
    yield Violation(rule, claim.reference, f"{claim.book} says “{claim.claimed}”, and {what}.")
