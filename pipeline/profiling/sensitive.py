"""Columns that billing must never get: bank accounts, cards, credentials, identity and tax numbers.

By their names in eight languages, and by check digits in their cells.
"""

import re
from collections.abc import Mapping

from pipeline.profiling import Column
from pipeline.profiling.names import is_account, spellings, words_of

_NUMBER = r" ?(?:number|numbers|no|nr|num|nbr|nommer|nummer|code|id)?\b"
#: What a column holds -> the names that say so, as words without case and marks.
_NAMES = {
    "a bank account": re.compile(
        r"\bbank|\bbanc(?:o|a|os|as|aire|aires|aria|ario|arie|ari)?\b|\bbanque|\biban|\bbic\b|\bswift\b|\bsort ?code"
        rf"|\bbranch ?(?:code|no|nr|number)\b|\brouting\b|\b(?:aba|bsb|ifsc|clabe|cbu|rib|blz){_NUMBER}|\btak ?kode"
        r"|\bcode guichet|\bagencia\b|\bcont[ao] corrente|\bcuenta corriente|\bcompte courant|\bgirokonto|\bsepa\b"
    ),
    "a card": re.compile(
        r"\b(?:credit|debit) ?card|\bcard(?:s|no|nr|number|holder)?\b|\bcvv2?\b|\bcvc2?\b|\bpan\b|\bcc ?(?:number|no|nr|num)\b"
        r"|^(?:card )?exp(?:iry|iration|ires)?(?: ?(?:date|month|year))?$|\bkaart|\bkredietkaart|\bkarte|\bkredit ?karte"
        r"|\bcarte\b(?! d identite)|\btarjeta|\bcartao|\bcarta (?:di )?(?:credito|debito)|\bnumero (?:della )?carta"
    ),
    "a credential": re.compile(
        r"\bpass ?(?:word|wd|code|phrase|wort)|\bpwd\b|\bpin\b|\bpincode|\btoken|\bsecret|\bapi ?key|\bprivate ?key"
        r"|\baccess ?key|\botp\b|\bcredential|\bwagwoord|\bwachtwoord|\bkennwort|\bgeheim|\bmot de passe|\bcontrasena"
        r"|^clave(?: secreta)?$|\bsenha|\bparola (?:chiave|d ordine)|\bpassword"
    ),
    "an identity number": re.compile(
        r"\bidentit|\bidentidad|\bidentification ?(?:number|no|nr)|^(?:sa|rsa|national|government|govt|citizen)? ?id ?(?:number|no|nr|num|nommer|nummer|card|doc|document)\b"
        r"|\b(?:sa|rsa|national|government) ?id\b|\bsa ?id ?(?:number|no)|\bid ?(?:number|no|nommer|nummer)$|\bpassport|\bpaspoort|\breisepass|\bpasseport"
        r"|\bpasaporte|\bpassaport|\bssn\b|\bsocial ?security|\bnational ?insurance|\bnino\b|\bdrivers?(?: s)? ?licen[cs]e|\blicen[cs]e ?(?:number|no)"
        r"|\bausweis|\bpersonalausweis|\bsozialversicherung|\bsecurite sociale|\bseguridad social|\b(?:dni|nie|curp|cpf|rg|bsn|pesel|nric|aadhaar)\b"
        r"|\bcedula|\bburgerservice|\brijksregister|\bcodice ?fiscale|\bcarta d identita|\bcarte d identite|\bpersonnummer"
    ),
    "a tax number": re.compile(
        r"\b(?:tax|vat) ?(?:payer )?(?:number|no|nr|num|id|identification|ref|reference|reg|registration)\b|\btin\b|\bbelasting ?n"
        r"|\bbtw ?(?:n|id)|\bsteuer ?(?:nummer|nr|id)|\bust ?id|\bumsatzsteuer|\btva\b|\bnumero fiscal|\bidentificacion fiscal|\bnif\b|\bcif\b"
        r"|\brfc\b|\bcnpj\b|\bcontribuinte|\bpartita ?iva|\bp iva\b|\bpiva\b"
    ),
}  # fmt: skip
_LOOKS = {"card": "a card", "iban": "a bank account", "identity": "an identity number", "identity number": "an identity number"}  # fmt: skip
_MOST, _FEWEST = 0.8, 3


def sensitive_columns(columns: Mapping[str, Column]) -> dict[str, tuple[str, str]]:
    """Column -> what it holds that must not be sent, and why we think so."""
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
    """Whether a bank is named and no column is said to be the account there."""
    banks = [words_of(name) for name, (what, _) in found.items() if what == "a bank account"]
    return bool(banks) and not any(
        re.search(r"iban|acc|rekening|konto|compte|cuenta|conta|conto", words) for words in banks
    )
