"""Names and texts of other people inside SQL, for the few places where no value can be bound."""


def identifier(name: str) -> str:
    """A name as an SQL identifier: the one place where a supplier's column name meets SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
