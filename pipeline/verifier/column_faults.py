"""The signal that columns alone cannot show that every row is right."""


class NotInColumns(Exception):
    """A comparison of whole columns failed or is not possible; `row_by_row` then decides."""


def require(holds: object) -> None:
    """Raise NotInColumns unless a comparison of columns holds for every row; null fails."""
    if not bool(holds):
        raise NotInColumns
