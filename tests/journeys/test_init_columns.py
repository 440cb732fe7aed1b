"""What `init` makes of columns: guesses need cells, sensitive columns are never sent, and mixed amounts leave the unit open."""

import csv
import json
import random
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet
from ruamel.yaml import YAML

from pipeline.config import Settings, load_config
from pipeline.domain.column_mapping import Layout
from pipeline.errors import ConfigError
from pipeline.sources import in_order
from pipeline.transforming.normalize.sensitive import sensitive_kinds
from pipeline.transforming.profiling import Profile
from pipeline.transforming.profiling.infer_mapping import guess
from pipeline.workflows.init import draft_config
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.usefixtures("without_pages")

OUTSIDE = REPOSITORY / "tests" / "cases" / "outside"
#: Language -> what its files call reference, first and last name, email, phone, currency and balance.
HEADERS = {
    "English": ("Customer Number", "First Name", "Surname", "Email Address", "Mobile", "Currency", "Balance"),
    "Afrikaans": ("Kliëntnommer", "Voornaam", "Van", "E-pos", "Selfoonnommer", "Geldeenheid", "Uitstaande bedrag"),
    "Dutch": ("Klantnummer", "Voornaam", "Achternaam", "E-mailadres", "Telefoonnummer", "Valuta", "Openstaand saldo"),
    "German": ("Kundennummer", "Vorname", "Nachname", "E-Mail-Adresse", "Telefonnummer", "Währung", "Saldo"),
    "French": ("Numéro client", "Prénom", "Nom de famille", "Courriel", "Téléphone", "Devise", "Solde"),
    "Spanish": ("Número de cliente", "Nombre", "Apellidos", "Correo electrónico", "Teléfono", "Moneda", "Saldo pendiente"),
    "Portuguese": ("Código do cliente", "Primeiro nome", "Sobrenome", "E-mail", "Telemóvel", "Moeda", "Valor em dívida"),
    "Italian": ("Codice cliente", "Nome", "Cognome", "Email", "Cellulare", "Valuta", "Importo"),
}  # fmt: skip
SENSITIVE = {
    "English": "bank account number|BankAccNo|bank_name|IBAN|BIC|SWIFT code|sort code|branch code|Routing Number|card number|Credit Card|CVV|expiry|Exp Date|password|user_password|token|PIN|secret|API key|ID number|IDNumber|national_id|passport no|SSN|social security number|driver's license|tax number|VAT number|Tax ID|card_no|CCNumber|auth_token|client_secret|pin_code|security code|id_no|rsa_id|NI Number|driver_licence|vat_reg_no|TIN|universal branch code|NIC|NIN|NRIC|mandate_id|Direct Debit Mandate|debit order ref|security answer|SecurityQuestion|password hint|mothers maiden name|memorable word|IBAN holder|Aadhaar No|PAN|BVN|CNIC|UTR|PPS No|swift_bic|sortcode|beneficiary account|ID/Passport|valid thru",
    "Afrikaans": "bankrekening|Bank|takkode|kaartnommer|wagwoord|ID-nommer|identiteitsnommer|paspoort|belastingnommer|sekuriteitsvraag|debietorder",
    "Dutch": "bankrekeningnummer|creditcard|kaartnummer|wachtwoord|BSN|burgerservicenummer|paspoortnummer|identiteitskaart|BTW-nummer|beveiligingsvraag|incassomachtiging|machtigingskenmerk",
    "German": "Bankverbindung|BLZ|Bankleitzahl|Kreditkarte|Kartennummer|Passwort|Kennwort|Geheimzahl|Personalausweis|Reisepass|Sozialversicherungsnummer|Steuernummer|USt-ID|Kontoverbindung|Steueridentifikationsnummer|Führerschein|Zugangscode|Sicherheitsfrage|Sicherheitsantwort|Mandatsreferenz|SEPA-Lastschrift|AHV-Nummer",
    "French": "compte bancaire|RIB|banque|carte bancaire|numéro de carte|mot de passe|carte d'identité|numéro d'identité|passeport|numéro de sécurité sociale|numéro de TVA|coordonnées bancaires|code guichet|cryptogramme|permis de conduire|numéro fiscal|question secrète|réponse de sécurité|mandat|prélèvement",
    "Spanish": "cuenta bancaria|banco|tarjeta de crédito|contraseña|DNI|NIE|cédula|pasaporte|NIF|CIF|seguridad social|pregunta de seguridad|respuesta secreta|domiciliación bancaria|CURP|RUT",
    "Portuguese": "conta bancária|agência|cartão de crédito|senha|CPF|CNPJ|identidade|passaporte|número de contribuinte|pergunta secreta|resposta de segurança|débito direto",
    "Italian": "conto corrente|banca|carta di credito|numero carta|codice fiscale|carta d'identità|passaporto|partita IVA|coordinate bancarie|domanda di sicurezza|risposta segreta|mandato",
}
HARMLESS = (
    "branch", "product", "plan", "tariff", "account manager", "contract expiry", "valid number of days", "shipping street",
    "discarded", "spinner", "panel", "identifier", "place", "carton", "tax rate", "VAT", "expired plans", "urban area", "supply zone",
    "cardiology ward", "id", "branch id", "id name", "passenger", "tokyo office", "paid number", "due date", "class", "remark code", "swiftly paid", "bid no",
    "mandatory fields", "question", "security deposit", "policy holder", "direct debit", "ticket holder", "unit", "recovery date", "nickname", "debit order day",
)  # fmt: skip
BY_CONTENT = {
    "iban": (
        "DE89370400440532013000",
        "GB29NWBK60161331926819",
        "FR1420041010050500013M02606",
        "NL91ABNA0417164300",
    ),
    "card": ("4111111111111111", "5500 0000 0000 0004", "378282246310005", "6011-1111-1111-1117"),
    "identity": ("8001015009087", "9202204720082", "8001015009087", "9202204720082"),
}
HOSTILE = (
    "metadata.", "due date", "*", "^.*$", "[1-9]", "{x}", "|", "\\", "'", '"', "a" * 200, "Ünït", "given.", "#", "# x", ": ", "- ", "%", "&",
    "!tag", "@", "`", "name", "null", "true", "1", "0x1", "~", "İ", "ﬁ", "a\u200bb", "a\u202eb", "amount", "balance", "debit", "credit", "DR/CR",
    "flag", "external_reference", "iban", "id number", ",", "?", "[a, b]", "{a: b}", "yes", "2026-01-01", "column_4", "email",
)  # fmt: skip
CELLS = (
    "", "NULL", "-", "1,50", "150", "C", "R", "x@y.co", "0821234567", "ZAR", "8001015009087", "4111111111111111", "é", "\\N",
    "DE89370400440532013000", "a b", "#N/A", "1e5", "{}", "'x", "=1+1",
)  # fmt: skip
EMPTY = ("", "NULL", "-", "n/a", "\\N", "#N/A")
FIELDS = ("external_reference", "first name", "last name", "email", "phone", "currency", "balance")


def guessed(header, rows):
    """The guesses for a table of texts, without a file."""
    texts = {f"given.{name}": [row[at] for row in rows] for at, name in enumerate(header)}
    records = pl.DataFrame(
        {**texts, "reason": [None] * len(rows)},
        schema_overrides=dict.fromkeys([*texts, "reason"], pl.String),
    )
    profile = Profile(sensitive_kinds)
    profile.add(records)
    return guess(profile)


def mapped(guesses):
    """Field or metadata key -> what it is made of."""
    return {one.field: one.value for one in guesses.fields} | {
        f"metadata.{one.field}": one.value for one in guesses.metadata
    }


def names_in(value):
    return {value} if isinstance(value, str) else {name for part in value.values() for name in names_in(part)} if isinstance(value, dict) else set(value or ()) if isinstance(value, list) else set()  # fmt: skip


@pytest.mark.parametrize("language", SENSITIVE)
def test_bank_card_credential_identity_and_tax_columns_are_never_sent_in_any_spelling(
    language,
):
    spelt = {
        other: None
        for name in SENSITIVE[language].split("|")
        for other in (
            name,
            name.upper(),
            name.replace(" ", "_"),
            f"customers.{name}",
            name.title().replace(" ", ""),
        )
    }
    for cells in (("a1", "b2"), ("", "")):
        found = guessed(
            (HEADERS[language][0], *spelt),
            [("K-1", *[cells[0]] * len(spelt)), ("K-2", *[cells[1]] * len(spelt))],
        )

        assert [name for name in spelt if name not in {one.value for one in found.never_sent}] == []
        assert mapped(found) == {"external_reference": HEADERS[language][0]}


def test_columns_whose_names_only_sound_so_are_sent_as_before():
    found = guessed(
        ("Customer Number", *HARMLESS),
        [("K-1", *["a"] * len(HARMLESS)), ("K-2", *["a"] * len(HARMLESS))],
    )

    assert found.never_sent == []


@pytest.mark.parametrize("kind", BY_CONTENT)
def test_a_column_of_valid_identity_numbers_is_never_sent_under_any_name(kind):
    for name in ("c2", "metadata.note", "reference", "Account"):
        found = guessed((name, "c1"), [(cell, f"K-{n}") for n, cell in enumerate(BY_CONTENT[kind])])
        assert [one.value for one in found.never_sent] == [name]
        assert name not in map(str, mapped(found).values())
    canonical = guessed(
        ("external_reference", "metadata.note"),
        [(f"K-{n}", cell) for n, cell in enumerate(BY_CONTENT[kind])],
    )
    assert [one.value for one in canonical.never_sent] == ["metadata.note"]


@pytest.mark.parametrize(
    ("header", "reference", "never_sent"),
    [
        (("ACCOUNT", "NAME"), "ACCOUNT", []),
        (("account_number", "first_name"), "account_number", []),
        (("customer_id", "account_number"), "customer_id", ["account_number"]),
        (("account_number", "customer_id"), "customer_id", ["account_number"]),
        (("account_number", "branch_code"), None, ["account_number", "branch_code"]),
        (("Account", "IBAN"), "Account", ["IBAN"]),
        (("account_number", "mandate_id"), "account_number", ["mandate_id"]),
        (("Rekeningnommer", "Bank", "Takkode"), None, ["Rekeningnommer", "Bank", "Takkode"]),
        (("Konto", "Kundennummer", "BLZ"), "Kundennummer", ["Konto", "BLZ"]),
    ],
)
def test_an_account_is_a_reference_unless_it_is_one_at_a_bank(header, reference, never_sent):
    rows = [tuple(f"{n}{at}7" for at, _ in enumerate(header)) for n in range(5)]

    found = guessed(header, rows)

    assert mapped(found)["external_reference"] == reference
    assert sorted(one.value for one in found.never_sent) == sorted(never_sent)


def composed(dice):
    """A file as somebody may export it: header, rows, and what of it must come to what."""
    language = dice.choice(list(HEADERS))
    header = list(HEADERS[language])
    secret = dice.sample(SENSITIVE[language].split("|"), dice.randint(1, 3))
    empty = dice.sample(
        ["Company", "name", "phone 2", "notes", "Betrag", "debit"], dice.randint(1, 3)
    )
    content = dice.choice(list(BY_CONTENT))
    is_mixed, has_flag = dice.random() < 0.5, dice.random() < 0.5
    spare = dice.sample(["Tariff", "Zone", "Plan", "Since"], dice.randint(0, 3))
    columns = [*header, *secret, *empty, "x17", "FLAG", *spare]
    order = dice.sample(columns, len(columns)) if dice.random() < 0.5 else columns
    rows = []
    for n in range(dice.randint(8, 30)):
        is_cents = is_mixed and n % 2 == 0
        amount = (
            f"{n + 3}{dice.randint(10, 99)}00" if is_cents else f"{n + 1},{dice.randint(10, 99)}"
        )
        cells = dict(zip(header, (f"K{n:04}", dice.choice("AnnBenZoë"), "Nkosi", f"a{n}@example.com", f"08212345{n:02}", "ZAR", amount), strict=True))  # fmt: skip
        cells |= {name: str(dice.randint(10**6, 10**7)) for name in secret} | {
            name: dice.choice(EMPTY) for name in empty
        }
        flag = ("C" if is_cents else "R") if has_flag else dice.choice("RC") if n > 3 else "RCCR"[n]
        cells |= {"x17": BY_CONTENT[content][n % 4], "FLAG": flag} | {
            name: dice.choice("ab") for name in spare
        }
        rows.append([cells[name] for name in order])
    return order, rows, {"fields": header, "sensitive": {*secret, "x17"}, "empty": set(empty), "mixed": is_mixed, "flag": has_flag}  # fmt: skip


def faults_of(path, dice):
    """What is wrong with the config that `init` writes for a composed file."""
    header, rows, is_so = composed(dice)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL).writerows([header, *rows])
    draft = draft_config(path, Settings(), None)
    found = mapped(draft.guesses)
    job = path.with_suffix(".yaml")
    job.write_text(draft.text.replace("unit: {}", "unit: major"), encoding="utf-8")
    layout = load_config(job).job.mapping
    used = {name for value in found.values() for name in names_in(value)}
    sent = {column for _, column in layout.sources()}
    fields = dict(zip(FIELDS, is_so["fields"], strict=True))
    expected = {
        "external_reference": fields["external_reference"],
        "name": {"columns": [fields["first name"], fields["last name"]]},
        "email": fields["email"],
        "phone": fields["phone"],
        "currency": fields["currency"],
    }
    faults = [name for name, value in expected.items() if found.get(name) != value]
    faults += [f"sent: {name}" for name in is_so["sensitive"] & (sent | used)]
    faults += [f"not in never_sent: {name}" for name in is_so["sensitive"] - set(layout.never_sent)]
    faults += [f"guessed from nothing: {name}" for name in is_so["empty"] & (sent | used)]
    balance = next(one for one in draft.guesses.fields if one.field == "balance")
    if (balance.value["unit"] is None) != is_so["mixed"] or balance.value["column"] != fields[
        "balance"
    ]:
        faults.append(f"unit {balance.value}")
    if ("Column FLAG tells them apart" in balance.why) != (is_so["mixed"] and is_so["flag"]):
        faults.append(balance.why)
    return faults


@pytest.mark.long
def test_a_hundred_composed_files_get_configs_that_load_and_send_nothing_they_must_not(tmp_path):
    faults = {
        seed: told
        for seed in range(100)
        if (told := faults_of(tmp_path / "c.csv", random.Random(seed)))
    }

    assert faults == {}


@pytest.mark.parametrize(
    "seeds", [range(30), pytest.param(range(30, 60), marks=pytest.mark.long)], ids=["30", "60"]
)
def test_a_config_for_columns_of_any_name_loads(tmp_path, seeds):
    """Headers of patterns, prefixes of ours, YAML's own signs, long names and look-alikes over cells of all kinds."""
    broken = {}
    for seed in seeds:
        dice = random.Random(seed)
        names = {
            "".join(dice.sample(HOSTILE, dice.randint(1, 2))).strip()
            for _ in range(dice.randint(1, 9))
        }
        header = list({name.casefold(): name for name in sorted(names)}.values())
        rows = [[dice.choice(CELLS) for _ in header] for _ in range(dice.randint(0, 12))]
        path = tmp_path / "c.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
        text = draft_config(path, Settings(), None).text
        for key, said in (
            ("unit", "major"),
            ("currency", "{value: ZAR}"),
            ("external_reference", "{value: X}"),
        ):
            text = text.replace(f"{key}: {{}}", f"{key}: {said}")
        path.with_suffix(".yaml").write_text(text, encoding="utf-8")
        try:
            load_config(path.with_suffix(".yaml"))
        except ConfigError as fault:
            broken[seed] = str(fault)

    assert {seed: fault for seed, fault in broken.items() if "balance.marks" not in fault} == {}


def drafted(pipeline, case):
    shutil.copy(OUTSIDE / case / "c.csv", pipeline.folder)
    result = pipeline("init", "c.csv", "--output", "job.yaml")
    assert result.returncode == 0, result.stderr
    text = (pipeline.folder / "job.yaml").read_text(encoding="utf-8")
    return text, YAML(typ="safe").load(text)["mapping"]


def test_gc_flow_bank_columns_are_never_sent(pipeline):
    _, mapping = drafted(pipeline, "gc_flow")

    assert mapping["never_sent"] == [
        "customer_bank_accounts.account_number",
        "customer_bank_accounts.branch_code",
    ]
    assert mapping["external_reference"] == "customers.id"
    assert mapping["name"] == {"columns": ["customers.given_name", "customers.family_name"]}
    assert "metadata" not in mapping
    assert pipeline("plan", "c.csv", "--config", "job.yaml").returncode == 0


def test_shop_flow_an_empty_company_is_no_name(pipeline):
    text, mapping = drafted(pipeline, "shop_flow")

    assert mapping["name"] == {"columns": ["First Name", "Last Name"]}
    assert "# No guess, because these columns are empty: Company" in text
    assert pipeline("plan", "c.csv", "--config", "job.yaml").returncode == 0


def test_mixed_units_the_unit_is_open_the_flag_is_named_and_a_plan_warns(pipeline):
    text, mapping = drafted(pipeline, "mixed_units")
    job = pipeline.folder / "job.yaml"

    assert mapping["balance"]["unit"] == {}
    assert "unit: {column: FLAG, values: {C: minor, R: major}}" in text
    assert pipeline("plan", "c.csv", "--config", "job.yaml").returncode == 4
    job.write_text(text.replace("unit: {}", "unit: major"))
    warned = pipeline("plan", "c.csv", "--config", "job.yaml")
    assert warned.returncode == 0
    assert (
        "DOUBT.MIXED_UNITS: 2 whole amounts beside 2 with decimals; column FLAG tells them apart"
        in warned.stdout
    )
    job.write_text(text.replace("unit: {}", "unit: {column: FLAG, values: {C: minor, R: major}}"))
    told_apart = pipeline("plan", "c.csv", "--config", "job.yaml")
    assert "MIXED_UNITS" not in told_apart.stdout
    assert pipeline.summary()["sums"]["ZAR"]["not_attempted"] == 18564 + 18564 + 2000 + 392908


def test_mojibake_placeholders_are_proposed_as_absent_with_their_counts(pipeline):
    text, mapping = drafted(pipeline, "mojibake")

    assert mapping["absent"] == ["NULL", r"\\N", "#N/A", "nan"]
    assert r"""absent: ["NULL", '\\N', "#N/A", nan]""" in text
    assert "NULL (1)" in text
    assert "Dahl" not in text
    pipeline("plan", "c.csv", "--config", "job.yaml")
    assert json.loads((pipeline.newest() / "plan.json").read_text())["absent_texts"] == {
        "#N/A": 1, "NULL": 1, r"\\N": 1, "nan": 1,
    }  # fmt: skip


def test_only_texts_that_are_found_are_proposed_as_absent():
    found = guessed(
        ("ref", "zone"), [("1", "None"), ("2", "none"), ("3", "Nkosi"), ("4", "--"), ("5", "--")]
    )

    assert found.absent == {"--": 2, "None": 1, "none": 1}
    assert guessed(("ref", "zone"), [("1", "a")]).absent == {}


def test_hdt_columns_without_names_are_found_by_their_cells_and_never_proposed_as_metadata():
    rows = [(f"K{n}", "Lee A", f"a{n}@example.com", "62001872440", "15000") for n in range(5)]

    found = guessed([f"column_{at}" for at in range(1, 6)], rows)

    assert mapped(found) == {"external_reference": "column_1", "email": "column_3"}
    assert found.left_out == ["column_2", "column_4", "column_5"]


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        (("D", "C"), {"column": "DR/CR", "debit": ["D"], "credit": ["C"]}),
        (("DR", "Cr"), {"column": "DR/CR", "debit": ["DR"], "credit": ["Cr"]}),
        (("", "CR"), {"column": "DR/CR", "debit": [""], "credit": ["CR"]}),
        (("S", "H"), {"column": "DR/CR", "debit": ["S"], "credit": ["H"]}),
        (("D", "D"), {"column": "DR/CR", "debit": ["D"], "credit": ["CR"]}),
        (("in", "out"), {"column": "DR/CR"}),
    ],
)
def test_a_column_of_debit_and_credit_marks_gives_the_sign_or_leaves_it_open(texts, marks):
    rows = [(f"K{n}", f"{n + 1}.25", texts[n % 2]) for n in range(10)]

    found = guessed(("ref", "amount", "DR/CR"), rows)
    [balance] = [one for one in found.fields if one.field == "balance"]

    assert balance.value["marks"] == marks
    assert balance.sure == ("likely" if "credit" in marks else "open")
    assert found.metadata == []
    if "credit" in marks:
        Layout.model_validate({"external_reference": "ref", "balance": balance.value})


@pytest.mark.parametrize(
    ("amount", "mark"),
    [
        ("R {n} 234,50", ","),
        ("€ -{n}.234,50", ","),
        ("{n}.50 DR", None),
        ("-${n},234.50", None),
        ("(Ksh {n}.50)", None),
    ],
)
def test_decimals_are_seen_beside_signs_and_marks(amount, mark):
    found = guessed(("ref", "Bal"), [(f"K{n}", amount.format(n=n)) for n in range(1, 20)])
    [balance] = [one for one in found.fields if one.field == "balance"]

    assert (balance.value["unit"], balance.value.get("decimal_mark")) == ("major", mark)
    assert "no amount has decimals" not in balance.why


def test_names_in_two_columns_beside_a_full_one_are_left_out_of_metadata():
    found = guessed(
        ("ref", "Customer Name", "First Name", "Surname"), [("1", "Ann Lee", "Ann", "Lee")] * 2
    )

    assert mapped(found)["name"] == "Customer Name"
    assert (found.metadata, found.left_out) == ([], ["First Name", "Surname"])


def test_a_name_has_no_numbers_and_the_holder_of_an_account_is_one_only_where_nothing_else_is():
    parts, holder = (
        ("Customer ID", "First Name", "Last Name"),
        ("AccountHolder", "Acct Holder", "Kontoinhaber"),
    )
    people = [(f"K{n}", "Ann", "Nkosi") for n in range(5)]

    for cells in ("9000123", "A Nkosi"):
        found = guessed((*parts, *holder), [(*row, cells, cells, cells) for row in people])
        assert mapped(found) == {
            "external_reference": "Customer ID",
            "name": {"columns": ["First Name", "Last Name"]},
        }
        assert [one.value for one in found.never_sent] == list(holder)
    alone = guessed(("Customer ID", "Account Holder"), [(f"K{n}", "Ann Nkosi") for n in range(5)])
    assert mapped(alone)["name"] == "Account Holder"
    both = guessed(
        ("Customer ID", "Account Holder", "Name"), [(f"K{n}", "B Nkosi", "Ann") for n in range(5)]
    )
    assert (mapped(both)["name"], [one.value for one in both.never_sent]) == (
        "Name",
        ["Account Holder"],
    )
    digits = guessed(
        ("Customer ID", "Company", "Name"),
        [(f"K{n}", f"AC-{n}00{n}7", "3M (Pty) Ltd") for n in range(5)],
    )
    assert mapped(digits)["name"] == "Name"


def test_an_empty_reference_of_our_own_name_is_not_guessed():
    found = guessed(
        ("external_reference", "customer_no", "name"), [("", f"K{n}", "Ann") for n in range(3)]
    )

    assert mapped(found) == {"external_reference": "customer_no", "name": "name"}


def test_a_reference_with_a_few_duplicates_comes_before_a_running_number():
    rows = [(str(n), f"K{n - (n == 19)}") for n in range(20)]

    assert mapped(guessed(("id", "customer_no"), rows))["external_reference"] == "customer_no"


def test_currencies_without_decimals_beside_others_leave_no_unit_open():
    rows = [
        (f"K{n}", "JPY" if n % 2 else "ZAR", f"{n + 5}00" if n % 2 else f"{n}.25")
        for n in range(20)
    ]

    [balance] = [
        one for one in guessed(("ref", "ccy", "amount"), rows).fields if one.field == "balance"
    ]

    assert balance.value["unit"] == "major"


def test_a_file_without_records_is_guessed_from_by_our_own_names_alone():
    assert mapped(guessed(("external_reference", "name", "zone"), [])) == {
        "external_reference": "external_reference",
        "name": "name",
    }
    assert mapped(guessed(("Customer ID", "First Name"), [])) == {"external_reference": None}


def test_a_column_named_like_a_metadata_key_keeps_it_and_a_too_long_name_must_change():
    long = "metadata." + "a" * 41
    guesses = guessed(
        ("Customer ID", "metadata.due date", long, "Zone Nr"),
        [("A1", "5", "6", "7"), ("A2", "6", "7", "8")],
    )

    assert {one.field: one.value for one in guesses.metadata} == {
        "due date": "metadata.due date", "a" * 40: long, "zone_nr": "Zone Nr",
    }  # fmt: skip
    assert [one.value for one in guesses.metadata if "renamed" in one.why] == [long]


def test_declared_source_settings_are_in_the_config(tmp_path: Path):
    file = tmp_path / "c.csv"
    file.write_text("Debtors of November\nref,zone\n1,a\n2,b\nTotal,2\n")
    settings = Settings.of(source={"skip_lines": 1, "footer_lines": 1})

    text = draft_config(file, settings, None).text

    assert {"skip_lines": 1, "footer_lines": 1}.items() <= YAML(typ="safe").load(text)[
        "source"
    ].items()


#: Columns of types that `plan` refuses to map, and the reason that `init` gives.
UNSENDABLE = {
    "double": (pa.array([1.5, 2.0, None, 1.0]), "the text of a float is not exact"),
    "float": (pa.array([1.5, 2.0, 1.0, None], pa.float32()), "the text of a float is not exact"),
    "halffloat": (
        pa.array([1.5, 2.0, 1.0, 1.0]).cast(pa.float16()),
        "the text of a float is not exact",
    ),
    "dictionary": (
        pa.array([1.5, 2.0, 1.5, 2.0]).dictionary_encode(),
        "the text of a float is not exact",
    ),
    "duration": (pa.array([1, 2, 3, 4], pa.duration("ms")), "not a text, a number or a date"),
    "struct": (pa.array([{"a": 1}] * 4), "not a text, a number or a date"),
    "list": (pa.array([["x"]] * 4), "not a text, a number or a date"),
    "map": (
        pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
        "not a text, a number or a date",
    ),
    "binary": (pa.array([b"\xff", b"a", None, b"b"]), "not all UTF-8"),
    "fixed binary": (pa.array([b"\xff\xfe"] * 4, pa.binary(2)), "not all UTF-8"),
}
CUSTOMERS = {
    "canonical": {
        "external_reference": [f"A-{n}" for n in range(4)],
        "name": ["Ann", "Ben", "Cy", "Di"],
    },
    "foreign": {
        "Customer Number": [f"A-{n}" for n in range(4)],
        "Full Name": ["Ann", "Ben", "Cy", "Di"],
    },
}
MEANT = {
    "canonical": ("balance", "email", "phone", "metadata.plan", "note"),
    "foreign": (
        "Opening balance",
        "E-mail",
        "Account",
        "Cell no",
        "Score",
        "DR/CR",
        "ID Number",
        " padded ",
    ),
}


@pytest.mark.parametrize("spelling", CUSTOMERS)
def test_init_leaves_out_columns_that_cannot_be_sent_with_the_reason_under_any_name(
    tmp_path, spelling
):
    for kind, (values, why) in UNSENDABLE.items():
        path, config = tmp_path / "customers.parquet", tmp_path / "job.yaml"
        columns = {**CUSTOMERS[spelling], **dict.fromkeys(MEANT[spelling], values)}
        parquet.write_table(pa.table(columns), path)

        draft = draft_config(path, Settings(), config, force=True)

        names = [name.strip() for name in MEANT[spelling]]
        assert list(draft.unsendable) == names, kind
        assert all(f": {why}" in reason for reason in draft.unsendable.values()), kind
        assert draft.content()["cannot_be_sent"] == draft.unsendable
        assert [
            line
            for line in draft.text.splitlines()
            if line.startswith("#   ") and f": {why}" in line
        ] == [f"#   {name} ({reason})" for name, reason in draft.unsendable.items()], kind
        mapping = load_config(config).job.mapping
        assert mapping.columns == set(CUSTOMERS[spelling]), kind
        (file,) = in_order([path], layout=mapping)
        assert sum(batch.records.height for batch in file.batches()) == 4


def test_a_reference_that_cannot_be_sent_is_not_rewritten(tmp_path):
    path = tmp_path / "customers.parquet"
    for name in ("external_reference", "Customer Number"):
        parquet.write_table(pa.table({name: pa.array([1.0, 2.0]), "name": ["Ann", "Ben"]}), path)

        draft = draft_config(path, Settings(), None)

        assert {one.field: one.sure for one in draft.guesses.fields}["external_reference"] == "open"
        assert list(draft.unsendable) == [name]


def test_init_lists_the_columns_it_leaves_out_and_plan_takes_the_config(inside):
    columns = {
        **CUSTOMERS["canonical"],
        "balance": pa.array([1.5] * 4),
        "photo": pa.array([b"\xff"] * 4),
    }
    parquet.write_table(pa.table(columns), inside.folder / "c.parquet")

    shown = inside("init", "c.parquet", "--output", "job.yaml")
    planned = inside(
        "plan",
        "c.parquet",
        "--config",
        "job.yaml",
        "--sandbox",
        "--accept",
        "DOUBT.COLUMNS_NOT_KEPT",
    )

    assert "double: the text of a float is not exact" in " ".join(shown.stdout.split())
    assert "binary: not all UTF-8" in " ".join(shown.stdout.split())
    assert (planned.returncode, inside.summary()["actions"]["create"]) == (0, 4), planned.stderr


def test_text_and_workbooks_have_no_column_that_cannot_be_sent(tmp_path):
    (tmp_path / "c.csv").write_text("external_reference,balance\nA-1,1.5\n")
    (file,) = in_order([tmp_path / "c.csv"])
    assert (next(file.batches()).records.height, file.unsendable) == (1, {})
