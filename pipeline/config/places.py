"""Where ledgers and run folders are kept: a path in a config is relative to its folder, or absolute."""

from pathlib import Path, PurePosixPath

from pipeline.errors import ConfigError

HOME, REPORTS = ".pipeline", "reports"  #: the defaults, in the working folder
DEMO_HOMES = ".demo"  #: in the reports folder: a home for each demo
LEDGER = "ledger.sqlite"


def checked_place(text: str) -> str:
    """A folder that a config may name; raise ValueError where a relative path leaves the config's folder."""
    path = PurePosixPath(text)
    if not text.strip() or "\0" in text:
        raise ValueError("it is empty; name a folder")
    if text.startswith("~"):
        raise ValueError("~ is not expanded here; write the whole path")
    if ".." in path.parts:
        raise ValueError(
            f"{text!r} may leave the config's folder; use an absolute path for a folder elsewhere"
        )
    return text


def place_of(config: str, folder: str) -> Path:
    """A folder that the config at this path names; in the working folder it keeps its short name."""
    parent = Path(config).parent
    return Path(folder) if parent == Path.cwd() else parent / folder


def refuse_other_ledger(config: str, home: Path, environment: str) -> None:
    """Raise ConfigError where a folder beside the config has a ledger of this environment and `home` is another folder.

    With two ledgers of one environment, neither knows what the other has created.
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
            f"Two places for the ledger of environment {environment}: {', '.join(map(str, ledgers))} {is_are} beside the config, "
            f"and {home.absolute() / environment / LEDGER} would be used. Choose one: set home in {config} (home: "
            f"{ledgers[0].parent.parent.name} is the one beside it) or use --home."
        )


def _folders_in(parent: Path) -> list[Path]:
    """What a folder holds; of one that may not be listed the usual home."""
    try:
        return sorted(parent.iterdir())
    except PermissionError:
        return [parent / HOME]


def _is_file(path: Path) -> bool:
    """Whether a file is there; nobody has a ledger in a folder that may not be entered."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def unused_ledger(home: Path, environment: str) -> str | None:
    """A warning where a config names `home`, and the working folder's default home has a ledger of this environment too."""
    ledger = Path(HOME) / environment / LEDGER
    if not ledger.is_file() or ledger.parent.parent.resolve() == home.resolve():
        return None
    return (
        f"Two ledgers of environment {environment}: the config's home {home / environment} is used, and {ledger.absolute()} is "
        f"not. Customers that the latter knows may be created again. To use it: --home {HOME}"
    )
