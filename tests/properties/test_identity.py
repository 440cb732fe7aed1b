"""Laws of identity: the columns make the bytes that `payload_bytes` makes, and SQL makes the keys that `create_key` makes."""

import hashlib
import json
import tempfile
from pathlib import Path

import duckdb
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.domain.customer import (
    LARGEST_BALANCE,
    TEXT_FIELDS,
    Environment,
    create_key,
    payload_bytes,
    payload_expression,
)
from pipeline.planning.matching import find_matches
from tests.conftest import hold
from tests.sample_plans import make_plan

NASTY = [
    '"',
    "\\",
    '\\"',
    "/",
    "\n",
    "\r",
    "\t",
    "\b",
    "\f",
    "\x00",
    "\x1f",
    "\x7f",
    "\u2028",
    "\u2029",
    "é",
    "😀",
    "\ufeff",
    "</script>",
    "{}",
]
text = st.lists(
    st.sampled_from(NASTY) | st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6
).map("".join)
METADATA_KEYS = [
    "plan",
    "Plan",
    "z",
    "a b",
    'say "hi"',
    "back\\slash",
    "é",
    "\u2028",
    "😀",
    "{}",
    "a.b",
    "^x$",
]
customers = st.fixed_dictionaries(
    {"external_reference": text},
    optional={
        **{field: text for field in TEXT_FIELDS if field != "external_reference"},
        "balance": st.integers(-LARGEST_BALANCE, LARGEST_BALANCE),
        "metadata": st.dictionaries(st.sampled_from(METADATA_KEYS), text, min_size=1, max_size=10),
    },
)


def table(batch: list[dict], keys: list[str]) -> pl.DataFrame:
    """Customers as canonical columns; what a customer does not have is null."""
    columns = {field: [customer.get(field) for customer in batch] for field in TEXT_FIELDS}
    columns |= {
        f"metadata.{key}": [customer.get("metadata", {}).get(key) for customer in batch]
        for key in keys
    }
    schema = dict.fromkeys(columns, pl.String) | {"balance": pl.Int64}
    return pl.DataFrame(
        {**columns, "balance": [customer.get("balance") for customer in batch]}, schema=schema
    )


@settings(max_examples=35, deadline=None)
@given(st.lists(customers, min_size=1, max_size=6), st.permutations(METADATA_KEYS))
@example([{"external_reference": "a"}], [])
@example([{"external_reference": "a", "balance": 0, "metadata": {"plan": '"'}}], ["plan"])
def test_the_payload_made_in_columns_is_that_made_of_each_customer_byte_for_byte(batch, keys):
    frame = table(batch, keys)

    made = frame.select(payload=payload_expression(frame.columns))["payload"].to_list()

    assert [payload.encode() for payload in made] == [payload_bytes(customer) for customer in batch]
    assert [json.loads(payload) for payload in made] == batch


names = st.text(
    alphabet=st.characters(exclude_categories=("Cs",)) | st.sampled_from('"\\,[]'),
    min_size=1,
    max_size=8,
)
environments = st.builds(Environment, names, names, st.sampled_from(["test", "live"]), names)
references = st.from_regex(r"\A[A-Za-z0-9_-]{1,20}\Z")


@settings(max_examples=5, deadline=None)
@given(environments, st.dictionaries(references, text, min_size=1, max_size=40))
def test_the_keys_made_in_sql_are_those_of_create_key(environment, payloads):
    rows = [
        (n, f"c.csv:{n}", reference, payload, None)
        for n, (reference, payload) in enumerate(payloads.items())
    ]
    plan = planned(rows, environment)

    assert plan["fingerprint"].to_list() == [
        hashlib.sha256(payload.encode()).hexdigest() for payload in payloads.values()
    ]
    assert plan["key"].to_list() == [
        create_key(environment, reference, hashlib.sha256(payload.encode()).hexdigest())
        for reference, payload in payloads.items()
    ]
    assert plan["payload"].to_list() == list(payloads.values())


def test_five_thousand_keys_made_in_sql_are_those_of_create_key_and_all_different():
    environment = Environment("sandbox", "acme", "test", "loopback")

    plan = planned(
        [(n, f"c.csv:{n}", f"ref-{n}", f'{{"n":{n}}}', None) for n in range(5000)], environment
    )

    expected = [
        create_key(environment, reference, fingerprint)
        for reference, fingerprint in plan.select("external_reference", "fingerprint").rows()
    ]
    assert plan["key"].to_list() == expected
    assert plan["key"].n_unique() == 5000


def test_a_key_is_the_same_for_ever():
    environment = Environment("sandbox", "acme", "test", "loopback")

    assert (
        create_key(environment, "INV-2024-001", "0" * 64) == "6262855f-6d15-5da3-9fab-5845d5c50951"
    )


def planned(rows: list[tuple], environment: Environment) -> pl.DataFrame:
    schema = {
        "position": pl.Int64,
        **dict.fromkeys(("row_id", "external_reference", "payload", "fate"), pl.String),
    }
    texts = dict.fromkeys(("external_reference", "state", "fingerprint", "key"), pl.String)
    history = pl.DataFrame(schema={**texts, "normalization": pl.Int64})
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as workbench:
        hold(workbench, "records", pl.DataFrame(rows, schema=schema, orient="row"))
        hold(workbench, "history", history)
        find_matches(workbench)
        make_plan(workbench, Path(folder, "plan.parquet"), environment, retry_refused=False)
        payloads = pl.DataFrame(rows, schema=schema, orient="row").select("position", "payload")
        return pl.read_parquet(Path(folder, "plan.parquet")).join(payloads, on="position")
