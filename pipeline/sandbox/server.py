"""Start the sandbox: in a thread of this process, or as a command that runs until a signal."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .account import Account, fresh_key, open_account
from .app import application
from .faults import NO_FAULTS, Faults
from .store import Store

HOST = "127.0.0.1"
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class HangUpProtocol(H11Protocol):
    """uvicorn's HTTP, with the connection in the request's state, so that the application can close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent does
        """Put the connection into the state that every request of it carries."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class SandboxServer:
    """A running sandbox on loopback, as a context manager: `with SandboxServer() as sandbox: sandbox.base_url`."""

    base_url: str
    api_key: str  #: opens it
    account_key: str  #: the key that the state keeps: the same each time this state is served

    def __init__(
        self,
        state: Path | None = None,
        api_key: str | None = None,
        port: int = 0,
        faults: Faults = NO_FAULTS,
        seed: int | None = None,
        *,
        for_one_process: bool = False,
    ) -> None:
        """Describe a sandbox: state in memory without `state`, a free port with 0, a fresh key where none is known.

        `for_one_process`: it accepts only a new key of this process, which is never stored.
        """
        self._state, self._given_key, self._port = state, api_key, port
        self._faults, self._seed = faults, seed
        self._for_one_process = for_one_process

    def __enter__(self) -> Self:
        """Open the state and serve it from a thread; return when connections are accepted."""
        self._store = Store(self._state)
        try:
            account = open_account(self._store, self._given_key, self._faults, self._seed)
            listening = _listen(self._port)
        except BaseException:
            self._store.close()
            raise
        self.account_key = account.api_key
        if self._for_one_process:
            account.api_key = fresh_key()
        self.api_key = account.api_key
        self.base_url = f"http://{HOST}:{listening.getsockname()[1]}"
        self._server = uvicorn.Server(_settings(account))
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="sandbox", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox ended before it accepted connections")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the requests under way, stop serving, close the state."""
        self._server.should_exit = True
        self._thread.join()
        self._store.close()


def serve_forever(sandbox: SandboxServer, out: TextIO | None = None) -> None:
    """Serve until SIGTERM or SIGINT, after one JSON line on `out` (stdout) when connections are accepted."""
    # Blocked before the thread starts, which inherits it: the signals wait for sigwait() and interrupt nothing.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        with sandbox:
            line = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "pid": os.getpid()}
            print(json.dumps(line), file=out or sys.stdout, flush=True)
            signal.sigwait(_STOP_SIGNALS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(port: int) -> socket.socket:
    listening = socket.create_server((HOST, port))
    # asyncio sets this on sockets with an explicit protocol number only; without it an answer waits 40 ms for an ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _settings(account: Account) -> uvicorn.Config:
    """The settings of uvicorn: no logs, our own Date, and no trust in headers about the client."""
    return uvicorn.Config(
        application(account),
        http=HangUpProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,  # the process that we are in has its own
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )
