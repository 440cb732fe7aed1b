"""Which cells of a listed record its reasons ask somebody to mend."""

from collections.abc import Iterable, Mapping

from pipeline.domain.causes import Cause
from pipeline.domain.outcomes import Reason

#: Which fields, besides the ones in which the record differs, a reason without a column leaves to a decision.
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
#: Billing said what to mend, or nobody said it: any cell but the reference.
_ANY = {Reason.SUBMIT_REFUSED, Reason.SUBMIT_TOO_LARGE, Reason.PLAN_REFUSED_BEFORE}
#: What is wrong with one field may be mended in the other.
_TOGETHER = {
    "phone": ("region",),
    "balance": ("currency", "mark of debit or credit", "unit of balance"),
}


class Mendable:
    """The columns in which a record may come back changed; of `any_cell` all but those of the reference."""

    __slots__ = ("any_cell", "columns")

    def __init__(self, columns: frozenset[str], *, any_cell: bool) -> None:
        self.columns, self.any_cell = columns, any_cell

    @classmethod
    def by(
        cls, reasons: Iterable[str], differs: Iterable[str], sources: Mapping[str, frozenset[str]]
    ) -> "Mendable":
        """What these reasons ask for; `differs`: fields in which a held record differs; `sources`: field -> its columns."""
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
    """The columns that a name of a reason means: those of a field, of all metadata, or the column itself."""
    if name == "metadata":
        return [
            column
            for field, of_it in sources.items()
            if field.startswith("metadata.")
            for column in of_it
        ]
    return sources.get(name, {name})
