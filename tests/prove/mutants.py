"""Remove each rule in turn, against a billing that does not keep references unique: a simulated run must fail.

Without unique references, only our rules prevent a second customer. With the rule in place, the same run passes.
UNSURVIVABLE names the faults that no client survives there; they have their own runs.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from unittest import mock

from pipeline.billing.responses import Response
from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    Conflicting,
    Found,
    Limited,
    NoAnswer,
    NotFound,
    Outcome,
    RowRefused,
    ServerTrouble,
    Unintelligible,
)
from pipeline.storage.ledger import Answer
from pipeline.submission import dispatch, engine, giving_up, intake, protocol
from pipeline.submission.steps import (
    Final,
    LookupNext,
    NextGeneration,
    Policy,
    Progress,
    Step,
    Tries,
    Why,
)
from tests.prove import nights, simulation
from tests.prove.simulation import NONE, Faults, Scenario

Decide = Callable[[Progress, Outcome, float, float, Policy], Step]


def _new_key(row: Progress) -> NextGeneration:
    return NextGeneration(
        Progress(generation=row.generation + 1, tries=Tries(sends=row.tries.sends + 1))
    )


def _deciding(changed: Callable[[Progress, Outcome], Step | None]) -> Callable[[], object]:
    """A decision that is another one where `changed` has an answer."""

    def decide(row: Progress, outcome: Outcome, dice: float, spent: float, policy: Policy) -> Step:
        return changed(row, outcome) or protocol.decide(row, outcome, dice, spent, policy)

    return lambda: mock.patch.object(engine, "decide", decide)


def _on_create(
    kinds: type | tuple[type, ...], step: Callable[[Progress, Outcome], Step], **told: object
):
    def changed(row: Progress, outcome: Outcome) -> Step | None:
        fits = isinstance(outcome, kinds) and all(
            getattr(outcome, name) == value for name, value in told.items()
        )
        return step(row, outcome) if row.why is None and fits else None

    return _deciding(changed)


def _never_looks_first() -> object:
    return mock.patch.object(dispatch, "why_look_up_first", return_value=None)


def _ledger_is_believed() -> object:
    return mock.patch.object(
        dispatch,
        "why_look_up_first",
        lambda **told: protocol.why_look_up_first(**{**told, "is_ledger_whole": True}),
    )


def _age_is_not_asked() -> object:
    return mock.patch.object(
        dispatch,
        "why_look_up_first",
        lambda **told: protocol.why_look_up_first(**{**told, "age_hours": 0.0}),
    )


def _our_clock_is_believed() -> object:
    """Where billing tells no time, a key is as old as our own clock says."""
    return mock.patch.object(simulation, "tells_no_time", timedelta)


def _old_keys_are_as_good_as_others() -> object:
    def why_look_up_first(**told) -> Why | None:
        return Why.OTHER_CREDENTIAL if protocol.why_look_up_first(**told) else None

    return mock.patch.object(dispatch, "why_look_up_first", why_look_up_first)


def _new_key_where_an_old_one_is_not_found() -> object:
    def changed(row: Progress, outcome: Outcome) -> Step | None:
        is_first = row.why in {Why.OLD_KEY, Why.OTHER_CREDENTIAL} and isinstance(outcome, NotFound)
        return _new_key(row) if is_first else None

    return _deciding(changed)()


def _looks_up_then_new_key() -> object:
    def changed(row: Progress, outcome: Outcome) -> Step | None:
        if row.why is None and isinstance(outcome, NoAnswer):
            return LookupNext(
                0, replace(row.counting(sends=1), is_in_doubt=True, why=Why.REPLAYED_FAILURE)
            )
        return None

    return _deciding(changed)()


def _sends_before_the_intent() -> object:
    """Record nothing, and use new keys."""
    keys = iter(lambda: str(uuid.uuid4()), None)
    return mock.patch.object(
        simulation.MortalLedger,
        "record_intents",
        lambda _self, _run, _at, intents, _credential: [
            object.__setattr__(one, "key", next(keys)) for one in intents
        ],
    )


def _keys_are_random() -> object:
    """A lost ledger, or another machine, makes another key of the same row."""
    process = simulation.process

    def with_other_keys(world, billing, plan, *more, **told) -> None:
        process(
            world, billing, [replace(row, key=str(uuid.uuid4())) for row in plan], *more, **told
        )

    return mock.patch.object(simulation, "process", with_other_keys)


def _withdraws_what_was_sent() -> object:
    """An orderly stop takes back every row, also one whose request has left."""
    take = engine._Loop._take

    def took(self, result) -> None:
        row = self.dispatch.rows.get(result.reference)
        take(self, result)
        if row is not None:
            row.is_new = True

    return mock.patch.object(engine._Loop, "_take", took)


def _replay_is_not_seen() -> object:
    return mock.patch.object(Response, "is_marked_replayed", property(lambda _self: False))


def _everything_is_billings_word() -> object:
    """A gateway's page counts as billing's own refusal."""
    return mock.patch.object(Response, "problem", lambda self, _form: {"status": self.status})


def _not_found_counts_at_once() -> object:
    decide = protocol.decide

    def hasty(row: Progress, outcome: Outcome, dice: float, spent: float, policy: Policy) -> Step:
        return decide(row, outcome, dice, spent, replace(policy, lookup_lag=0.0))

    return mock.patch.object(engine, "decide", hasty)


def _another_customer_is_read_as(kind: Callable[[], Outcome]) -> Callable[[], object]:
    """A success that names another reference: ours, or proof that ours is not there."""
    read_create, read_lookup = simulation.read_create, simulation.read_lookup

    def instead(outcome: Outcome) -> Outcome:
        return kind() if isinstance(outcome, AnotherCustomer) else outcome

    @contextmanager
    def removed() -> Iterator[None]:
        with (
            mock.patch.object(simulation, "read_create", lambda *told: instead(read_create(*told))),
            mock.patch.object(simulation, "read_lookup", lambda *told: instead(read_lookup(*told))),
        ):
            yield

    return removed


def _is_turned_away(row: Progress, outcome: Outcome) -> bool:
    return row.why is None and protocol.is_turned_away(outcome)


@contextmanager
def _other_content_goes_beside(state: State) -> Iterator[None]:
    """A record with other content is sent although a request in this state may still take effect."""
    may_begin, waits, speaks_against = intake._may_begin, intake._waits, nights.speaks_against
    with (
        mock.patch.object(intake, "_may_begin", lambda row, known, run_id: (
            (known is not None and known.state is state and known.fingerprint != row.fingerprint) or may_begin(row, known, run_id)
        )),
        mock.patch.object(intake, "_waits", lambda row, known: waits(row, known) and known.state is not state),
        mock.patch.object(nights, "speaks_against", lambda one, *, is_same: (
            not (one is state and not is_same) and speaks_against(one, is_same=is_same)
        )),
    ):  # fmt: skip
        yield


def _giving_up_believes_no_lookup() -> object:
    return mock.patch.object(giving_up, "_answer", lambda request, outcome, note, *, is_absent: Answer(
        request.intent, State.NEVER_CREATED if is_absent or isinstance(outcome, Found) else State.GIVEN_UP, "look_up", "NotFound"
    ))  # fmt: skip


def _giving_up_settles_at_once() -> object:
    return mock.patch.object(giving_up, "FINAL_AFTER", timedelta(0))


#: rule -> how it is removed; these bear on nights whose files change
MUTANTS_OF_NIGHTS: dict[str, Callable[[], object]] = {
    "waiting: other content is sent beside an unsettled request": lambda: (
        _other_content_goes_beside(State.UNKNOWN)
    ),
    "giving up: other content is sent beside a request that was given up": lambda: (
        _other_content_goes_beside(State.GIVEN_UP)
    ),
    "giving up: a request is settled as never created at once": _giving_up_settles_at_once,
    "giving up: a customer that a lookup finds counts as absent": _giving_up_believes_no_lookup,
}

#: rule -> how it is removed
MUTANTS: dict[str, Callable[[], object]] = {
    "1: a new key where no answer came": _on_create(NoAnswer, lambda row, _: _new_key(row)),
    "1: a lookup and then a new key where no answer came": _looks_up_then_new_key,
    "1: no answer is a failure": _on_create(NoAnswer, lambda *_: Final(State.REFUSED)),
    "1: a new key after a fresh 5xx": _on_create(
        ServerTrouble, lambda row, _: _new_key(row), replayed=False
    ),
    "1: a fresh 5xx is a failure": _on_create(
        ServerTrouble, lambda *_: Final(State.REFUSED), replayed=False
    ),
    "1: a new key while the first request runs": _on_create(
        Conflicting, lambda row, _: _new_key(row), kind="running"
    ),
    "1: a new key after a success that cannot be read": _on_create(
        Unintelligible, lambda row, _: _new_key(row)
    ),
    "1: a success that cannot be read is a failure": _on_create(
        Unintelligible, lambda *_: Final(State.REFUSED)
    ),
    "1: a new key after 408": _on_create(ServerTrouble, lambda row, _: _new_key(row), status=408),
    "2: old keys are not looked up first": _age_is_not_asked,
    "2: our clock is believed where billing tells no time": _our_clock_is_believed,
    "2: nothing is looked up first": _never_looks_first,
    "2: a new key where an old one is not found": _new_key_where_an_old_one_is_not_found,
    "2: a damaged ledger is believed": _ledger_is_believed,
    "4: a new key after a replayed failure, without a lookup": _on_create(
        (ServerTrouble, Limited), lambda row, _: _new_key(row), replayed=True
    ),
    "4: a new key beside an old one that billing is about to forget": _old_keys_are_as_good_as_others,
    "4: a replayed failure is a failure": _on_create(
        (ServerTrouble, Limited), lambda *_: Final(State.REFUSED), replayed=True
    ),
    "4: whether an answer is a replay is not asked": _replay_is_not_seen,
    "3: a refusal is believed whatever was sent before": _on_create(
        RowRefused, lambda *_: Final(State.REFUSED)
    ),
    "ledger: sent before the intent is durable": _sends_before_the_intent,
    "ledger: what was sent is withdrawn": _withdraws_what_was_sent,
    "keys: random": _keys_are_random,
    "own word: a gateway's page is believed": _everything_is_billings_word,
    "own word: who is refused at the door is refused for good": _deciding(
        lambda row, outcome: Final(State.REFUSED) if _is_turned_away(row, outcome) else None
    ),
    "own word: who is refused at the door gets a new key": _deciding(
        lambda row, outcome: _new_key(row) if _is_turned_away(row, outcome) else None
    ),
    "lag: nothing found counts at once": _not_found_counts_at_once,
    "another customer: an answer that names him is taken for ours": _another_customer_is_read_as(
        lambda: Accepted("bcus_0", replayed=False)
    ),
    "another customer: a lookup that names him means that ours is absent": _another_customer_is_read_as(
        NotFound
    ),
    "echo: a success is believed without its id": _deciding(
        lambda row, outcome: (
            Final(State.CREATED, "bcus_0")
            if isinstance(outcome, Accepted) and not row.why
            else None
        )
    ),
}

#: Rules that only bear on what is rare in the scenarios of the seeds: what is made common for them.
_OFTEN: dict[str, dict[str, object]] = {
    "1: a lookup and then a new key where no answer came": {"faults": Faults(slow=0.3)},
    "1: a new key after 408": {"faults": Faults(timeout_408=0.3, lost_reply=0.3)},
    "2: a new key where an old one is not found": {
        "faults": Faults(slow=0.5),
        "rotates_key": True,
        "pauses": (5.0,) * 5,
    },
    "2: our clock is believed where billing tells no time": {
        "faults": Faults(lost_reply=0.4, slow=0.3),
        "pauses": (30 * 3600.0,) * 5,
        "set_back": 29.0 * 3600,
    },
    "2: a damaged ledger is believed": {"loses_ledger": True, "pauses": (30 * 3600.0,) * 5},
    "4: a new key beside an old one that billing is about to forget": {
        "faults": Faults(duplicated=0.5, error_stored=0.5, lost_request=0.2),
        "pauses": (23.5 * 3600.0,) * 5,
        "outage": (0.5, 400.5),
        "lives": 3,
    },
    "3: a refusal is believed whatever was sent before": {
        "faults": Faults(lost_reply=0.3, gateway_413=0.3),
    },
    "ledger: what was sent is withdrawn": {
        "faults": Faults(lost_reply=0.3, error_after=0.3),
        "pauses": (30 * 3600.0,) * 5,
    },
    "own word: a gateway's page is believed": {
        "faults": Faults(page_after=0.3, lost_reply=0.3, page_for_look_up=0.3)
    },
    "own word: who is refused at the door is refused for good": {"faults": Faults(page_after=0.3)},
    "own word: who is refused at the door gets a new key": {"faults": Faults(page_after=0.3)},
    "lag: nothing found counts at once": {
        "faults": Faults(lagging=0.9, error_stored_after=0.4, lost_reply=0.3),
        "pauses": (5.0,) * 5,
    },
    "another customer: an answer that names him is taken for ours": {"faults": Faults(another=0.3)},
    "another customer: a lookup that names him means that ours is absent": {
        "faults": Faults(another_found=0.6, error_stored_after=0.4)
    },
    "giving up: a request is settled as never created at once": {
        "faults": Faults(slow=0.3, duplicated=0.5, lost_reply=0.3, page_before=0.3)
    },
    "keys: random": {"faults": Faults(slow=0.5), "loses_ledger": True, "pauses": (5.0,) * 5},
}

#: Faults with which no client can keep a customer single once billing does not: what tells it the truth is gone.
UNSURVIVABLE: dict[str, dict[str, float]] = {
    "lookups that do not show what is there, and failures that are replayed": {
        "stale": 0.9,
        "error_stored_after": 0.3,
    },
    "an effect of which billing keeps no answer, and any retry": {"error_unstored_after": 0.3},
    "a gateway's refusal, while the first request still runs": {
        "gateway_413": 0.3,
        "slow": 0.5,
        "duplicated": 0.3,
    },
}


def survivable(seed: int) -> Scenario:
    """A seed's scenario without the unique reference, and without what cannot be survived then."""
    told = simulation.scenario(seed)
    return replace(
        told, faults=replace(told.faults, stale=0.0, error_unstored_after=0.0), unique=False
    )


def unsurvivable(seed: int, name: str) -> Scenario:
    """A scenario with one of the pairs, and nothing else."""
    told = simulation.scenario(seed)
    faults = replace(NONE, **UNSURVIVABLE[name])
    return replace(told, faults=faults, unique=False, loses_ledger=False, refused=0)


def with_unique_reference(seed: int, name: str) -> Scenario:
    """The same where billing keeps references unique."""
    return replace(unsurvivable(seed, name), unique=True)


@contextmanager
def without(rule: str) -> Iterator[None]:
    """The rule is gone."""
    with (MUTANTS | MUTANTS_OF_NIGHTS)[rule]():
        yield


def first_failure(
    rule: str, seeds: range, rows: int = simulation.ROWS
) -> tuple[int, list[str]] | None:
    """The first seed that fails without the rule and passes with it, and what the oracle says; None where none does."""
    for seed in seeds:
        told = replace(survivable(seed), **_OFTEN.get(rule, {}))
        play = partial(simulation.run, told, rows)
        if rule in MUTANTS_OF_NIGHTS:
            told = replace(nights.survivable(seed), unique=False, **_OFTEN.get(rule, {}))
            play = partial(nights.run, told)
        try:
            with without(rule):
                faults = play().faults
        except (
            AssertionError,
            KeyError,
        ) as broken:  # a loop that sends beside a request has two rows of one reference
            faults = [repr(broken)]
        if faults and not play().faults:
            return seed, faults
    return None
