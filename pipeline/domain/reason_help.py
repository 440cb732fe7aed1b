"""Help for each reason and issue: what to do, an example, and the settings that affect it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """How to fix a row that was set aside for a reason."""

    mend: str
    example: str = ""  #: an example in words, if cells cannot show it
    #: Cells of a canonical file that produce this reason.
    cells: Mapping[str, str] = field(default_factory=dict)
    #: Options of the command line, and config keys as dotted paths.
    bears_on_it: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The example as text."""
        return self.example or ", ".join(
            f"{name}: {_short(text)}" for name, text in self.cells.items()
        )


def _short(text: str) -> str:
    """A long text as its beginning and its length."""
    return text if len(text) <= 60 else f"{text[:20]}… ({len(text)} characters)"


_REFERENCE = {"external_reference": "A-1"}
_DIALECT = ("source.delimiter", "source.encoding")

EXPLANATIONS: dict[Reason | FileIssue, Explanation] = {
    Reason.READ_TOO_FEW_FIELDS: Explanation(
        "Put the missing delimiters in; an empty field is fine, a missing one is not.",
        example="a header of 7 columns, and the record A-1,Thandi Nkosi",
        bears_on_it=_DIALECT,
    ),
    Reason.READ_TOO_MANY_FIELDS: Explanation(
        "Quote the field that holds a delimiter, or take the surplus one out.",
        example="the record A-1,Nkosi, Thandi,… where the name needs quotes",
        bears_on_it=_DIALECT,
    ),
    Reason.READ_STRAY_QUOTE: Explanation(
        'Quote the whole field and double the quotes in it: "the ""Red"" House". Where the config declares source.quote, use that '
        "character in the place of the double quotes.",
        example='the "Red" House, unquoted, or "Red" House',
        bears_on_it=("source.quote",),
    ),
    Reason.READ_STRAY_ESCAPE: Explanation(
        "Double the escape character where it is meant as itself, or take `source.escape` out where nothing is escaped.",
        example="C:\\temp in a file whose config declares a backslash as source.escape",
        bears_on_it=("source.escape",),
    ),
    Reason.READ_UNCLOSED_QUOTE: Explanation(
        "Close the quote, or double it where it is meant as a character.",
        example='A-1,"Thandi Nkosi,thandi@example.com without a closing quote',
    ),
    Reason.READ_NOT_UTF8: Explanation(
        "Save the file as UTF-8, or say in the config how it is encoded.",
        example="Ren\\xe9e, as cp1252 writes Renée",
        bears_on_it=("source.encoding",),
    ),
    Reason.READ_UNDECODABLE: Explanation(
        "Mend the bytes that are shown, or declare the encoding that the file really has.",
        example="the byte 0x81 in a file declared as cp1252",
        bears_on_it=("source.encoding",),
    ),
    Reason.READ_CONTROL_CHARACTER: Explanation(
        "Take the character out; it is mostly the trace of a damaged export.",
        example="Thandi\\x00Nkosi",
    ),
    Reason.READ_LONE_CR: Explanation(
        "Put a line feed after the carriage return, or take it out, or quote the field that holds it.",
        example="Thandi\\rNkosi, unquoted",
    ),
    Reason.READ_LONE_LF: Explanation(
        "Take the line feed out, or save the whole file with the line ends of today (LF or CRLF).",
        example="Thandi\\nNkosi, in a file of an old Mac",
    ),
    Reason.READ_REPEATED_HEADER: Explanation(
        "Nothing is lost: the line names columns and no customer. Take it out, or give the two files one by one.",
        example="external_reference,name in the middle of the file",
    ),
    Reason.READ_TOO_LONG: Explanation(
        "Look for a quote that was opened far above and never closed; no customer is a megabyte long.",
        example="a record of 2 MiB",
    ),
    Reason.READ_CELL_DAMAGED: Explanation(
        "Type the text in again; format the column as text first, or mend rejected.xlsx, whose cells are text.",
        example="8.21E+08 in a cell with another value before, in a list saved by a spreadsheet",
    ),
    Reason.RETURN_ROW_MISMATCH: Explanation(
        "Mend only the cells that the reasons name, and sort rows whole. To change other cells too, send the record in a file of "
        "your own, without the columns _import_….",
        example="only the supplier's columns of rejected.csv sorted; or our columns copied to another row",
    ),
    Reason.READ_CELL_ERROR: Explanation(
        "Mend the formula or the cell in the spreadsheet and save it anew.",
        example="#N/A in the column of balances",
    ),
    Reason.READ_FORMULA_WITHOUT_VALUE: Explanation(
        "Open the file in a spreadsheet program and save it, so that the values stand beside the formulas; or paste values.",
        example="=SUM(B2:B7), written by a program that does not calculate",
    ),
    Reason.READ_CELL_FORMAT: Explanation(
        "Give the column a plain number format, or the format Text, and save the file anew.",
        example="an amount shown as 12%, as 1.5 MIO, or with a minus that is not in the cell; a fraction: 2/7",
    ),
    Reason.READ_CELL_MALFORMED: Explanation(
        "Open the workbook in a spreadsheet program, look at the cell, and save it again; tell whoever wrote the file.",
        example="<v>1_000</v> in the column of balances",
    ),
    Reason.MAP_VALUE_UNLISTED: Explanation(
        "Correct the cell, or list its text in the config under values (of the balance: of its unit or marks).",
        example="class: X where the config lists D, B and V",
        bears_on_it=("mapping",),
    ),
    Reason.MAP_NO_MATCH: Explanation(
        "Write the cell as the config expects it, or say what becomes of others: unmatched: absent, or keep.",
        example="extract: 'ACC([0-9]+)', and the cell 4711",
        bears_on_it=("mapping",),
    ),
    Reason.MAP_DEBIT_AND_CREDIT: Explanation(
        "Leave one of the two empty, or state the difference in one of them.",
        example="DR 100,00 and CR 20,00 in one record",
        bears_on_it=("mapping.balance",),
    ),
    Reason.MAP_SIGN_IN_DEBIT_OR_CREDIT: Explanation(
        "Take the sign away and put the amount in the column that says what it is.",
        example="DR -100,00",
        bears_on_it=("mapping.balance",),
    ),
    Reason.MAP_SIGN_OF_ANOTHER_CURRENCY: Explanation(
        "Correct the currency of the record or the amount; declare a sign by currency if it means another one here.",
        example="1 234,56 € in a record whose currency is ZAR",
        bears_on_it=("mapping.balance.currency_sign", "mapping.currency"),
    ),
    Reason.VALIDATE_REFERENCE_MISSING: Explanation(
        "Give the customer the reference by which your own system knows it.",
        cells={"external_reference": "", "name": "Thandi Nkosi"},
    ),
    Reason.VALIDATE_REFERENCE_CHARACTERS: Explanation(
        "Write it with letters, digits, _ and - only, in a way that you can turn back.",
        cells={"external_reference": "A/1 b"},
    ),
    Reason.VALIDATE_REFERENCE_TOO_LONG: Explanation(
        "Use a shorter reference; billing takes 255 characters.",
        cells={"external_reference": "A" * 256},
    ),
    Reason.VALIDATE_REFERENCE_DAMAGED: Explanation(
        "Take the reference from the source system again, as text: the digits cannot be won back from the file.",
        cells={"external_reference": "8.5E+12"},
    ),
    Reason.VALIDATE_NAME_TOO_LONG: Explanation(
        "Shorten the name; where it is a list of names, one of them is the customer.",
        cells={**_REFERENCE, "name": "N" * 256},
    ),
    Reason.VALIDATE_EMAIL_MALFORMED: Explanation(
        "Correct the address, or leave the field empty: it is not required.",
        cells={**_REFERENCE, "email": "thandi@example"},
    ),
    Reason.VALIDATE_EMAIL_TOO_LONG: Explanation(
        "Correct the address; where the cell holds several, keep one. Mostly such an address is malformed before it is too long.",
        example="an address of 256 characters",
    ),
    Reason.VALIDATE_PHONE_UNREADABLE: Explanation(
        "Write the number in international form, or leave the field empty.",
        cells={**_REFERENCE, "phone": "ask reception"},
        bears_on_it=("region",),
    ),
    Reason.VALIDATE_PHONE_DAMAGED: Explanation(
        "Take the number from the source again, as text: a spreadsheet has made a decimal number of it and may have dropped digits.",
        cells={**_REFERENCE, "phone": "+27825550240.0"},
    ),
    Reason.VALIDATE_PHONE_UNUSUAL_LENGTH: Explanation(
        "Look for missing or surplus digits. A service number belongs to no customer. To allow such numbers: unusual_phones: warn.",
        example="082123 with unusual_phones: reject; South African numbers have nine digits after the zero",
        bears_on_it=("mapping.unusual_phones", "region"),
    ),
    Reason.VALIDATE_PHONE_NOT_POSSIBLE: Explanation(
        "Look for a missing or a surplus digit; a leading zero is the first thing that spreadsheets lose.",
        cells={**_REFERENCE, "phone": "+27 82 12"},
        bears_on_it=("region",),
    ),
    Reason.VALIDATE_PHONE_NOT_VALID: Explanation(
        "Compare it with the source: no number begins like this, or a digit is missing or surplus.",
        cells={**_REFERENCE, "phone": "+27 00 123 4567"},
        bears_on_it=("region",),
    ),
    Reason.VALIDATE_PHONE_HAS_EXTENSION: Explanation(
        "Leave the extension out, or keep it in a metadata column.",
        cells={**_REFERENCE, "phone": "+27 21 555 0123 ext. 7"},
    ),
    Reason.VALIDATE_PHONE_SEVERAL: Explanation(
        "Keep one number in the cell; others may go to a metadata column.",
        cells={**_REFERENCE, "phone": "+27 82 555 0240 / +27 82 555 0241"},
    ),
    Reason.VALIDATE_PHONE_FORMAT: Explanation(
        "Write it as +, country code and number; this is only met where something else than our normalizing wrote it.",
        example="0825550240 instead of +27825550240",
    ),
    Reason.VALIDATE_PHONE_REGION_UNKNOWN: Explanation(
        "Give the row a two-letter region, or the config a default one, or write the number in international form.",
        example="082 555 0240 with the region XX",
        bears_on_it=("region", "mapping.phone"),
    ),
    Reason.VALIDATE_CURRENCY_UNKNOWN: Explanation(
        "Use the three-letter code of ISO 4217, or declare what the file's own words mean: currency: {column: CUR, values: {R: ZAR}}.",
        cells={**_REFERENCE, "currency": "RAND", "balance": "100"},
        bears_on_it=("mapping.currency",),
    ),
    Reason.VALIDATE_CURRENCY_WITHDRAWN: Explanation(
        "Use the currency that replaced it, and convert the balance at the rate that was fixed by law: it is not the same number.",
        cells={**_REFERENCE, "currency": "DEM", "balance": "100"},
    ),
    Reason.VALIDATE_CURRENCY_WITHOUT_MINOR_UNIT: Explanation(
        "Codes like XAU are no money that a customer owes; state the balance in a currency.",
        cells={**_REFERENCE, "currency": "XAU", "balance": "100"},
    ),
    Reason.VALIDATE_BALANCE_NOT_A_NUMBER: Explanation(
        "Write digits, with a sign before them at most, or declare in the config which marks the file uses.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "one hundred"},
        bears_on_it=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_WITH_WORDS: Explanation(
        "Take the word away, or declare it in balance.currency_sign if it is a sign of the currency; amounts in thousands or "
        "millions have to be written out.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "R 100"},
        bears_on_it=("mapping.balance.currency_sign",),
    ),
    Reason.VALIDATE_BALANCE_NOT_WHOLE: Explanation(
        "State cents, not rand; or say in the config that the column holds whole units (unit: major).",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "240.10"},
        bears_on_it=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_TOO_MANY_DECIMALS: Explanation(
        "Decide about the surplus digits where the amount comes from: nothing is rounded here (surplus_zeros: true allows zeros).",
        example="12.345 ZAR, which has two decimals",
        bears_on_it=("mapping.balance",),
    ),
    Reason.VALIDATE_BALANCE_TOO_LARGE: Explanation(
        "Look for a doubled unit or a reference in the wrong column; if it is right, billing cannot take it.",
        cells={**_REFERENCE, "currency": "ZAR", "balance": "9007199254740992"},
    ),
    Reason.VALIDATE_BALANCE_NEEDS_CURRENCY: Explanation(
        "Give the row a currency, or declare a default: currency: {column: CUR, default: ZAR}.",
        cells={**_REFERENCE, "balance": "100"},
        bears_on_it=("mapping.currency",),
    ),
    Reason.VALIDATE_IDENTITY_NOT_13_DIGITS: Explanation(
        "Look it up in the document; zeros in front may have been lost in a spreadsheet.",
        example="12 digits, because a leading zero was lost",
        bears_on_it=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_DATE: Explanation(
        "Look it up in the document: the first six digits are year, month and day of birth.",
        example="a number that begins with 801332",
        bears_on_it=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_CHECK_DIGIT: Explanation(
        "Look it up in the document; a digit is wrong, or two have changed places.",
        example="two digits that changed places",
        bears_on_it=("mapping.identity",),
    ),
    Reason.VALIDATE_PASSPORT_MALFORMED: Explanation(
        "Write the number alone, without the country or a remark.",
        example="A12 345 678 (Kenya)",
        bears_on_it=("mapping.identity",),
    ),
    Reason.VALIDATE_IDENTITY_MISSING: Explanation(
        "Fill in the identity number or the passport number; or say that the job wants none.",
        example="both cells empty, with required: true in the config",
        bears_on_it=("mapping.identity",),
    ),
    Reason.VALIDATE_METADATA_TOO_LONG: Explanation(
        "Shorten the value, or do not map the column: it stays in every list.",
        cells={**_REFERENCE, "metadata.note": "n" * 501},
        bears_on_it=("mapping.metadata",),
    ),
    Reason.VALIDATE_METADATA_SENSITIVE: Explanation(
        "Take the value out, or map another column; if the column is harmless, say sensitive_metadata: warn.",
        example="a note with 4111 1111 1111 1111, and sensitive_metadata: refuse in the config",
        bears_on_it=("mapping.sensitive_metadata", "mapping.metadata"),
    ),
    Reason.VALIDATE_METADATA_TOO_MANY: Explanation(
        "Map fewer columns to metadata: billing takes ten.",
        example="eleven metadata columns with a value in one row",
        bears_on_it=("mapping.metadata",),
    ),
    Reason.MATCH_REPEATS_EARLIER_ROW: Explanation(
        "Nothing needs to be done: the first of them is created, and the list names it.",
        example="the same record twice in one file",
    ),
    Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT: Explanation(
        "Decide which row is the customer, delete the others, and feed the mended list back.",
        example="A-1 with a balance of 100, and A-1 with a balance of 200",
    ),
    Reason.MATCH_KNOWN_SAME: Explanation(
        "Nothing needs to be done: billing has this customer.",
        example="A-1 with the same content as in the known customers",
        bears_on_it=("references",),
    ),
    Reason.MATCH_KNOWN_DIFFERENT: Explanation(
        "Decide whether the file or billing is right; an import creates customers and changes none.",
        example="A-1 with a balance other than in the known customers",
        bears_on_it=("references",),
    ),
    Reason.MATCH_EMAIL_OF_ANOTHER: Explanation(
        "Find out whether the two are one customer; if they are not, correct the address of one of them.",
        example="A-1 with the address of the known customer B-7",
        bears_on_it=("references",),
    ),
    Reason.MATCH_PHONE_OF_ANOTHER: Explanation(
        "Find out whether the two are one customer; families and offices share numbers.",
        example="A-1 with the number of the known customer B-7",
        bears_on_it=("references",),
    ),
    Reason.MATCH_BILLING_ID_OF_ANOTHER: Explanation(
        "Correct the billing id: it belongs to another reference.",
        example="A-1 with the billing id of the known customer B-7",
        bears_on_it=("references",),
    ),
    Reason.MATCH_IDENTITY_OF_ANOTHER: Explanation(
        "Look whether this is a second account of the same person.",
        example="a new reference with the identity number of a known customer",
        bears_on_it=("references.same_identity", "mapping.identity"),
    ),
    Reason.PLAN_CREATED_BEFORE: Explanation(
        "Nothing needs to be done: an earlier run created or found this customer.",
        example="the same file, planned again after it was applied",
    ),
    Reason.PLAN_CREATED_BEFORE_DIFFERENT: Explanation(
        "Decide whether the new content is right, and change the customer in billing: an import changes none.",
        example="yesterday's file again, with another balance for A-1",
    ),
    Reason.PLAN_CREATED_BEFORE_OTHER_FORM: Explanation(
        "Compare the fields that the changelog lists under the normalization version: the customer may be the same, written "
        "in another normal form. An import changes no customer.",
        example="a name with a zero-width space at its end, created by a version that kept it",
    ),
    Reason.PLAN_REFUSED_BEFORE: Explanation(
        "Mend the row by what billing said of it; or, if billing has changed its mind, ask again.",
        example="a row that billing refused, submitted again without a correction",
        bears_on_it=("--retry-refused",),
    ),
    Reason.PLAN_EARLIER_REQUEST_UNSETTLED: Explanation(
        "Resume this run. It settles the earlier request first; then this record is sent, or held if that request made the customer.",
        example="A-1 in doubt since last night, and in today's file with another balance",
    ),
    Reason.PLAN_EARLIER_REQUEST_GIVEN_UP: Explanation(
        "Run --give-up for the earlier request 48 hours after its last send. If it was never created, run this file again.",
        example="A-1 given up this morning, and in tonight's file with another balance",
        bears_on_it=("--give-up",),
    ),
    Reason.PLAN_OUTSIDE_WAVE: Explanation(
        "Nothing needs to be done: run the file again with the next wave.",
        example="a row of a branch that --where excludes",
        bears_on_it=("--where",),
    ),
    Reason.PLAN_BEYOND_LIMIT: Explanation(
        "Nothing needs to be done: run the file again for the rest.",
        example="row 101 with --limit 100",
        bears_on_it=("--limit",),
    ),
    Reason.SUBMIT_REFUSED: Explanation(
        "Read what billing said (_import_billing_said), mend the row, and feed the list back.",
        example="a rule of billing that its documentation does not mention",
        bears_on_it=("thresholds.usual_refusals", "thresholds.alarming_refusals"),
    ),
    Reason.SUBMIT_TOO_LARGE: Explanation(
        "Shorten the metadata; something between us and billing limits the size of a request.",
        example="an answer 413, 414 or 431",
    ),
    Reason.SUBMIT_ALREADY_THERE: Explanation(
        "Nothing needs to be done: billing has this customer, and not from this run. Loading it into the known customers saves the question.",
        example="a customer that somebody created by hand",
        bears_on_it=("references",),
    ),
    Reason.SUBMIT_ALREADY_THERE_DIFFERENT: Explanation(
        "Compare the two (differences.csv) and decide; an import changes no customer.",
        example="A-1 created by hand with another balance",
        bears_on_it=("references",),
    ),
    Reason.SUBMIT_ECHO_DIFFERS: Explanation(
        "Compare what was sent with what billing keeps (differences.csv), and correct it in billing.",
        example="a name that billing cuts after 100 characters",
    ),
    Reason.SUBMIT_IN_DOUBT: Explanation(
        "Resume the run: it asks billing, and sends under the same key where billing does not know the customer.",
        example="a connection that broke after the request was sent",
        bears_on_it=("thresholds.outage_seconds",),
    ),
    Reason.SUBMIT_GIVEN_UP: Explanation(
        "Nothing needs to be done in this run. Reconcile later: it reports the customer if billing creates it after all.",
        example="a create that a gateway refused for a week",
        bears_on_it=("--give-up", "--note"),
    ),
    Reason.SUBMIT_NOT_ATTEMPTED: Explanation(
        "Resume the run once the cause of the stop is gone.",
        example="rows after the revocation of the API key",
        bears_on_it=("--stop-by", "--max-creates"),
    ),
    FileIssue.ACCOUNT_CHANGED: Explanation(
        "Correct BILLING_API_KEY; for a sandbox, use the same --state as before. If the customers were deleted on "
        "purpose, accept it.",
        example="the key of the test account of another merchant",
        bears_on_it=("--accept",),
    ),
    FileIssue.HOME_NEW: Explanation(
        "Restore the home folder from its backup, or name it with --home. If it is lost, accept it: then every customer "
        "is looked up before it is sent.",
        example="a run with a new --home beside the reports of the old one",
        bears_on_it=("--home", "--accept"),
    ),
    FileIssue.STREAM_NAME: Explanation(
        "Check that this is the right file and the right config; rename the file, or correct stream.name.",
        example="customers.csv instead of daily_{date}.csv",
        bears_on_it=("stream.name", "stream.date_format", "--accept"),
    ),
    FileIssue.STREAM_SAME_FILE: Explanation(
        "Nothing is lost: its customers are in billing. Ask for the expected file.",
        example="daily_2026-11-22.csv, imported on Monday, delivered again",
        bears_on_it=("stream", "--accept"),
    ),
    FileIssue.STREAM_OLD_FILE_NEW_NAME: Explanation(
        "Ask the supplier for the day's own file.",
        example="daily_2026-11-23.csv with the bytes of daily_2026-11-22.csv",
        bears_on_it=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_DAY_AGAIN: Explanation(
        "Ask which of the two files is right; customers of the first are already in billing.",
        example="a corrected daily_2026-11-22.csv, after the first was imported",
        bears_on_it=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_EARLIER_DAY: Explanation(
        "Check whether the file was only late; then accept it.",
        example="Saturday's file, after Sunday's was imported",
        bears_on_it=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_MISSING_DAY: Explanation(
        "Find the file of the missing day and import it first. If that day has no file, accept it, or list the days in the config.",
        example="daily_2026-11-23.csv, without a file for 2026-11-22",
        bears_on_it=("stream.days", "--accept"),
    ),
    FileIssue.STREAM_COLUMNS_MOVED: Explanation(
        "Check that each column still matches the mapping; then accept it.",
        example="amount_due and amount_paid changed places",
        bears_on_it=("mapping", "--accept"),
    ),
    FileIssue.STREAM_VOLUME: Explanation(
        "Check that the file is complete, or that the change in volume is right.",
        example="40 records instead of the usual 1,000",
        bears_on_it=("stream.usual_volume", "--accept"),
    ),
    FileIssue.MAX_REJECTED: Explanation(
        "Check the reasons first: one wrong setting, such as the decimal mark, may reject every record. Otherwise allow more.",
        example="180 of 200 records rejected, with a limit of 20%",
        bears_on_it=("thresholds.max_rejected", "--max-rejected", "--accept"),
    ),
    FileIssue.TOTAL_DIFFERS: Explanation(
        "Find the missing or wrong rows, or ask for the right total; the message states the difference.",
        example="--expect ZAR=1234567, but the records sum to 1234467",
        bears_on_it=("--expect", "control", "--accept"),
    ),
    FileIssue.TOTAL_RECORDS_DIFFER: Explanation(
        "Check that the file is complete.",
        example="a trailer with 2000 after 1,998 records",
        bears_on_it=("--expect", "control", "--accept"),
    ),
    FileIssue.TOTAL_NOT_STATED: Explanation(
        "Check that the file is complete: a missing trailer often means a truncated file. Otherwise correct the expression.",
        example="a file without its trailer, or no .ctl file beside it",
        bears_on_it=("control.trailer", "control.pattern", "source.footer_lines", "--accept"),
    ),
    FileIssue.TOTAL_HUNDREDFOLD: Explanation(
        "Compare a few balances with the supplier's system, and declare their unit.",
        example="debits of 8,240,000.00 ZAR after 82,400.00 yesterday",
        bears_on_it=("mapping.balance.unit",),
    ),
    FileIssue.AMOUNTS_ALREADY_CENTS: Explanation(
        "Compare a few balances with the supplier's system, and declare their unit.",
        example="24000 for a debt of 240.00 rand, declared as major units",
        bears_on_it=("mapping.balance.unit",),
    ),
    FileIssue.UNITS_MIXED: Explanation(
        "Compare a few amounts of both kinds with the supplier's system. If a column states the unit, declare it.",
        example="185,64 and 18564, with a column FLAG: R for rand, C for cents",
        bears_on_it=("mapping.balance.unit",),
    ),
    FileIssue.REFERENCES_ROUNDED: Explanation(
        "Ask for a file that no spreadsheet has saved: the digits are lost, and customers could be mixed up.",
        example="8412345678901230 and 8412345678905670: all references of 16 digits end in 0",
        bears_on_it=("--accept",),
    ),
    FileIssue.REFERENCES_MAY_BE_ROUNDED: Explanation(
        "Check a few of them in the supplier's system.",
        example="some references of 16 digits that end in 0; normally one in ten does",
    ),
    FileIssue.REFERENCES_LOOK_ALIKE: Explanation(
        "Check whether they are one customer or two; they are sent as two.",
        example="A-1O and A-10, or 00123 and 123",
    ),
    FileIssue.PHONES_ABROAD: Explanation(
        "Check a few: single foreign numbers are normal; a whole column of them means a wrong region.",
        example="+27821234567 in a record whose region is KW",
        bears_on_it=("mapping.region",),
    ),
    FileIssue.LAST_LINE_UNENDED: Explanation(
        "Compare the last record and the size of the file with the original, and fetch the file again if they differ.",
        example="A-9,Thandi Nkosi,199 at the end of a file, but 19900 in the original",
    ),
    FileIssue.COLUMN_NAMES_CHANGED: Explanation(
        "No action is needed; the config names these columns without spaces and invisible characters.",
        example="' name' is called 'name', and a line break within a name is a space",
    ),
    FileIssue.COLUMNS_WITHOUT_NAME: Explanation(
        "Ask the supplier what the column means, and to name it. Until then, map it by its position.",
        example="the fourth column has texts but no name: it is called column_4",
        bears_on_it=("source.header",),
    ),
    FileIssue.PHONES_UNUSUAL: Explanation(
        "Look for missing digits in these rows; unusual_phones: reject rejects such numbers.",
        example="082123, which is created as +2782123; South African numbers have nine digits after the zero",
        bears_on_it=("mapping.unusual_phones", "region"),
    ),
    FileIssue.TOTAL_ROWS: Explanation(
        "Check the row. If it is a total, declare the number of lines after the table in source.footer_lines.",
        example="Total as the external reference of the last row, or a balance equal to the sum of all others",
        bears_on_it=("source.footer_lines",),
    ),
    FileIssue.TEXTS_MISREAD: Explanation(
        "Export the file again in UTF-8, or declare its real encoding; decode HTML entities at the source.",
        example="ZoÃ« for Zoë, Bj\ufffdrn, Smith &amp; Sons",
        bears_on_it=("source.encoding",),
    ),
    FileIssue.TEXTS_PLACEHOLDERS: Explanation(
        "List the texts that mean an empty cell in mapping.absent; then the field is left out. Exclude lines that are "
        "not records with source.footer_lines, or delete them.",
        example="name: NULL",
        bears_on_it=("mapping.absent", "source.footer_lines"),
    ),
    FileIssue.SAME_EMAIL: Explanation(
        "Check the largest group: it may be a default address for customers without one.",
        example="office@example.com under three references",
        bears_on_it=("mapping.email", "mapping.absent"),
    ),
    FileIssue.SAME_IDENTITY: Explanation(
        "Check whether these are several accounts of one person.",
        example="two references with one identity number; only the rows are shown, not the number",
        bears_on_it=("mapping.identity",),
    ),
    FileIssue.RETURN_CELLS_RESTORED: Explanation(
        "No action is needed; returned.csv names each cell. Editing rejected.xlsx avoids the damage.",
        example="00123 came back as 123, and +27821234567 as 27821234567",
    ),
    FileIssue.RETURN_CELLS_KEPT: Explanation(
        "Check in returned.csv whether a person or a spreadsheet changed these cells.",
        example="500.00 in JPY was rejected, and came back as 500",
    ),
    FileIssue.RETURN_CELLS_LOST: Explanation(
        "Type the texts again: returned.csv names the cells.",
        example="a new phone number that the spreadsheet shows as 8.21E+08",
    ),
    FileIssue.RETURN_ORIGINALS_UNKNOWN: Explanation(
        "Restore the run's folder if it still exists; otherwise compare a few rows by eye.",
        example="a rejected.csv of last month, whose run folder was removed",
        bears_on_it=("--reports",),
    ),
    FileIssue.RETURN_CHECK_UNTESTABLE: Explanation(
        "Look for cells that a spreadsheet has changed, such as lost zeros. It is safer to edit a list of this home with all its columns.",
        example="a rejected.csv of an earlier version, or of another home; or a list without the column _import_check",
        bears_on_it=("--home",),
    ),
    FileIssue.COLUMNS_NOT_KEPT: Explanation(
        "If you need the column, ask for it as text, in several columns, or with another name. Otherwise no action is needed.",
        example="a column 'address' of type struct<street: string, town: string>",
    ),
    FileIssue.METADATA_SENSITIVE: Explanation(
        "Remove the column from the metadata, or reject such values (sensitive_metadata: refuse).",
        example="metadata note: 3 of 1,200 values look like card numbers",
        bears_on_it=("mapping.sensitive_metadata", "mapping.metadata"),
    ),
}
