"""The cells of a listed record that its reasons ask to change."""

from collections.abc import Iterable, Mapping

from pipeline.domain.causes import Cause
from pipeline.domain.reasons import Reason

#: The fields that a reason without a column leaves to a decision, in addition to those that differ.
_DECIDED = {
    Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT: ("external_reference",),
    Reason.MATCH_KNOWN_DIFFERENT: ("external_reference",),
    Reason.MATCH_EMAIL_OF_ANOTHER: ("external_reference", "email"),
    Reason.MATCH_PHONE_OF_ANOTHER: ("external_reference", "phone"),
    Reason.MATCH_BILLING_ID_OF_ANOTHER: ("external_reference", "billing_id"),
    Reason.MATCH_IDENTITY_OF_ANOTHER: ("external_reference", "identity"),
    Reason.PLAN_CREATED_BEFORE_DIFFERENT: ("external_reference",),
    Reason.PLAN_CREATED_BEFORE_OTHER_FORM: ("external_reference",),
    Reason.SUBMIT_ALREADY_THERE_DIFFERENT: ("external_reference",),
}
#: Billing named the problem, or nobody did: any cell but the reference.
_ANY = {Reason.SUBMIT_REFUSED, Reason.SUBMIT_TOO_LARGE, Reason.PLAN_REFUSED_BEFORE}
#: A problem in one field may be fixed in the other.
_TOGETHER = {
    "phone": ("region",),
    "balance": ("currency", "mark of debit or credit", "unit of balance"),
}


class Mendable:
    """The columns that may change in a returned record; `any_cell`: all but the reference."""

    __slots__ = ("any_cell", "columns")

    def __init__(self, columns: frozenset[str], *, any_cell: bool) -> None:
        self.columns, self.any_cell = columns, any_cell

    @classmethod
    def by(
        cls, reasons: Iterable[str], differs: Iterable[str], sources: Mapping[str, frozenset[str]]
    ) -> "Mendable":
        """The cells that these reasons ask to change; `sources`: field -> its columns."""
        causes = [Cause.parse(text) for text in reasons]
        named = {cause.column for cause in causes if cause.column is not None}
        for cause in causes:
            named.update(_DECIDED.get(cause.reason, ()))
        named.update(differs if named else ())
        named.update(other for name in tuple(named) for other in _TOGETHER.get(name, ()))
        columns = frozenset(column for name in named for column in _columns_of(name, sources))
        return cls(columns, any_cell=any(cause.reason in _ANY for cause in causes))

    def __contains__(self, column: str) -> bool:
        return column in self.columns


def _columns_of(name: str, sources: Mapping[str, frozenset[str]]) -> Iterable[str]:
    """The columns that a reason names: those of a field, of all metadata, or the column itself."""
    if name == "metadata":
        return [
            column
            for field, of_it in sources.items()
            if field.startswith("metadata.")
            for column in of_it
        ]
    return sources.get(name, {name})
