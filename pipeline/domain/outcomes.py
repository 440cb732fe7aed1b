"""Everything that can happen to a row, as values: reasons, planned actions, billing's answers, states and fates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self


class _Explained(StrEnum):
    """A closed list whose members each carry one sentence that explains them."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Reason(_Explained):
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


class Alarm(_Explained):
    """A fault, or a possible fault, of a whole file or ledger; reported before anything is sent, and it decides no row."""

    ACCOUNT_CHANGED = (
        "ACCOUNT.CHANGED",
        "The API key is new to this ledger, and its account holds none of the customers that were looked up.",
    )
    HOME_NEW = (
        "HOME.NEW",
        "The ledger is new, although the reports folder knows another ledger of this environment.",
    )
    STREAM_NAME = (
        "STREAM.NAME",
        "The file's name does not match the name that is agreed for the stream.",
    )
    STREAM_SAME_FILE = "STREAM.SAME_FILE", "An earlier run has finished exactly this file."
    STREAM_OLD_FILE_NEW_NAME = (
        "STREAM.OLD_FILE_NEW_NAME",
        "The content is that of another day's file, byte for byte: yesterday's file under today's name.",
    )
    STREAM_DAY_AGAIN = (
        "STREAM.DAY_AGAIN",
        "A file for this day has come already, with other content.",
    )
    STREAM_EARLIER_DAY = "STREAM.EARLIER_DAY", "A file for a later day has come already."
    STREAM_MISSING_DAY = (
        "STREAM.MISSING_DAY",
        "No file came for a day between the last one and this.",
    )
    STREAM_COLUMNS_MOVED = (
        "STREAM.COLUMNS_MOVED",
        "The columns are not those of the last file, or in another order.",
    )
    STREAM_VOLUME = (
        "STREAM.VOLUME",
        "There are far more, or far fewer, records than in the files of the last two weeks.",
    )
    MAX_REJECTED = "THRESHOLD.MAX_REJECTED", "More records were rejected than the job allows."
    TOTAL_DIFFERS = "TOTAL.DIFFERS", "A stated control total differs from the total of the file."
    TOTAL_RECORDS_DIFFER = (
        "TOTAL.RECORDS_DIFFER",
        "A stated number of records differs from the number in the file.",
    )
    TOTAL_NOT_STATED = (
        "TOTAL.NOT_STATED",
        "Control totals are agreed, and the trailer or control file does not state them.",
    )
    TOTAL_HUNDREDFOLD = (
        "TOTAL.HUNDREDFOLD",
        "Balances are about a hundred times those of the last file, or a hundredth: are these cents, or are they rand?",
    )
    AMOUNTS_ALREADY_CENTS = (
        "DOUBT.ALREADY_CENTS",
        "Every balance is a whole number of major units: are the amounts declared as rand already cents?",
    )
    UNITS_MIXED = (
        "DOUBT.MIXED_UNITS",
        "All amounts are declared as major units, and some are whole while others have decimals: are the whole ones cents?",
    )
    REFERENCES_ROUNDED = (
        "DOUBT.REFERENCES_ROUNDED",
        "All long numbers among the references end in zeros after their 15th digit: a spreadsheet has rounded them.",
    )
    REFERENCES_MAY_BE_ROUNDED = (
        "DOUBT.REFERENCES_MAY_BE_ROUNDED",
        "Some long numbers among the references end in zeros after their 15th digit, like numbers that a spreadsheet has rounded.",
    )
    REFERENCES_LOOK_ALIKE = (
        "DOUBT.REFERENCES_LOOK_ALIKE",
        "References differ only in characters that people confuse (case, O and 0, I, l and 1, _ and -, leading zeros).",
    )
    PHONES_ABROAD = (
        "DOUBT.PHONES_ABROAD",
        "Phone numbers are valid, but belong to another country than the region in their records.",
    )
    PHONES_UNUSUAL = (
        "DOUBT.PHONES_UNUSUAL",
        "Phone numbers are valid, but shorter or longer than the subscriber numbers of their country: digits may be missing.",
    )
    TEXTS_MISREAD = (
        "DOUBT.TEXTS_MISREAD",
        "Texts look damaged: read in a wrong encoding, with lost characters (U+FFFD), or with HTML entities.",
    )
    TEXTS_PLACEHOLDERS = (
        "DOUBT.PLACEHOLDERS",
        "Texts such as NULL, N/A or - may mean an empty cell, and a row of dashes may not be a record. They would be sent unchanged.",
    )
    SAME_EMAIL = (
        "DOUBT.SAME_EMAIL",
        "Several references have the same email address: families and offices share one, or it is a mistake.",
    )
    SAME_IDENTITY = (
        "DOUBT.SAME_IDENTITY",
        "Several references have the same identity number: one person with several accounts, or a mistake.",
    )
    TOTAL_ROWS = (
        "DOUBT.TOTAL_ROW",
        "A record looks like a total of the others, and would be created as a customer.",
    )
    RETURN_CELLS_RESTORED = (
        "RETURN.CELLS_RESTORED",
        "A list came back with cells that a spreadsheet has changed; their original texts were used.",
    )
    RETURN_CELLS_KEPT = (
        "RETURN.CELLS_KEPT",
        "Cells to correct came back as a spreadsheet would write the old text; the returned texts were used.",
    )
    RETURN_CELLS_LOST = (
        "RETURN.CELLS_LOST",
        "A list came back with cells that hold only what a spreadsheet displays; their rows were set aside.",
    )
    RETURN_ORIGINALS_UNKNOWN = (
        "RETURN.ORIGINALS_UNKNOWN",
        "Rows came back from a run that is no longer in the reports folder; their cells cannot be compared.",
    )
    RETURN_CHECK_UNTESTABLE = (
        "RETURN.CHECK_UNTESTABLE",
        "Rows came back whose check (_import_check) is missing or of another home; they were taken as new records, and nothing was restored.",
    )
    LAST_LINE_UNENDED = (
        "DOUBT.LAST_LINE_UNENDED",
        "The last line has no line end and all others have one: the file may have been cut off within a value.",
    )
    COLUMN_NAMES_CHANGED = (
        "DOUBT.COLUMN_NAMES_CHANGED",
        "Column names have spaces, invisible characters or line breaks; these are removed.",
    )
    COLUMNS_WITHOUT_NAME = (
        "DOUBT.COLUMNS_WITHOUT_NAME",
        "Columns without a name hold values; they are named by their position and not sent.",
    )
    COLUMNS_NOT_KEPT = (
        "DOUBT.COLUMNS_NOT_KEPT",
        "Columns hold nested values or bytes that are not UTF-8 text, or have a name that our lists use; no list has them.",
    )
    METADATA_SENSITIVE = (
        "DOUBT.SENSITIVE_METADATA",
        "Metadata looks like card numbers, bank accounts (IBAN) or identity numbers, and would be sent.",
    )


#: Alarms that stop nothing. With any other, a plan is not applied until a person accepts it.
WARNINGS = frozenset(
    {
        Alarm.TOTAL_HUNDREDFOLD,
        Alarm.AMOUNTS_ALREADY_CENTS,
        Alarm.UNITS_MIXED,
        Alarm.REFERENCES_MAY_BE_ROUNDED,
        Alarm.REFERENCES_LOOK_ALIKE,
        Alarm.METADATA_SENSITIVE,
        Alarm.LAST_LINE_UNENDED,
        Alarm.COLUMN_NAMES_CHANGED,
        Alarm.COLUMNS_WITHOUT_NAME,
        Alarm.COLUMNS_NOT_KEPT,
        Alarm.PHONES_ABROAD,
        Alarm.PHONES_UNUSUAL,
        Alarm.TEXTS_MISREAD,
        Alarm.TEXTS_PLACEHOLDERS,
        Alarm.SAME_EMAIL,
        Alarm.SAME_IDENTITY,
        Alarm.TOTAL_ROWS,
        Alarm.RETURN_CELLS_RESTORED,
        Alarm.RETURN_CELLS_KEPT,
        Alarm.RETURN_CELLS_LOST,
        Alarm.RETURN_ORIGINALS_UNKNOWN,
        Alarm.RETURN_CHECK_UNTESTABLE,
    }
)


class Discrepancy(_Explained):
    """How billing differs from what we expect, as a reconciliation finds it; the fates stay as they are."""

    MISSING = (
        "missing_in_billing",
        "We created this customer or found it there, and billing does not hold it.",
    )
    UNKNOWN = (
        "unknown_to_us",
        "Billing holds this customer, and no run of ours created it and no file of known customers names it.",
    )
    FIELD = "field_differs", "Billing holds another text in this field."
    BALANCE = "balance_differs", "Billing holds another balance."
    TWICE = "twice_in_billing", "Billing holds this external reference more than once."
    ANOTHER_RUN = (
        "created_by_another_run",
        "Billing holds this customer, and a run created it that is not reconciled here.",
    )
    CHANGED = (
        "changed_since",
        "Billing has changed this customer since our request was settled, perhaps by a payment, and holds another value in this field.",
    )
    DOUBT = (
        "in_doubt",
        "Our ledger does not know whether billing took this customer, and billing does not show it.",
    )
    DOUBT_FOUND = (
        "in_doubt_and_found",
        "Our own ledger does not know yet whether billing took this customer, and billing holds it; resume settles it.",
    )
    REFUSED_FOUND = (
        "refused_and_found",
        "Our ledger says that billing refused this customer, but billing holds it: its money is in billing, and our pages say otherwise.",
    )
    UNDETERMINED = (
        "not_determinable",
        "No lookup shows whether billing holds this customer; the list quotes the answer.",
    )


class Pattern(_Explained):
    """The likely mistake behind a balance that differs; it is reported with the balance, and a person decides."""

    UNIT = (
        "unit",
        "Major units were taken for minor units, or the reverse: one is the other times a power of ten.",
    )
    SIGN = "sign", "The sign is flipped: a debit became a credit, or the reverse."
    SHIFTED = (
        "shifted_rows",
        "The balance is that of the row before or after, and its neighbours' are too.",
    )
    MERGED = (
        "merged_customers",
        "The balance is the sum of this customer's and a missing customer's, which has the same email, phone or name.",
    )


#: Differences that finance has to check before it signs. The others need no explanation.
UNEXPLAINED = frozenset(
    {
        Discrepancy.MISSING,
        Discrepancy.UNKNOWN,
        Discrepancy.FIELD,
        Discrepancy.BALANCE,
        Discrepancy.TWICE,
        Discrepancy.DOUBT,
        Discrepancy.DOUBT_FOUND,
        Discrepancy.REFUSED_FOUND,
        Discrepancy.UNDETERMINED,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One alarm about one file, in words that quote no cell of it."""

    alarm: Alarm
    what: str
    stops: bool = True

    @property
    def is_warning(self) -> bool:
        """Whether it stops nothing."""
        return not self.stops or self.alarm in WARNINGS


class Action(StrEnum):
    """What a plan does with an accepted row."""

    CREATE = "create"
    SKIP = "skip"
    HOLD = "hold"
    REFUSE = (
        "refuse"  #: billing refused this very row before; it is listed as refused again, unsent
    )
    DEFER = "defer"  #: left for a later run
    WAIT = "wait"  #: an earlier request for its reference is unsettled; it is decided again after that is settled


#: Actions whose records may be sent.
SENDING = (Action.CREATE, Action.WAIT)


def sends(actions: Mapping[Action, int] | Mapping[str, int]) -> int:
    """How many records a plan may send, by its counts of actions; plans of earlier versions have no waiting ones."""
    return sum(int(actions.get(action, 0)) for action in SENDING)


class Fate(_Explained):
    """Where a record ended: exactly one of these, and by it exactly one list."""

    CREATED = "created", "billing holds it because of us"
    CREATED_DIFFERENT = (
        "created_different",
        "billing took it, and its echo differs from what was sent",
    )
    ALREADY_EXISTS_SAME = "already_exists_same", "was there before, with equal content"
    ALREADY_EXISTS_DIFFERENT = (
        "already_exists_different",
        "was there before, with other content; a person decides",
    )
    DUPLICATE_IN_FILE = "duplicate_in_file", "repeats an earlier row of this run"
    DUPLICATE_OF_REFERENCE = "duplicate_of_reference", "is another reference's customer"
    NEEDS_REVIEW = "needs_review", "held for a person"
    UNREADABLE = "unreadable", "could not be read as a record"
    INVALID = "invalid", "breaks a rule of the billing API"
    REFUSED = "refused", "billing refused it for good"
    IN_DOUBT = "in_doubt", "may or may not be in billing; resume finds out"
    GIVEN_UP = (
        "given_up",
        "may be in billing; a person gave it up, and only the same content in a new file is sent again",
    )
    NOT_ATTEMPTED = "not_attempted", "planned, never sent"


#: The six lists are a partition of the records: every fate is written to exactly one of them.
LISTS: dict[str, tuple[Fate, ...]] = {
    "created": (Fate.CREATED, Fate.CREATED_DIFFERENT),
    "skipped": (Fate.ALREADY_EXISTS_SAME, Fate.DUPLICATE_IN_FILE, Fate.DUPLICATE_OF_REFERENCE),
    "held": (Fate.ALREADY_EXISTS_DIFFERENT, Fate.NEEDS_REVIEW),
    "in_doubt": (Fate.IN_DOUBT, Fate.GIVEN_UP),
    "rejected": (Fate.UNREADABLE, Fate.INVALID, Fate.REFUSED),
    "unprocessed": (Fate.NOT_ATTEMPTED,),
}


def list_of(fate: Fate) -> str:
    """The name of the list that has the records of a fate."""
    return next(name for name, fates in LISTS.items() if fate in fates)


#: What an open record has become when a later run took another row of its external reference; no run ends a record so.
SUPERSEDED = "superseded"
SUPERSEDED_MEANS = "settled by another row of the same external reference"

#: Fates that a clean run does not have: any record with one of them makes the exit code 1.
TROUBLED_FATES = frozenset(
    {*LISTS["held"], *LISTS["in_doubt"], *LISTS["rejected"], Fate.CREATED_DIFFERENT}
)


class State(StrEnum):
    """What the ledger knows of one reference; the moves are drawn in `ledger/schema.sql`."""

    UNKNOWN = (
        "unknown"  #: an intent is journaled and no answer settles it: may or may not exist there
    )
    WITHDRAWN = "withdrawn"  #: an intent that an orderly stop took back, never sent
    CREATED = "created"
    CREATED_DIFFERENT = "created_different"
    ADOPTED = "adopted"  #: found by lookup after an unsettled send of ours: ours
    PRE_EXISTING = (
        "pre_existing"  #: found by lookup, equal, before any send of ours could have made it
    )
    CONFLICT = "conflict"  #: found by lookup, with other content
    REFUSED = "refused"
    GIVEN_UP = "given_up"  #: as unknown, but a person gave it up: only the same content may go on, under the same key
    NEVER_CREATED = "never_created"  #: given up after two days and two lookups: other content may be sent under its own key


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which billing's echo is not what was sent; `None` where a side has no such field."""

    field: str
    ours: str | None
    theirs: str | None


# What billing answered to one request. The numbers are the rows of the outcome table in docs/explanation/once-only-submission.md.


@dataclass(frozen=True, slots=True)
class Accepted:
    """201 (or 200) with a customer that carries our reference: rows 22 and 23."""

    billing_id: str
    replayed: bool
    differences: tuple[Difference, ...] = ()
    payable: bool = (
        True  #: payment rules came with it; without them the customer cannot be paid against
    )
    status: int = 201


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may or may not have arrived: rows 1 and 3. Never read as "surely not sent"."""

    why: str


@dataclass(frozen=True, slots=True)
class CertificateRefused:
    """The other side could not prove who it is: row 2."""

    why: str


@dataclass(frozen=True, slots=True)
class ServerTrouble:
    """5xx, 408 or 425: rows 4, 5 and 16."""

    status: int
    replayed: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """429: rows 18 to 20; `retry_after` in seconds."""

    replayed: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Conflicting:
    """409: the key's first request still runs (row 6), the reference is taken (row 7), or the kind is unknown (row 8)."""

    kind: str  #: "running", "taken" or "unknown"
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AnotherCustomer:
    """A success that names another external reference than was asked for: it proves nothing about ours. Row 22."""

    status: int


@dataclass(frozen=True, slots=True)
class RowRefused:
    """400, 422, 413, 414 or 431 about the row itself, with billing's own text: rows 10 and 17."""

    status: int
    detail: str
    replayed: bool
    certain: (
        bool  #: the problem's type says that it is about the row, not about the idempotency key
    )


@dataclass(frozen=True, slots=True)
class KeyReused:
    """422: the idempotency key was used with another payload, so ledger and server disagree: row 9."""

    status: int = 422


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """400 about the key header, 406 or 415: our own fault, row 11."""

    status: int
    detail: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class CredentialRefused:
    """401, 403 or 402: rows 12 to 14."""

    status: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Misaddressed:
    """404 or 405 on the collection, or a redirect, which is never followed: rows 15 and 24."""

    status: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Unintelligible:
    """2xx whose body is malformed, empty or without id: row 21."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Any other status, and every refusal that is not billing's own, such as a gateway's: row 25. It settles nothing."""

    status: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup found a customer whose echoed reference is ours, byte for byte."""

    status: ClassVar[int] = 200
    billing_id: str
    differences: tuple[Difference, ...] = ()
    payable: bool = True


@dataclass(frozen=True, slots=True)
class NotFound:
    """Billing's own answer that it holds nothing under this reference. A lookup may show an earlier state."""

    status: ClassVar[int] = 404


Outcome = (
    Accepted
    | AnotherCustomer
    | NoAnswer
    | CertificateRefused
    | ServerTrouble
    | Limited
    | Conflicting
    | RowRefused
    | KeyReused
    | RequestRefused
    | CredentialRefused
    | Misaddressed
    | Unintelligible
    | Unexpected
    | Found
    | NotFound
)
