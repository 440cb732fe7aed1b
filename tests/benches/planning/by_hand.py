"""The work of `pipeline plan`, written by hand with pandas, pandera and phonenumbers in an afternoon.

    python -m tests.benches.planning.by_hand customers.csv known.parquet folder

It reads with pandas (bad lines skipped, as one does), cleans, asks phonenumbers for every phone and pandera for every rule,
drops repeats, merges with the known customers, makes payloads, fingerprints and idempotency keys, and writes a file for
each list. It accounts for no line, and what its reader drops or swallows it does not know.
"""

import hashlib
import json
import sys
import time
import uuid
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import phonenumbers
from iso4217 import Currency

# With Arrow behind its strings `isin` takes a hundred seconds for what takes four so.
pd.options.mode.string_storage = "python"

NAMESPACE = uuid.UUID("5d0b6c6e-7f0f-5f57-9d0a-6f1a52d3c0b4")
PREFIX = '["bench","bench","test","POST /billing/customers"'
FIELDS = ["external_reference", "name", "email", "phone", "currency", "balance"]
CURRENCIES = [currency.code for currency in Currency if currency.exponent is not None]

SCHEMA = pa.DataFrameSchema(
    {
        "external_reference": pa.Column(
            object, [pa.Check.str_matches(r"^[a-zA-Z0-9_-]+$"), pa.Check.str_length(1, 255)]
        ),
        "name": pa.Column(str, pa.Check.str_length(max_value=255)),
        "email": pa.Column(
            str, pa.Check.str_matches(r"^$|^[A-Za-z0-9._+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}$")
        ),
        "phone": pa.Column(str, pa.Check(lambda phones: phones != "bad", name="phone")),
        "currency": pa.Column(str, pa.Check.isin([*CURRENCIES, ""])),
        "balance": pa.Column(str, pa.Check.str_matches(r"^$|^[+-]?[0-9]{1,15}$")),
        "metadata.plan": pa.Column(str, pa.Check.str_length(max_value=500)),
        "metadata.branch": pa.Column(str, pa.Check.str_length(max_value=500)),
    },
    checks=pa.Check(
        lambda rows: (rows["balance"] == "") | (rows["currency"] != ""),
        name="balance needs currency",
    ),
)


def e164(text: str) -> str:
    if not text:
        return ""
    try:
        number = phonenumbers.parse(text, "ZA")
    except phonenumbers.NumberParseException:
        return "bad"
    if number.extension or not phonenumbers.is_valid_number(number):
        return "bad"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def payload(row: dict) -> str:
    customer = {field: row[field] for field in FIELDS if row[field] != ""}
    if "balance" in customer:
        customer["balance"] = int(customer["balance"])
    metadata = {
        key: row[f"metadata.{key}"] for key in ("plan", "branch") if row[f"metadata.{key}"] != ""
    }
    if metadata:
        customer["metadata"] = metadata
    return json.dumps(customer, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def key(reference: str, fingerprint: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f'{PREFIX},"{reference}","{fingerprint}",1]'))


def plan(path: Path, known_path: Path, folder: Path) -> dict[str, float]:
    """Write created.csv (what would be), rejected.csv, skipped.csv and held.csv; return the rows read and seconds by stage."""
    seconds, began = {}, time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal began
        seconds[stage], began = round(time.perf_counter() - began, 3), time.perf_counter()

    rows = pd.read_csv(
        path,
        dtype=str,
        keep_default_na=False,
        on_bad_lines="skip",
        encoding_errors="replace",
        low_memory=False,
    )
    rows = rows.fillna("")
    seconds["rows"] = len(rows)
    lap("read")
    for column in [*FIELDS, "metadata.plan", "metadata.branch"]:
        rows[column] = rows[column].str.strip()
    rows["currency"] = rows["currency"].str.upper()
    original_phone = rows["phone"]
    lap("clean")
    rows["phone"] = original_phone.map(e164)
    lap("phones")
    try:
        SCHEMA.validate(rows, lazy=True)
        bad = pd.Index([])
    except pa.errors.SchemaErrors as broken:
        bad = pd.Index(broken.failure_cases["index"].dropna().unique())
    rows.loc[bad].assign(phone=original_phone).to_csv(folder / "rejected.csv", index=False)
    rows = rows.drop(bad)
    lap("validate")
    rows["payload"] = [payload(row) for row in rows.to_dict("records")]
    rows["fingerprint"] = [hashlib.sha256(text.encode()).hexdigest() for text in rows["payload"]]
    lap("payloads")
    contents = rows.groupby("external_reference")["payload"].transform("nunique")
    rows[contents > 1].to_csv(folder / "held.csv", index=False)
    rows = rows[contents == 1]
    repeats = rows.duplicated("external_reference")
    skipped = rows[repeats]
    rows = rows[~repeats]
    lap("duplicates")
    known = pd.read_parquet(known_path)
    merged = rows.merge(known, on="external_reference", how="left", suffixes=("", "_known"))
    is_known = merged["billing_id"].notna()
    same = (
        is_known
        & (merged["email"] == merged["email_known"])
        & (merged["phone"] == merged["phone_known"])
    )
    pd.concat([skipped, merged[same]]).to_csv(folder / "skipped.csv", index=False)
    merged[is_known & ~same].to_csv(folder / "held.csv", index=False, mode="a", header=False)
    rows = merged[~is_known].copy()
    for column in ("email", "phone"):
        rows[f"{column}_of_another"] = rows[column].ne("") & rows[column].isin(known[column])
    lap("known")
    rows["idempotency_key"] = [
        key(*both) for both in zip(rows["external_reference"], rows["fingerprint"], strict=True)
    ]
    rows.to_csv(folder / "created.csv", index=False)
    rows[["external_reference", "idempotency_key"]].to_parquet(folder / "accepted.parquet")
    lap("keys and lists")
    return seconds


if __name__ == "__main__":
    print(json.dumps(plan(*map(Path, sys.argv[1:4]))))
