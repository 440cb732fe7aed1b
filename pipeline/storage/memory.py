"""A memory limit for a block in this process, including native code."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

_STATUS = "/proc/self/status"


@contextmanager
def memory_ceiling(more: int) -> Iterator[None]:
    """Allow at most `more` bytes of additional memory; a larger request fails."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = _data_bytes() + more
    if before[1] != resource.RLIM_INFINITY:
        ceiling = min(ceiling, before[1])
    if before[0] != resource.RLIM_INFINITY:
        ceiling = min(ceiling, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    """The bytes that count against the limit now."""
    with open(_STATUS, encoding="ascii") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024
