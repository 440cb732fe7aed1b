"""Two cores for work that comes in batches: the next is made, and the last put away, while one is in hand."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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


@contextmanager
def one_behind(put_away: Callable[[T], None]) -> Iterator[Callable[[T], None]]:
    """Yield what hands an item over to be put away in a thread, one after the other in their order, and only one waits.

    What putting away raises is raised when the next is handed over, or at the end of the block, where all are put away.
    """
    with ThreadPoolExecutor(1, "behind") as thread:
        last: list[Future[None]] = []

        def hand_over(item: T) -> None:
            while last:
                last.pop().result()
            last.append(thread.submit(put_away, item))

        yield hand_over
        while last:
            last.pop().result()
