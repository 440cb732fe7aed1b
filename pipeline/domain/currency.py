"""ISO 4217: active codes, their decimals, and the successors of withdrawn codes."""

from functools import cache

#: Withdrawn code -> (its successor, the first day of the successor in cash).
#: The `iso4217` package lists active codes only, so this list is ours.
WITHDRAWN: dict[str, tuple[str, str]] = {
    "ANG": ("XCG", "2025-03-31"),
    "ATS": ("EUR", "2002-01-01"),
    "AZM": ("AZN", "2006-01-01"),
    "BEF": ("EUR", "2002-01-01"),
    "BGN": ("EUR", "2026-01-01"),
    "BYR": ("BYN", "2016-07-01"),
    "CUC": ("CUP", "2021-01-01"),
    "CYP": ("EUR", "2008-01-01"),
    "DEM": ("EUR", "2002-01-01"),
    "EEK": ("EUR", "2011-01-01"),
    "ESP": ("EUR", "2002-01-01"),
    "FIM": ("EUR", "2002-01-01"),
    "FRF": ("EUR", "2002-01-01"),
    "GHC": ("GHS", "2007-07-01"),
    "GRD": ("EUR", "2002-01-01"),
    "HRK": ("EUR", "2023-01-01"),
    "IEP": ("EUR", "2002-01-01"),
    "ITL": ("EUR", "2002-01-01"),
    "LTL": ("EUR", "2015-01-01"),
    "LUF": ("EUR", "2002-01-01"),
    "LVL": ("EUR", "2014-01-01"),
    "MRO": ("MRU", "2018-01-01"),
    "MTL": ("EUR", "2008-01-01"),
    "MZM": ("MZN", "2006-07-01"),
    "NLG": ("EUR", "2002-01-01"),
    "PTE": ("EUR", "2002-01-01"),
    "ROL": ("RON", "2005-07-01"),
    "SDD": ("SDG", "2007-01-10"),
    "SIT": ("EUR", "2007-01-01"),
    "SKK": ("EUR", "2009-01-01"),
    "SLL": ("SLE", "2022-07-01"),
    "STD": ("STN", "2018-01-01"),
    "TMM": ("TMT", "2009-01-01"),
    "TRL": ("TRY", "2005-01-01"),
    "VEB": ("VEF", "2008-01-01"),
    "VEF": ("VES", "2018-08-20"),
    "ZMK": ("ZMW", "2013-01-01"),
    "ZWD": ("ZWL", "2009-02-02"),
    "ZWL": ("ZWG", "2024-04-08"),
}


@cache
def exponents() -> dict[str, int | None]:
    """Active alphabetic code -> decimals of its minor unit; None if it has none (XAU, XXX)."""
    from iso4217 import Currency  # takes 60 ms, and only two stages need it

    return {
        currency.code: currency.exponent for currency in Currency if currency.code not in WITHDRAWN
    }


@cache
def with_minor_unit() -> frozenset[str]:
    """Active codes that can have a balance."""
    return frozenset(code for code, exponent in exponents().items() if exponent is not None)


@cache
def without_minor_unit() -> frozenset[str]:
    """Active codes without a minor unit: metals, funds, test codes."""
    return frozenset(code for code, exponent in exponents().items() if exponent is None)


#: Keys of sums without a valid code, so that a name in the wrong column does not reach a report.
NO_CURRENCY, NO_CODE = "-", "?"


@cache
def known() -> frozenset[str]:
    """Every active or withdrawn code; any other text in a currency column may be personal."""
    return frozenset(exponents()) | frozenset(WITHDRAWN)


def major_units(minor_units: int, code: str) -> str:
    """Minor units as an exact amount: 24000 ZAR -> 240.00; unchanged without an exponent."""
    decimals = exponents().get(code) or 0
    sign, digits = ("-" if minor_units < 0 else ""), str(abs(minor_units)).rjust(decimals + 1, "0")
    grouped = grouped_digits(int(digits[: len(digits) - decimals]))
    return f"{sign}{grouped}.{digits[-decimals:]}" if decimals else f"{sign}{grouped}"


def grouped_digits(number: int) -> str:
    """A count for terminals and pages: 1,120."""
    return f"{number:,}"
