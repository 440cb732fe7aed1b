"""A proxy between the command line and the real sandbox that disturbs connections as networks do.

It delays, resets at any byte of the request or of the answer, hands on one byte at a time, goes silent with the
connection open, and sends a request a second time. It reads HTTP/1.1 just far enough to know where a message ends.
"""

import asyncio
import contextlib
import random
import socket
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import Inside, customers_csv, running_sandbox
from tests.prove.books import violations
from tests.prove.kills import oracle

RATES = {
    "late": 0.1,
    "sliced": 0.03,
    "reset_in_request": 0.03,
    "reset_in_answer": 0.03,
    "silent_before": 0.003,
    "silent_after": 0.003,
    "duplicated": 0.05,
}


@dataclass
class Journey:
    """What a file's way through the proxy came to; `faults` is empty where the oracle has nothing to say."""

    seed: int
    rows: int
    met: dict[str, int]  #: what the proxy did, and how often
    faults: list[str] = field(default_factory=list)


def journey(seed: int, rows: int, *, silence: float = 2.0) -> Journey:
    """A run through a bad network, resumed once through a good one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = Inside(folder)
        customers_csv(folder / "customers.csv", rows)
        # On every other journey nothing but the client prevents a second customer.
        faults, history = f"uniqueness_off={seed % 2}", folder / "history.jsonl"
        with running_sandbox(
            folder / "billing.sqlite", "--faults", faults, history=history
        ) as outside:
            with chaos(outside.base_url, seed, silence) as proxy:
                pipeline(
                    "run", "customers.csv", "--base-url", proxy.url, "--yes", environment=outside.environment
                )  # fmt: skip
                proxy.rates = {}
                ended = pipeline("resume", pipeline.newest().name, environment=outside.environment)
            found = [
                *oracle(pipeline, outside, rows, ended.returncode),
                *violations(history, folder, rows),
            ]
            return Journey(seed, rows, dict(proxy.met), found)


@contextmanager
def chaos(url: str, seed: int, silence: float) -> Iterator["Proxy"]:
    """A proxy in front of `url`, in a thread of its own; it ends with the block."""
    proxy = Proxy(urlsplit(url).port or 80, random.Random(seed), silence)
    thread = threading.Thread(target=asyncio.run, args=(proxy.serve(),), daemon=True)
    thread.start()
    proxy.is_ready.wait(10)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)


class Proxy:
    """`rates` may be changed while it serves; `met` counts what it did."""

    def __init__(self, upstream: int, dice: random.Random, silence: float) -> None:
        self.rates, self.met = dict(RATES), Counter[str]()
        self.is_ready = threading.Event()
        self.url = ""
        self._upstream, self._dice, self._silence = upstream, dice, silence

    async def serve(self) -> None:
        """Until `stop`."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._client, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self.is_ready.set()
            await self._stopped.wait()

    def stop(self) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
            try:
                while request := await _message(reader):
                    if not await self._exchange(self._renamed(request), writer, there, back):
                        _reset(writer)
                        return
            finally:
                back.close()
        writer.close()

    def _renamed(self, request: bytes) -> bytes:
        """A request that names the server behind, as any proxy in front of it writes it."""
        ours, theirs = urlsplit(self.url).netloc, f"127.0.0.1:{self._upstream}"
        return request.replace(ours.encode(), theirs.encode(), 1)

    async def _exchange(
        self,
        request: bytes,
        client: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer, more or less; False where the client's connection is to be reset."""
        if self._hit("late"):
            await asyncio.sleep(self._dice.uniform(0, 0.2))
        if self._hit("silent_before"):
            await asyncio.sleep(self._silence)
            return False
        if self._hit("reset_in_request"):
            back.write(request[: self._dice.randrange(len(request))])
            await back.drain()
            _reset(back)
            return False
        if self._hit("duplicated"):
            self._later = asyncio.create_task(self._again(request))
        await self._hand_on(request, back)
        answer = await _message(there)
        if self._hit("silent_after"):
            await asyncio.sleep(self._silence)
            return False
        if self._hit("reset_in_answer"):
            client.write(answer[: self._dice.randrange(len(answer))])
            await client.drain()
            return False
        await self._hand_on(answer, client)
        return bool(answer)

    async def _hand_on(self, message: bytes, to: asyncio.StreamWriter) -> None:
        if not self._hit("sliced"):
            to.write(message)
        else:
            for at in range(len(message)):
                to.write(message[at : at + 1])
                await to.drain()
                await asyncio.sleep(0)
        await to.drain()

    async def _again(self, request: bytes) -> None:
        """As a network that delivers twice: nobody hears the second answer."""
        await asyncio.sleep(self._dice.choice([0.0, 0.0, 0.3]))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
            back.write(request)
            await _message(there)
            back.close()

    def _hit(self, name: str) -> bool:
        hit = self._dice.random() < self.rates.get(name, 0.0)
        self.met[name] += hit
        return hit


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer, whole; empty where the other side has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    at = head.lower().find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return head + await reader.readexactly(length)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN: what is under way is lost, and the other side is told so."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def block(told: tuple[int, int, float]) -> dict:
    """A journey as a line of results."""
    seed, rows, silence = told
    found = asdict(journey(seed, rows, silence=silence))
    return {**found, "seeds": [seed, seed + 1], "failures": found.pop("faults")}
