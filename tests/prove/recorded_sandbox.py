"""A sandbox that records each request, its effect and its answer as JSON lines for the auditor.

    python -m tests.prove.recorded_sandbox HISTORY sandbox --state FILE …

The sandbox itself knows nothing of it: what it serves is wrapped, and its store says which request made a customer.
"""

import sys
import time
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.cli import run
from pipeline.sandbox import server
from pipeline.sandbox.app import application
from pipeline.sandbox.store import Customer, Store
from tests.prove.audit import Seen, answered, as_lines, asked

_PATH = "/billing/customers"
_made: ContextVar[list[str]] = ContextVar(
    "made"
)  #: ids of the customers that the present request made


class RecordedStore(Store):
    """A store that says which customers a request made."""

    def add_customers(self, customers: Iterable[Customer]) -> None:
        """Hold these customers too, and note their ids."""
        some = list(customers)
        super().add_customers(some)
        _made.get([]).extend(one.id for one in some)


class Recorder:
    """One request under way."""

    def __init__(self, scope: Scope) -> None:
        self.at, self.scope, self.made = time.monotonic(), scope, list[str]()
        self.request, self.body, self.is_whole = bytearray(), bytearray(), False
        self.status, self.headers = 0, Headers()
        self.until: float | None = None

    def receives(self, message: Message) -> None:
        """A part of the request."""
        if message["type"] == "http.request":
            self.request += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)

    def sends(self, message: Message) -> None:
        """A part of the answer; its effect is done by now."""
        self.until = self.until or time.monotonic()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], Headers(raw=message["headers"])
        else:
            self.body += message.get("body", b"")

    def seen(self) -> Seen | None:
        """What it came to; None for a create that never arrived whole."""
        method, key = self.scope["method"], Headers(scope=self.scope).get("idempotency-key", "")
        if method == "POST" and not self.is_whole:
            return None
        asks = {"reference": unquote(self.scope["path"].rpartition("/")[2])}
        if method == "POST":
            asks = asked(bytes(self.request))
        said = answered(
            self.status, self.headers.get("content-type", ""), bytes(self.body), asks["reference"]
        )
        is_replay = self.headers.get("idempotent-replayed") == "true" and said.get("is_own", False)
        effect, until = ",".join(self.made), self.until or time.monotonic()
        return Seen(
            self.at, until, method, key=key, effect=effect, is_replay=is_replay, **asks, **said
        )


def recorded(app: ASGIApp, path: Path) -> ASGIApp:
    """`app`, with each call of the API recorded in a file once it is answered or lost."""

    async def recording(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PATH):
            await app(scope, receive, send)
            return
        one = Recorder(scope)
        _made.set(one.made)

        async def receiving() -> Message:
            message = await receive()
            one.receives(message)
            return message

        async def sending(message: Message) -> None:
            one.sends(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                write()  # before the answer leaves, so that whoever has it finds it here
            await send(message)

        is_written = False

        def write() -> None:
            nonlocal is_written
            if not is_written and (seen := one.seen()):
                with path.open("a") as file:
                    file.write(as_lines([seen]))
            is_written = True

        try:
            await app(scope, receiving, sending)
        finally:
            write()

    return recording


def main() -> int:
    """Run a command of ours whose sandbox is recorded."""
    path = Path(sys.argv[1])
    sys.argv = ["pipeline", *sys.argv[2:]]
    with (
        patch.object(server, "Store", RecordedStore),
        patch.object(server, "application", lambda account: recorded(application(account), path)),
    ):
        return run()


if __name__ == "__main__":
    sys.exit(main())
