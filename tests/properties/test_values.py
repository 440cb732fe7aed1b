"""Families of neighbours: amounts with signs, phones as floats, invisible characters, damaged texts and honest ones."""

import html
import itertools
import re
import unicodedata
from decimal import Decimal

import duckdb
import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.characters import INVISIBLE, name_of, trimmed
from pipeline.domain.column_mapping import Layout
from pipeline.domain.currency import exponents, with_minor_unit
from pipeline.domain.currency_signs import customary_signs
from pipeline.domain.file_issues import FileIssue
from pipeline.planning.file_checks.texts import find_text_doubts
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, find_clues, normalize
from pipeline.transforming.normalize.subscribers import is_unusual_length
from pipeline.transforming.source_totals import ControlTotals
from pipeline.transforming.validation import validate
from tests.conftest import hold


def judged(layout: Layout, **columns: list[str]) -> pl.DataFrame:
    """Customers with their reasons and clues, and the records that they were made of under `given.…`."""
    height = len(next(iter(columns.values())))
    given = {"ID": [f"a-{n}" for n in range(height)], **columns}
    records = pl.DataFrame(
        {
            "row_id": [str(n) for n in range(height)],
            **{f"given.{name}": texts for name, texts in given.items()},
        }
    )
    table = normalize(map_columns(records, layout), layout, Defaults())
    reasons = validate(table).reasons
    return table.with_columns(reasons=reasons, clue=find_clues(table, reasons))


def layout(**fields: object) -> Layout:
    return Layout.model_validate({"external_reference": "ID", **fields})


# -- amounts with signs -----------------------------------------------------------------------------------------------

SIGNS = {"ZAR": ["R", "Rs."], "EUR": ["€"], "KWD": ["KD", "د.ك"], "JPY": ["¥"]}
BEFORE = ["", "R", "R ", "R\u00a0", "€", "€\u202f", "KD ", "¥", "Rs.", "Rs. ", "$", "USD "]
BEHIND = ["", "R", " R", "\u00a0€", "€", " KD", " Rs.", " $", " MIO", "%"]
SIDES = [
    ("", ""),
    ("-", ""),
    ("\u2212", ""),
    ("(", ")"),
    ("", "-"),
    ("+", ""),
    ("\u2013", ""),
    ("'", ""),
    ("'-", ""),
]
NUMBERS = ["5", "1 234,50", "0,01", "1\u00a0234\u202f567,00"]


def meaning(text: str, code: str) -> int | None:
    """Minor units that an amount states, character by character, in `decimal`; None where it states none.

    An apostrophe, then one of ( - +, a sign of the currency on each side at most and not the same one, a number.
    """
    text, sign = text.replace("\u2212", "-").removeprefix("'").strip(), 1
    found = []
    for ends in (0, 1):
        opens = text[:1] if not ends and text[:1] in "+-(" else ""
        closes = text[-1:] if ends and text[-1:] in "-)" else ""
        inner = text[len(opens) : len(text) - len(closes)].strip()
        own = [
            one
            for one in sorted(SIGNS[code], key=len, reverse=True)
            if (inner.endswith(one) if ends else inner.startswith(one))
        ]
        if own:
            found.append(own[0])
            inner = (inner[: -len(own[0])] if ends else inner[len(own[0]) :]).strip()
            text = opens + inner + closes
    if len(found) == 2 and found[0] == found[1]:
        return None
    if text.startswith("(") and text.endswith(")"):
        text, sign = text[1:-1].strip(), -1
    elif text.endswith("-"):
        text, sign = text[:-1].strip(), -1
    if sign == -1 and not text[:1].isdigit():
        return None
    number = re.fullmatch(
        r"([+-]?)([0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+|[0-9]+)(?:,([0-9]+))?", text
    )
    if number is None or len(number[3] or "") > (exponents()[code] or 0):
        return None
    whole = re.sub(r"\D", "", number[2])
    return (
        int(Decimal(f"{whole}.{number[3] or 0}").scaleb(exponents()[code] or 0))
        * sign
        * (-1 if number[1] == "-" else 1)
    )


def test_thousands_of_amounts_with_signs_are_those_of_decimal_and_add_up():
    texts = [
        f"{opens}{before}{number}{behind}{closes}"
        for (opens, closes), before, number, behind in itertools.product(
            SIDES, BEFORE, NUMBERS, BEHIND
        )
    ]
    texts += [f"{before}{opens}{number}{closes}{behind}" for (opens, closes), before, number, behind in itertools.product(SIDES[1:5], BEFORE[1:6], NUMBERS, BEHIND[:5])]  # fmt: skip
    rows = [(text, code) for text in texts for code in SIGNS]
    balance = {
        "column": "B", "unit": "major", "decimal_mark": ",", "thousands": " ", "parentheses": True, "trailing_minus": True,
        "leading_apostrophe": True, "currency_sign": SIGNS,
    }  # fmt: skip
    declared = layout(currency="C", balance=balance)

    table = judged(declared, B=[text for text, _ in rows], C=[code for _, code in rows])

    expected = [meaning(text, code) for text, code in rows]
    wrong = [
        (*row, mine, theirs)
        for row, mine, theirs in zip(rows, table["balance"], expected, strict=True)
        if mine != theirs
    ]
    assert wrong == []
    assert sum(cents is not None for cents in expected) > 800
    assert (table["reasons"].list.len() > 0).to_list() == [cents is None for cents in expected]
    totals = ControlTotals()
    totals.add(table, declared)
    sums = {
        code: sum(cents or 0 for (_, of), cents in zip(rows, expected, strict=True) if of == code)
        for code in SIGNS
    }
    assert totals.net == sums


def test_in_workbooks_every_customary_sign_of_every_currency_is_read_beside_its_own_amounts_and_no_other_s():
    rows = [
        (code, text.format(sign))
        for code, signs in customary_signs().items()
        for sign in signs
        for text in ("{} 5", "-{}5", "5 {}", "(5)")
    ]
    declared = layout(
        currency="C", balance={"column": "B", "unit": "major", "parentheses": True}
    ).of_workbook()

    table = judged(declared, C=[code for code, _ in rows], B=[text for _, text in rows])

    units = [10 ** (exponents()[code] or 0) * (-5 if text[0] in "-(" else 5) for code, text in rows]
    assert [
        (row, mine)
        for row, mine, right in zip(rows, table["balance"], units, strict=True)
        if mine != right
    ] == []
    others = [(code, sign) for code in sorted(with_minor_unit())[::7] for sign in ("US$", "€", "zł", "Ksh", "CHF") if sign not in customary_signs()[code]]  # fmt: skip
    refused = judged(
        declared, C=[code for code, _ in others], B=[f"5 {sign}" for _, sign in others]
    )
    assert refused["balance"].null_count() == len(others) > 100
    assert set(refused["reasons"].explode()) == {"MAP.SIGN_OF_ANOTHER_CURRENCY:balance"}
    assert all(f"“{sign}”" in clue for (_, sign), clue in zip(others, refused["clue"], strict=True))


@pytest.mark.parametrize(
    "signs",
    [["R", "€", "$"], {"ZAR": "R", "EUR": ["€"], "USD": ["$", "US$"]}, {"*": ["R", "€", "$"]}, {"*": "R", "EUR": "€", "USD": "$"}],
)  # fmt: skip
def test_signs_may_be_declared_as_a_list_or_by_currency(signs):
    written = {
        "column": "B",
        "unit": "major",
        "decimal_mark": ",",
        "parentheses": True,
        "currency_sign": signs,
    }
    texts = {"ZAR": ["R 5,00", "-R5", "(R 5)", "5R"], "EUR": ["5 €", "€-5"], "USD": ["$(5)", "$5"]}
    rows = [(code, text) for code, some in texts.items() for text in some]
    declared = layout(currency="C", balance=written)

    table = judged(declared, C=[code for code, _ in rows], B=[text for _, text in rows])
    swapped = judged(
        declared,
        C=[{"ZAR": "EUR", "EUR": "USD", "USD": "ZAR"}[code] for code, _ in rows],
        B=[text for _, text in rows],
    )

    assert table["balance"].to_list() == [500, -500, -500, 500, 500, -500, -500, 500]
    assert set(swapped["reasons"].explode()) == {"MAP.SIGN_OF_ANOTHER_CURRENCY:balance"}
    assert Layout.model_validate(declared.model_dump(mode="json")) == declared


@pytest.mark.parametrize("unit", ["MIO", "Mio.", "TSD", "Tsd.", "k", "K", "m", "M", "bn", "%", "‰", "pcs", "Stück", "hundred", "°"])  # fmt: skip
def test_a_unit_beside_an_amount_is_rejected_and_named_in_workbooks_too(unit):
    codes = ["ZAR", "EUR", "USD", "ZMW", "PGK", "KES", "MYR"]
    forms = ["5 {}", "5{}", "{} 5", "-5.00 {}"]
    rows = [(code, form.format(unit)) for code in codes for form in forms]

    table = judged(layout(currency="C", balance={"column": "B", "unit": "major"}).of_workbook(), C=[c for c, _ in rows], B=[b for _, b in rows])  # fmt: skip

    assert table["balance"].null_count() == len(rows)
    assert set(table["reasons"].explode()) == {"VALIDATE.BALANCE_WITH_WORDS:balance"}
    assert all(f"“{unit}" in clue for clue in table["clue"])


# -- phones -----------------------------------------------------------------------------------------------------------

DIGITS = [
    "821234567",
    "27821234567",
    "4930123456",
    "30123456",
    "0821234567",
    "16502530000",
    "1",
    "123456789012345",
]


def test_phones_that_were_numbers_to_a_spreadsheet_are_rejected_as_damaged():
    floats = [f"{sign}{digits}{mark}{zeros}" for sign in ("", "+", "-") for digits in DIGITS for mark in ".," for zeros in ("0", "00", "5", "60", "09")]  # fmt: skip
    floats += [
        f"{int(digits):{form}}" for digits in DIGITS for form in (".2E", ".5e", ".0E", "+.3E")
    ]
    floats += [text.replace(".", ",") for text in floats if "E" in text]
    floats += [f"{int(digits):,}.{last}" for digits in DIGITS[:4] for last in ("0", "5")]
    floats += ["+493.012.345.678,5", "+493012345.60", "+1415555267.1", "+27821234567.5"]
    floats += [
        "+49 30 123456.0",
        "+49 (30) 123456.0",
        "(082) 123-4567.0",
        "082 123 4567,0",
        "030/123456.0",
    ]

    for region in ("ZA", "DE", "US"):
        table = judged(layout(phone="P", region={"value": region}), P=floats)
        assert set(table["reasons"].list.join(" ")) == {"VALIDATE.PHONE_DAMAGED:phone"}
    assert len(floats) > 130


def test_phones_with_full_stops_and_commas_between_groups_are_as_before():
    honest = [
        "030.123.45.00",
        "01.23.45.67.00",
        "082.123.4500",
        "082.123.45.00",
        "011.555.12.30",
        "+27.82.123.45.00",
        "030.123450",
    ]

    regions = ["DE", "FR", "ZA", "ZA", "ZA", "ZA", "DE"]
    table = judged(layout(phone="P", region="R"), P=honest, R=regions)

    expected = [
        phonenumbers.format_number(
            phonenumbers.parse(text, region), phonenumbers.PhoneNumberFormat.E164
        )
        for text, region in zip(honest, regions, strict=True)
    ]
    assert table["phone"].to_list() == expected


def test_south_african_numbers_are_usual_with_nine_national_digits_and_with_no_other_number_of_them():
    numbers = [f"+27{first}{'1234567890'[: length - 2]}" for first in (82, 83, 60, 71, 11, 21, 86) for length in range(5, 12)]  # fmt: skip

    assert is_unusual_length(pl.Series(numbers)).to_list() == [
        len(number) != 12 for number in numbers
    ]


def test_the_examples_of_fixed_and_mobile_numbers_of_all_regions_are_usual():
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    examples = [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in kinds
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    ]

    unusual = is_unusual_length(pl.Series(examples))

    assert len(examples) > 400
    assert [number for number, is_so in zip(examples, unusual, strict=True) if is_so] == []


# -- invisible characters ---------------------------------------------------------------------------------------------


def test_every_space_and_format_character_of_unicode_is_trimmed():
    unseen = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cf", "Zs", "Zl", "Zp"}
    ]

    assert set(unseen) <= set(INVISIBLE)
    assert len(unseen) > 150


hidden = st.text(st.sampled_from(INVISIBLE), max_size=4)


@settings(max_examples=35)
@given(st.lists(st.tuples(hidden, st.text(st.characters(exclude_characters=INVISIBLE, exclude_categories=["Cs"]), max_size=6), hidden), min_size=1, max_size=20))  # fmt: skip
def test_a_text_is_trimmed_at_both_ends_and_nowhere_else(parts):
    texts = pl.DataFrame({"text": ["".join(part) for part in parts]})

    assert texts.select(trimmed(pl.col("text"))).to_series().to_list() == [
        middle for _, middle, _ in parts
    ]


#: Default_Ignorable_Code_Point of Unicode 14, and what is drawn as nothing but for the character before it.
IGNORABLE = [
    *(
        0xAD,
        0x34F,
        0x61C,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        *range(0x180B, 0x1810),
        *range(0x200B, 0x2010),
    ),
    *(
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0x3164,
        *range(0xFE00, 0xFE10),
        0xFEFF,
        0xFFA0,
    ),
    *(
        *range(0xFFF0, 0xFFF9),
        *range(0x1BCA0, 0x1BCA4),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE1000),
    ),
]


def test_ignorable_characters_reject_a_reference_email_or_phone_by_name():
    ignorable = list(map(chr, IGNORABLE))
    fields = {"external_reference": "a{}1", "email": "an{}n@example.com", "phone": "082{}1234567"}
    declared = layout(external_reference="R", email="E", phone="P")

    table = judged(declared, **{at: [text.format(one) for one in ignorable] for at, text in zip("REP", fields.values(), strict=True)})  # fmt: skip

    for field in fields:
        assert table["reasons"].list.eval(pl.element().str.ends_with(f":{field}")).list.any().all()
        hints = pl.Series([f"The {field} holds {name_of(one)}." for one in ignorable])
        assert table.select(pl.col("clue").str.contains(hints, literal=True))["clue"].all()


UNSEEN = [one for one in INVISIBLE if unicodedata.category(one) != "Cc" and one != " "]


def test_an_invisible_character_at_an_end_of_a_field_changes_nothing_and_inside_it_rejects_the_record_by_its_name():
    declared = layout(external_reference="R", email="E", phone="P", name="N", currency="C", balance={"column": "B", "unit": "minor"})  # fmt: skip
    good = {
        "R": "A-1",
        "E": "ann@example.com",
        "P": "0821234567",
        "N": "Ann",
        "C": "ZAR",
        "B": "500",
    }

    around = judged(
        declared, **{name: [f"{one}{text}{one}" for one in UNSEEN] for name, text in good.items()}
    )
    assert around["reasons"].list.len().sum() == 0
    fields = ["external_reference", "email", "phone", "name", "currency", "balance"]
    assert around.select(fields).unique().rows() == [
        ("A-1", "ann@example.com", "+27821234567", "Ann", "ZAR", 500)
    ]

    for column, field in (("R", "external_reference"), ("E", "email"), ("P", "phone")):
        text = good[column]
        inside = [f"{text[:2]}{one}{text[2:]}" for one in UNSEEN]
        table = judged(
            declared, **{**{name: [of] * len(inside) for name, of in good.items()}, column: inside}
        )
        wrong = [
            (name_of(one), field, reasons, clue)
            for one, reasons, clue in zip(
                UNSEEN, table["reasons"].to_list(), table["clue"], strict=True
            )
            if not [code for code in reasons if code.endswith(f":{field}")]
            or f"The {field} holds {name_of(one)}." not in clue
        ]
        assert wrong == []
    assert len(UNSEEN) > 150


@pytest.mark.parametrize("apostrophe", ["'", "\u2018", "\u2019", "`"])
def test_an_apostrophe_belongs_to_a_name_and_is_named_where_a_record_is_rejected_for_it(apostrophe):
    declared = layout(external_reference="R", phone="P", name="N", currency={"value": "ZAR"}, balance={"column": "B", "unit": "minor"})  # fmt: skip
    references = [f"{apostrophe}{number:05}" for number in range(25)]
    honest = {"R": [f"A-{n}" for n in range(25)], "P": ["0821234567"] * 25, "B": ["5"] * 25, "N": [f"{apostrophe}t Hooft {n}" for n in range(25)]}  # fmt: skip

    fine = judged(declared, **honest)
    assert fine["reasons"].list.len().sum() == 0
    assert fine["name"].to_list() == honest["N"]
    for column, field in (("R", "external_reference"), ("P", "phone"), ("B", "balance")):
        texts = references if column == "R" else [f"{apostrophe}{text}" for text in honest[column]]
        table = judged(declared, **{**honest, column: texts})
        assert all(f"The {field} begins with an apostrophe" in clue for clue in table["clue"])
        assert all(
            any(code.endswith(f":{field}") for code in reasons)
            for reasons in table["reasons"].to_list()
        )


# -- damaged texts and honest ones ------------------------------------------------------------------------------------

HONEST = """Zoë|São Paulo|Ångström|Müller & Sons|N/A Holdings|Null & Co|None Such Ltd|Nan Goldin|José|Renée|Łukasz Żółć|Dvořák|Ștefan|
Şükrü Öğüt|Ćurić|Þór Guðmundsson|Ærø Bryggeri|Nestlé®|CAFÉ™|«CAFÉ»|BJÖRK & ÅSE|Å|Ångström’s|AMANHÃ|IRMÃ|CONCEIÇÃO|MÃE|GARÇON|À la carte|
Ñandú|ESPAÑA|Œuvre|Straße|Αθήνα|Νίκος Παπαδόπουλος|Иван Петров|Юлия|שלום|محمد|नमस्ते|สวัสดี|山田太郎|김철수|Nguyễn Thị Hạnh|Đặng|AT&T|R&B;|Smith & Wesson|
A&B; C|&Sons|Tom & Jerry;|O'Brien|O’Brien|'t Hooft|D’Arcy—Smith|Peter – Paul|50 % off|“Quoted”|„Gänsefüßchen“|5 € shop|£ and $|✓ done|☕ bar|😀|
e\u0301clair|Ann-Marie|J.-P.|--rule--|N. A. Meier|na und|Nana|NaN Labs|nulla|nonesuch|what?|???!|-1|- dash|#N/A?|\\N-1|x|.com|...and more|¿Qué?|¡Olé!""".replace("\n", "").split("|")  # fmt: skip
WORDS = """Zoë|José|Müller|François|São|Ångström|Łukasz|Żółć|Dvořák|Škoda|Ștefan|Öğüt|Ćurić|Þór|Ærø|Señor|Renée|naïve|Straße|œuvre|cœur|O’Brien|“Café”|
5 €|Café™|Peter – Paul|… and so on|Николай|Иванов|Ольга|Αλέξης|Μαρία|שלום לך|محمد علي|नमस्ते|สวัสดี|山田太郎|北京市|김철수|Nguyễn|😀 shop|°C|½ price|© Ann|® Ben|£ 5|¿Qué?|
Bühler|Grüße|Çelik|Þingvellir|élève|où|maçon|Ibáñez|Muñoz|Sørensen|Håkansson|Väinämöinen|Köln|Lübeck|Zürich|Genève|Białystok|Gdańsk|Kraków|Brno-Líšeň|Plzeň|Győr|Pécs|
Timişoara|Şanlıurfa|Māris|Jūrmala|Šiauliai|Rīga|Côte d’Ivoire""".replace("\n", "").split("|")  # fmt: skip


def damaged() -> list[str]:
    """What becomes of honest words on their way: UTF-8 read as something else, characters lost, entities left."""
    found = []
    for word in WORDS:
        is_latin = all(letter < "\u0180" for letter in word)
        for encoding in ("cp1252", "mac_roman", "cp850") if is_latin else ("cp1252",):
            try:
                found.append(word.encode().decode(encoding))
            except UnicodeDecodeError:
                continue  # read so, it holds a control character, and its record is unreadable
        if not word.isascii():
            found.append("".join(letter if letter.isascii() else "\ufffd" for letter in word))
            found.append(word.encode("ascii", "xmlcharrefreplace").decode())
    twice = [
        text.encode().decode("cp1252", errors="ignore")
        for text in found[:60]
        if not re.search("[\u2500-\u259f]", text)
    ]
    entities = [f"Smith {html.escape(mark)} Sons" for mark in '&<>"'] + [
        "Bj&ouml;rn",
        "A&nbsp;B",
        "O&apos;Brien",
        "Caf&#xE9;",
    ]
    return [*found, *twice, *entities]


def doubted(texts: list[str]) -> dict[FileIssue, set[str]]:
    """Which of these texts are doubted, each asked in a column of its own."""
    found: dict[FileIssue, set[str]] = {
        FileIssue.TEXTS_MISREAD: set(),
        FileIssue.TEXTS_PLACEHOLDERS: set(),
    }
    for some in (texts[at : at + 40] for at in range(0, len(texts), 40)):
        columns = {f"metadata.{number}": [text] for number, text in enumerate(some)}
        no_fate = pl.Series([None], dtype=pl.String)
        with duckdb.connect(":memory:") as workbench:
            hold(
                workbench,
                "records",
                pl.DataFrame({"row_id": ["c.csv:2"], "position": [0], "fate": no_fate, **columns}),
            )
            for finding in find_text_doubts(workbench):
                found[finding.issue].add(columns[finding.what.partition(":")[0]][0])
    return found


def test_honest_texts_raise_no_doubt():
    assert doubted(HONEST) == {FileIssue.TEXTS_MISREAD: set(), FileIssue.TEXTS_PLACEHOLDERS: set()}
    assert doubted(WORDS) == {FileIssue.TEXTS_MISREAD: set(), FileIssue.TEXTS_PLACEHOLDERS: set()}


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
def test_damaged_texts_are_doubted(step):
    every = list(dict.fromkeys(damaged()))
    texts = every[::step]

    found = doubted(texts)[FileIssue.TEXTS_MISREAD]

    assert [text for text in texts if text not in found] == []
    assert len(every) > 200


def test_placeholders_are_doubted_in_every_spelling():
    words = [
        "NULL",
        "None",
        "nan",
        "N/A",
        "nil",
        "undefined",
        "(null)",
        "<NA>",
        "#N/A",
        "#REF!",
        "#VALUE!",
        "n.a.",
    ]
    texts = [
        spelt for word in words for spelt in {word, word.upper(), word.lower(), word.capitalize()}
    ]
    texts += [
        "NA",
        "-",
        "--",
        "---",
        "?",
        "??",
        "???",
        ".",
        "...",
        r"\N",
        r"\\N",
        "\u2013",
        "\u2014",
    ]

    assert doubted(texts)[FileIssue.TEXTS_PLACEHOLDERS] == set(texts)
