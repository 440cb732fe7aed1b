"""Find columns that billing must never get: bank, card, credential, identity and tax data.

By their names in eight languages, and by check digits in their cells.
"""

import re
from collections.abc import Iterable, Mapping

from pipeline.transforming.profiling import Column
from pipeline.transforming.profiling.names import is_account, spellings, words_of

#: Content of a column -> its names in eight languages, without case and marks. A name ends with its
#: phrase, unless the phrase ends with *; with = before it the phrase is the whole name; # is a word
#: for a number.
_PHRASES = {
    "a bank account": (
        "bank*", "iban*", "bic", "swift", "sort code", "branch no", "branch number", "branch code", "universal branch code", "routing", "aba", "bsb",
        "ifsc", "clabe", "cbu", "rib", "blz", "nib", "=abi", "=cab", "ccc", "sepa", "debit order acc*", "beneficiary acc*", "tak kode",
        "banque*", "bancaire*", "code guichet", "compte courant", "banco*", "bancari*", "banca", "cuenta corriente", "agencia",
        "conta corrente", "conto corrente", "girokonto", "kreditinstitut", "kontoverbindung", "bvn",
    ),
    "a direct debit mandate": (
        "mandate", "mandates", "mandate #",
        "mandate ref*", "direct debit #", "direct debit ref*", "debit order #", "debit order ref*", "=umr", "=rum", "creditor id*", "mandaat*",
        "machtiging*", "incassomachtiging*", "debietorder*", "mandat", "mandats*", "lastschrift*", "einzugsermachtigung*", "glaubiger id*",
        "prelevement*", "mandato", "domiciliaci*", "domiciliaca*", "debito directo", "debito direto", "addebito diretto",
    ),
    "a card": (
        "credit card*", "debit card*", "card", "cards", "card #", "card holder*", "cc #", "cvv", "cvv2", "cvc", "cvc2", "pan", "security code",
        "valid thru", "=exp", "=expiry", "=expires", "=expiration", "=exp date", "=expiry date", "=expiration date", "=exp month", "=exp year",
        "=expiry month", "=expiry year", "kaart*", "kredietkaart*", "karte*", "kredit karte*", "carte", "numero cb", "cryptogramme",
        "=date d expiration", "tarjeta*", "fecha de caducidad", "cartao*", "carta di credito", "carta credito", "carta di debito",
        "numero carta", "numero della carta", "scadenza carta",
    ),
    "a credential": (
        "password*", "passwd", "passcode", "pass code", "passphrase", "pass hash", "=pass", "passwort*", "pwd", "pin", "pin code", "pincode",
        "token*", "secret", "secrets", "secret key", "api key*", "private key*", "access key*", "otp", "credential*", "wagwoord*",
        "wachtwoord*", "kennwort*", "geheim*", "zugangscode", "mot de passe*", "contrasena*", "=clave", "=clave secreta", "senha*",
        "parola chiave", "parola d ordine", "puk", "security question*", "security answer*", "answer to security*", "challenge question*",
        "challenge answer*", "recovery question*", "recovery answer*", "recovery code*", "recovery key*", "recovery phrase*", "seed phrase*",
        "backup code*", "memorable*", "=hint", "login hint*", "mother s maiden*", "mothers maiden*", "maiden name", "sekuriteitsvraag*",
        "sekuriteitsantwoord*", "veiligheidsvraag*", "beveiligingsvraag*", "beveiligingsantwoord*", "sicherheitsfrage*", "sicherheitsantwort*",
        "einmalpasswort*", "pass wort*", "indice mot de passe", "question de securite", "question secrete", "reponse de securite",
        "reponse secrete", "code secret", "pregunta de seguridad", "pregunta secreta", "respuesta de seguridad", "respuesta secreta",
        "pergunta de seguranca", "pergunta secreta", "resposta de seguranca", "resposta secreta", "domanda di sicurezza", "domanda segreta",
        "risposta di sicurezza", "risposta segreta", "codice segreto",
    ),
    "an identity number": (
        "identity*", "identit*", "identidad*", "identification #", "=identification", "numero de identificacion",
        "=id card", "=id doc*", "=id type", "=id passport", "id #", "sa id", "rsa id", "national id*", "government id", "sa id #", "passport*",
        "paspoort*", "reisepass*", "passeport*", "pasaporte*", "passaport*", "ssn", "=sin", "social security*", "national insurance*", "nino",
        "ni #", "driver license*", "drivers license*", "driver s license*", "driver licence*", "drivers licence*", "driver s licence*", "dl #",
        "license #", "licence #", "rijbewijs*", "fuhrerschein*", "permis de conduire", "permiso de conducir", "=patente di guida",
        "carta de conducao", "ausweis*", "personalausweis*", "sozialversicherung*", "sv #", "securite sociale", "seguridad social", "niss",
        "nir", "cni", "dni", "nie", "curp", "cpf", "rg", "rut", "bsn", "pesel", "nric", "aadhaar", "aadhar", "cedula", "burgerservice*",
        "nic", "nic #", "cnic", "nin", "nin #", "=nid", "nik", "nik #", "ktp", "hkid", "mykad", "emirates id", "ghana card", "omang", "=cin", "cin #",
        "amka", "cnp", "egn", "jmbg", "oib", "emso", "cpr", "cpr #", "isikukood", "rodne cislo", "teudat zehut", "personal id*",
        "fodselsnummer", "kennitala", "ppsn", "pps #", "ahv*", "numero avs", "avs #", "tckn", "tc kimlik*", "kimlik*", "voter id*", "voter #",
        "residence permit*", "birth certificate*", "=dui", "=nss", "nhs #", "medicare #", "aadhaar #", "rut #", "nric #", "insurance id*",
        "national insurance*", "citizen id*", "citizen #", "civil id*", "verblijfsvergunning*", "geboortesertifikaat*", "id kaart*",
        "rijksregister*", "codice fiscale", "=cf", "carta d identita", "carte d identite", "personnummer", "documento de identi*",
    ),
    "a tax number": (
        "tax #", "tax payer #", "tax reference", "tax ref", "tax identification*", "vat #", "vat reg", "vat reg #", "vat registration*", "tin", "ein",
        "abn", "gstin", "belasting #", "btw #", "steuer #", "steueridentifikation*", "ust id*", "umsatzsteuer id*", "numero de tva", "n tva",
        "tva intracommunautaire", "numero fiscal", "identificacion fiscal", "nif", "cif", "rfc", "cuit", "cuil", "cnpj", "contribuinte",
        "partita iva", "p iva", "=utr", "itin", "=inn", "ruc", "=nit", "=nip", "npwp", "afm", "gst #", "gst reg*", "=st nr", "=stnr",
    ),
}  # fmt: skip
_NUMBER = "(?:numbers?|no|nrs?|num|nbr|nommer|nummer|n|id)"


def _pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """A regular expression for the words of a name; words of a phrase may be joined."""
    return re.compile("|".join(map(_expression, phrases)))


def _expression(phrase: str) -> str:
    words = phrase.strip("=*").replace(" ", " ?").replace("#", _NUMBER)
    if phrase.startswith("="):
        return f"^{words}{'.*' if phrase.endswith('*') else ''}$"
    return rf"\b{words}" if phrase.endswith("*") else rf"\b{words}\b"


_NAMES = {what: _pattern(phrases) for what, phrases in _PHRASES.items()}
_LOOKS = {"card": "a card", "iban": "a bank account", "identity": "an identity number", "identity number": "an identity number"}  # fmt: skip
_MOST, _FEWEST = 0.8, 3


def sensitive_columns(columns: Mapping[str, Column]) -> dict[str, tuple[str, str]]:
    """Column -> its sensitive content, and why we think so."""
    found = {name: (what, "its name says so") for name in columns if (what := _named(name))}
    for name, column in columns.items():
        if name not in found and (seen := _seen(column)):
            found[name] = seen
    if _has_unnamed_bank_account(found):
        accounts = (name for name in columns if name not in found and is_account(name))
        found |= dict.fromkeys(accounts, ("a bank account", "other columns name its bank"))
    return found


def _named(name: str) -> str | None:
    words = spellings(name)
    return next((what for what, pattern in _NAMES.items() if any(map(pattern.search, words))), None)


def _seen(column: Column) -> tuple[str, str] | None:
    """By check digits, which one number in ten passes by chance."""
    if column.present < _FEWEST:
        return None
    look = max(_LOOKS, key=column.share)
    share = column.share(look)
    return (_LOOKS[look], f"{share:.0%} of its texts look like one") if share >= _MOST else None


def _has_unnamed_bank_account(found: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a column names a bank but no column is the account there."""
    banks = [words_of(name) for name, (what, _) in found.items() if what == "a bank account"]
    return bool(banks) and not any(
        re.search(r"iban|acc|rekening|konto|compte|cuenta|conta|conto", words) for words in banks
    )
