"""Compare our phone expressions with phonenumbers: each example number of each region, and variations.

    python tests/prove/phones_are_phonenumbers.py 1000000

Prints how many were compared, how many the expressions decided by themselves, and the differences; exit 1 where there
is one. Everything is made from a seed; nothing outside this process is asked.
"""

import random
import sys

import phonenumbers
import polars as pl
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from pipeline.transforming.normalize.numbering import decided
from pipeline.transforming.normalize.phone import judged_by_library

REGIONS = ("ZA", "US", "GB", "BR", "IT")
FORMATS = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)


def examples() -> list[tuple[str, str]]:
    """Every example of every type and region, in each format, with the region whose number it is."""
    found = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        numbers = [
            phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values()
        ] + [phonenumbers.invalid_example_number(region)]
        found += [
            (text, region) for number in numbers if number is not None for text in _texts(number)
        ]
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = phonenumbers.example_number_for_non_geo_entity(code)
        found += [(text, "ZA") for text in _texts(number)] if number else []
    return found


def _texts(number: phonenumbers.PhoneNumber) -> list[str]:
    texts = [phonenumbers.format_number(number, how) for how in FORMATS]
    bare = phonenumbers.national_significant_number(number)
    return [
        *texts,
        bare,
        f"00{texts[0][1:]}",
        f"011{texts[0][1:]}",
        texts[0][1:],
        f"0{bare}",
        f"+{number.country_code}0{bare}",
    ]


def perturbed(count: int, seed: int) -> list[tuple[str, str]]:
    """Examples with digits changed, lost, added or swapped, with marks and zeros put in, read by five regions and their own."""
    dice = random.Random(seed)
    given = examples()
    made = []
    for _ in range(count):
        text, own = dice.choice(given)
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            text = _changed(text, dice)
        made.append((text, dice.choice((own, *REGIONS))))
    return made


def _changed(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    digit = str(dice.randrange(10))
    match dice.randrange(7):
        case 0:
            return text[:at] + digit + text[at + 1 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            return text[:at] + digit + text[at:]
        case 3:
            return text[:at] + dice.choice(" -().+/x") + text[at:]
        case 4:
            return text[:-1] + digit if text else digit
        case 5:
            return dice.choice(("0", "00", "+", "+00", "(0)", "1", "011", "00 ")) + text
        case _:
            return (
                text[: at - 2] + text[at - 1 : at] + text[at - 2 : at - 1] + text[at:]
                if at > 1
                else text
            )


def compared(pairs: list[tuple[str, str]]) -> tuple[int, list[str]]:
    """How many of these the expressions decided, and where that is not what phonenumbers says."""
    stripped = [(text.strip(), region) for text, region in pairs]
    texts, regions = (pl.Series(part, dtype=pl.String) for part in zip(*stripped, strict=True))
    quick = decided(texts, regions)
    wrong = []
    for (text, region), (value, kind) in zip(stripped, quick.iter_rows(), strict=True):
        if kind is not None and (value, kind) != (said := judged_by_library(text, region)):
            wrong.append(f"{text!r} read by {region}: {(value, kind)}, phonenumbers {said}")
    return len(pairs) - quick["kind"].null_count(), wrong


def main() -> int:
    """Compare in slices, so that a million needs no more memory than a hundred thousand."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    settled, wrong = compared(examples())
    print(
        f"{len(examples()):,} examples of all regions: {settled:,} decided by expressions, {len(wrong)} differences"
    )
    done = 0
    while done < count:
        slice_ = perturbed(min(100_000, count - done), seed=done)
        found, different = compared(slice_)
        done, settled, wrong = done + len(slice_), settled + found, wrong + different
        print(
            f"{done:,} perturbed: {settled:,} decided in all, {len(wrong)} differences", flush=True
        )
    print(*wrong[:20], sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
