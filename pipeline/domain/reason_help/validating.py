"""Help for reasons of rules that a field of a record breaks."""

from pipeline.domain.reason_help.explanation import Explanation, Help
from pipeline.domain.reasons import Reason

_REFERENCE = {"external_reference": "A-1"}
VALIDATING: Help = {
    Reason.VALIDATE_REFERENCE_MISSING: Explanation(
        "Add the reference of the customer in your own system.",
        cells={"external_reference": "", "name": "Thandi Nkosi"},
    ),
    Reason.VALIDATE_REFERENCE_CHARACTERS: Explanation(
        "Use letters, digits, _ and - only, in a form that you can convert back.",
        cells={"external_reference": "A/1 b"},
    ),
    Reason.VALIDATE_REFERENCE_TOO_LONG: Explanation(
        "Use a shorter reference: billing accepts 255 characters.",
        cells={"external_reference": "A" * 256},
    ),
    Reason.VALIDATE_REFERENCE_DAMAGED: Explanation(
        "Copy the reference from the source system again, as text. The file has lost its digits.",
        cells={"external_reference": "8.5E+12"},
    ),
    Reason.VALIDATE_NAME_TOO_LONG: Explanation(
        "Shorten the name. If the cell lists several names, keep that of the customer.",
        cells={**_REFERENCE, "name": "N" * 256},
    ),
    Reason.VALIDATE_EMAIL_MALFORMED: Explanation(
        "Correct the address, or leave the field empty: it is not required.",
        cells={**_REFERENCE, "email": "thandi@example"},
    ),
    Reason.VALIDATE_EMAIL_TOO_LONG: Explanation(
        "Correct the address. If the cell has several, keep one.",
        example="an address of 256 characters",
    ),
    Reason.VALIDATE_PHONE_UNREADABLE: Explanation(
        "Write the number in international form, or leave the field empty.",
        cells={**_REFERENCE, "phone": "ask reception"},
        settings=("region",),
    ),
    Reason.VALIDATE_PHONE_DAMAGED: Explanation(
        "Copy the number from the source again, as text. A spreadsheet turned it into a "
        "decimal number and may have dropped digits.",
        cells={**_REFERENCE, "phone": "+27825550240.0"},
    ),
    Reason.VALIDATE_PHONE_UNUSUAL_LENGTH: Explanation(
        "Check for missing or surplus digits. A service number belongs to no customer; "
        "to allow such numbers, set unusual_phones: warn.",
        example="082123 with unusual_phones: reject; South African numbers have nine digits after the zero",
        settings=("mapping.unusual_phones", "region"),
    ),
    Reason.VALIDATE_PHONE_NOT_POSSIBLE: Explanation(
        "Check for a missing or surplus digit. Spreadsheets often drop a leading zero.",
        cells={**_REFERENCE, "phone": "+27 82 12"},
        settings=("region",),
    ),
    Reason.VALIDATE_PHONE_NOT_VALID: Explanation(
        "Compare the number with the source: a digit is wrong, missing or surplus.",
        cells={**_REFERENCE, "phone": "+27 00 123 4567"},
        settings=("region",),
    ),
    Reason.VALIDATE_PHONE_HAS_EXTENSION: Explanation(
        "Delete the extension, or move it to a metadata column.",
        cells={**_REFERENCE, "phone": "+27 21 555 0123 ext. 7"},
    ),
    Reason.VALIDATE_PHONE_SEVERAL: Explanation(
        "Keep one number in the cell. Move the others to a metadata column.",
        cells={**_REFERENCE, "phone": "+27 82 555 0240 / +27 82 555 0241"},
    ),
    Reason.VALIDATE_PHONE_FORMAT: Explanation(
        "Write +, the country code and the number. Only a file that was not normalized "
        "by pipeline needs this.",
        example="0825550240 instead of +27825550240",
    ),
    Reason.VALIDATE_PHONE_REGION_UNKNOWN: Explanation(
        "Give the row a two-letter region, set a default region in the config, or write "
        "the number in international form.",
        example="082 555 0240 with the region XX",
        settings=("region", "mapping.phone"),
    ),
    Reason.VALIDATE_CURRENCY_UNKNOWN: Explanation(
        "Use the three-letter code of ISO 4217. Or declare the file's own words: "
        "currency: {column: CUR, values: {R: ZAR}}.",
        cells={**_REFERENCE, "currency": "RAND", "balance": "100"},
        settings=("mapping.currency",),
    ),
    Reason.VALIDATE_CURRENCY_WITHDRAWN: Explanation(
        "Use the currency that replaced it, and convert the balance at the legal rate.",
        cells={**_REFERENCE, "currency": "DEM", "balance": "100"},
    ),
    Reason.VALIDATE_CURRENCY_WITHOUT_MINOR_UNIT: Explanation(
        "State the balance in a currency. A code such as XAU is not money that a customer owes.",
        cells={**_REFERENCE, "currency": "XAU", "balance": "100"},
    ),
    Reason.VALIDATE_BALANCE_NOT_A_NUMBER: Explanation(
        "Write digits, with at most a sign before them. Or declare the marks of the "
        "file in the config.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "one hundred"},
        settings=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_WITH_WORDS: Explanation(
        "Delete the word, or declare a sign of the currency in balance.currency_sign. "
        "Write thousands and millions in full.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "R 100"},
        settings=("mapping.balance.currency_sign",),
    ),
    Reason.VALIDATE_BALANCE_NOT_WHOLE: Explanation(
        "State minor units, such as cents. If the column has whole units, set unit: major.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "240.10"},
        settings=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_TOO_MANY_DECIMALS: Explanation(
        "Correct the surplus digits at the source: nothing is rounded here. To allow "
        "zeros, set surplus_zeros: true.",
        example="12.345 ZAR, which has two decimals",
        settings=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_TOO_LARGE: Explanation(
        "Check for a doubled unit, or a reference in the wrong column. Billing cannot "
        "hold a larger amount.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "9007199254740992"},
    ),
    Reason.VALIDATE_BALANCE_NEEDS_CURRENCY: Explanation(
        "Add a currency to the row. Or declare a default: currency: {column: CUR, default: ZAR}.",
        cells={**_REFERENCE, "balance": "100"},
        settings=("mapping.currency",),
    ),
    Reason.VALIDATE_IDENTITY_NOT_13_DIGITS: Explanation(
        "Check the document. A spreadsheet may have dropped leading zeros.",
        example="12 digits, because a leading zero was lost",
        settings=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_DATE: Explanation(
        "Check the document. The first six digits are the year, month and day of birth.",
        example="a number that begins with 801332",
        settings=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_CHECK_DIGIT: Explanation(
        "Check the document: a digit is wrong, or two are swapped.",
        example="two digits that changed places",
        settings=("mapping.identity",),
    ),
    Reason.VALIDATE_PASSPORT_MALFORMED: Explanation(
        "Write the number alone, without the country or a remark.",
        example="A12 345 678 (Kenya)",
        settings=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_MISSING: Explanation(
        "Add the identity number or the passport number. Or stop requiring one in the config.",
        example="both cells empty, with required: true in the config",
        settings=("mapping.identity",),
    ),
    Reason.VALIDATE_METADATA_TOO_LONG: Explanation(
        "Shorten the value. Or do not map the column; it stays in every list.",
        cells={**_REFERENCE, "metadata.note": "n" * 501},
        settings=("mapping.metadata",),
    ),
    Reason.VALIDATE_METADATA_SENSITIVE: Explanation(
        "Remove the value, or map another column. If the column is harmless, set "
        "sensitive_metadata: warn.",
        example="a note with 4111 1111 1111 1111, and sensitive_metadata: refuse in the config",
        settings=("mapping.sensitive_metadata", "mapping.metadata"),
    ),
    Reason.VALIDATE_METADATA_TOO_MANY: Explanation(
        "Map fewer columns to metadata: billing accepts ten.",
        example="eleven metadata columns with a value in one row",
        settings=("mapping.metadata",),
    ),
}
