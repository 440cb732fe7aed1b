"""How billing may differ from what we expect, and the likely mistakes behind it."""

from pipeline.domain.closed_list import ClosedList


class Discrepancy(ClosedList):
    """How billing differs from what we expect, as a reconciliation finds it; the fates stay as they are."""

    MISSING = (
        "missing_in_billing",
        "We created this customer or found it there, and billing does not hold it.",
    )
    UNKNOWN = (
        "unknown_to_us",
        "Billing holds this customer, and no run of ours created it and no file of known customers names it.",
    )
    FIELD = "field_differs", "Billing holds another text in this field."
    BALANCE = "balance_differs", "Billing holds another balance."
    TWICE = "twice_in_billing", "Billing holds this external reference more than once."
    ANOTHER_RUN = (
        "created_by_another_run",
        "Billing holds this customer, and a run created it that is not reconciled here.",
    )
    CHANGED = (
        "changed_since",
        "Billing has changed this customer since our request was settled, perhaps by a payment, and holds another value in this field.",
    )
    DOUBT = (
        "in_doubt",
        "Our ledger does not know whether billing took this customer, and billing does not show it.",
    )
    DOUBT_FOUND = (
        "in_doubt_and_found",
        "Our own ledger does not know yet whether billing took this customer, and billing holds it; resume settles it.",
    )
    REFUSED_FOUND = (
        "refused_and_found",
        "Our ledger says that billing refused this customer, but billing holds it: its money is in billing, and our pages say otherwise.",
    )
    UNDETERMINED = (
        "not_determinable",
        "No lookup shows whether billing holds this customer; the list quotes the answer.",
    )


class Pattern(ClosedList):
    """The likely mistake behind a balance that differs; it is reported with the balance, and a person decides."""

    UNIT = (
        "unit",
        "Major units were taken for minor units, or the reverse: one is the other times a power of ten.",
    )
    SIGN = "sign", "The sign is flipped: a debit became a credit, or the reverse."
    SHIFTED = (
        "shifted_rows",
        "The balance is that of the row before or after, and its neighbours' are too.",
    )
    MERGED = (
        "merged_customers",
        "The balance is the sum of this customer's and a missing customer's, which has the same email, phone or name.",
    )


#: Differences that finance has to check before it signs. The others need no explanation.
UNEXPLAINED = frozenset(
    {
        Discrepancy.MISSING,
        Discrepancy.UNKNOWN,
        Discrepancy.FIELD,
        Discrepancy.BALANCE,
        Discrepancy.TWICE,
        Discrepancy.DOUBT,
        Discrepancy.DOUBT_FOUND,
        Discrepancy.REFUSED_FOUND,
        Discrepancy.UNDETERMINED,
    }
)
