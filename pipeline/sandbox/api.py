"""The vendor's calls over HTTP: authorization, the contract of a create, and how an answer is sent or lost."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import contract, problems, strict_json
from .account import Account, Answer, Write
from .faults import LookupMishap, Mishap
from .problems import Problem

BODY_LIMIT = 1024 * 1024
_DRIP = 0.01  #: seconds between two pieces of a slow body

_BY_STATUS = {404: problems.NOT_FOUND, 405: problems.METHOD_NOT_ALLOWED}


def api(account: Account) -> ASGIApp:
    """Return the calls below /billing, counted, and open to the account's key only."""

    async def collection(request: Request) -> ASGIApp:
        return await _answered(account, request, customer=None)

    async def one(request: Request) -> ASGIApp:
        customer = request.path_params["customer"]
        if request.method == "PATCH":
            return await _answered(account, request, customer)
        mishaps = account.throw_dice_for_look_up()
        if LookupMishap.LOST in mishaps:
            return hang_up
        if LookupMishap.STALE in mishaps:
            return refuse(account, request, problems.NOT_FOUND)
        return as_response(account.retrieve(customer, _path(request)))

    routes = [
        Route("/customers", collection, methods=["POST"]),
        Route("/customers/{customer}", one, methods=["GET", "PATCH"]),
    ]
    return counted(
        account, authenticated(account, Router(routes, redirect_slashes=False), account.check_key)
    )


async def _answered(account: Account, request: Request, customer: str | None) -> ASGIApp:
    try:
        return await answer_write(account, request, customer)
    except ClientDisconnect:
        return hang_up


async def answer_write(account: Account, request: Request, customer: str | None) -> ASGIApp:
    """Check, carry out and answer a create or an update, with random mishaps.

    Each request with a good key draws random numbers, in the order in which requests arrived completely.
    """
    account.creates += customer is None
    payload = await read_body(request)
    write = Write(_path(request), payload or b"", customer)
    keys = request.headers.getlist("idempotency-key")
    key_problem = contract.check_idempotency_key(keys)
    if payload is not None and key_problem is None:
        account.note_key(keys[0], write)
    mishaps = account.throw_dice()
    if Mishap.LOST_REQUEST in mishaps:
        return hang_up
    if Mishap.REDIRECT in mishaps:
        return Response(
            status_code=307, headers={"Location": "https://elsewhere.example/billing/customers"}
        )
    content_type = request.headers.get("content-type")
    problem = (
        _error_without_effect(account, mishaps)
        or contract.check_content_type(content_type)
        or key_problem
    )
    if payload is None or problem:
        return refuse(account, request, problem or problems.TOO_LARGE)
    answer = await account.answer(keys[0], write, mishaps)
    return _lose(account, request, mishaps) or _spoilt(answer, mishaps)


async def read_body(request: Request) -> bytes | None:
    """Return the body of a request, or None where it is larger than the limit."""
    if int(request.headers.get("content-length", 0)) > BODY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _error_without_effect(account: Account, mishaps: frozenset[Mishap]) -> Problem | None:
    if Mishap.RATE_LIMITED in mishaps:
        retry_after = account.retry_after()
        return problems.TOO_MANY_REQUESTS.with_headers(
            {"Retry-After": retry_after} if retry_after else {}
        )
    return problems.UNAVAILABLE if Mishap.ERROR_BEFORE in mishaps else None


def _lose(account: Account, request: Request, mishaps: frozenset[Mishap]) -> ASGIApp | None:
    """Return what the client gets in place of the answer, if anything."""
    if Mishap.LOST_REPLY in mishaps:
        return hang_up
    return refuse(account, request, problems.BAD_GATEWAY) if Mishap.ERROR_AFTER in mishaps else None


def _spoilt(answer: Answer, mishaps: frozenset[Mishap]) -> ASGIApp:
    """An answer as it is sent: intact, or damaged by a mishap."""
    if answer.status >= 400:
        return as_response(answer)
    if Mishap.GARBLED in mishaps:
        answer = replace(answer, body=answer.body[:-1] + b"]")
    if Mishap.LYING in mishaps:
        customer = strict_json.loads(answer.body)
        assert isinstance(customer, dict)  # noqa: S101 - a success is a customer
        answer = replace(answer, body=strict_json.dumps({**customer, "name": "somebody else"}))
    if Mishap.CUT_BODY in mishaps:
        return _dripping(answer, pieces=2, sent=1)
    return (
        _dripping(answer, pieces=20, sent=20)
        if Mishap.SLOW_BODY in mishaps
        else as_response(answer)
    )


def _dripping(answer: Answer, *, pieces: int, sent: int) -> ASGIApp:
    """An answer in `pieces`, of which the first `sent` arrive before the connection is closed."""

    async def drip(scope: Scope, receive: Receive, send: Send) -> None:
        whole = as_response(answer)
        await send(
            {
                "type": "http.response.start",
                "status": whole.status_code,
                "headers": whole.raw_headers,
            }
        )
        size = -(-len(answer.body) // pieces)
        for number in range(sent):
            piece = answer.body[number * size : (number + 1) * size]
            await send(
                {"type": "http.response.body", "body": piece, "more_body": number < pieces - 1}
            )
            await asyncio.sleep(_DRIP)
        if sent < pieces:
            await hang_up(scope, receive, send)

    return drip


def as_response(answer: Answer) -> Response:
    """Return an answer as HTTP, with the header that marks a replay."""
    media_type = "application/json" if answer.status < 400 else "application/problem+json"
    replayed = {"Idempotent-Replayed": "true"} if answer.is_replay else {}
    return Response(
        answer.body, answer.status, headers=answer.headers | replayed, media_type=media_type
    )


def refuse(account: Account, request: Request, problem: Problem) -> Response:
    """Return a problem as HTTP, its instance the path that was asked for."""
    return as_response(account.refusal(problem, _path(request)))


def _path(request: Request) -> str:
    """The path as requested, not decoded."""
    return str(request.scope["raw_path"].decode())


def refuse_http(account: Account, request: Request, error: HTTPException) -> Response:
    """Return a refusal of Starlette itself (an unknown path, a wrong method) as a problem."""
    problem = _BY_STATUS.get(error.status_code, problems.MALFORMED_REQUEST)
    return refuse(account, request, problem.with_headers(dict(error.headers or {})))


async def hang_up(scope: Scope, receive: Receive, _send: Send) -> None:
    """Close the connection without an answer."""
    scope["state"]["transport"].abort()
    # uvicorn answers 500 for an application that returns silently while it believes the client to be there.
    while (await receive())["type"] != "http.disconnect":
        pass


def authenticated(
    account: Account, app: ASGIApp, check: Callable[[str | None], Problem | None]
) -> ASGIApp:
    """`app`, for callers whose Authorization header passes `check`."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        problem = check(request.headers.get("authorization"))
        await (refuse(account, request, problem) if problem else app)(scope, receive, send)

    return guarded


def counted(account: Account, app: ASGIApp) -> ASGIApp:
    """`app`, with requests counted by kind and answers by status; `none` if the connection was closed."""

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        status = "none"

        async def noting(message: Message) -> None:
            nonlocal status
            status = str(message.get("status", status))
            if message["type"] == "http.response.start":
                account.store.count(f"answers.{status}")
            await send(message)

        account.store.count(f"requests.{_kind(scope)}")
        account.rush.note(time.monotonic())
        await app(scope, receive, noting)
        if status == "none":
            account.store.count("answers.none")

    return counting


def _kind(scope: Scope) -> str:
    is_customer = scope["path"].startswith("/billing/customers/")
    if scope["method"] == "GET" and is_customer:
        return "retrieve"
    if scope["method"] == "PATCH" and is_customer:
        return "update"
    return (
        "create" if (scope["method"], scope["path"]) == ("POST", "/billing/customers") else "other"
    )
