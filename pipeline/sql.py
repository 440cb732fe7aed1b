"""Names of a supplier's columns inside SQL, for the few places where no value can be bound."""


def identifier(name: str) -> str:
    """A name as an SQL identifier: the one place where a supplier's column name meets SQL."""
    return '"' + name.replace('"', '""') + '"'
