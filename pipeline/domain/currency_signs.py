"""The customary signs of each currency beside amounts.

We collected them from the CLDR charts and everyday invoices. A sign may belong to several
currencies (`$`, `kr`, `Rs`). Single letters that also mean thousands or millions (K, M, T, B) are
left out; a config that needs one declares it.
"""

from functools import cache

from pipeline.domain.currency import with_minor_unit

#: Signs of many currencies.
_SHARED = {
    "$": "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU XCD",
    "£": "EGP FKP GBP GIP LBP SDG SHP SSP SYP",
    "kr": "DKK ISK NOK SEK", "kr.": "DKK ISK NOK SEK", "Kr": "DKK ISK NOK SEK",
    "Rs": "INR LKR MUR NPR PKR SCR", "Rs.": "INR LKR MUR NPR PKR SCR",
}  # fmt: skip
#: Signs of one currency, with a space between them.
_OWN = {
    "AED": "Dh DH Dhs د.إ", "AFN": "؋ Af", "AMD": "֏", "AOA": "Kz", "ARS": "AR$", "AUD": "A$ AU$", "AZN": "₼",
    "BAM": "KM", "BBD": "Bds$ BBD$", "BDT": "৳ Tk Tk.", "BHD": "BD د.ب", "BIF": "FBu FBU", "BMD": "BD$", "BND": "B$",
    "BOB": "Bs Bs.", "BRL": "R$", "BSD": "B$", "BWP": "P", "BYN": "Br р.", "BZD": "BZ$", "CAD": "C$ CA$ CAN$",  # noqa: RUF001 - Cyrillic, as Belarus and Russia write it
    "CDF": "FC", "CHF": "Fr Fr. SFr SFr. sFr. fr.", "CLF": "UF", "CLP": "CL$", "CNY": "¥ ￥ CN¥ 元 RMB", "COP": "COL$ CO$",
    "CRC": "₡", "CUP": "CU$", "CZK": "Kč kč", "DJF": "Fdj", "DKK": "DKr Dkr", "DOP": "RD$", "DZD": "DA د.ج",
    "EGP": "E£ LE L.E. ج.م.", "ERN": "Nfk", "ETB": "Br", "EUR": "€ Euro EURO euro", "FJD": "FJ$", "GEL": "₾ ლ", "GHS": "GH₵ ₵ GH¢",
    "GMD": "D", "GNF": "FG", "GTQ": "Q", "GYD": "GY$ G$", "HKD": "HK$", "HNL": "L", "HUF": "Ft", "IDR": "Rp Rp.",
    "ILS": "₪ NIS", "INR": "₹", "IQD": "ID د.ع", "IRR": "﷼", "ISK": "Íkr", "JMD": "J$ JA$", "JOD": "JD د.أ", "JPY": "¥ ￥ JP¥ 円",
    "KES": "KSh KSh. KShs Ksh Ksh. Kshs Kshs. KSH KSHS", "KGS": "сом", "KHR": "៛", "KMF": "CF", "KRW": "₩ ￦ 원", "KWD": "KD K.D. د.ك",
    "KYD": "CI$", "KZT": "₸", "LAK": "₭", "LBP": "L£ LL ل.ل", "LKR": "රු SLRs", "LRD": "L$", "LYD": "LD د.ل", "MAD": "DH Dh Dhs د.م.",
    "MDL": "lei L", "MGA": "Ar", "MKD": "den ден", "MNT": "₮", "MOP": "MOP$", "MRU": "UM", "MUR": "₨", "MVR": "Rf", "MWK": "MK",
    "MXN": "MX$ Mex$", "MYR": "RM", "MZN": "MT MTn", "NAD": "N$", "NGN": "₦", "NIO": "C$", "NOK": "NKr Nkr", "NPR": "रू", "NZD": "NZ$",
    "OMR": "RO ر.ع.", "PAB": "B/.", "PEN": "S/ S/.", "PHP": "₱ Php PhP P", "PKR": "₨", "PLN": "zł zl Zł ZŁ", "PYG": "₲ Gs Gs.",
    "QAR": "QR ر.ق", "RON": "lei Lei LEI leu", "RSD": "din. дин.", "RUB": "₽ руб руб. р.", "RWF": "FRw Frw RF", "SAR": "SR ر.س ﷼",  # noqa: RUF001 - Cyrillic, as Belarus and Russia write it
    "SBD": "SI$", "SCR": "SR ₨", "SEK": "SKr Skr", "SGD": "S$", "SLE": "Le", "SOS": "Sh.So.", "SRD": "Sr$", "STN": "Db", "SZL": "E",
    "THB": "฿ บาท", "TND": "DT د.ت", "TOP": "T$", "TRY": "₺ TL", "TTD": "TT$", "TWD": "NT$", "TZS": "TSh TShs Tsh Tshs TSH TSHS",
    "UAH": "₴ грн грн.", "UGX": "USh UShs Ush Ushs USH USHS", "USD": "US$ U$S U.S.$", "UYU": "$U UY$", "VES": "Bs Bs. Bs.S",
    "VND": "₫ đ VNĐ", "VUV": "VT Vt", "WST": "WS$", "XAF": "FCFA CFA", "XCD": "EC$", "XOF": "FCFA CFA", "XPF": "FCFP CFP",
    "YER": "﷼", "ZAR": "R", "ZMW": "ZK", "ZWG": "ZiG",
}  # fmt: skip


@cache
def customary_signs() -> dict[str, frozenset[str]]:
    """Active currency -> its signs, including its ISO 4217 code in upper and lower case."""
    found = {code: {code, code.lower(), *_OWN.get(code, "").split()} for code in with_minor_unit()}
    for sign, codes in _SHARED.items():
        for code in codes.split():
            found[code].add(sign)
    return {code: frozenset(signs) for code, signs in found.items()}


@cache
def currencies_of(sign: str) -> frozenset[str]:
    """The currencies with this customary sign; empty for any other word."""
    return frozenset(code for code, signs in customary_signs().items() if sign in signs)
