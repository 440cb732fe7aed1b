"""Compare the HTTP clients of Python: requests per second, and CPU per request.

Each does nothing but send the same create to the responder of `submission/` and read the answer, eight in flight.
Those that are not installed are named and left out. Run it: python -m tests.benches.transports [--requests 5000] [--rounds 3]
"""

import argparse
import asyncio
import http.client
import importlib.util
import json
import queue
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

IN_FLIGHT = 8
BODY = json.dumps(
    {
        "balance": 24_000,
        "currency": "ZAR",
        "email": "p@example.com",
        "external_reference": "A-1",
        "name": "P",
    }
).encode()
HEADERS = {
    "Authorization": "Bearer sk_test_x",
    "Content-Type": "application/json",
    "Idempotency-Key": "key-1",
}
RESPONDER = Path(__file__).parent / "submission" / "responder.py"


def by_httpx(url: str, count: int) -> None:
    import httpx

    with httpx.Client() as client:
        in_threads(lambda: client.post(url, content=BODY, headers=HEADERS).read(), count)


def by_httpx_transport(url: str, count: int) -> None:
    import httpx

    with httpx.HTTPTransport() as transport:
        in_threads(
            lambda: _whole(transport, httpx.Request("POST", url, headers=HEADERS, content=BODY)),
            count,
        )


def by_httpx2(url: str, count: int) -> None:
    import httpx2

    with httpx2.Client() as client:
        in_threads(lambda: client.post(url, content=BODY, headers=HEADERS).read(), count)


def by_pyreqwest_under_httpx(url: str, count: int) -> None:
    import httpx
    from pyreqwest.compatibility.httpx import SyncHttpxTransport

    with SyncHttpxTransport() as transport:
        in_threads(
            lambda: _whole(transport, httpx.Request("POST", url, headers=HEADERS, content=BODY)),
            count,
        )


def by_pyreqwest(url: str, count: int) -> None:
    from pyreqwest.client import SyncClientBuilder

    with SyncClientBuilder().build() as client:
        in_threads(
            lambda: client.post(url).headers(HEADERS).body_bytes(BODY).build().send().bytes(), count
        )


def by_http_client(url: str, count: int) -> None:
    parts, own = urlsplit(url), threading.local()

    def one() -> None:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(parts.hostname, parts.port)
        own.connection.request("POST", parts.path, BODY, HEADERS)
        own.connection.getresponse().read()

    in_threads(one, count)


def by_httpx_aiohttp(url: str, count: int) -> None:
    import httpx
    from httpx_aiohttp import AiohttpTransport

    async def run() -> None:
        async with httpx.AsyncClient(transport=AiohttpTransport()) as client:
            await in_tasks(lambda: client.post(url, content=BODY, headers=HEADERS), count)

    asyncio.run(run())


def by_httpx_async(url: str, count: int) -> None:
    import httpx

    async def run() -> None:
        async with httpx.AsyncClient() as client:
            await in_tasks(lambda: client.post(url, content=BODY, headers=HEADERS), count)

    asyncio.run(run())


def by_aiohttp(url: str, count: int) -> None:
    import aiohttp

    async def run() -> None:
        async with aiohttp.ClientSession() as session:

            async def one() -> None:
                async with session.post(url, data=BODY, headers=HEADERS) as response:
                    await response.read()

            await in_tasks(one, count)

    asyncio.run(run())


#: name -> (what must be installed, how)
WAYS: dict[str, tuple[str, Callable[[str, int], None]]] = {
    "httpx, threads": ("httpx", by_httpx),
    "httpx, tasks": ("httpx", by_httpx_async),
    "httpx's transport, threads": ("httpx", by_httpx_transport),
    "httpx2, threads": ("httpx2", by_httpx2),
    "httpx over aiohttp, tasks": ("httpx_aiohttp", by_httpx_aiohttp),
    "httpx over pyreqwest, threads": ("pyreqwest", by_pyreqwest_under_httpx),
    "http.client, threads": ("http", by_http_client),
    "aiohttp, tasks": ("aiohttp", by_aiohttp),
    "pyreqwest, threads": ("pyreqwest", by_pyreqwest),
}


def _whole(transport, request) -> None:
    with closing(transport.handle_request(request)) as response:
        response.read()


def in_threads(one: Callable[[], object], count: int) -> None:
    """`count` times, from eight threads."""
    turns: queue.SimpleQueue[int] = queue.SimpleQueue()
    for turn in range(count):
        turns.put(turn)

    def work() -> None:
        while True:
            try:
                turns.get_nowait()
            except queue.Empty:
                return
            one()

    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def in_tasks(one: Callable[[], object], count: int) -> None:
    """`count` times, from eight tasks."""
    turns = iter(range(count))

    async def work() -> None:
        for _ in turns:
            await one()

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def measure(name: str, port: str, count: int) -> None:
    """Run one client in this process and print its figures."""
    url = f"http://127.0.0.1:{port}/billing/customers"
    way = WAYS[name][1]
    way(url, 50)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    way(url, count)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([count / seconds, 1e6 * cpu / count]))


def main() -> int:
    """Measure each client in turns; print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    present = [name for name, (needs, _) in WAYS.items() if importlib.util.find_spec(needs)]
    figures: dict[str, list[list[float]]] = {name: [] for name in present}
    with subprocess.Popen(
        [sys.executable, RESPONDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as responder:
        port = responder.stdout.readline().strip()
        for _ in range(given.rounds):
            for name in present:
                command = [sys.executable, __file__, name, port, str(given.requests)]
                figures[name].append(
                    json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                )
        responder.stdin.close()
    for name, runs in figures.items():
        per_second, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:32}{per_second:>8,.0f} a second {cpu:>7,.0f} µs of CPU each")
    for name in sorted(set(WAYS) - set(present)):
        print(f"{name:32}not installed")
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in WAYS:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
