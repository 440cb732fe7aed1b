"""Workbooks of any writer, honest or hostile: their parts, sheets, values and limits. Most are built here by hand."""

import itertools
import random
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import openpyxl
import pytest
import xlsxwriter

from pipeline.config import load_config
from pipeline.errors import SourceError
from pipeline.sources import BATCH_BYTES, Declared, excel_file, in_order, read, shared_texts
from pipeline.sources.limits import MOST_COLUMNS

CASES = Path(__file__).parents[1] / "cases" / "outside"
TRANSITIONAL = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
LINKS = {
    TRANSITIONAL: "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    STRICT: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
ROWS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'
    '<row r="2"><c r="A2" s="1"><v>123</v></c><c r="B2" t="s"><v>3</v></c><c r="C2" s="2"><v>240.1</v></c></row>'
)
RECORD = ["00123", "Ann", "240.10"]


@dataclass(frozen=True)
class Book:
    """A workbook as text, with all that writers do differently."""

    rows: str = ROWS
    texts: tuple[str, ...] = ("external_reference", "name", "balance", "Ann")
    formats: tuple[str, ...] = ("00000", "0.00")
    folder: str = "xl/"
    names: dict = field(
        default_factory=lambda: {
            "book": "workbook.xml",
            "sheet": "worksheets/sheet1.xml",
            "styles": "styles.xml",
            "texts": "sharedStrings.xml",
        }
    )
    target: str = "{name}"  #: how relationships of the book write names: {name} from its folder, {whole} from the root
    in_zip: str = "{whole}"
    namespace: str = TRANSITIONAL
    sheet_kind: str = "worksheet"
    sheet_name: str = "Debtors"
    after_rows: str = ""
    has_types: bool = True
    changes: dict = field(default_factory=dict)  #: role of a part -> (old, new)

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for role, (name, text) in self._parts().items():
                old, new = self.changes.get(role, ("", ""))
                written = text.replace(old, new, 1) if old else text
                called = (
                    name.replace("/", "\\")
                    if self.in_zip == "\\"
                    else self.in_zip.format(whole=name)
                )
                file.writestr(
                    called, written.encode("utf-16") if "UTF-16" in written[:60] else written
                )
        return path

    def _parts(self) -> dict[str, tuple[str, str]]:
        whole = {role: self.folder + name for role, name in self.names.items()}
        links = LINKS[self.namespace]
        kinds = {"sheet": self.sheet_kind, "styles": "styles", "texts": "sharedStrings"}
        own = "".join(
            f'<Relationship Id="{role}" Type="{links}/{kind}" Target={quoteattr(self.target.format(name=self.names[role], whole=whole[role]))}/>'
            for role, kind in kinds.items()
        )
        folder, _, name = whole["book"].rpartition("/")
        book_links = f"{folder}/_rels/{name}.rels".lstrip("/")
        types = {
            "book": "sheet.main",
            "sheet": self.sheet_kind,
            "styles": "styles",
            "texts": "sharedStrings",
        }
        overrides = "".join(
            f'<Override PartName="/{whole[role]}" ContentType="{TYPE}.{type_}+xml"/>'
            for role, type_ in types.items()
        )
        codes = "".join(
            f'<numFmt numFmtId="{at}" formatCode={quoteattr(code)}/>'
            for at, code in enumerate(self.formats, 164)
        )
        styles = "".join(f'<xf numFmtId="{at}"/>' for at in range(164, 164 + len(self.formats)))
        items = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in self.texts)
        main = f'xmlns="{self.namespace}"'
        return {
            **({"types": ("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>')} if self.has_types else {}),
            "links": ("_rels/.rels", f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="b" Type="{links}/officeDocument" Target="{whole["book"]}"/></Relationships>'),
            "book": (whole["book"], f'<workbook {main} xmlns:r="{links}"><sheets><sheet name={quoteattr(self.sheet_name)} sheetId="1" r:id="sheet"/></sheets></workbook>'),
            "book_links": (book_links, f'<Relationships xmlns="{PACKAGE}/relationships">{own}</Relationships>'),
            "sheet": (whole["sheet"], f"<worksheet {main}><sheetData>{self.rows}</sheetData>{self.after_rows}</worksheet>"),
            "styles": (whole["styles"], f'<styleSheet {main}><numFmts>{codes}</numFmts><cellXfs><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>'),
            "texts": (whole["texts"], f"<sst {main}>{items}</sst>"),
        }  # fmt: skip


def read_all(path, declared=None, layout=None, *, batch_bytes=BATCH_BYTES, any_columns=False):
    files = in_order([path], declared, layout, any_columns=any_columns)
    records = [row for _, batch in read(files, batch_bytes) for row in batch.records.to_dicts()]
    assert files[0].lines.physical == sum(
        getattr(files[0].lines, name) for name in ("header", "skipped", "blank", "records")
    )
    return records


def cells(record):
    return [text for name, text in record.items() if name.startswith("given.")]


def case(name):
    """The records of an outside case, read as its job says."""
    job = load_config(CASES / name / "job.yaml").job
    return read_all(CASES / name / "c.xlsx", Declared(**job.source.model_dump()), job.mapping)


# --- The outside cases -------------------------------------------------------------------------------------------------


def test_e2e_sign_an_amount_whose_format_shows_another_sign_is_refused():
    ann, ben = case("e2e_sign")

    assert [ann["reason"], ben["reason"]] == ["READ.CELL_FORMAT:amount"] * 2
    assert (ann["text"].split(",")[0], ben["text"].split(",")[0]) == ("CUS00417", "CUS00418")


def test_x_formats_every_format_shows_what_excel_shows_or_refuses_its_column():
    found = {record["line"]: record for record in case("x_formats")}
    references = {
        line: (record["text"].split(",") if record["reason"] else cells(record))[0]
        for line, record in found.items()
    }

    assert {line: references[line] for line in (2, 3, 4, 5, 6, 24, 25)} == {
        2: "000-01-2345", 3: "12-345", 4: "0000-0001-2345", 5: "ACC12345", 6: "0123-45", 24: "-12345", 25: "01 23 45",
    }  # fmt: skip
    assert [cells(found[line])[2] for line in (9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22)] == [
        "1234.5", "P1234.50", "Ksh1234.50", "K1234.50", "1234.50 Kč", "$1234.50", "R 1234.50", "R 1234.50", "1234.50 CR",
        "R1234.50", "1234.50", "1234.50",
    ]  # fmt: skip
    # Shown as -1,234.50, (1,234.50), 1234.50- and -1235.
    assert {found[line]["reason"] for line in (7, 8, 18, 24)} == {"READ.CELL_FORMAT:amount"}
    assert found[23]["reason"] == "READ.CELL_FORMAT:external_reference"  # shown as nothing


XP = [["00123", "Ann", "240.10", "2025-12-09"], ["00007", "Ben", "10.00", "2025-12-10"]]


def test_xp_styles_a_part_of_styles_in_capitals_is_found():
    assert [cells(record) for record in case("xp_Styles")] == XP


def test_xp_shared_strings_a_part_of_texts_in_capitals_is_found():
    assert [cells(record) for record in case("xp_SharedStrings")] == XP


def test_xp_backslash_parts_with_backslashes_in_their_names_are_found():
    assert [cells(record) for record in case("xp_backslash")] == XP


def test_php_writer_general_in_capitals_is_general():
    assert [cells(record) for record in case("php_writer")] == [["A-1", "Ann", "100"]]


def test_x_errheader_inspect_a_first_row_without_text_is_described(pipeline):
    path = CASES / "x_errheader_inspect" / "c.xlsx"

    for command in ("inspect", "init"):
        result = pipeline(command, path)
        assert result.returncode == 4
        assert (
            "row 1 of sheet 'Sheet1' holds no names of columns, only 1 cell with an error such as #N/A"
            in result.stderr
        )
        assert "Row 2 looks more like the header" in result.stderr
    assert pipeline("inspect", path, "--skip-lines", "1").returncode == 0


def test_sp_xlsx_an_error_in_a_column_with_a_space_sets_its_row_aside():
    assert [record["reason"] for record in case("sp_xlsx")] == [
        None,
        "READ.CELL_ERROR:Amount Due",
        None,
    ]


# --- Parts -------------------------------------------------------------------------------------------------------------

FOLDERS = ["xl/", "XL/", "", "excel data/", "a/b/c/"]
TARGETS = ["{name}", "./{name}", "/{whole}", "../{whole}", "{whole}", "x/../{name}"]
NAMES = [
    {
        "book": "workbook.xml",
        "sheet": "worksheets/sheet1.xml",
        "styles": "Styles.xml",
        "texts": "SharedStrings.XML",
    },
    {"book": "Workbook.xml", "sheet": "Sheet 1.xml", "styles": "st\u00fcle.xml", "texts": "t.bin"},
    {
        "book": "b.xml",
        "sheet": "worksheets/1",
        "styles": "theme/s.xml",
        "texts": "strings%20all.xml",
    },
]


def test_parts_are_found_by_their_relationships_under_any_name(tmp_path):
    wrong = []
    neighbours = list(
        itertools.product(
            FOLDERS, TARGETS, NAMES, [TRANSITIONAL, STRICT], ["{whole}", "\\"], [True, False]
        )
    )
    for at, (folder, target, names, namespace, in_zip, has_types) in enumerate(neighbours[::5]):
        if target == "../{whole}" and folder.count("/") != 1:
            continue
        book = Book(
            folder=folder,
            target=target,
            names=names,
            namespace=namespace,
            in_zip=in_zip,
            has_types=has_types,
        )
        path = book.write(tmp_path / "b.xlsx")
        try:
            found = [cells(record) for record in read_all(path)]
        except SourceError as refused:
            found = str(refused)
        if found != [RECORD]:
            wrong.append((at, folder, target, names, in_zip, has_types, found))

    assert len(neighbours[::5]) >= 140
    assert wrong == []


def test_a_part_is_found_by_its_content_type_where_no_relationship_leads_to_it(tmp_path):
    for changes in (
        {"links": ("officeDocument", "unknown")},
        {"book_links": ("relationships/styles", "relationships/unknown")},
        {"book_links": ("relationships/sharedStrings", "relationships/unknown")},
    ):
        assert [cells(r) for r in read_all(Book(changes=changes).write(tmp_path / "b.xlsx"))] == [
            RECORD
        ]


def test_two_parts_of_one_name_are_refused(tmp_path):
    path = Book().write(tmp_path / "b.xlsx")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("XL\\Styles.xml", "<styleSheet/>")

    with pytest.raises(SourceError, match=r"2 parts called 'xl/styles\.xml'"):
        read_all(path)


def test_a_style_that_the_workbook_does_not_state_shows_no_number(tmp_path):
    for changes in (
        {"styles": ('numFmtId="164" formatCode', 'numFmtId="999" formatCode')},
        {"styles": ('formatCode="00000"', f'formatCode="{"0" * 2000}"')},
        {"sheet": ('s="1"', 's="77"')},
        {"sheet": ('s="1"', 's="-1"')},
        {"sheet": ('s="1"', 's="\u0661"')},
    ):
        (record,) = read_all(Book(changes=changes).write(tmp_path / "b.xlsx"))
        assert record["reason"] == "READ.CELL_FORMAT:external_reference"


def test_a_zip_file_without_a_workbook_is_named_as_one(tmp_path):
    main = '<Override PartName="/d.xml" ContentType="application/vnd.{}"/>'
    for type_, what in (
        ("openxmlformats-officedocument.wordprocessingml.document.main+xml", "a Word document"),
        (
            "openxmlformats-officedocument.presentationml.presentation.main+xml",
            "a PowerPoint presentation",
        ),
        ("ms-excel.sheet.binary.macroEnabled.main", r"\.xlsb"),
    ):
        path = tmp_path / "b.xlsx"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("d.xml", "<x/>")
            file.writestr(
                "[Content_Types].xml",
                f'<Types xmlns="{PACKAGE}/content-types">{main.format(type_)}</Types>',
            )
        with pytest.raises(SourceError, match=what):
            read_all(path)


# --- Structure ---------------------------------------------------------------------------------------------------------

CELL = '<c r="A{0}" t="inlineStr"><is><t>x-1</t></is></c>'


def test_rows_in_an_extension_are_no_rows(tmp_path):
    extension = f'<extLst><ext><row r="9">{CELL.format(9)}</row><sheetData><row r="9">{CELL.format(9)}</row></sheetData></ext></extLst>'
    inside_cell = ROWS.replace(
        "</v></c></row>", f'</v><extLst><row r="9">{CELL.format(9)}</row></extLst></c></row>'
    )
    foreign = ROWS + f'<o:row xmlns:o="urn:other" r="9">{CELL.format(9)}</o:row>'

    for book in (Book(after_rows=extension), Book(rows=inside_cell), Book(rows=foreign)):
        assert [cells(r) for r in read_all(book.write(tmp_path / "b.xlsx"))] == [RECORD]


def test_nested_rows_and_cells_are_refused(tmp_path):
    row = f'<row r="9">{CELL.format(9)}</row>'
    for rows in (
        ROWS.replace("</row>", f"{row}</row>", 1),
        ROWS.replace('<c r="A2" s="1">', f'<c r="A2" s="1">{row}'),
        ROWS.replace('<c r="A2" s="1">', f'<c r="A2" s="1">{CELL.format(2)}'),
        ROWS + CELL.format(9),
        ROWS.replace("<v>123</v>", f"<v>1{row}</v>"),
    ):
        with pytest.raises(SourceError, match="in the wrong place"):
            read_all(Book(rows=rows).write(tmp_path / "b.xlsx"))


def test_an_xml_declaration_is_refused_in_any_part_and_encoding(tmp_path):
    parts = Book()._parts()
    for role, place, encoding in itertools.product(
        parts, ("first", "far away"), ("UTF-8", "UTF-16")
    ):
        text = parts[role][1]
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        far = f"<!--{'x' * 5000}-->" if place == "far away" else ""
        declared = f"{head}{far}<!DOCTYPE a [<!ENTITY b 'c'>]>{text}"
        path = Book(changes={role: (text, declared)}).write(tmp_path / "b.xlsx")

        with pytest.raises(SourceError, match="document type declaration"):
            read_all(path)
        good = Book(changes={role: (text, f"{head}{far}{text}")}).write(tmp_path / "b.xlsx")
        assert [cells(r) for r in read_all(good)] == [RECORD]


@pytest.mark.parametrize(
    "name", ["docProps/core.xml", "customXml/item1.xml", "xl/drawings/a.vml", "xl/comments9"]
)
def test_a_declaration_is_refused_in_parts_that_are_not_read_and_anything_else_in_them_is_not(
    tmp_path, name
):
    texts = [
        "<a/>",
        "",
        "\x00\x01",
        "<a",
        "<!-- <!DOCTYPE a> --><a/>",
        "<?xml version='1.0' encoding='x-none'?><a/>",
    ]
    for content in [text.encode() for text in texts]:
        path = Book().write(tmp_path / "b.xlsx")
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(name, content)
        assert [cells(r) for r in read_all(path)] == [RECORD]

    declared = f"<?xml version='1.0'?><!--{'x' * 9000}--><!DOCTYPE a [<!ENTITY b 'c'>]><a/>"
    for content in (declared.encode(), declared.encode("utf-16")):
        path = Book().write(tmp_path / "b.xlsx")
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(name, content)
        with pytest.raises(SourceError, match="document type declaration"):
            read_all(path)


def test_elements_that_are_nested_without_end_are_refused(tmp_path):
    deep = "<x>" * 5000 + "</x>" * 5000

    for book in (
        Book(after_rows=deep),
        Book(changes={"styles": ("<cellXfs>", f"{deep}<cellXfs>")}),
    ):
        with pytest.raises(SourceError, match="nested more than"):
            read_all(book.write(tmp_path / "b.xlsx"))


MALFORMED = {
    "n": ["1_000", "\u0661\u0662", "\uff11", "0x10", "1,5", "--1", "1e", "NaN", "INF", "1e999", "1 2", "\u00b2", "abc", "TRUE", "1.2.3",
          "1e-999", "1e99999999999999999999", "9" * 500, "\u00a05", "#N/A", "+-1", "1/2", "5%", "R5", "0b1", "1e5_0"],
    "b": ["2", "yes", "TRUE", "\u0661", "-1", "01", "1.0", "t"],
    "d": ["22/11/2026", "2026-13-01", "2026-02-30", "\u0662\u0660\u0662\u0666-11-22", "2026-11-22T25:00:00", "today", "2026-W47", "20261122"],
    "x": ["1", "A", "0"],
    "": ["1"],
    "str": ["_xD800_"],
}  # fmt: skip
NO_TEXT = ["-1", "4", "99", "\u0661", "1_0", "1.0", "+1", "0x1", "9" * 30, "\u00b2", "1e0", "a"]


def test_a_value_that_no_spreadsheet_writes_is_refused_and_never_read_as_another(tmp_path):
    values = [(kind, value) for kind, malformed in MALFORMED.items() for value in malformed]
    cells_ = [
        (column, kind, value) for (kind, value), column in itertools.product(values, "ABC")
    ]  # in the reference, the name and the balance
    rows = ROWS[: ROWS.index('<row r="2"')] + "".join(
        f'<row r="{at}"><c r="{column}{at}" t="{kind}"><v>{value}</v></c></row>'
        for at, (column, kind, value) in enumerate(cells_, start=2)
    )
    found = read_all(Book(rows=rows).write(tmp_path / "b.xlsx"))
    names = dict(zip("ABC", ("external_reference", "name", "balance"), strict=True))

    assert len(found) == len(cells_) >= 100
    assert [
        (cell, record["reason"])
        for cell, record in zip(cells_, found, strict=True)
        if record["reason"] != f"READ.CELL_MALFORMED:{names[cell[0]]}"
    ] == []


def test_an_inline_text_of_a_cell_is_read_whatever_type_the_writer_declares(tmp_path):
    header = ROWS[: ROWS.index('<row r="2">')]
    kinds = ('t="inlineStr"', 't="str"', 't="n"', "")
    row = "".join(
        f'<row r="{at}"><c r="A{at}" {kind}><is><t>0012</t></is></c></row>'
        for at, kind in enumerate(kinds, start=2)
    )

    read_records = read_all(Book(rows=header + row).write(tmp_path / "c.xlsx"))
    assert [cells(record)[0] for record in read_records] == ["0012"] * 4


def test_a_text_that_is_not_there_refuses_the_workbook(tmp_path):
    for index in NO_TEXT:
        path = Book(rows=ROWS.replace("<v>3</v>", f"<v>{index}</v>")).write(tmp_path / "b.xlsx")
        with pytest.raises(SourceError, match="refers to a missing text"):
            read_all(path)


def test_a_cell_or_row_with_an_impossible_position_refuses_the_workbook(tmp_path):
    places = [
        'r="A3"',
        'r="a2"',
        'r="XFE2"',
        'r="A02"',
        'r="A-2"',
        'r="2"',
        'r="A"',
        'r=""',
        'r="\u0410" ',
        'r="A\u0662"',
        'r="AAAA2"',
        'r="B2"',
    ]
    numbers = ["0", "-1", "1", "02", "2.0", "\u0662", "1048577", "9" * 40, "2_0", "", " 2"]
    rows = [ROWS.replace('r="A2"', place) for place in places]
    rows += [ROWS.replace('<row r="2"', f'<row r="{number}"') for number in numbers]

    for text in rows:
        with pytest.raises(SourceError, match="workbook"):
            read_all(Book(rows=text).write(tmp_path / "b.xlsx"))


def test_texts_are_taken_with_their_runs_and_escapes_and_without_readings(tmp_path):
    items = (
        "external_reference",
        "name",
        "balance",
        "A</t></si><si><r><t>An</t></r><r><t>n_x0041__x005F_x_xD83D__xDE00_</t></r><rPh><t>reading</t></rPh><phoneticPr/></si><si><t>z",
    )
    path = Book(texts=items, rows=ROWS.replace("<v>3</v>", "<v>4</v>")).write(tmp_path / "b.xlsx")

    assert cells(read_all(path)[0])[1] == "AnnA_x\U0001f600"


def test_a_text_shows_what_its_format_adds_to_texts(tmp_path):
    book = Book(
        formats=('0;-0;0;"Ref: "@', ";;;"),
        rows=ROWS.replace('t="s"><v>3', 's="1" t="s"><v>3').replace('s="2"', ""),
    )

    assert cells(read_all(book.write(tmp_path / "b.xlsx"))[0])[1] == "Ref: Ann"
    hidden = replace(book, rows=book.rows.replace('s="1" t="s"', 's="2" t="s"'))
    assert read_all(hidden.write(tmp_path / "b.xlsx"))[0]["reason"] == "READ.CELL_FORMAT:name"


def test_a_header_that_is_repeated_in_another_spelling_is_no_record(tmp_path):
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        for at, row in enumerate(
            (
                ["external_reference", "name"],
                ["a-1", "Ann"],
                [" External_Reference", "NAME\u00a0"],
                ['"External_Reference"', " NAME\u200b"],
                ["external_reference", "Ben"],
            )
        ):
            page.write_row(at, 0, row)

    assert [record["reason"] for record in read_all(path)] == [
        None,
        *["READ.REPEATED_HEADER"] * 2,
        None,
    ]


def test_a_header_with_a_column_without_a_name_is_recognized_where_it_is_repeated(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "b.xlsx") as book:
        page = book.add_worksheet()
        for at, row in enumerate(
            (
                ["external_reference", "", "name"],
                ["a-1", "x", "Ann"],
                ["EXTERNAL_REFERENCE ", "", " Name"],
                ["a-2", "", "Ben"],
            )
        ):
            page.write_row(at, 0, row)

    records = read_all(tmp_path / "b.xlsx")

    assert [record["reason"] for record in records] == [None, "READ.REPEATED_HEADER", None]
    assert records[0]["given.column_2"] == "x"


# --- Sheets ------------------------------------------------------------------------------------------------------------

JOB = "environment: sandbox\nmerchant: acme\naddress: sandbox\nmapping: {external_reference: ref, name: name}\n"
SHEETS = ["Cover page", 'it\'s "Q1" [draft]', "*", "{0}", "Debtors;|x", "\u4e2d\u6587"]


def sheets_of(path: Path, names: list[str] = SHEETS) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in names:
        page = book.create_sheet("x")
        page.sheet_properties.codeName = None
        page._WorkbookChild__title = name  # openpyxl refuses names that other programs write
        page.append(["ref", "name"])
        page.append([f"a-{names.index(name)}", name])
    book.save(path)
    return path


def test_the_sheet_is_named_on_the_command_line_as_data(pipeline):
    path = sheets_of(pipeline.folder / "b.xlsx")
    (pipeline.folder / "job.yaml").write_text(JOB)

    for name in SHEETS:
        assert pipeline("inspect", path, "--sheet", name).returncode == 0
    assert pipeline("plan", path, "--config", "job.yaml", "--sheet", SHEETS[3]).returncode == 0
    assert pipeline.summary()["inputs"][0]["dialect"]["sheet"] == SHEETS[3]
    assert pipeline("init", path, "--sheet", SHEETS[1], "--output", "drafted.yaml").returncode == 0
    assert load_config(pipeline.folder / "drafted.yaml").job.source.sheet == SHEETS[1]
    assert (
        pipeline("run", path, "--config", "job.yaml", "--sheet", SHEETS[2], "--yes").returncode == 0
    )
    assert pipeline.summary()["fates"]["created"] == 1


def test_an_option_names_the_sheet_where_the_config_names_another(pipeline):
    path = sheets_of(pipeline.folder / "b.xlsx", ["One", "Two"])
    (pipeline.folder / "job.yaml").write_text(f"{JOB}source: {{sheet: One}}\n")

    assert (
        "sheet 'Two'" in pipeline("inspect", path, "--config", "job.yaml", "--sheet", "Two").stdout
    )
    assert "sheet 'One'" in pipeline("inspect", path, "--config", "job.yaml").stdout
    refused = pipeline("plan", path, "--config", "job.yaml", "--sheet", "Three")
    assert refused.returncode == 4
    assert "no sheet 'Three'; there are: 'One', 'Two'" in refused.stderr


def test_several_sheets_are_listed_with_the_option_that_chooses(pipeline):
    path = sheets_of(pipeline.folder / "b.xlsx", ["One", "Two words"])

    refused = pipeline("inspect", path)

    assert refused.returncode == 4
    assert (
        "--sheet NAME, or source.sheet in the config; one of 'One', 'Two words'" in refused.stderr
    )


def test_a_sheet_that_is_not_a_table_is_named_by_its_kind(tmp_path):
    kinds = {
        "chartsheet": "a chart sheet",
        "dialogsheet": "a dialog sheet",
        "xlMacrosheet": "a sheet of old macros",
    }
    for kind, what in kinds.items():
        path = Book(sheet_kind=kind, sheet_name="Chart 1").write(tmp_path / "b.xlsx")
        with pytest.raises(SourceError, match=f"no sheet with a table: 'Chart 1' is {what}"):
            read_all(path)
        with pytest.raises(SourceError, match=f"sheet 'Chart 1' is {what} and no table"):
            read_all(path, Declared(sheet="Chart 1"))


def test_a_chart_sheet_beside_the_table_is_no_choice(tmp_path):
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet("Debtors")
        page.write_row(0, 0, ["external_reference", "amount"])
        page.write_row(1, 0, ["a-1", 5])
        chart = book.add_chart({"type": "bar"})
        chart.add_series({"values": "=Debtors!$B$2:$B$2"})
        book.add_chartsheet("Chart").set_chart(chart)

    assert [cells(r) for r in read_all(path)] == [["a-1", "5"]]
    with pytest.raises(
        SourceError, match="'Chart' is a chart sheet and no table; there are: 'Debtors', 'Chart'"
    ):
        read_all(path, Declared(sheet="Chart"))


def test_titles_above_a_table_with_empty_cells_are_advised_to_be_skipped(pipeline):
    """Records of real tables fill different numbers of cells."""
    header = ["ACCOUNT_NO", "FIRSTNAME", "LASTNAME", "EMAIL", "DEBIT", "CREDIT", "REMARK"]
    rows = [
        [f"00{n}", "Ann", "Nkosi", *[None, "a@example.com"][n % 2 :], n * 1.5, *[None] * (n % 3)]
        for n in range(20)
    ]
    path = pipeline.folder / "b.xlsx"
    for titles in (["Debtors"], ["Debtors of November", "all branches"], ["a", "b", "c"]):
        with xlsxwriter.Workbook(path) as book:
            page = book.add_worksheet()
            for at, row in enumerate([*[[title] for title in titles], header, *rows]):
                page.write_row(at, 0, row)
        refused = pipeline("init", path, "--force")
        assert refused.returncode == 4
        assert f"Row {len(titles) + 1} looks more like the header" in refused.stderr
        assert pipeline("init", path, "--skip-lines", str(len(titles)), "--force").returncode == 0


def test_a_sheet_whose_rows_are_missing_is_refused(tmp_path):
    path = Book(changes={"book_links": ('Id="sheet"', 'Id="other"')}).write(tmp_path / "b.xlsx")

    with pytest.raises(SourceError, match="lacks the rows of its sheet 'Debtors'"):
        read_all(path)


def test_rows_above_the_header_are_advised_to_be_skipped(pipeline):
    titles = [["Debtors of November"], [], ["as of", "2026-11-30"]]
    header, record = ["ref", "name"], ["a-1", "Ann Example"]
    (pipeline.folder / "job.yaml").write_text(JOB)
    path = pipeline.folder / "b.xlsx"
    for title in ([titles[0]], titles[:2], titles):
        with xlsxwriter.Workbook(path) as book:
            page = book.add_worksheet()
            for at, row in enumerate([*title, header, *[record] * 3]):
                page.write_row(at, 0, row)
        refused = pipeline("plan", path, "--config", "job.yaml")
        assert refused.returncode == 4
        assert f"Row {len(title) + 1} looks more like the header" in refused.stderr
        assert (
            f"source.skip_lines: {len(title)} in the config (inspect and init: --skip-lines {len(title)})"
            in refused.stderr
        )
        assert "Ann" not in refused.stderr
        looked = pipeline("inspect", path)
        assert (looked.returncode, "--skip-lines" in looked.stderr) == (4, True)
        assert pipeline("inspect", path, "--skip-lines", str(len(title))).returncode == 0


def sheet_of(path: Path, rows: list[list]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        for at, row in enumerate(rows):
            page.write_row(at, 0, row)
    return path


def test_columns_of_a_sheet_are_named_by_the_rules_of_csv_files(tmp_path):
    rows = [
        ["", " external_reference\u00a0", "", "full\nname"],
        ["", "a-1", "note", "Ann"],
        ["", "b-1", "", "Ben"],
    ]
    path = sheet_of(tmp_path / "b.xlsx", rows)

    (file,) = in_order([path], any_columns=True)
    records = [row for batch in file.batches() for row in batch.records.to_dicts()]

    assert file.columns == ["external_reference", "column_3", "full name"]
    assert [cells(record) for record in records] == [["a-1", "note", "Ann"], ["b-1", "", "Ben"]]
    assert [finding.issue.value for finding in file.findings] == [
        "DOUBT.COLUMN_NAMES_CHANGED",
        "DOUBT.COLUMNS_WITHOUT_NAME",
    ]
    with pytest.raises(SourceError, match="columns 1 and 2 have the same name"):
        read_all(sheet_of(path, [["Ref", " ref "], ["a-1", "b"]]), any_columns=True)


def test_a_column_beyond_the_header_that_most_rows_fill_has_no_name_and_a_rarer_one_is_surplus(
    tmp_path,
):
    rows = [
        ["external_reference", "name"],
        ["a-1", "Ann", "x"],
        ["b-1", "Ben", "y", "z"],
        ["c-1", "Cat"],
    ]
    path = sheet_of(tmp_path / "b.xlsx", rows)

    (file,) = in_order([path])
    records = [row for batch in file.batches() for row in batch.records.to_dicts()]

    assert file.columns == ["external_reference", "name", "column_3"]
    assert [row["reason"] for row in records] == [None, "READ.TOO_MANY_FIELDS", None]
    assert cells(records[0]) == ["a-1", "Ann", "x"]
    assert [finding.issue.value for finding in file.findings] == ["DOUBT.COLUMNS_WITHOUT_NAME"]


@pytest.mark.parametrize("footer", [0, 1])
def test_a_row_of_nothing_but_spaces_is_blank_as_in_a_csv_file(tmp_path, footer):
    rows = [
        [" "],
        ["external_reference", "name"],
        ["a-1", "Ann"],
        [" ", "\t"],
        ["\u00a0", "\u200b"],
        ["b-1", "Ben"],
        ["", " "],
        ["Total"],
        [" "],
    ]
    kept = rows if footer else rows[:-2]
    book = sheet_of(tmp_path / "b.xlsx", kept)
    text = tmp_path / "b.csv"
    text.write_text("".join(",".join([*row, ""][:2]) + "\n" for row in kept), encoding="utf-8")

    (sheet,), (file,) = (in_order([path], Declared(footer_lines=footer)) for path in (book, text))
    found = [
        [row for batch in one.batches() for row in batch.records.to_dicts()]
        for one in (sheet, file)
    ]

    assert (
        [cells(row) for row in found[0]]
        == [cells(row) for row in found[1]]
        == [["a-1", "Ann"], ["b-1", "Ben"]]
    )
    assert sheet.lines == file.lines


def test_a_title_row_gets_one_advice(tmp_path):
    for title in (["2026-11-30", "4711-0815", "2026-11-30"], ["Report", "of May"]):
        path = sheet_of(
            tmp_path / "b.xlsx",
            [title, ["external_reference", "name", "phone"], ["a-1", "Ann", "x"]],
        )
        for any_columns in (True, False):
            with pytest.raises(SourceError, match="Row 2 looks more like the header") as refused:
                read_all(path, any_columns=any_columns)
            assert "source.header" not in str(refused.value)


def test_rows_with_empty_cells_at_their_end_are_evidence_for_the_header_above_them(tmp_path):
    names = ["Opened on", "Opened by", "Their Nr", "Remark", "Extra"]
    rows = [
        ["2026-01-02", "Ann Lee", "4"],
        ["2026-01-03", "Ben Nkosi", "5", "x"],
        ["2026-01-04", "Cat Botha", "6"],
    ]
    path = sheet_of(tmp_path / "orders.xlsx", [names, *rows])

    (file,) = in_order([path], any_columns=True)
    count = sum(batch.records.height for batch in file.batches())

    assert (file.columns, count) == (names, len(rows))


def test_unnamed_columns_and_surplus_cells_are_judged_as_in_the_same_csv_file(tmp_path):
    chance = random.Random(23)
    for trial in range(20):
        header = ["external_reference", *chance.choices(["", " ", "\u00a0", "\u200b"], k=4), "name"]
        empty = [chance.random() < 0.6 for _ in range(4)]
        rows = [
            [
                f"a-{n}",
                *(
                    chance.choice(["", " ", "\u00a0"] if is_empty else ["", "x"])
                    for is_empty in empty
                ),
                "Ann",
                *["surplus"] * (n > 0 and chance.random() < 0.2),
            ]
            for n in range(5)
        ]
        book = sheet_of(tmp_path / "b.xlsx", [header, *rows])
        text = tmp_path / "b.csv"
        text.write_text("".join(",".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")

        found = []
        for path in (book, text):
            (file,) = in_order([path])
            records = [row for batch in file.batches() for row in batch.records.to_dicts()]
            facts = [
                file.written.get(fact)
                for fact in ("columns_ignored", "columns_without_name", "names_changed")
            ]
            found.append((file.columns, facts, [(row["reason"], cells(row)) for row in records]))

        assert found[0] == found[1], trial


def test_a_sheet_without_a_header_is_imported_by_position(pipeline):
    people = [[f"A-{n}", f"Person {n}", "", f"p{n}@example.com"] for n in range(5)]
    sheet_of(pipeline.folder / "b.xlsx", people)
    (pipeline.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nsource: {header: none}\n"
        "mapping: {external_reference: column_1, name: column_2, email: column_4}\n"
    )

    result = pipeline("run", "b.xlsx", "--config", "job.yaml", "--yes")

    assert result.returncode == 0, result.stderr
    assert pipeline.summary()["fates"]["created"] == 5


def test_a_sheet_without_a_header_is_read_where_that_is_declared_and_its_cells_are_never_printed(
    pipeline,
):
    people = [[f"ACC{at}", f"person{at}@example.com", "0821234567"] for at in range(10, 15)]
    path = sheet_of(pipeline.folder / "b.xlsx", people)

    refused = pipeline("inspect", path)
    assert refused.returncode == 4
    assert "source.header: none" in refused.stderr
    assert not any(cell in refused.stderr for row in people for cell in row)
    records = read_all(path, Declared(header="none"), any_columns=True)
    assert [cells(record) for record in records] == people
    assert [record["line"] for record in records] == [1, 2, 3, 4, 5]


# --- What is no workbook -----------------------------------------------------------------------------------------------

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
NO_WORKBOOKS = {
    "~$book.xlsx": (b"\x03Ann" + b" " * 160, r"Excel keeps this file while a workbook is open.*book\.xlsx"),
    ".~lock.book.xlsx#": (b",ann,desk,30.11.2026;", "LibreOffice keeps this file.*import book.xlsx"),
    "old.xls": (OLE2 + "Workbook".encode("utf-16-le") + b"\0\0", r"an old Excel workbook \(\.xls\)"),
    "older.xls": (OLE2 + "Book".encode("utf-16-le") + b"\0\0", r"an old Excel workbook \(\.xls\)"),
    "oldest.xls": (b"\x09\x00\x04\x00\x02\x00\x10\x00", "a very old Excel sheet"),
    "secret.xlsx": (OLE2 + "EncryptedPackage".encode("utf-16-le") + b"\0\0", "a workbook with a password"),
    "letter.xlsx": (OLE2 + "WordDocument".encode("utf-16-le") + b"\0\0", "a Word document"),
    "other.xls": (OLE2, "an old Office file"),
    "empty.xlsx": (b"PK\x05\x06" + b"\0" * 18, "an empty ZIP file"),
    "page.xls": (b"<html><body><table><tr><td>ref</td></tr></table></body></html>", "a web page"),
    "table.xls": (b"\xef\xbb\xbf\r\n<!-- made by x -->\n<TABLE border=1><tr><td>ref", "a web page"),
    "doctype.xlsx": (b"<!DOCTYPE html>\n<html>", "a web page"),
    "wide.xls": ("\ufeff<html>".encode("utf-16-le"), "a web page"),
    "xml.xls": (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook>', "an XML Spreadsheet 2003"),
    "xml.csv": ('<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook>'.encode("utf-16"), "an XML Spreadsheet 2003"),
    "mail.xls": (b"MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\nContent-Type: multipart/related; boundary=x\r\n\r\n", "MHTML"),
    "blink.xls": (b'From: <Saved by Blink>\r\nSubject: a\r\nContent-Type: multipart/related;\r\n\ttype="text/html"\r\n', "MHTML"),
    "div.xls": (b"<div><table><tr><td>ref</td></tr></table></div>", "a web page"),
    "text.xls": (rb"{\rtf1\ansi ref\par}", "RTF"),
    "links.xls": (b'ID;PWXL;N;E\r\nP;PGeneral\r\nC;Y1;X1;K"ref"\r\n', "a SYLK file"),
    "links2.xls": (b'ID;P\nC;Y1;X1;K"ref"\nE\n', "a SYLK file"),
    "bare.xls": (b"\x09\x08\x10\x00\x00\x06\x05\x00" + b"\0" * 40, r"an old Excel workbook \(\.xls\) without its container"),
    "bare5.xls": (b"\x09\x08\x08\x00\x00\x05\x05\x00" + b"\0" * 40, r"an old Excel workbook \(\.xls\) without its container"),
    "any.xls": (b'<?xml version="1.0"?><customers/>', "an XML file"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_WORKBOOKS)
def test_a_file_mistaken_for_a_workbook_is_named_by_its_kind(pipeline, name):
    content, what = NO_WORKBOOKS[name]
    path = pipeline.folder / name
    path.write_bytes(content)

    with pytest.raises(SourceError, match=what):
        read_all(path)
    assert pipeline("inspect", path).returncode == 4


def test_a_binary_workbook_and_other_zip_files_are_named_by_their_kind(tmp_path):
    for name, what in (
        ("xl/workbook.bin", "xlsb"),
        ("XL\\Workbook.BIN", "xlsb"),
        ("mimetype", "OpenDocument"),
        ("Index/Document.iwa", "Apple Numbers"),
        ("a.csv", "a ZIP file and no workbook"),
    ):
        path = tmp_path / "b.xlsx"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, "x")
        with pytest.raises(SourceError, match=what):
            read_all(path)


# --- Limits ------------------------------------------------------------------------------------------------------------


def wide_rows(count: int, cell: str) -> str:
    return ROWS + "".join(
        f'<row r="{at}"><c r="A{at}" t="s"><v>3</v></c>{cell.format(at)}</row>'
        for at in range(3, count + 3)
    )


def test_empty_cells_beyond_the_header_are_nothing(tmp_path):
    path = Book(rows=wide_rows(500, '<c r="XFD{}" s="1"/>')).write(tmp_path / "b.xlsx")

    files = in_order([path])
    batches = [batch.records for _, batch in read(files)]

    assert [batch.height for batch in batches] == [501]
    assert set(batches[0]["reason"].to_list()) == {None}


def test_a_filled_cell_beyond_the_header_sets_its_row_aside_in_small_batches(tmp_path):
    path = Book(rows=wide_rows(300, '<c r="XFD{}"><v>1</v></c>')).write(tmp_path / "b.xlsx")

    files = in_order([path])
    batches = [batch.records for _, batch in read(files, batch_bytes=1 << 20)]

    assert max(batch.height for batch in batches) <= (1 << 20) // MOST_COLUMNS
    assert [r for batch in batches for r in batch["reason"].to_list()] == [
        None,
        *["READ.TOO_MANY_FIELDS"] * 300,
    ]


def test_a_text_that_many_cells_share_is_cut_into_batches_by_its_length(tmp_path):
    path = Book(texts=(*Book().texts[:3], "x" * 30_000), rows=wide_rows(200, "")).write(
        tmp_path / "b.xlsx"
    )

    sizes = [
        batch.records.estimated_size() for _, batch in read(in_order([path]), batch_bytes=1 << 20)
    ]

    assert max(sizes) < 2 << 20


def test_more_than_is_held_at_once_is_refused(tmp_path, monkeypatch):
    path = Book(texts=(*Book().texts[:3], "x" * 30_000), rows=wide_rows(600, "")).write(
        tmp_path / "b.xlsx"
    )

    for module, limit, most, message in (
        (excel_file, "_ENOUGH_TO_JUDGE", 1 << 20, "100 times its size"),
        (shared_texts, "MOST_BYTES_HELD", 20_000, "more texts than are held at once"),
        (shared_texts, "MOST_CELLS_HELD", 3, "more texts than are held at once"),
        (shared_texts, "LONGEST_TEXT", 10_000, "more than 10,000 characters in one cell"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, most)
            with pytest.raises(SourceError, match=message):
                read_all(path)


def test_more_columns_than_a_sheet_has_are_refused(tmp_path):
    header = "".join(
        f'<c t="inlineStr"><is><t>c{at}</t></is></c>' for at in range(MOST_COLUMNS + 1)
    )
    path = Book(rows=f"<row>{header}</row>").write(tmp_path / "b.xlsx")

    with pytest.raises(SourceError, match="beyond column 16,384"):
        read_all(path, any_columns=True)
