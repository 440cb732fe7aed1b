"""Faults of a whole file, a stream or a ledger, which a plan reports before anything is sent."""

from dataclasses import dataclass

from pipeline.domain.closed_list import ClosedList


class FileIssue(ClosedList):
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


#: File issues that stop nothing. With any other, a plan is not applied until a person accepts it.
WARNINGS = frozenset(
    {
        FileIssue.TOTAL_HUNDREDFOLD,
        FileIssue.AMOUNTS_ALREADY_CENTS,
        FileIssue.UNITS_MIXED,
        FileIssue.REFERENCES_MAY_BE_ROUNDED,
        FileIssue.REFERENCES_LOOK_ALIKE,
        FileIssue.METADATA_SENSITIVE,
        FileIssue.LAST_LINE_UNENDED,
        FileIssue.COLUMN_NAMES_CHANGED,
        FileIssue.COLUMNS_WITHOUT_NAME,
        FileIssue.COLUMNS_NOT_KEPT,
        FileIssue.PHONES_ABROAD,
        FileIssue.PHONES_UNUSUAL,
        FileIssue.TEXTS_MISREAD,
        FileIssue.TEXTS_PLACEHOLDERS,
        FileIssue.SAME_EMAIL,
        FileIssue.SAME_IDENTITY,
        FileIssue.TOTAL_ROWS,
        FileIssue.RETURN_CELLS_RESTORED,
        FileIssue.RETURN_CELLS_KEPT,
        FileIssue.RETURN_CELLS_LOST,
        FileIssue.RETURN_ORIGINALS_UNKNOWN,
        FileIssue.RETURN_CHECK_UNTESTABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One issue about one file, in words that quote no cell of it."""

    issue: FileIssue
    what: str
    stops: bool = True

    @property
    def is_warning(self) -> bool:
        """Whether it stops nothing."""
        return not self.stops or self.issue in WARNINGS
