"""Help for reasons of reading a file and mapping its columns."""

from pipeline.domain.reason_help.explanation import Explanation, Help
from pipeline.domain.reasons import Reason

_DIALECT = ("source.delimiter", "source.encoding")
READING: Help = {
    Reason.READ_TOO_FEW_FIELDS: Explanation(
        "Add the missing delimiters. A field may be empty, but its delimiter is required.",
        example="a header of 7 columns, and the record A-1,Thandi Nkosi",
        settings=_DIALECT,
    ),
    Reason.READ_TOO_MANY_FIELDS: Explanation(
        "Quote the field that contains a delimiter, or remove the surplus delimiter.",
        example="the record A-1,Nkosi, Thandi,… where the name needs quotes",
        settings=_DIALECT,
    ),
    Reason.READ_STRAY_QUOTE: Explanation(
        'Quote the whole field and double the quotes in it: "the ""Red"" House". If the '
        "config declares source.quote, use that character.",
        example='the "Red" House, unquoted, or "Red" House',
        settings=("source.quote",),
    ),
    Reason.READ_STRAY_ESCAPE: Explanation(
        "Double an escape character that stands for itself. If nothing is escaped, "
        "remove source.escape from the config.",
        example="C:\\temp in a file whose config declares a backslash as source.escape",
        settings=("source.escape",),
    ),
    Reason.READ_UNCLOSED_QUOTE: Explanation(
        "Close the quote. Double it if it is part of the text.",
        example='A-1,"Thandi Nkosi,thandi@example.com without a closing quote',
    ),
    Reason.READ_NOT_UTF8: Explanation(
        "Save the file as UTF-8, or declare its encoding in source.encoding.",
        example="Ren\\xe9e, as cp1252 writes Renée",
        settings=("source.encoding",),
    ),
    Reason.READ_UNDECODABLE: Explanation(
        "Correct the bytes shown, or declare the real encoding of the file.",
        example="the byte 0x81 in a file declared as cp1252",
        settings=("source.encoding",),
    ),
    Reason.READ_CONTROL_CHARACTER: Explanation(
        "Delete the character. It usually comes from a damaged export.",
        example="Thandi\\x00Nkosi",
    ),
    Reason.READ_LONE_CR: Explanation(
        "Add a line feed after the carriage return, delete it, or quote its field.",
        example="Thandi\\rNkosi, unquoted",
    ),
    Reason.READ_LONE_LF: Explanation(
        "Delete the line feed, or save the whole file with LF or CRLF line ends.",
        example="Thandi\\nNkosi, in a file of an old Mac",
    ),
    Reason.READ_REPEATED_HEADER: Explanation(
        "Delete the line: it repeats the column names. If two files were joined, import "
        "them separately.",
        example="external_reference,name in the middle of the file",
    ),
    Reason.READ_TOO_LONG: Explanation(
        "Find a quote that was opened above and never closed. No customer record is a "
        "megabyte long.",
        example="a record of 2 MiB",
    ),
    Reason.READ_CELL_DAMAGED: Explanation(
        "Type the text again in a column with the format Text. Or edit rejected.xlsx, "
        "whose cells are text.",
        example="8.21E+08 in a cell with another value before, in a list saved by a spreadsheet",
    ),
    Reason.RETURN_ROW_MISMATCH: Explanation(
        "Edit only the cells that the reasons name, and sort whole rows. To change "
        "other cells, send the record in a new file without the _import_ columns.",
        example="only the supplier's columns of rejected.csv sorted; or our columns copied to another row",
    ),
    Reason.READ_CELL_ERROR: Explanation(
        "Correct the formula or the cell in the spreadsheet, and save it again.",
        example="#N/A in the column of balances",
    ),
    Reason.READ_FORMULA_WITHOUT_VALUE: Explanation(
        "Open the file in a spreadsheet program and save it, so that formulas have "
        "values. Or paste the values.",
        example="=SUM(B2:B7), written by a program that does not calculate",
    ),
    Reason.READ_CELL_FORMAT: Explanation(
        "Format the column as a plain number or as Text, and save the file again.",
        example="an amount shown as 12%, as 1.5 MIO, or with a minus that is not in the cell; a fraction: 2/7",
    ),
    Reason.READ_CELL_MALFORMED: Explanation(
        "Open the workbook in a spreadsheet program, check the cell, and save it again. "
        "Report it to the author of the file.",
        example="<v>1_000</v> in the column of balances",
    ),
    Reason.MAP_VALUE_UNLISTED: Explanation(
        "Correct the cell, or list its text under values in the config. For a balance, "
        "list it for the unit or the marks.",
        example="class: X where the config lists D, B and V",
        settings=("mapping",),
    ),
    Reason.MAP_NO_MATCH: Explanation(
        "Write the cell as the config expects it. Or set unmatched to absent or keep.",
        example="extract: 'ACC([0-9]+)', and the cell 4711",
        settings=("mapping",),
    ),
    Reason.MAP_DEBIT_AND_CREDIT: Explanation(
        "Leave one of the two empty, or state their difference in one of them.",
        example="DR 100,00 and CR 20,00 in one record",
        settings=("mapping.balance",),
    ),
    Reason.MAP_SIGN_IN_DEBIT_OR_CREDIT: Explanation(
        "Delete the sign, and put the amount into the debit or the credit column.",
        example="DR -100,00",
        settings=("mapping.balance",),
    ),
    Reason.MAP_SIGN_OF_ANOTHER_CURRENCY: Explanation(
        "Correct the currency or the amount. If the sign means another currency here, "
        "declare it by currency.",
        example="1 234,56 € in a record whose currency is ZAR",
        settings=("mapping.balance.currency_sign", "mapping.currency"),
    ),
}
