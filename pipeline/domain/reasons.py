"""Why a record was not simply created: the closed list of reasons, each with one sentence."""

from pipeline.domain.closed_list import ClosedList


class Reason(ClosedList):
    """Why a row was not simply created; the value is `STAGE.CODE`, printed with the column if there is one."""

    READ_TOO_FEW_FIELDS = (
        "READ.TOO_FEW_FIELDS",
        "The record has fewer fields than the header; nothing was padded.",
    )
    READ_TOO_MANY_FIELDS = (
        "READ.TOO_MANY_FIELDS",
        "The record has more fields than the header; nothing was cut.",
    )
    READ_STRAY_QUOTE = (
        "READ.STRAY_QUOTE",
        "An unquoted field contains a quote, or text follows a closing quote.",
    )
    READ_STRAY_ESCAPE = (
        "READ.STRAY_ESCAPE",
        "The escape character is before a letter or digit that it does not escape, or NULL is only a part of a cell.",
    )
    READ_UNCLOSED_QUOTE = (
        "READ.UNCLOSED_QUOTE",
        "A quote opens a field and never closes; the lines after it were read.",
    )
    READ_NOT_UTF8 = (
        "READ.NOT_UTF8",
        "The record holds bytes that are not UTF-8; they are shown as \\xNN.",
    )
    READ_UNDECODABLE = (
        "READ.UNDECODABLE",
        "The record holds bytes that the declared encoding does not know; they are shown as \\xNN.",
    )
    READ_CONTROL_CHARACTER = (
        "READ.CONTROL_CHARACTER",
        "The record holds NUL or another control character.",
    )
    READ_LONE_CR = (
        "READ.LONE_CR",
        "The record contains a carriage return without a line feed after it.",
    )
    READ_LONE_LF = (
        "READ.LONE_LF",
        "The record contains a line feed, in a file whose lines end with a carriage return alone.",
    )
    READ_REPEATED_HEADER = (
        "READ.REPEATED_HEADER",
        "The record repeats the header: two files were put into one.",
    )
    READ_TOO_LONG = "READ.TOO_LONG", "The record is longer than 1 MiB."

    READ_CELL_DAMAGED = (
        "READ.CELL_DAMAGED",
        "The row came back with a cell that a spreadsheet has changed, and the original text is not known.",
    )
    RETURN_ROW_MISMATCH = (
        "RETURN.ROW_MISMATCH",
        "The row names a record of an earlier run, but cells that needed no correction differ from that record, or may belong to another.",
    )
    READ_CELL_ERROR = "READ.CELL_ERROR", "A cell of the sheet shows an error such as #N/A."
    READ_FORMULA_WITHOUT_VALUE = (
        "READ.FORMULA_WITHOUT_VALUE",
        "A cell holds a formula, and the file does not hold its result.",
    )
    READ_CELL_FORMAT = (
        "READ.CELL_FORMAT",
        "A cell's number format does not show an exact value, or shows an amount with another value, sign or precision than the cell holds.",
    )
    READ_CELL_MALFORMED = (
        "READ.CELL_MALFORMED",
        "A cell of the workbook holds a value that no spreadsheet writes, such as 1_000 for a number.",
    )

    MAP_VALUE_UNLISTED = (
        "MAP.VALUE_UNLISTED",
        "The config lists what each text stands for, and this one is not listed.",
    )
    MAP_NO_MATCH = (
        "MAP.NO_MATCH",
        "The config takes a part of the text, and the text has no such part.",
    )
    MAP_DEBIT_AND_CREDIT = (
        "MAP.DEBIT_AND_CREDIT",
        "The record states a debit and a credit, and neither is zero.",
    )
    MAP_SIGN_IN_DEBIT_OR_CREDIT = (
        "MAP.SIGN_IN_DEBIT_OR_CREDIT",
        "An amount in a column of debits or credits has a sign, so its meaning is unclear.",
    )

    MAP_SIGN_OF_ANOTHER_CURRENCY = (
        "MAP.SIGN_OF_ANOTHER_CURRENCY",
        "The amount has the sign of another currency than its record.",
    )

    VALIDATE_REFERENCE_MISSING = "VALIDATE.REFERENCE_MISSING", "The external reference is empty."
    VALIDATE_REFERENCE_CHARACTERS = (
        "VALIDATE.REFERENCE_CHARACTERS",
        "The external reference may hold ASCII letters, digits, _ and - only.",
    )
    VALIDATE_REFERENCE_TOO_LONG = (
        "VALIDATE.REFERENCE_TOO_LONG",
        "The external reference is longer than 255 characters.",
    )
    VALIDATE_REFERENCE_DAMAGED = (
        "VALIDATE.REFERENCE_DAMAGED",
        "The external reference looks like 8.5E+12: a spreadsheet has replaced its digits.",
    )
    VALIDATE_NAME_TOO_LONG = "VALIDATE.NAME_TOO_LONG", "The name is longer than 255 characters."
    VALIDATE_EMAIL_MALFORMED = (
        "VALIDATE.EMAIL_MALFORMED",
        "This is not an email address that can exist.",
    )
    VALIDATE_EMAIL_TOO_LONG = (
        "VALIDATE.EMAIL_TOO_LONG",
        "The email address is longer than 255 characters.",
    )
    VALIDATE_PHONE_UNREADABLE = "VALIDATE.PHONE_UNREADABLE", "This is not a phone number."
    VALIDATE_PHONE_DAMAGED = (
        "VALIDATE.PHONE_DAMAGED",
        "The phone number is written as a decimal number or with an exponent: a spreadsheet has damaged it.",
    )
    VALIDATE_PHONE_UNUSUAL_LENGTH = (
        "VALIDATE.PHONE_UNUSUAL_LENGTH",
        "The number is shorter or longer than the subscriber numbers of its country, and the job rejects such numbers.",
    )
    VALIDATE_PHONE_NOT_POSSIBLE = (
        "VALIDATE.PHONE_NOT_POSSIBLE",
        "The number has too few or too many digits for its country.",
    )
    VALIDATE_PHONE_NOT_VALID = (
        "VALIDATE.PHONE_NOT_VALID",
        "The number's country gives out no such numbers.",
    )
    VALIDATE_PHONE_HAS_EXTENSION = (
        "VALIDATE.PHONE_HAS_EXTENSION",
        "E.164 has no place for an extension.",
    )
    VALIDATE_PHONE_SEVERAL = "VALIDATE.PHONE_SEVERAL", "The cell holds more than one phone number."
    VALIDATE_PHONE_FORMAT = (
        "VALIDATE.PHONE_FORMAT",
        "The number is not in the E.164 form that billing takes.",
    )
    VALIDATE_PHONE_REGION_UNKNOWN = (
        "VALIDATE.PHONE_REGION_UNKNOWN",
        "The number is in national form, and its region is no ISO 3166 region that has phone numbers.",
    )
    VALIDATE_CURRENCY_UNKNOWN = (
        "VALIDATE.CURRENCY_UNKNOWN",
        "This is not an ISO 4217 currency code.",
    )
    VALIDATE_CURRENCY_WITHDRAWN = (
        "VALIDATE.CURRENCY_WITHDRAWN",
        "This currency was withdrawn from ISO 4217.",
    )
    VALIDATE_CURRENCY_WITHOUT_MINOR_UNIT = (
        "VALIDATE.CURRENCY_WITHOUT_MINOR_UNIT",
        "ISO 4217 gives this code no minor unit, so no balance can be stated in it.",
    )
    VALIDATE_BALANCE_NOT_A_NUMBER = (
        "VALIDATE.BALANCE_NOT_A_NUMBER",
        "The balance is not a number in the declared format: ASCII digits, at most one sign, and the declared marks.",
    )
    VALIDATE_BALANCE_WITH_WORDS = (
        "VALIDATE.BALANCE_WITH_WORDS",
        "A word, sign or unit is next to the amount, and it is not a declared sign of the record's currency.",
    )
    VALIDATE_BALANCE_NOT_WHOLE = (
        "VALIDATE.BALANCE_NOT_WHOLE",
        "The balance has a decimal mark; it is expected in minor units (cents), and nothing is rounded.",
    )
    VALIDATE_BALANCE_TOO_MANY_DECIMALS = (
        "VALIDATE.BALANCE_TOO_MANY_DECIMALS",
        "The balance has more decimals than its currency; nothing is rounded.",
    )
    VALIDATE_BALANCE_TOO_LARGE = (
        "VALIDATE.BALANCE_TOO_LARGE",
        "The balance is beyond 2^53 - 1 minor units.",
    )
    VALIDATE_BALANCE_NEEDS_CURRENCY = (
        "VALIDATE.BALANCE_NEEDS_CURRENCY",
        "A balance needs a currency.",
    )
    VALIDATE_IDENTITY_NOT_13_DIGITS = (
        "VALIDATE.IDENTITY_NOT_13_DIGITS",
        "The identity number does not have the 13 digits of a South African one.",
    )
    VALIDATE_IDENTITY_DATE = (
        "VALIDATE.IDENTITY_DATE",
        "The identity number does not begin with a date of birth.",
    )
    VALIDATE_IDENTITY_CHECK_DIGIT = (
        "VALIDATE.IDENTITY_CHECK_DIGIT",
        "The last digit of the identity number is not its check digit.",
    )
    VALIDATE_PASSPORT_MALFORMED = (
        "VALIDATE.PASSPORT_MALFORMED",
        "The passport number does not have 5 to 20 letters and digits.",
    )
    VALIDATE_IDENTITY_MISSING = (
        "VALIDATE.IDENTITY_MISSING",
        "Neither an identity number nor a passport number is given, and the job requires one.",
    )
    VALIDATE_METADATA_TOO_LONG = (
        "VALIDATE.METADATA_TOO_LONG",
        "A metadata value is longer than 500 characters.",
    )
    VALIDATE_METADATA_SENSITIVE = (
        "VALIDATE.METADATA_SENSITIVE",
        "The value looks like a card number, a bank account or an identity number, and the job refuses such metadata.",
    )
    VALIDATE_METADATA_TOO_MANY = (
        "VALIDATE.METADATA_TOO_MANY",
        "More than 10 metadata values are given.",
    )

    MATCH_REPEATS_EARLIER_ROW = (
        "MATCH.REPEATS_EARLIER_ROW",
        "An earlier row of this run has exactly the same content.",
    )
    MATCH_SAME_REFERENCE_OTHER_CONTENT = (
        "MATCH.SAME_REFERENCE_OTHER_CONTENT",
        "Rows of this run share the external reference and differ in content; none of them is sent.",
    )
    MATCH_KNOWN_SAME = (
        "MATCH.KNOWN_SAME",
        "The known customers include this one, with the same content.",
    )
    MATCH_KNOWN_DIFFERENT = (
        "MATCH.KNOWN_DIFFERENT",
        "The known customers have this external reference, with other content or more than once.",
    )
    MATCH_EMAIL_OF_ANOTHER = (
        "MATCH.EMAIL_OF_ANOTHER",
        "The known customers have this email address under another external reference.",
    )
    MATCH_PHONE_OF_ANOTHER = (
        "MATCH.PHONE_OF_ANOTHER",
        "The known customers have this phone number under another external reference.",
    )
    MATCH_BILLING_ID_OF_ANOTHER = (
        "MATCH.BILLING_ID_OF_ANOTHER",
        "The known customers have this billing id under another external reference.",
    )
    MATCH_IDENTITY_OF_ANOTHER = (
        "MATCH.IDENTITY_OF_ANOTHER",
        "The known customers have this identity number under another external reference.",
    )
    PLAN_CREATED_BEFORE = (
        "PLAN.CREATED_BEFORE",
        "According to the ledger, billing already has this customer, with the same content.",
    )
    PLAN_CREATED_BEFORE_DIFFERENT = (
        "PLAN.CREATED_BEFORE_DIFFERENT",
        "According to the ledger, billing already has this reference, with other content.",
    )
    PLAN_CREATED_BEFORE_OTHER_FORM = (
        "PLAN.CREATED_BEFORE_OTHER_FORM",
        "According to the ledger, billing already has this reference. Its content differs, and earlier rules normalized it.",
    )
    PLAN_REFUSED_BEFORE = (
        "PLAN.REFUSED_BEFORE",
        "Billing refused exactly this row before; fix it, or use --retry-refused.",
    )
    PLAN_EARLIER_REQUEST_UNSETTLED = (
        "PLAN.EARLIER_REQUEST_UNSETTLED",
        "An earlier request for this reference, with other content, is unsettled; this record was not sent.",
    )
    PLAN_EARLIER_REQUEST_GIVEN_UP = (
        "PLAN.EARLIER_REQUEST_GIVEN_UP",
        "An earlier request for this reference, with other content, was given up and may still take effect.",
    )
    PLAN_OUTSIDE_WAVE = (
        "PLAN.OUTSIDE_WAVE",
        "This run sends only rows that match --where; a later run can send this one.",
    )
    PLAN_BEYOND_LIMIT = (
        "PLAN.BEYOND_LIMIT",
        "This run reached its --limit before this row; a later run can send it.",
    )

    SUBMIT_REFUSED = "SUBMIT.REFUSED", "Billing refused the row."
    SUBMIT_TOO_LARGE = "SUBMIT.TOO_LARGE", "Billing refused the request as too large."
    SUBMIT_ALREADY_THERE = (
        "SUBMIT.ALREADY_THERE",
        "Billing already had this customer, with the same content.",
    )
    SUBMIT_ALREADY_THERE_DIFFERENT = (
        "SUBMIT.ALREADY_THERE_DIFFERENT",
        "Billing holds another customer under this external reference.",
    )
    SUBMIT_ECHO_DIFFERS = (
        "SUBMIT.ECHO_DIFFERS",
        "Billing answered with other content than was sent.",
    )
    SUBMIT_IN_DOUBT = (
        "SUBMIT.IN_DOUBT",
        "No answer shows whether billing holds this customer; resume finds out.",
    )
    SUBMIT_GIVEN_UP = (
        "SUBMIT.GIVEN_UP",
        "No answer shows whether billing holds this customer; a person gave the request up.",
    )
    SUBMIT_NOT_ATTEMPTED = "SUBMIT.NOT_ATTEMPTED", "Planned and never sent: the run stopped first."
