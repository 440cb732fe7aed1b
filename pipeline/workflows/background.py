"""Pipeline batches over threads: make the next and store the last while one is processed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def one_ahead(series: Iterable[T]) -> Iterator[T]:
    """The same items in order; a thread makes the next one meanwhile, so two are in memory.

    An error from making an item is raised when its turn comes.
    """
    items = iter(series)
    end = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        following = thread.submit(next, items, end)
        while (item := following.result()) is not end:
            following = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # everything but the end is an item


@contextmanager
def one_behind(store: Callable[[T], None]) -> Iterator[Callable[[T], None]]:
    """Yield a function that stores an item in a thread, in order; at most one waits.

    An error is raised when the next item is handed over, or at the end of the block. Then all are
    stored.
    """
    with ThreadPoolExecutor(1, "behind") as thread:
        last: list[Future[None]] = []

        def hand_over(item: T) -> None:
            while last:
                last.pop().result()
            last.append(thread.submit(store, item))

        yield hand_over
        while last:
            last.pop().result()
