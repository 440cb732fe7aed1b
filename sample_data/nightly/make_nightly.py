"""Write the two files of a nightly job: the customers that billing knows already, and the sign-ups of one day.

    python -m sample_data.nightly.make_nightly

The same seed writes the same bytes. Nobody in it exists. Both files speak of the same people in columns and spellings of
their own; what should become of each sign-up is counted as it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sample_data.counting import Counting, Row, mailbox, major
from sample_data.make_customers import FIRST, LAST

HERE = Path(__file__).parent
NEW, KNOWN = "new_customers_2026-11-22.csv", "known_customers.csv"
NEW_COLUMNS = "reference,customer_name,email_address,cell,moment_id,currency_code,opening_balance,product,branch".split(
    ","
)
KNOWN_COLUMNS = "moment_id,customer_no,full_name,contact_email,msisdn,ccy,balance_cents".split(",")
PRODUCTS, BRANCHES = ["fibre-50", "fibre-100", "lte"], ["Gqeberha", "Makhanda", "Knysna", ""]


@dataclass(frozen=True)
class Person:
    """Somebody as both files mean them."""

    reference: str
    first: str
    last: str
    email: str
    digits: str  #: of the phone number, after +2782
    cents: int
    billing_id: str


class SignUps(Counting):
    """The sign-ups of one day, and the customers that were there before."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, NEW_COLUMNS)
        self.known = Counting(seed, KNOWN_COLUMNS)
        self.number = 0

    def person(self) -> Person:
        """Somebody whom no file has met."""
        self.number += 1
        first, last = self.dice.choice(FIRST), self.dice.choice(LAST).replace("_", " ")
        return Person(
            reference=f"NET-{20_000 + self.number}",
            first=first,
            last=last,
            email=f"{mailbox(first, last)}{self.number}@example.org",
            digits=f"{self.number:04d}{self.digits(3)}",
            cents=self.dice.choice(
                [
                    0,
                    self.dice.randrange(1, 90_000),
                    self.dice.randrange(1, 90_000),
                    -self.dice.randrange(1, 9_000),
                ]
            ),
            billing_id=f"bcus_Fict{self.number:06d}{self.digits(11)}",
        )

    def known_person(self) -> Person:
        """Somebody whom billing knows already."""
        person = self.person()
        self.know(person)
        return person

    def know(self, person: Person, **change: str) -> None:
        """A customer as an export of billing has them: E.164, cents, the domain in lower case."""
        row = {
            "moment_id": person.billing_id,
            "customer_no": person.reference,
            "full_name": f"{person.first} {person.last}",
            "contact_email": person.email,
            "msisdn": f"+2782{person.digits}",
            "ccy": "ZAR",
            "balance_cents": str(person.cents),
        }
        self.known.lines.append(self.known.line({**row, **change}))

    def row(self, person: Person) -> Row:
        """A customer as the shop writes them."""
        number = f"082{person.digits}"
        return {
            "reference": person.reference,
            "customer_name": self.dice.choice(["{} {}", " {} {}", "{} {} "]).format(
                person.first, person.last
            ),
            "email_address": person.email.replace(
                "example", self.dice.choice(["example", "Example"])
            ),
            "cell": self.dice.choice(
                [number, f"{number[:3]} {number[3:6]} {number[6:]}", f"+27{number[1:]}"]
            ),
            "moment_id": "",
            "currency_code": self.dice.choice(["ZAR", "ZAR", "zar"]),
            "opening_balance": major(person.cents, 2),
            "product": self.dice.choice(PRODUCTS),
            "branch": self.dice.choice(BRANCHES),
        }

    def sign_up(self, person: Person, fate: str, *reasons: str, **change: str) -> None:
        """One record of somebody, and what should become of it."""
        self.add({**self.row(person), **change}, fate, *reasons, amount=("ZAR", person.cents))


Case = Callable[[SignUps], None]


def unknown(file: SignUps) -> None:
    """Somebody new."""
    file.sign_up(file.person(), "created")


def not_seen_today(file: SignUps) -> None:
    """A known customer of whom the day has nothing to say."""
    file.known_person()


def known_equal(file: SignUps) -> None:
    """A known customer, written as the shop writes."""
    file.sign_up(file.known_person(), "already_exists_same", "MATCH.KNOWN_SAME")


def known_equal_without_email(file: SignUps) -> None:
    """A known customer who has no email address, here as there."""
    person = replace(file.person(), email="")
    file.know(person)
    file.sign_up(person, "already_exists_same", "MATCH.KNOWN_SAME")


def known_different(file: SignUps, **change: str) -> None:
    """A known customer of whom the shop says something else."""
    file.sign_up(file.known_person(), "already_exists_different", "MATCH.KNOWN_DIFFERENT", **change)


def known_with_other_balance(file: SignUps) -> None:
    """A known customer with another balance."""
    person = file.known_person()
    file.sign_up(
        replace(person, cents=person.cents + 1), "already_exists_different", "MATCH.KNOWN_DIFFERENT"
    )


def known_without_phone(file: SignUps) -> None:
    """A known customer whose phone number billing has not got."""
    person = file.person()
    file.know(person, msisdn="")
    file.sign_up(person, "already_exists_different", "MATCH.KNOWN_DIFFERENT")


def email_of_another(file: SignUps) -> None:
    """A new reference with the email address of a known customer."""
    person = replace(file.person(), email=file.known_person().email)
    file.sign_up(person, "needs_review", "MATCH.EMAIL_OF_ANOTHER")


def phone_of_another(file: SignUps) -> None:
    """A new reference with the phone number of a known customer."""
    person = replace(file.person(), digits=file.known_person().digits)
    file.sign_up(person, "needs_review", "MATCH.PHONE_OF_ANOTHER")


def the_same_person(file: SignUps) -> None:
    """A known customer who signed up again, under a new reference."""
    person = replace(file.known_person(), reference=file.person().reference)
    file.sign_up(person, "needs_review", "MATCH.EMAIL_OF_ANOTHER", "MATCH.PHONE_OF_ANOTHER")


def billing_id_of_another(file: SignUps) -> None:
    """A new reference that says itself which known customer it is."""
    known = file.known_person()
    file.sign_up(
        file.person(), "needs_review", "MATCH.BILLING_ID_OF_ANOTHER", moment_id=known.billing_id
    )


def repeat(file: SignUps) -> None:
    """Somebody new who signed up twice."""
    person = file.person()
    same = {"product": "lte", "branch": ""}
    file.sign_up(person, "created", **same)
    file.sign_up(person, "duplicate_in_file", "MATCH.REPEATS_EARLIER_ROW", **same)


def repeat_known(file: SignUps) -> None:
    """A known customer who signed up twice."""
    person = file.known_person()
    same = {"product": "lte", "branch": ""}
    file.sign_up(person, "already_exists_same", "MATCH.KNOWN_SAME", **same)
    file.sign_up(person, "duplicate_in_file", "MATCH.REPEATS_EARLIER_ROW", **same)


def contradict(file: SignUps) -> None:
    """Somebody new who signed up twice, with two names."""
    person = file.person()
    for someone in (person, replace(person, first="Alias")):
        file.sign_up(someone, "needs_review", "MATCH.SAME_REFERENCE_OTHER_CONTENT")


def invalid(file: SignUps, reason: str, **change: str) -> None:
    """Somebody new with a cell that breaks a rule."""
    file.sign_up(file.person(), "invalid", reason, **change)


def surplus_decimals(file: SignUps) -> None:
    """Somebody new whose balance cannot be stated in cents."""
    row = {**file.row(file.person()), "reference": "NET-SURPLUS", "opening_balance": "12.345"}
    file.add(row, "invalid", "VALIDATE.BALANCE_TOO_MANY_DECIMALS:balance", amount="unreadable")


def named(file: SignUps) -> None:
    """The customers that the README and the tests follow."""
    new = replace(
        file.person(),
        reference="NET-NEW",
        first="Naledi",
        last="Mokoena",
        email="naledi@example.org",
        cents=24_000,
    )
    known = replace(
        file.person(), reference="NET-KNOWN", first="José", last="dos Santos", cents=-1_550
    )
    file.know(known)
    file.sign_up(replace(new, digits="5550240"), "created", product="fibre-50", branch="Knysna")
    file.sign_up(known, "already_exists_same", "MATCH.KNOWN_SAME")
    again = replace(known, reference="NET-AGAIN", digits="5550241")
    file.sign_up(again, "needs_review", "MATCH.EMAIL_OF_ANOTHER")


def fill(file: SignUps) -> None:
    """Some 290 sign-ups and 190 known customers, of every kind the number that README.md states."""
    blocks: list[Case] = [unknown] * 200 + [not_seen_today] * 120
    blocks += [known_equal] * 36 + [known_equal_without_email] * 3 + [repeat_known] * 2
    blocks += [lambda file: known_different(file, customer_name="Somebody Else")] * 4
    blocks += [lambda file: known_different(file, email_address="moved@example.net")] * 2
    blocks += [known_with_other_balance] * 5 + [known_without_phone] * 2
    blocks += (
        [email_of_another] * 5
        + [phone_of_another] * 4
        + [billing_id_of_another] * 2
        + [the_same_person] * 3
    )
    blocks += [repeat] * 4 + [contradict] * 2 + [surplus_decimals, named]
    blocks += [
        lambda file: invalid(file, "VALIDATE.EMAIL_MALFORMED:email", email_address="nobody@nowhere")
    ] * 2
    blocks += [lambda file: invalid(file, "VALIDATE.PHONE_NOT_POSSIBLE:phone", cell="082 1")]
    blocks += [lambda file: file.add_text("NET-9999,Half a line", "READ.TOO_FEW_FIELDS")]
    file.dice.shuffle(blocks)
    for block in blocks:
        block(file)


def write(folder: Path = HERE, seed: int = 20261122) -> None:
    """Write both files, and what is expected of the sign-ups."""
    file = SignUps(seed)
    fill(file)
    file.write(folder / NEW)
    (folder / KNOWN).write_text("\n".join([*file.known.lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    write()
