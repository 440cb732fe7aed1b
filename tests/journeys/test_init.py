"""A config guessed from a file says how sure it is of each line, leaves to a person what only he can say, and can be planned with."""

import json
import re
import shlex
import shutil

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.transforming.profiling.guess import Guess
from pipeline.workflows.init import _guessed
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.usefixtures("without_pages")

SAMPLES = {
    "customers": "customers.csv",
    "merchant_billing": "merchant_billing/za_kwikwater_dailyfile_2026-11-22.csv",
    "legacy_migration": "legacy_migration/debtors_export.csv",
    "nightly": "nightly/new_customers_2026-11-22.csv",
}


def drafted(inside, name, *options):
    result = inside("init", name, "--json", "--output", "job.yaml", "--force", *options)
    assert result.returncode == 0, result.stderr
    text = (inside.folder / "job.yaml").read_text(encoding="utf-8")
    return {one["field"]: one for one in json.loads(result.stdout)["guesses"]}, YAML(
        typ="safe"
    ).load(text)


def say_unit(inside, unit):
    job = inside.folder / "job.yaml"
    job.write_text(job.read_text().replace("unit: {}", f"unit: {unit}"))


@pytest.mark.parametrize(
    "sample",
    [
        "legacy_migration",
        "customers",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("merchant_billing", "nightly")),
    ],
)
def test_each_sample_gets_a_config_that_plans_once_the_open_points_are_filled(inside, sample):
    shutil.copy(REPOSITORY / "sample_data" / SAMPLES[sample], inside.folder / "file.csv")

    guesses, config = drafted(inside, "file.csv")

    assert {"external_reference", "name", "email", "phone", "currency", "balance"} <= set(guesses)
    assert all(one["why"] for one in guesses.values())
    for filled, repeated in re.findall(
        r"([\d,]+) of [\d,]+ filled, ([\d,]+) of them", str(guesses)
    ):
        assert int(repeated.replace(",", "")) < int(filled.replace(",", ""))
    assert "mapping" in config
    say_unit(inside, "{column: FLAG, values: {R: major, C: minor}}")
    # Every sample has rows that are rejected; of the legacy one a quarter, for many records state no currency that is known.
    assert inside("plan", "file.csv", "--config", "job.yaml").returncode == (
        3 if sample == "legacy_migration" else 1
    )
    assert inside.summary()["actions"]["create"] > 0


def test_inspect_and_plan_of_a_cp1252_export_say_exactly_which_line_to_add(inside):
    shutil.copy(
        REPOSITORY / "sample_data" / SAMPLES["legacy_migration"], inside.folder / "file.csv"
    )

    guesses, _ = drafted(inside, "file.csv")
    job = inside.folder / "job.yaml"
    say_unit(inside, "major")
    job.write_text(
        "".join(
            line for line in job.read_text().splitlines(keepends=True) if "  encoding:" not in line
        )
    )

    for command in (("inspect",), ("plan", "--config", "job.yaml")):
        result = inside(*command, "file.csv")
        assert result.returncode == 4
        assert "source.encoding: cp1252" in result.stderr
    assert guesses["name"]["sure"] == "sure"


def test_the_vendors_own_file_is_known_and_identity_numbers_are_never_sent(inside):
    shutil.copy(
        REPOSITORY / "sample_data" / SAMPLES["merchant_billing"], inside.folder / "file.csv"
    )

    guesses, config = drafted(inside, "file.csv")

    assert config["mapping"]["name"] == {"columns": ["first_name", "last_name"]}
    assert config["mapping"]["currency"] == {"value": "ZAR"}
    assert config["mapping"]["balance"] == {"column": "amount_due", "unit": "major"}
    assert set(config["mapping"]["never_sent"]) == {"sa_identification_number", "passport_number"}
    assert guesses["currency"]["sure"] == "sure"


@pytest.mark.parametrize(
    "header",
    [
        "Kundennummer;Vorname;Nachname;E-Mail-Adresse;Telefonnummer;Währung;Saldo",
        "Kliëntnommer;Voornaam;Van;E-pos;Selfoonnommer;Geldeenheid;Uitstaande bedrag",
        pytest.param(
            "Klantnummer;Voornaam;Achternaam;E-mailadres;Telefoonnummer;Valuta;Openstaand saldo",
            marks=pytest.mark.long,
        ),
        "Numéro client;Prénom;Nom;Courriel;Téléphone;Devise;Solde",
        pytest.param(
            "Número de cliente;Nombre;Apellidos;Correo electrónico;Teléfono;Moneda;Saldo pendiente",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "Código do cliente;Primeiro nome;Sobrenome;E-mail;Telemóvel;Moeda;Valor em dívida",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "Codice cliente;Nome;Cognome;Email;Cellulare;Valuta;Importo", marks=pytest.mark.long
        ),
        "CUSTOMER_NO;FirstName;Surname;email_address;Cell No.;CCY;Amount Due",
    ],
)
def test_headers_are_understood_in_several_languages(inside, header):
    rows = [
        f"K-{n};Ann;Nkosi;ann{n}@example.com;082 123 45{n:02};ZAR;1.234,5{n % 10}"
        for n in range(30)
    ]
    (inside.folder / "f.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    names = header.split(";")

    _, config = drafted(inside, "f.csv")

    assert config["source"]["delimiter"] == ";"
    mapping = config["mapping"]
    assert mapping["external_reference"] == names[0]
    assert mapping["name"] == {"columns": names[1:3]}
    assert (mapping["email"], mapping["phone"], mapping["currency"]) == tuple(names[3:6])
    assert mapping["balance"] == {
        "column": names[6],
        "decimal_mark": ",",
        "thousands": ".",
        "unit": "major",
    }
    assert inside("plan", "f.csv", "--config", "job.yaml").returncode == 0
    assert inside.summary()["sums"]["ZAR"]["not_attempted"] == sum(
        123450 + n % 10 for n in range(30)
    )


def test_columns_with_meaningless_names_are_recognized_by_their_cells(inside):
    rows = [f"X{n},ann{n}@example.com,08212345{n:02},8001015009087" for n in range(30)]
    (inside.folder / "f.csv").write_text("\n".join(["c1,c2,c3,c4", *rows]) + "\n")

    guesses, config = drafted(inside, "f.csv")

    assert config["mapping"]["external_reference"] == "c1"
    assert (config["mapping"]["email"], config["mapping"]["phone"]) == ("c2", "c3")
    assert config["mapping"]["never_sent"] == ["c4"]
    assert [guesses[name]["sure"] for name in ("external_reference", "email", "phone")] == [
        "a guess",
        "likely",
        "likely",
    ]


def test_undeclared_unit_and_currency_stay_open(inside):
    (inside.folder / "f.csv").write_text("account,amount\nA-1,24000\nA-2,100\n")

    guesses, config = drafted(inside, "f.csv")
    planned = inside("plan", "f.csv", "--config", "job.yaml")

    assert guesses["currency"] == {**guesses["currency"], "value": None, "sure": "open"}
    assert config["mapping"]["balance"]["unit"] == {}
    assert planned.returncode == 4
    assert "mapping.currency" in planned.stderr
    assert "mapping.balance.unit: set major, minor" in planned.stderr


def test_signs_that_are_a_habit_are_declared(inside):
    rows = [f"A-{n},{'(1.50)' if n % 3 else '2.00'},5.00 CR" for n in range(30)]
    (inside.folder / "f.csv").write_text("\n".join(["account,balance,other", *rows]) + "\n")

    _, config = drafted(inside, "f.csv")

    assert config["mapping"]["balance"] == {
        "column": "balance",
        "parentheses": True,
        "unit": "major",
    }


def test_two_columns_whose_names_come_to_one_key_are_two_and_our_own_id_is_kept(inside):
    (inside.folder / "f.csv").write_text(
        "account,Plan Code,plan_code\n" + "".join(f"A-{n},gold,x\n" for n in range(5))
    )
    (inside.folder / "ours.csv").write_text("external_reference,billing_id,notes\nA-1,b-1,x\n")

    _, config = drafted(inside, "f.csv")
    assert config["mapping"]["metadata"] == {"plan_code": "Plan Code"}
    assert "not sent: plan_code" in (inside.folder / "job.yaml").read_text()
    _, config = drafted(inside, "ours.csv")
    assert config["mapping"]["billing_id"] == "billing_id"


def test_a_workbook_gets_a_config_too(inside):
    book = openpyxl.Workbook()
    for row in (["account", "surname", "email"], ["A-1", "Nkosi", "ann@example.com"]):
        book.active.append(row)
    book.save(inside.folder / "f.xlsx")

    _, config = drafted(inside, "f.xlsx")

    assert config["source"] == {"sheet": "Sheet"}
    assert inside("plan", "f.xlsx", "--config", "job.yaml").returncode == 0


def test_an_existing_config_is_replaced_only_on_request_and_the_schema_is_written_too(inside):
    (inside.folder / "f.csv").write_text("account\nA-1\n")
    (inside.folder / "f.yaml").write_text("mine")

    refused, forced = inside("init", "f.csv"), inside("init", "f.csv", "--force")

    assert (refused.returncode, forced.returncode) == (4, 0)
    assert "--force" in refused.stderr
    assert (
        (inside.folder / "f.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=pipeline.schema.json")
    )
    assert (
        json.loads((inside.folder / "pipeline.schema.json").read_text())["title"]
        == "A job of pipeline"
    )


@settings(max_examples=300)
@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_a_config_names_a_column_of_any_name_and_nothing_else(name, remark):
    text = "\n".join(["mapping:", *_guessed(Guess("email", name, "a guess", remark)), "end: 1"])

    assert YAML(typ="safe").load(text) == {"mapping": {"email": name}, "end": 1}


CURRENCY_COLUMNS = {  # texts of the column -> the codes that are proposed, and the texts that stay open
    ("R", "€", "KD"): ({"R": "ZAR", "€": "EUR", "KD": "KWD"}, ()),
    ("R", "Y", "$"): ({"R": "ZAR"}, ("Y", "$")),
    ("R", "ZAR", "usd"): ({"R": "ZAR", "ZAR": "ZAR", "usd": "USD"}, ()),
    ("Ksh", "USh"): ({"Ksh": "KES", "USh": "UGX"}, ()),
    ("ZAR", "EUR", "DM"): (None, ()),
    ("$", "kr"): (None, ()),
}


def test_currency_words_of_one_currency_are_mapped_and_others_stay_open(inside):
    for texts, (codes, unknown) in CURRENCY_COLUMNS.items():
        rows = [f"A-{n},{texts[n % len(texts)]},{n}.50" for n in range(30)]
        (inside.folder / "f.csv").write_text(
            "\n".join(["account,CUR,amount", *rows]) + "\n", encoding="utf-8"
        )

        guesses, config = drafted(inside, "f.csv")

        expected = {"column": "CUR", "values": codes} if codes else "CUR"
        assert config["mapping"]["currency"] == expected, texts
        assert (guesses["currency"]["sure"] == "open") is bool(unknown), texts
        assert all(text in guesses["currency"]["why"] for text in unknown), texts


def test_the_column_of_units_and_remarks_are_not_metadata(inside):
    shutil.copy(
        REPOSITORY / "sample_data" / SAMPLES["legacy_migration"], inside.folder / "file.csv"
    )

    _, config = drafted(inside, "file.csv")

    assert config["mapping"]["metadata"] == {"due": "DUE", "class": "CLASS"}
    text = (inside.folder / "job.yaml").read_text()
    assert "(484 records, 9 more are unreadable)" in text
    assert "unit: {column: FLAG, values: {C: minor, R: major}}" in text
    assert "62 records have none: for a default add default: CODE" in text


def test_records_that_cannot_be_read_have_no_currency(inside):
    (inside.folder / "f.csv").write_text("account,amount\nA-1,1.50\nA-2\nA-3,2.50\n")
    drafted(inside, "f.csv")
    job = inside.folder / "job.yaml"
    job.write_text(job.read_text().replace("currency: {}", "currency: {value: ZAR}"))

    assert inside("run", "f.csv", "--config", "job.yaml", "--sandbox", "--yes").returncode == 1
    run = inside.newest()
    fates = pl.concat(
        pl.read_parquet(part) for part in sorted((run / "staged").glob("fates-*.parquet"))
    )
    assert fates.sort("position")["currency"].to_list() == ["ZAR", "-", "ZAR"]
    assert inside("verify", run.name).returncode == 0
    assert (
        "Fill in the columns of this row from _import_text." in (run / "rejected.csv").read_text()
    )


def test_the_plan_that_init_suggests_can_be_pasted(inside):
    (inside.folder / "debtors of may.csv").write_text("account,name\nA-1,Ann\n")

    command = (
        inside("init", "debtors of may.csv", "--output", "job.yaml")
        .stderr.strip()
        .partition(", then: pipeline ")[2]
    )

    assert inside(*shlex.split(command)).returncode == 0
