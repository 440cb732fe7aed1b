"""What the columns of a file probably mean: from their names in several languages, and from what stands in them.

Guesses are for a person to read before anything is planned with them: each says how sure it is and why. What decides about
money and is written nowhere (unit, currency) is not guessed but left to be said.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.customer import METADATA_KEY_LENGTH, METADATA_KEYS, METADATA_PREFIX
from pipeline.layout import canonical_layout
from pipeline.profiling import Column, Profile

Sureness = Literal["sure", "likely", "a guess", "to be said"]

#: Field -> what its column is called: English, Afrikaans, Dutch, German, French, Spanish, Portuguese, Italian. Words are
#: compared without case, marks, punctuation and spaces.
NAMES: dict[str, tuple[str, ...]] = {
    "external_reference": (
        "external reference", "external id", "account number", "account no", "acc no", "account", "acc number", "customer number",
        "customer no", "customer id", "customer code", "client number", "client no", "client id", "client code", "debtor number",
        "debtor code", "debtor no", "reference", "reference number", "ref", "ref no", "contract number", "policy number", "id",
        "rekeningnommer", "rekening nr", "kliëntnommer", "klantnummer", "klantcode", "debiteurnummer", "rekeningnummer",
        "kundennummer", "kunden nr", "kundennr", "debitorennummer", "debitor", "konto", "kontonummer", "numéro client",
        "no client", "code client", "numéro de compte", "référence", "número de cliente", "código de cliente", "código cliente",
        "número de cuenta", "referencia", "número do cliente", "código do cliente", "codice cliente", "numero cliente", "riferimento",
    ),
    "name": (
        "name", "full name", "customer name", "client name", "display name", "account holder", "account name", "debtor name",
        "contact name", "company", "company name", "organisation", "naam", "volledige naam", "klantnaam", "bedrijfsnaam",
        "kundenname", "firma", "firmenname", "nom complet", "nom du client", "raison sociale", "société", "nombre completo",
        "razón social", "nombre del cliente", "nome completo", "razão social", "nome do cliente", "ragione sociale", "nominativo",
    ),
    "first name": (
        "first name", "firstname", "first names", "given name", "forename", "voornaam", "voorname", "vorname", "prénom", "nombre",
        "nombres", "nome", "primeiro nome",
    ),
    "last name": (
        "last name", "lastname", "surname", "family name", "van", "achternaam", "familienaam", "nachname", "familienname", "nom",
        "nom de famille", "apellido", "apellidos", "apelido", "sobrenome", "cognome",
    ),
    "email": (
        "email", "e mail", "email address", "mail", "contact email", "epos", "e pos", "eposadres", "e mailadres", "email adresse",
        "e mail adresse", "courriel", "adresse e mail", "adresse mail", "correo", "correo electrónico", "endereço de email", "posta elettronica",
    ),
    "phone": (
        "phone", "phone number", "phone no", "mobile", "mobile number", "mobile phone", "mobile phone number", "cell", "cell no",
        "cell number", "cellphone", "cellphone number", "telephone", "telephone number", "tel", "tel no", "telno", "msisdn",
        "contact number", "selfoon", "selfoonnommer", "telefoon", "telefoonnummer", "mobiel", "telefon", "telefonnummer", "handy",
        "handynummer", "mobil", "mobiltelefon", "téléphone", "portable", "numéro de téléphone", "teléfono", "celular", "móvil",
        "telefone", "telemóvel", "telefono", "cellulare",
    ),
    "currency": (
        "currency", "currency code", "ccy", "cur", "curr", "geldeenheid", "valuta", "währung", "waehrung", "devise", "monnaie", "moneda",
        "divisa", "moeda",
    ),
    "balance": (
        "balance", "opening balance", "current balance", "amount", "amount due", "amount owing", "outstanding", "outstanding balance",
        "outstanding amount", "total due", "balance due", "saldo", "openstaand saldo", "uitstaande bedrag", "balans", "betrag",
        "offener betrag", "solde", "montant", "montant dû", "monto", "importe", "saldo pendiente", "valor", "valor em dívida",
        "saldo devedor", "importo",
    ),
    "debit": ("debit", "debits", "dr", "debit amount", "debiet", "soll", "débit", "debe", "débito", "dare"),
    "credit": ("credit", "credits", "cr", "credit amount", "krediet", "haben", "crédit", "haber", "crédito", "avere"),
    "mark": ("dr cr", "drcr", "debit credit", "cr dr", "d c", "soll haben", "sign"),
    "region": ("country", "country code", "region", "land", "pays", "país", "paese"),
    "billing_id": ("billing id", "moment id"),
    "identity": (
        "id number", "identity number", "id no", "national id", "identification number", "sa id", "sa id number",
        "sa identification number", "passport", "passport number", "passport no", "identiteitsnommer", "id nommer", "paspoort",
        "paspoortnummer", "personalausweis", "reisepass", "numéro de passeport", "dni", "pasaporte", "cpf", "passaporte",
        "codice fiscale", "passaporto",
    ),
}  # fmt: skip
_FIELD_ORDER = ("external_reference", "name", "email", "phone", "currency", "region", "billing_id", "balance")
#: What stands in a column of the field, and the share of its texts that must look so.
_LOOKS = {
    "email": ("email",),
    "phone": ("phone", "international phone"),
    "currency": ("currency",),
    "identity": ("identity number",),
}
_MOST = 0.8
_FEWEST = 3
#: The merchants' daily file, as the vendor describes it: rand, in major units.
_VENDORS_FILE = frozenset({"account_number", "first_name", "last_name", "mobile_phone_number", "amount_due"})


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of a mapping: what is declared, how sure we are, and why."""

    field: str
    value: Any  #: as the config writes it; None where a person has to say it
    sure: Sureness
    why: str


@dataclass(frozen=True, slots=True)
class Guesses:
    """A mapping as far as it can be guessed."""

    fields: list[Guess]
    metadata: list[Guess]
    never_sent: list[Guess]
    absent: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  #: columns that are mapped to nothing

    @property
    def to_be_said(self) -> int:
        """How many things only a person can know."""
        return sum(1 for guess in self.fields if guess.sure == "to be said")


def guess(profile: Profile) -> Guesses:
    """What the columns of a profiled file probably mean."""
    columns = profile.columns
    if "external_reference" in columns:
        return _canonical(columns)
    meant = _meanings(profile)
    fields = [made for name in _FIELD_ORDER for made in _field(name, meant, profile)]
    never_sent = [
        Guess("never_sent", column, sure, why) for column, (name, sure, why) in meant.items() if name == "identity"
    ]
    spare = [column for column in columns if column not in meant and columns[column].filled]
    keys: dict[str, str] = {}
    for column in spare:
        if not _is_free_text(columns[column]) and len(keys) < METADATA_KEYS:
            keys.setdefault(_key(column), column)
    metadata = [
        Guess(key, column, "a guess", f"means nothing else to us; {columns[column].filled} of {profile.records} filled")
        for key, column in keys.items()
    ]
    taken = {guess.value for guess in metadata}
    return Guesses(
        fields,
        metadata,
        never_sent,
        _absent(profile),
        [name for name in columns if name not in meant and name not in taken],
    )


def _canonical(columns: Mapping[str, Column]) -> Guesses:
    layout, why = canonical_layout(columns), "the file writes our own names"
    texts = [(field, text) for field, text in layout.texts() if not field.startswith(METADATA_PREFIX)]
    fields = [Guess(field, text.column, "sure", why) for field, text in texts]
    if layout.balance is not None:
        amount = {"column": layout.balance.column, "unit": layout.balance.unit.value}
        fields.append(Guess("balance", amount, "sure", f"{why}, whose balances are minor units"))
    metadata = [Guess(key, text.column, "sure", why) for key, text in layout.metadata.items()]
    return Guesses(fields, metadata, [], [], [name for name in columns if name not in layout.columns])


def _meanings(profile: Profile) -> dict[str, tuple[str, Sureness, str]]:
    """Column -> the field that it probably is, how sure, and why: by its name first, then by what stands in it."""
    known = {_plain(word): name for name, words in NAMES.items() for word in words}
    found: dict[str, tuple[str, Sureness, str]] = {}
    for column in profile.columns:
        name = known.get(_plain(column))
        if name is None or (name in {one for one, _, _ in found.values()} and name != "identity"):
            continue
        fits = _fits(name, profile.columns[column])
        also = {True: ", and so does what stands there", False: ", what stands there does not", None: ""}[fits]
        if name == "currency" and fits is False:
            also += ": say what each text stands for, as in {column: …, values: {R: ZAR}}"
        found[column] = (name, "likely" if fits is False else "sure", f"its name says so{also}")
    for name in ("email", "phone", "currency", "identity"):
        if name in {one for one, _, _ in found.values()} and name != "identity":
            continue
        for one in (profile.columns[spare] for spare in profile.columns if spare not in found):
            if one.filled and _fits(name, one) and not (name == "phone" and _fits("identity", one)):
                share = max(one.share(look) for look in _LOOKS[name])
                found[one.name] = (name, "likely", f"{share:.0%} of its texts look like one")
                if name != "identity":
                    break
    if not any(name == "external_reference" for name, _, _ in found.values()):
        _guess_reference(profile, found)
    return found


def _guess_reference(profile: Profile, found: dict[str, tuple[str, Sureness, str]]) -> None:
    """The first column that is full, holds what a reference may be, and repeats nothing."""
    for column in profile.columns.values():
        is_whole = column.filled == profile.records and column.repeated == 0 and column.share("reference") == 1.0
        if column.name not in found and column.filled and is_whole:
            found[column.name] = ("external_reference", "a guess", "every record has one, and none twice")
            return


def _fits(name: str, column: Column) -> bool | None:
    """Whether what stands in a column is what the field holds; None where that cannot be told."""
    if name not in _LOOKS or not column.filled:
        return None
    return max(column.share(look) for look in _LOOKS[name]) >= _MOST


def _field(name: str, meant: Mapping[str, tuple[str, Sureness, str]], profile: Profile) -> Iterator[Guess]:
    columns = {field: column for column, (field, _, _) in meant.items()}
    if name == "balance":
        yield from _balance(columns, profile)
    elif name == "name" and "name" not in columns and ("first name" in columns or "last name" in columns):
        parts = [columns[part] for part in ("first name", "last name") if part in columns]
        value = {"columns": parts} if len(parts) > 1 else parts[0]
        yield Guess("name", value, "sure" if len(parts) > 1 else "likely", "their names say so; joined by a space")
    elif name in columns:
        _, sure, why = meant[columns[name]]
        yield Guess(name, columns[name], sure, f"{why}; {_filled(profile.columns[columns[name]], profile)}")
    elif name == "external_reference":
        yield Guess(name, None, "to be said", "which column names a customer, the same for ever?")
    elif name == "currency" and {"balance", "debit"} & set(columns):
        yield _currency(profile)


def _currency(profile: Profile) -> Guess:
    if set(profile.columns) >= _VENDORS_FILE:
        return Guess("currency", {"value": "ZAR"}, "sure", "the vendor's daily file, which is in rand")
    return Guess("currency", None, "to be said", "no column says it; write {value: ZAR} if all balances are rand")


def _balance(columns: Mapping[str, str], profile: Profile) -> Iterator[Guess]:
    if "debit" in columns and "credit" in columns:
        sides = [profile.columns[columns["debit"]], profile.columns[columns["credit"]]]
        value: dict[str, Any] = {"debit": columns["debit"], "credit": columns["credit"]}
    elif "balance" in columns:
        sides = [profile.columns[columns["balance"]]]
        value = {"column": columns["balance"]}
    else:
        return
    looks = {look: sum(side.looks[look] for side in sides) for look in ("decimal point", "decimal comma", "thousands by comma", "thousands by point", "thousands by space", "parentheses", "trailing minus", "mark of debit or credit")}  # fmt: skip
    why = ["the names say so" if len(sides) > 1 else "its name says so"]
    comma = looks["decimal comma"] > looks["decimal point"]
    if comma:
        value["decimal_mark"] = ","
        why.append(f"{looks['decimal comma']} amounts have a decimal comma")
    thousands = {"thousands by comma": ",", "thousands by point": ".", "thousands by space": " "}
    for look, mark in thousands.items():
        if (
            looks[look]
            and (mark == ",") != comma
            and looks[look] > looks["decimal comma" if mark == "," else "decimal point"] * (mark != " ")
        ):
            value["thousands"] = mark
            why.append(f"{looks[look]} have groups of three")
            break
    # A stray one or two are for the reasons beside the rows; a habit is for the config.
    habit = max(_FEWEST, sum(side.filled for side in sides) // 50)
    for look, key in (("parentheses", "parentheses"), ("trailing minus", "trailing_minus")):
        if looks[look] >= habit and "column" in value:
            value[key] = True
            why.append(f"{looks[look]} amounts are written with {look}")
    if looks["mark of debit or credit"] >= habit and "column" in value:
        value = {name: said for name, said in value.items() if name not in {"parentheses", "trailing_minus"}}
        value["marks"] = {"debit": ["DR", ""], "credit": ["CR"]}
        why.append(f"{looks['mark of debit or credit']} amounts end with CR or DR")
    yield _with_unit(value, sides, looks, why, profile)


def _with_unit(
    value: dict[str, Any], sides: Sequence[Column], looks: Mapping[str, int], why: list[str], profile: Profile
) -> Guess:
    words = " ".join(_plain(side.name, " ") for side in sides).split()
    if looks["decimal point"] + looks["decimal comma"]:
        return Guess("balance", {**value, "unit": "major"}, "likely", "; ".join([*why, "decimals, so major units"]))
    if {"cents", "cent", "minor", "sent"} & set(words):
        return Guess("balance", {**value, "unit": "minor"}, "likely", "; ".join([*why, "and they are cents"]))
    if set(profile.columns) >= _VENDORS_FILE:
        return Guess("balance", {**value, "unit": "major"}, "sure", "the vendor's daily file, which is in rand")
    return Guess(
        "balance",
        {**value, "unit": None},
        "to be said",
        "; ".join([*why, "no amount has decimals: major or minor units?"]),
    )


def _absent(profile: Profile) -> list[str]:
    """Texts that mean nothing in many a file, where they stand in this one."""
    shapes = {shape for column in profile.columns.values() for shape in column.shapes}
    return [
        text for text, shape in (("-", "-"), ("NULL", "XXXX"), ("N/A", "X/X")) if shape in shapes and text != "NULL"
    ]


def _is_free_text(column: Column) -> bool:
    """Whether its texts are remarks: many shapes, seldom filled."""
    return len(column.shapes) > max(20, column.filled // 3)


def _filled(column: Column, profile: Profile) -> str:
    twice = f", {column.repeated} of them more than once" if column.repeated else ""
    return f"{column.filled} of {profile.records} filled{twice}"


def _key(column: str) -> str:
    return (_plain(column, "_") or "column")[:METADATA_KEY_LENGTH]


def _plain(name: str, between: str = "") -> str:
    """A name without case, marks and punctuation: `Kliënt-Nommer` is `klientnommer`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    bare = "".join(c for c in unicodedata.normalize("NFKD", parted.casefold()) if not unicodedata.combining(c))
    return between.join(part for part in re.split(r"[^a-z0-9]+", bare) if part)
