"""The programs that create customers: our engine, and bare loops without its guarantees.

Each is run as a process of its own, so that its CPU is its own: `contenders.py NAME URL KEY CREATES` prints JSON.
"""

import asyncio
import hashlib
import json
import queue
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.billing import ApiKey, Billing, parse_address
from pipeline.domain.customer import Environment, create_key
from pipeline.storage.ledger import Ledger
from pipeline.submission import (
    Callbacks,
    Clock,
    Planned,
    Policy,
    RunIdentity,
    Runtime,
    StopRequest,
    Tally,
    Work,
    submit,
)

IN_FLIGHT = 8
ENVIRONMENT = Environment("bench", "bench", "test", "loopback")


def payloads(count: int) -> Iterator[tuple[str, bytes]]:
    """References and canonical payloads of customers."""
    run = f"{time.time_ns():x}"
    for number in range(count):
        reference = f"{run}-{number}"
        customer = {
            "balance": 24_000 + number,
            "currency": "ZAR",
            "email": f"person{number}@example.com",
            "external_reference": reference,
            "metadata": {"plan": "gold"},
            "name": f"Person {number}",
            "phone": f"+2782{number % 10_000_000:07d}",
        }
        yield reference, json.dumps(customer, separators=(",", ":"), sort_keys=True).encode()


def ours(url: str, key: str, count: int, *, journal: Path | None = None) -> None:
    """Our engine: keys, a durable ledger, strict reading of each answer, comparison of each echo."""
    customers = list(payloads(count))
    api_key = ApiKey(key, source="the bench")
    with (
        tempfile.TemporaryDirectory(dir=journal) as folder,
        Ledger.opened(Path(folder), ENVIRONMENT) as ledger,
        Billing(parse_address(url), api_key, workers=IN_FLIGHT) as billing,
    ):
        ledger.begin_run("bench", datetime.now(UTC), count, 0)
        began()
        tally = submit(
            Work(_planned(customers), count),
            run=RunIdentity("bench", ENVIRONMENT, api_key.fingerprint),
            ledger=ledger,
            make=billing.make,
            policy=Policy(workers=IN_FLIGHT),
            runtime=Runtime(Clock(lambda: datetime.now(UTC), time.monotonic)),
            stopping=StopRequest(),
            callbacks=Callbacks(on_progress=_weigh),
        )
        if tally.states != {"created": count}:
            raise SystemExit(f"not all were created: {tally}")


def _planned(customers: list[tuple[str, bytes]]) -> Iterator[Planned]:
    """Create with one key each; the key is part of the measured work."""
    for reference, payload in customers:
        digest = hashlib.sha256(payload).hexdigest()
        yield Planned(reference, digest, create_key(ENVIRONMENT, reference, digest, 1), payload)


def _weigh(tally: Tally) -> None:
    """Resident memory after each 10,000 creates."""
    if tally.done >= (len(_WEIGHTS) + 1) * 10_000:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        _WEIGHTS.append(pages * resource.getpagesize() / 2**20)


def ours_in_memory(url: str, key: str, count: int) -> None:
    """The same engine with its ledger in memory: the cost of durability."""
    ours(url, key, count, journal=Path("/dev/shm"))


def httpx_threads(url: str, key: str, count: int) -> None:
    """httpx, synchronous, one client shared by threads."""
    import httpx

    with httpx.Client(base_url=url, headers=_headers(key)) as client:

        def create(reference: str, payload: bytes) -> None:
            response = client.post(
                "/billing/customers", content=payload, headers={"Idempotency-Key": reference}
            )
            _expect(response.status_code)

        _in_threads(create, count)


def httpx_tasks(url: str, key: str, count: int) -> None:
    """httpx, asynchronous."""
    import httpx

    async def run() -> None:
        async with httpx.AsyncClient(base_url=url, headers=_headers(key)) as client:

            async def create(reference: str, payload: bytes) -> None:
                response = await client.post(
                    "/billing/customers", content=payload, headers={"Idempotency-Key": reference}
                )
                _expect(response.status_code)

            await _in_tasks(create, count)

    asyncio.run(run())


def aiohttp_tasks(url: str, key: str, count: int) -> None:
    """aiohttp."""
    import aiohttp

    async def run() -> None:
        async with aiohttp.ClientSession(headers=_headers(key)) as session:

            async def create(reference: str, payload: bytes) -> None:
                async with session.post(
                    f"{url}/billing/customers", data=payload, headers={"Idempotency-Key": reference}
                ) as response:
                    await response.read()
                    _expect(response.status)

            await _in_tasks(create, count)

    asyncio.run(run())


CONTENDERS = {
    "pipeline": ours,
    "pipeline, journal in memory": ours_in_memory,
    "httpx, 8 threads": httpx_threads,
    "httpx, 8 tasks": httpx_tasks,
    "aiohttp, 8 tasks": aiohttp_tasks,
}


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def _expect(status: int) -> None:
    if status != 201:
        raise SystemExit(f"status {status}")


def _in_threads(create: Callable[[str, bytes], None], count: int) -> None:
    waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    for one in payloads(count):
        waiting.put(one)

    def work() -> None:
        while True:
            try:
                create(*waiting.get_nowait())
            except queue.Empty:
                return

    began()
    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def _in_tasks(create: Callable[[str, bytes], object], count: int) -> None:
    waiting = iter(list(payloads(count)))

    async def work() -> None:
        for reference, payload in waiting:
            await create(reference, payload)

    began()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


_START: dict[str, float] = {}
_WEIGHTS: list[float] = []


def began() -> None:
    """From here on seconds and CPU count: imports and the making of payloads are no part of a create."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _START.update(at=time.perf_counter(), cpu=used.ru_utime + used.ru_stime)


def main() -> None:
    """Run one contender."""
    name, url, key, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    CONTENDERS[name](url, key, count)
    seconds = time.perf_counter() - _START["at"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - _START["cpu"]
    print(
        json.dumps(
            {
                "per_second": count / seconds,
                "cpu_us": 1e6 * cpu / count,
                "peak_mb": used.ru_maxrss / 1024,
                "mb_after_each_10000": [round(weight) for weight in _WEIGHTS],
            }
        )
    )


if __name__ == "__main__":
    main()
