"""Help for issues of a whole file, a stream of files or a ledger."""

from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help.explanation import Explanation, Help

FILES: Help = {
    FileIssue.ACCOUNT_CHANGED: Explanation(
        "Correct BILLING_API_KEY; for a sandbox, use the same --state as before. If the customers were deleted on "
        "purpose, accept it.",
        example="the key of the test account of another merchant",
        settings=("--accept",),
    ),
    FileIssue.HOME_NEW: Explanation(
        "Restore the home folder from its backup, or name it with --home. If it is lost, accept it: then every customer "
        "is looked up before it is sent.",
        example="a run with a new --home beside the reports of the old one",
        settings=("--home", "--accept"),
    ),
    FileIssue.STREAM_NAME: Explanation(
        "Check that this is the right file and the right config; rename the file, or correct stream.name.",
        example="customers.csv instead of daily_{date}.csv",
        settings=("stream.name", "stream.date_format", "--accept"),
    ),
    FileIssue.STREAM_SAME_FILE: Explanation(
        "Nothing is lost: its customers are in billing. Ask for the expected file.",
        example="daily_2026-11-22.csv, imported on Monday, delivered again",
        settings=("stream", "--accept"),
    ),
    FileIssue.STREAM_OLD_FILE_NEW_NAME: Explanation(
        "Ask the supplier for the day's own file.",
        example="daily_2026-11-23.csv with the bytes of daily_2026-11-22.csv",
        settings=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_DAY_AGAIN: Explanation(
        "Ask which of the two files is right; customers of the first are already in billing.",
        example="a corrected daily_2026-11-22.csv, after the first was imported",
        settings=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_EARLIER_DAY: Explanation(
        "Check whether the file was only late; then accept it.",
        example="Saturday's file, after Sunday's was imported",
        settings=("stream.name", "--accept"),
    ),
    FileIssue.STREAM_MISSING_DAY: Explanation(
        "Find the file of the missing day and import it first. If that day has no file, accept it, or list the days in the config.",
        example="daily_2026-11-23.csv, without a file for 2026-11-22",
        settings=("stream.days", "--accept"),
    ),
    FileIssue.STREAM_COLUMNS_MOVED: Explanation(
        "Check that each column still matches the mapping; then accept it.",
        example="amount_due and amount_paid changed places",
        settings=("mapping", "--accept"),
    ),
    FileIssue.STREAM_VOLUME: Explanation(
        "Check that the file is complete, or that the change in volume is right.",
        example="40 records instead of the usual 1,000",
        settings=("stream.usual_volume", "--accept"),
    ),
    FileIssue.MAX_REJECTED: Explanation(
        "Check the reasons first: one wrong setting, such as the decimal mark, may reject every record. Otherwise allow more.",
        example="180 of 200 records rejected, with a limit of 20%",
        settings=("thresholds.max_rejected", "--max-rejected", "--accept"),
    ),
    FileIssue.TOTAL_DIFFERS: Explanation(
        "Find the missing or wrong rows, or ask for the right total; the message states the difference.",
        example="--expect ZAR=1234567, but the records sum to 1234467",
        settings=("--expect", "control", "--accept"),
    ),
    FileIssue.TOTAL_RECORDS_DIFFER: Explanation(
        "Check that the file is complete.",
        example="a trailer with 2000 after 1,998 records",
        settings=("--expect", "control", "--accept"),
    ),
    FileIssue.TOTAL_NOT_STATED: Explanation(
        "Check that the file is complete: a missing trailer often means a truncated file. Otherwise correct the expression.",
        example="a file without its trailer, or no .ctl file beside it",
        settings=("control.trailer", "control.pattern", "source.footer_lines", "--accept"),
    ),
    FileIssue.TOTAL_HUNDREDFOLD: Explanation(
        "Compare a few balances with the supplier's system, and declare their unit.",
        example="debits of 8,240,000.00 ZAR after 82,400.00 yesterday",
        settings=("mapping.balance.unit",),
    ),
    FileIssue.AMOUNTS_ALREADY_CENTS: Explanation(
        "Compare a few balances with the supplier's system, and declare their unit.",
        example="24000 for a debt of 240.00 rand, declared as major units",
        settings=("mapping.balance.unit",),
    ),
    FileIssue.UNITS_MIXED: Explanation(
        "Compare a few amounts of both kinds with the supplier's system. If a column states the unit, declare it.",
        example="185,64 and 18564, with a column FLAG: R for rand, C for cents",
        settings=("mapping.balance.unit",),
    ),
    FileIssue.REFERENCES_ROUNDED: Explanation(
        "Ask for a file that no spreadsheet has saved: the digits are lost, and customers could be mixed up.",
        example="8412345678901230 and 8412345678905670: all references of 16 digits end in 0",
        settings=("--accept",),
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
        settings=("mapping.region",),
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
        settings=("source.header",),
    ),
    FileIssue.PHONES_UNUSUAL: Explanation(
        "Look for missing digits in these rows; unusual_phones: reject rejects such numbers.",
        example="082123, which is created as +2782123; South African numbers have nine digits after the zero",
        settings=("mapping.unusual_phones", "region"),
    ),
    FileIssue.TOTAL_ROWS: Explanation(
        "Check the row. If it is a total, declare the number of lines after the table in source.footer_lines.",
        example="Total as the external reference of the last row, or a balance equal to the sum of all others",
        settings=("source.footer_lines",),
    ),
    FileIssue.TEXTS_MISREAD: Explanation(
        "Export the file again in UTF-8, or declare its real encoding; decode HTML entities at the source.",
        example="ZoÃ« for Zoë, Bj\ufffdrn, Smith &amp; Sons",
        settings=("source.encoding",),
    ),
    FileIssue.TEXTS_PLACEHOLDERS: Explanation(
        "List the texts that mean an empty cell in mapping.absent; then the field is left out. Exclude lines that are "
        "not records with source.footer_lines, or delete them.",
        example="name: NULL",
        settings=("mapping.absent", "source.footer_lines"),
    ),
    FileIssue.SAME_EMAIL: Explanation(
        "Check the largest group: it may be a default address for customers without one.",
        example="office@example.com under three references",
        settings=("mapping.email", "mapping.absent"),
    ),
    FileIssue.SAME_IDENTITY: Explanation(
        "Check whether these are several accounts of one person.",
        example="two references with one identity number; only the rows are shown, not the number",
        settings=("mapping.identity",),
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
        settings=("--reports",),
    ),
    FileIssue.RETURN_CHECK_UNTESTABLE: Explanation(
        "Look for cells that a spreadsheet has changed, such as lost zeros. It is safer to edit a list of this home with all its columns.",
        example="a rejected.csv of an earlier version, or of another home; or a list without the column _import_check",
        settings=("--home",),
    ),
    FileIssue.COLUMNS_NOT_KEPT: Explanation(
        "If you need the column, ask for it as text, in several columns, or with another name. Otherwise no action is needed.",
        example="a column 'address' of type struct<street: string, town: string>",
    ),
    FileIssue.METADATA_SENSITIVE: Explanation(
        "Remove the column from the metadata, or reject such values (sensitive_metadata: refuse).",
        example="metadata note: 3 of 1,200 values look like card numbers",
        settings=("mapping.sensitive_metadata", "mapping.metadata"),
    ),
}
