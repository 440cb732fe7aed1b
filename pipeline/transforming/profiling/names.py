"""The words of column names, and the customer field they name in eight languages."""

import re
import unicodedata
from functools import lru_cache

#: Field -> names of its column: English, Afrikaans, Dutch, German, French, Spanish, Portuguese,
#: Italian. Compared without case, marks, punctuation and spaces.
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
        "name", "full name", "customer name", "client name", "display name", "account holder", "acct holder", "acc holder", "account owner", "account name", "debtor name",
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
        "balance", "bal", "opening balance", "current balance", "amount", "amount due", "amount owing", "outstanding", "outstanding balance",
        "outstanding amount", "total due", "balance due", "saldo", "openstaand saldo", "uitstaande bedrag", "balans", "betrag",
        "offener betrag", "solde", "montant", "montant dû", "monto", "importe", "saldo pendiente", "valor", "valor em dívida",
        "saldo devedor", "importo",
    ),
    "debit": ("debit", "debits", "dr", "debit amount", "debiet", "soll", "débit", "debe", "débito", "dare"),
    "credit": ("credit", "credits", "cr", "credit amount", "krediet", "haben", "crédit", "haber", "crédito", "avere"),
    "mark": ("dr cr", "drcr", "debit credit", "cr dr", "d c", "soll haben", "sign"),
    "remark": (
        "remark", "remarks", "note", "notes", "comment", "comments", "memo", "opmerking", "opmerkings", "opmerkingen", "nota",
        "notas", "bemerkung", "bemerkungen", "anmerkung", "kommentar", "remarque", "remarques", "commentaire", "commentaires",
        "comentario", "comentarios", "observaciones", "observação", "observações", "osservazioni",
    ),
    "region": ("country", "country code", "region", "land", "pays", "país", "paese"),
    "billing_id": ("billing id", "moment id"),
}  # fmt: skip
#: Words before the name of a field that only say whose it is.
_OWNERS = frozenset({
    "customer", "customers", "client", "clients", "cust", "contact", "contacts", "primary", "main", "debtor",
    "kunde", "kunden", "klant", "klient", "cliente", "debiteur",
})  # fmt: skip
#: Words after the name of an amount.
_UNITS = frozenset({"cents", "cent", "minor", "sent", "zar", "rand", "eur", "euro", "usd"})
_ACCOUNT = re.compile(
    r"\b(?:account|accounts|acc|acct|rekening|konto|compte|cuenta|conta|conto)(?: ?(?:number|no|nr|num|nommer|nummer|n))?$"
)
_HOLDER = re.compile(
    r"\b(?:account|accounts|acct|acc|bank) ?(?:holders?|owners?)\b|\brekening ?hou(?:er|ders?)\b|\bkonto ?inhaber"
    r"|\btitulaire\b|\btitular(?:es)?\b|\bintestatari[oi]\b"
)
_MANY = 1 << 16  #: cached names; a table of 16,384 columns needs each a dozen times
_OWN_REFERENCE = re.compile(r"\b(?:external|cust|client|debtor|debite|debito|kund|klant|klient)")


@lru_cache(_MANY)
def words_of(name: str) -> str:
    """The words of a name without case and marks: `Kliënt-Nommer` is `klient nommer`."""
    return _words(
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", _without_marks(name))
    )


@lru_cache(_MANY)
def spellings(name: str) -> tuple[str, ...]:
    """The words of a name, split at capitals or not: `USt-ID` is `u st id` and `ust id`."""
    found = (
        words
        for part in (name, _last(name))
        for words in (words_of(part), _words(_without_marks(part)))
    )
    return tuple(dict.fromkeys(found))


def _last(name: str) -> str:
    return re.split(r"[./:>|]|__", name)[-1]


def _without_marks(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))


def _words(text: str) -> str:
    return " ".join(part for part in re.split(r"[^a-z0-9]+", text.casefold()) if part)


def field_named(column: str) -> str | None:
    """The field of a column name, whole, after its last dot, or without the owner's word."""
    for words in _readings(column):
        if field := _KNOWN.get(words.replace(" ", "")):
            return field
    return None


def is_account(column: str) -> bool:
    """Whether a column is named only an account: of a customer, or at a bank."""
    return any(_ACCOUNT.search(words) is not None for words in _readings(column))


def is_holder(column: str) -> bool:
    """Whether a column is named the holder of an account: the customer, or a bank customer."""
    return any(_HOLDER.search(words) is not None for words in spellings(column))


def reference_rank(column: str) -> int:
    """How clearly a name means the reference: 2 by its own word, 1 as account, 0 as any id."""
    words = words_of(column)
    return 2 if _OWN_REFERENCE.search(words) else 0 if words in {"id", "ref", "reference"} else 1


def _readings(column: str) -> tuple[str, ...]:
    words = words_of(_last(column))
    owner, _, rest = words.partition(" ")
    bare, _, unit = words.rpartition(" ")
    return (
        words_of(column),
        words,
        *((rest,) if owner in _OWNERS else ()),
        *((bare,) if unit in _UNITS else ()),
    )


_KNOWN = {
    words_of(name).replace(" ", ""): field for field, names in NAMES.items() for name in names
}
