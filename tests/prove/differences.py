"""A billing system that differs from a legacy system in planted ways: `reconcile` must find them.

A journey imports a legacy file into the sandbox, spoils billing (the export of it, or the sandbox itself) in ways of which
each has a name, reconciles, and holds what was found against what was planted: all of it, each under its name, nothing besides.
"""

import csv
import json
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import Inside, Outside, running_sandbox

HEADER = ("external_reference", "name", "email", "phone", "currency", "balance", "metadata.tier")
SCALES = {"ZAR": 100, "USD": 100, "JPY": 1, "KWD": 1000}
STRETCH = 8  #: rows of one currency, so that balances can be moved by a row
LATER = (datetime.now(UTC) + timedelta(hours=6)).isoformat(
    timespec="seconds"
)  #: a time of change after any run of today
#: What each method can show, and by how many customers one of a kind is planted.
BY_LOOK_UP = (
    "missing", "name", "email", "phone", "metadata", "billing_id", "currency", "balance", "unit", "sign", "shifted", "merged",
)  # fmt: skip
BY_EXPORT = (*BY_LOOK_UP, "unknown", "twice", "another_run", "changed")
IN_DOUBT = 12  #: customers of a run that billing does not answer; those in doubt are as many as were under way at once

Difference = tuple[str, str, str, str]  #: kind, external reference, field, pattern


@dataclass
class Journey:
    """What a journey came to; `faults` is empty where all that was planted was found and nothing else."""

    seed: int
    customers: int
    planted: dict[str, int]
    faults: list[str]


@dataclass
class Billing:
    """What billing holds, customer by customer in the order of creation, and what was planted in it."""

    customers: list[dict[str, Any]]
    expected: set[Difference] = field(default_factory=set)
    planted: Counter[str] = field(default_factory=Counter)
    used: set[int] = field(
        default_factory=set
    )  #: places that are spoilt already, and their neighbours


def legacy(path: Path, dice: random.Random, count: int, prefix: str = "L") -> None:
    """A file of this many customers with different, nonzero amounts; each currency in several consecutive rows."""
    amounts = dice.sample(range(1_000, 50_000_000), count)
    currencies = [
        currency
        for _ in range(0, count, STRETCH)
        for currency in [dice.choice(tuple(SCALES))] * STRETCH
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, amount in enumerate(amounts):
            person = f"{prefix.lower()}{number}"
            phone = f"+2782{number:07d}" if prefix == "L" else ""
            writer.writerow([
                f"{prefix}-{number}", f"Person {person}", f"{person}@example.com", phone, currencies[number],
                amount * dice.choice((1, 1, 1, -1)), dice.choice(("gold", "silver")),
            ])  # fmt: skip


def plant(
    billing: Billing,
    kinds: tuple[str, ...],
    count: int,
    dice: random.Random,
    others: list[dict[str, Any]],
) -> None:
    """Plant this many differences in billing, equally many of each kind; `others` are customers of another run."""
    for number in range(count):
        kind = kinds[number % len(kinds)]
        _PLANTS.get(kind, _plant_field)(billing, kind, dice, others)
        billing.planted[kind] += 1


def _somebody(
    billing: Billing,
    dice: random.Random,
    width: int = 1,
    *,
    suits: Callable[[int], bool] = lambda _at: True,
) -> int:
    """The place of customers that nothing was done to and that suit, side by side, with a clean one on either side."""
    for _ in range(10_000):
        at = dice.randrange(1, len(billing.customers) - width - 1)
        places = range(at - 1, at + width + 1)
        if not billing.used.intersection(places) and suits(at):
            billing.used.update(places)
            return at
    raise ValueError("too many differences for so few customers")


def _found(billing: Billing, kind: str, at: int, name: str = "", pattern: str = "") -> None:
    billing.expected.add((kind, billing.customers[at]["external_reference"], name, pattern))


def _plant_field(billing: Billing, kind: str, dice: random.Random, _: list[dict[str, Any]]) -> None:
    at = _somebody(billing, dice)
    number = dice.randrange(10_000_000)
    texts = {
        "name": f"Somebody Else {number}",
        "email": f"else{number}@example.org",
        "phone": f"+2783{number:07d}",
    }
    billing.customers[at][kind] = texts[kind]
    _found(billing, "field_differs", at, kind)


def _plant_metadata(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["metadata"] = dice.choice(({"tier": "bronze"}, {}))
    _found(billing, "field_differs", at, "metadata.tier")


def _plant_billing_id(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["id"] = f"{billing.customers[at]['id']}again"
    _found(billing, "field_differs", at, "billing_id")


def _plant_currency(
    billing: Billing, kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["currency"] = "EUR"
    _found(billing, "field_differs", at, kind)


def _plant_missing(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    _found(billing, "missing_in_billing", at)
    billing.customers[at]["is_gone"] = True


def _plant_balance(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["balance"] += dice.choice((1, -1, 7, 250_003))
    _found(billing, "balance_differs", at, "balance")


def _plant_unit(billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]) -> None:
    customers = billing.customers
    at = _somebody(billing, dice, suits=lambda at: SCALES[customers[at]["currency"]] > 1)
    customers[at]["balance"] *= SCALES[customers[at]["currency"]]
    _found(billing, "balance_differs", at, "balance", "unit")


def _plant_sign(billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["balance"] *= -1
    _found(billing, "balance_differs", at, "balance", "sign")


def _plant_shifted(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    """Three rows in a row that hold each the balance of the one before."""

    def in_one_currency(at: int) -> bool:
        return len({row["currency"] for row in billing.customers[at - 1 : at + 3]}) == 1

    at = _somebody(billing, dice, 3, suits=in_one_currency)
    before = [row["balance"] for row in billing.customers[at - 1 : at + 3]]
    for place in range(3):
        billing.customers[at + place]["balance"] = before[place]
        _found(billing, "balance_differs", at + place, "balance", "shifted_rows")


def _plant_merged(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    """Two customers with one name, of whom billing holds one with both balances: they are twins of the legacy file."""
    twins = next(
        pair for pair in twins_of(billing.customers) if not billing.used.intersection(pair)
    )
    billing.used.update(place + near for place in twins for near in (-1, 0, 1))
    kept, gone = twins
    billing.customers[kept]["balance"] += billing.customers[gone]["balance"]
    billing.customers[gone]["is_gone"] = True
    _found(billing, "balance_differs", kept, "balance", "merged_customers")
    _found(billing, "missing_in_billing", gone)


def _plant_unknown(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    number = billing.planted["unknown"]
    stranger = {
        "external_reference": f"X-{number}",
        "name": f"X {number}",
        "currency": "ZAR",
        "balance": number * 7,
    }
    billing.customers.append(stranger)
    billing.used.update(range(len(billing.customers) - 2, len(billing.customers)))
    _found(billing, "unknown_to_us", -1)


def _plant_twice(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    copy = {**billing.customers[at], "id": f"{billing.customers[at]['id']}twice"}
    billing.customers.append(copy | {"balance": copy["balance"] + dice.choice((0, 12))})
    billing.used.update(range(len(billing.customers) - 2, len(billing.customers)))
    _found(billing, "twice_in_billing", at)


def _plant_another_run(
    billing: Billing, _kind: str, _dice: random.Random, others: list[dict[str, Any]]
) -> None:
    billing.customers.append(others.pop())
    billing.used.update(range(len(billing.customers) - 2, len(billing.customers)))
    _found(billing, "created_by_another_run", -1)


def _plant_changed(
    billing: Billing, _kind: str, dice: random.Random, _: list[dict[str, Any]]
) -> None:
    at = _somebody(billing, dice)
    billing.customers[at]["balance"] -= dice.randrange(1, 900)
    billing.customers[at]["changed_at"] = LATER
    _found(billing, "changed_since", at, "balance")


_PLANTS = {
    "metadata": _plant_metadata, "billing_id": _plant_billing_id, "missing": _plant_missing, "balance": _plant_balance, "unit": _plant_unit, "sign": _plant_sign,
    "shifted": _plant_shifted, "merged": _plant_merged, "currency": _plant_currency, "unknown": _plant_unknown,
    "twice": _plant_twice, "another_run": _plant_another_run, "changed": _plant_changed,
}  # fmt: skip


def twins_of(customers: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Places of customers of one name and one currency."""
    seen: dict[tuple[str, str], int] = {}
    for at, customer in enumerate(customers):
        key = (customer["name"], customer["currency"])
        if key in seen:
            yield seen.pop(key), at
        else:
            seen[key] = at


def journey(seed: int, customers: int, differences: int, *, by_look_up: bool = False) -> Journey:
    """Import, spoil, reconcile, compare."""
    dice, kinds = random.Random(seed), BY_LOOK_UP if by_look_up else BY_EXPORT
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = Inside(folder)
        with running_sandbox(folder / "billing.sqlite") as outside:
            _import_other_run(pipeline, outside, folder, differences)
            legacy(folder / "legacy.csv", dice, customers)
            _make_twins(folder / "legacy.csv", dice, differences)
            _run(pipeline, "legacy.csv", outside)
            in_doubt = _leave_in_doubt(pipeline, outside, folder)
            # In the order of the file: requests overtake each other, so billing's is another.
            held = sorted(
                outside.customers().values(), key=lambda one: int(one["external_reference"][2:])
            )
        run_ids = [
            path.name
            for name in ("legacy", "doubt")
            for path in (folder / "reports").glob(f"*-{name}-*")
        ]
        billing = Billing([one for one in held if one["external_reference"].startswith("L-")])
        others = [one for one in held if one["external_reference"].startswith("O-")]
        plant(billing, kinds, differences - len(in_doubt), dice, others)
        _plant_in_doubt(
            billing,
            in_doubt,
            [one for one in held if one["external_reference"].startswith("D-")],
            dice,
        )
        if by_look_up:
            _spoil(folder / "billing.sqlite", billing)
            with running_sandbox(folder / "billing.sqlite") as outside:
                said = ("--base-url", outside.base_url, "--json")
                reconciled = pipeline("reconcile", *run_ids, *said, environment=outside.environment)
        else:
            _export(folder / "export.csv", billing, dice)
            reconciled = pipeline("reconcile", *run_ids, "--export", "export.csv", "--json")
        faults = list(_faults(reconciled, folder, billing, differences, by_look_up=by_look_up))
        return Journey(seed, customers, dict(billing.planted), faults)


def _run(pipeline: Inside, name: str, outside: Outside) -> None:
    done = pipeline(
        "run", name, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)


def _import_other_run(pipeline: Inside, outside: Outside, folder: Path, count: int) -> None:
    legacy(folder / "other.csv", random.Random(0), count, "O")
    _run(pipeline, "other.csv", outside)


def _leave_in_doubt(pipeline: Inside, outside: Outside, folder: Path) -> list[str]:
    """References of a run of which billing takes what it is sent and answers nothing, until the run gives up."""
    legacy(folder / "doubt.csv", random.Random(1), IN_DOUBT, "D")
    outside.faults(lost_reply=1.0)
    said = (
        "--base-url",
        outside.base_url,
        "--yes",
        "--outage-seconds",
        "1",
        "--workers",
        str(IN_DOUBT),
    )
    done = pipeline("run", "doubt.csv", *said, environment=outside.environment)
    outside.faults()
    if done.returncode != 5:
        raise AssertionError(f"{done.returncode}: {done.stderr}")
    with (pipeline.newest() / "in_doubt.csv").open(encoding="utf-8", newline="") as file:
        return [row["external_reference"] for row in csv.DictReader(file)]


def _plant_in_doubt(
    billing: Billing, in_doubt: list[str], held: list[dict[str, Any]], dice: random.Random
) -> None:
    """Billing may hold a customer that is in doubt, or may not: both stay in doubt until a run settles them."""
    planted = [{**one, "is_gone": dice.random() < 0.5} for one in held]
    there = {one["external_reference"] for one in planted if not one["is_gone"]}
    for reference in in_doubt:
        kind = "in_doubt_and_found" if reference in there else "in_doubt"
        billing.expected.add((kind, reference, "", ""))
        billing.planted[kind] += 1
    billing.customers.extend(planted)


def _make_twins(path: Path, dice: random.Random, count: int) -> None:
    """Give some rows of the file the name and the currency of another."""
    rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
    places = dice.sample(range(1, len(rows)), min(count, len(rows) // 4) // 2 * 2)
    for one, other in zip(places[::2], places[1::2], strict=True):
        rows[other][1], rows[other][4] = rows[one][1], rows[one][4]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _export(path: Path, billing: Billing, dice: random.Random) -> None:
    """What billing's own export would say, in an order of its own; a text may come back in other case where that says the same."""
    columns = (
        "billing_id", "external_reference", "name", "email", "phone", "currency", "balance", "changed_at", "metadata.tier",
    )  # fmt: skip
    rows = [one for one in billing.customers if not one.get("is_gone")]
    dice.shuffle(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for one in rows:
            tier = one.get("metadata", {}).get("tier", "")
            told = {
                "changed_at": "2020-01-01T00:00:00Z",
                **one,
                "billing_id": one.get("id"),
                "metadata.tier": tier,
            }
            writer.writerow([told.get(column, "") for column in columns])


def _spoil(state: Path, billing: Billing) -> None:
    """Change the sandbox's own customers."""
    connection = sqlite3.connect(state, timeout=60)
    with connection:
        for one in billing.customers:
            reference = one["external_reference"]
            if one.get("is_gone"):
                connection.execute(
                    "DELETE FROM customers WHERE external_reference = ?", [reference]
                )
                continue
            fields = {name: value for name, value in one.items() if name not in ("id", "is_gone")}
            connection.execute(
                "UPDATE customers SET id = ?, currency = ?, balance = ?, fields = ? WHERE external_reference = ?",
                [one["id"], one["currency"], one["balance"], json.dumps(fields), reference],
            )
    connection.close()


def _faults(
    done: Any, folder: Path, billing: Billing, differences: int, *, by_look_up: bool
) -> Iterator[str]:
    if done.returncode != 7:
        yield f"exit code {done.returncode}: {done.stderr[-500:]}"
        return
    content = json.loads(done.stdout)
    with (folder / content["files"]["differences.csv"]).open(encoding="utf-8", newline="") as file:
        rows = [
            (row["kind"], row["external_reference"], row["field"], row["pattern"])
            for row in csv.DictReader(file)
        ]
    found = set(rows)
    yield from (f"not found: {one}" for one in sorted(billing.expected - found)[:5])
    yield from (f"not planted: {one}" for one in sorted(found - billing.expected)[:5])
    if len(rows) != len(found):
        yield f"{len(rows) - len(found)} differences are told twice"
    if sum(billing.planted.values()) != differences:
        yield f"{sum(billing.planted.values())} planted, not {differences}"
    if content["residual"] or not content["signable"]:
        yield f"residual {content['residual']}: {content['verdict']}"
    silent = (
        {"unknown_to_us", "twice_in_billing", "created_by_another_run", "changed_since"}
        if by_look_up
        else set()
    )
    if set(content["not_determinable"]) != silent:
        yield f"not determinable: {sorted(content['not_determinable'])}, not {sorted(silent)}"


def block(told: tuple[int, int, int]) -> dict[str, Any]:
    """A seed's journey as a line of results: an even seed by export, an odd one by lookup."""
    seed, customers, differences = told
    found = journey(seed, customers, differences, by_look_up=bool(seed % 2))
    return {
        "seeds": [seed, seed + 1],
        "customers": customers,
        "method": "lookups" if seed % 2 else "export",
        "planted": found.planted,
        "failures": found.faults,
    }
