"""The sandbox as one ASGI application: the API, its pages, and a Date on everything."""

from email.utils import formatdate

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import problems
from .account import Account
from .api import api, authenticated, refuse, refuse_http
from .clock import Clock
from .pages import loopback_only, pages


def application(account: Account) -> ASGIApp:
    """Everything that the sandbox serves of an account."""

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls this handler for nothing else
        return refuse_http(account, request, error)

    async def on_our_error(request: Request, _error: Exception) -> Response:
        return refuse(account, request, problems.SERVER_ERROR)

    starlette = Starlette(
        routes=[Mount("/billing", app=api(account)), *pages(account)],
        exception_handlers={HTTPException: on_http_error, Exception: on_our_error},
    )
    starlette.router.redirect_slashes = False  # a slash too many is an unknown path
    return dated(account.clock, loopback_only(account, with_key(account, starlette)))


def with_key(account: Account, app: ASGIApp) -> ASGIApp:
    """`app`, with the key required on every path. Calls below /billing check the key themselves: a revoked key still opens the pages."""
    pages_only = authenticated(account, app, account.check_owner)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        is_call = scope["path"].startswith("/billing/")
        await (app if is_call else pages_only)(scope, receive, send)

    return guarded


def dated(clock: Clock, app: ASGIApp) -> ASGIApp:
    """`app`, with the clock's time as the Date of every answer."""

    async def dating(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = formatdate(clock.seconds(), usegmt=True)
            await send(message)

        await app(scope, receive, send_dated)

    return dating
