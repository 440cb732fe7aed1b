"""The next of a series is made while the one before is used: two cores for work that comes in batches."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(series: Iterable[T]) -> Iterator[T]:
    """The same items in the same order; one more of them is made in a thread meanwhile, so that two are in memory.

    What making an item raises is raised when its turn comes.
    """
    items = iter(series)
    end = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        made = thread.submit(next, items, end)
        while (item := made.result()) is not end:
            made = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # everything but the end is an item
