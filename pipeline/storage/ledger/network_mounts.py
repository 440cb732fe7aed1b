"""A ledger must be on a local disk: on other file systems locks and flushes may fail.

The list names what is allowed, because the names of all network, cluster and guest file systems are not known.
"""

import re
from pathlib import Path

from pipeline.errors import LedgerError

MOUNTS = Path("/proc/self/mountinfo")
#: Local file systems whose locks and flushes work, and which keep files private; FAT and NTFS do not.
LOCAL = (
    "ext4", "xfs", "btrfs", "zfs", "ext3", "ext2", "f2fs", "bcachefs", "jfs", "nilfs2", "reiserfs", "tmpfs", "ramfs", "overlay",
    "apfs", "hfs", "ufs",
)  # fmt: skip
_SHOWN = 4  #: of them in a message


def refuse_other_disk(path: Path) -> None:
    """Raise LedgerError if a file would not be on a local file system; do nothing if the system names none (not Linux)."""
    if (fault := disk_fault(path)) is not None:
        raise LedgerError(
            f"{path} would be on {fault}; use --home with a folder on a local disk ({_some()})"
        )


def disk_fault(path: Path) -> str | None:
    """The file system of a path and what is wrong with it; None if a ledger may be there."""
    found = _mount_of(path)
    if found is None:
        return None
    kind, options = found
    if kind not in LOCAL:
        return f"{kind}, which is not on the list of local file systems: locks and flushes may fail there"
    if kind == "overlay" and "volatile" in options:
        return "an overlay that is mounted as volatile: it flushes nothing"
    above = next(
        (option.removeprefix("upperdir=") for option in options if option.startswith("upperdir=")),
        None,
    )
    if (
        kind == "overlay" and above is not None and Path(above).is_dir()
    ):  # a container may not see this path
        upper = _mount_of(Path(above))
        if upper is not None and upper[0] not in LOCAL:
            return f"an overlay over {upper[0]}: locks and flushes may fail there"
    return None


def filesystem_of(path: Path) -> str | None:
    """The type of the file system of a path; None if the system does not name it."""
    found = _mount_of(path)
    return found and found[0]


def _mount_of(path: Path) -> tuple[str, list[str]] | None:
    """The type and the options of the file system of a path."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    where, longest = path.resolve(), -1
    found = None
    for line in lines:
        left, _, right = line.partition(" - ")
        mounted = Path(_unescaped(left.split(" ")[4]))
        # Of two mounts on one place the later one is on top.
        if (where == mounted or mounted in where.parents) and len(mounted.parts) >= longest:
            kind, _, options = right.split(" ", 2)
            found, longest = (
                (kind, [_unescaped(option) for option in options.split(",")]),
                len(mounted.parts),
            )
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _some() -> str:
    return f"{', '.join(LOCAL[:_SHOWN])} and the like"
