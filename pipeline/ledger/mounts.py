"""A ledger lives on a disk of this machine: locks and flushes over NFS and SMB promise what they do not keep."""

import re
from pathlib import Path

from pipeline.errors import LedgerError

MOUNTS = Path("/proc/self/mountinfo")
_OVER_THE_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|fuse\.(sshfs|glusterfs|s3fs|rclone|davfs)"
)


def refuse_network_disk(path: Path) -> None:
    """Raise LedgerError where a file would stand on a network file system; elsewhere, or where nobody can tell, do nothing."""
    kind = filesystem_of(path)
    if kind is not None and _OVER_THE_NETWORK.fullmatch(kind):
        raise LedgerError(
            f"{path} would stand on {kind}, where neither locks nor flushes can be trusted; give a --home on a local disk"
        )


def filesystem_of(path: Path, mounts: Path | None = None) -> str | None:
    """The type of the file system under a path, None where the system does not tell."""
    try:
        lines = (mounts or MOUNTS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    where, found, longest = path.resolve(), None, -1
    for line in lines:
        left, _, right = line.partition(" - ")
        mounted = Path(_unescaped(left.split(" ")[4]))
        # Of two mounts on one place the later one is on top.
        if (where == mounted or mounted in where.parents) and len(mounted.parts) >= longest:
            found, longest = right.split(" ")[0], len(mounted.parts)
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
