"""The parts of a job that the verifier reads, from the copy in plan.json."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pipeline.domain.plan_file import PlanFile


class _Part(BaseModel):
    """A part of a job; keys that the verifier does not read are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class TableBounds(_Part):
    """The lines around the table of a CSV file."""

    skip_lines: int | None = None
    footer_lines: int | None = None


class TextRule(_Part):
    """The sources of a text field, and its transformations."""

    column: str | None = None
    columns: JsonValue = None
    value: str | None = None
    default: str | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    unlisted: str | None = None
    split: JsonValue = None
    extract: JsonValue = None
    escape: JsonValue = None
    prefix: JsonValue = None
    suffix: JsonValue = None
    when: JsonValue = None

    @property
    def is_plain(self) -> bool:
        """Whether the field is a cell without any transformation."""
        changes = (self.split, self.extract, self.values, self.escape, self.prefix, self.suffix)
        return not any((*changes, self.when, self.default, self.columns))


class UnitRule(_Part):
    """Whether amounts are in major or minor units: for all rows, or by a column."""

    value: str | None = None
    column: str | None = None
    values: dict[str, str] | None = None


class MarksRule(_Part):
    """The marks of debits and credits, in a column or after the amount."""

    debit: tuple[str, ...]
    credit: tuple[str, ...]
    column: str | None = None


class BalanceRule(_Part):
    """The columns of the balance and the form of its amounts."""

    column: str | None = None
    debit: str | None = None
    credit: str | None = None
    decimal_mark: str
    unit: UnitRule
    positive_means: str | None = None
    thousands: str | None = None
    marks: MarksRule | None = None
    parentheses: bool = False
    trailing_minus: bool = False
    surplus_zeros: bool = False
    currency_sign: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    leading_apostrophe: bool = False


class MappingRules(_Part):
    """The fields whose rules the verifier follows."""

    external_reference: TextRule
    balance: BalanceRule | None = None
    currency: TextRule | None = None
    absent: tuple[str, ...] | None = None


class DeclaredJob(_Part):
    """The source and the mapping of a job."""

    source: TableBounds | None = None
    mapping: MappingRules | None = None

    @classmethod
    def of(cls, plan: PlanFile) -> "DeclaredJob":
        """The job of a plan; an empty one if it was made without a config."""
        return cls.model_validate(plan.config.job) if plan.config else cls()
