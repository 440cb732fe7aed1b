"""The folders of ledgers and runs. A path in a config is absolute or relative to the config."""

from pathlib import Path, PurePosixPath

from pipeline.domain.defaults import HOME
from pipeline.errors import ConfigError

DEMO_HOMES = ".demo"  #: in the reports folder: a home for each demo
LEDGER = "ledger.sqlite"


def checked_place(text: str) -> str:
    """A folder that a config may name; raise ValueError if a relative path leaves its folder."""
    path = PurePosixPath(text)
    if not text.strip() or "\0" in text:
        raise ValueError("it is empty; name a folder")
    if text.startswith("~"):
        raise ValueError("~ is not expanded here; write the whole path")
    if ".." in path.parts:
        raise ValueError(f"{text!r} may leave the config's folder; use an absolute path")
    return text


def place_of(config: str, folder: str) -> Path:
    """A folder that a config names; it stays relative if the config is in the working folder."""
    parent = Path(config).parent
    return Path(folder) if parent == Path.cwd() else parent / folder


def refuse_other_ledger(config: str, home: Path, environment: str) -> None:
    """Raise ConfigError if another folder next to the config has a ledger of this environment.

    With two ledgers of one environment, neither knows what the other created.
    """
    others = [
        folder
        for folder in _folders_in(Path(config).absolute().parent)
        if folder.resolve() != home.resolve()
    ]
    ledgers = [
        folder / environment / LEDGER
        for folder in others
        if _is_file(folder / environment / LEDGER)
    ]
    if ledgers:
        is_are = "is" if len(ledgers) == 1 else "are"
        raise ConfigError(
            f"Two places for the ledger of environment {environment}:"
            f" {', '.join(map(str, ledgers))} {is_are} next to the config,"
            f" and {home.absolute() / environment / LEDGER} would be used."
            f" Choose one: set home in {config} (home: {ledgers[0].parent.parent.name}"
            " is the one next to it) or use --home."
        )


def _folders_in(parent: Path) -> list[Path]:
    """The entries of a folder; the default home if it may not be listed."""
    try:
        return sorted(parent.iterdir())
    except PermissionError:
        return [parent / HOME]


def _is_file(path: Path) -> bool:
    """Whether this is a file; False if its folder may not be entered."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def unused_ledger(home: Path, environment: str) -> str | None:
    """A warning if the default home of the working folder has a ledger of this environment too."""
    ledger = Path(HOME) / environment / LEDGER
    if not ledger.is_file() or ledger.parent.parent.resolve() == home.resolve():
        return None
    return (
        f"Two ledgers of environment {environment}: the config's home {home / environment} is used,"
        f" and {ledger.absolute()} is not."
        " Customers that only the latter knows may be created again."
        f" To use it: --home {HOME}"
    )
