"""The pages below /_sandbox: its content, its history and its controls; for this machine only, with its key."""

import html
import ipaddress
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import contract, problems, strict_json
from .account import Account
from .api import refuse
from .faults import faults_from
from .store import Customer

AT = "/_sandbox"
CUSTOMER_ID = re.compile("bcus_[a-zA-Z0-9]+")
_HTTP_PORT = 80  #: what a URL without a port means

#: Executes the command of a body and returns the answer; ValueError for an invalid body.
Lever = Callable[[Account, bytes], dict[str, object]]
#: Gives a page.
View = Callable[[Account], Response]


def pages(account: Account) -> list[Route]:
    """Return the routes of all the pages."""
    views = {"": overview, "/customers": customers, "/stats": stats, "/openapi.json": openapi}
    levers = {"/clock": move_clock, "/seed": seed, "/faults": set_faults}
    return [
        *(Route(AT + path, _view(account, view), methods=["GET"]) for path, view in views.items()),
        *(
            Route(AT + path, _lever(account, lever), methods=["POST"])
            for path, lever in levers.items()
        ),
    ]


def overview(account: Account) -> Response:
    """Return the counts, with links to the other pages."""
    rows = "".join(
        f"<tr><th>{html.escape(k)}<td>{html.escape(str(v))}" for k, v in counts(account).items()
    )
    links = " ".join(
        f'<a href="{AT}/{name}">{name}</a>' for name in ("customers", "stats", "openapi.json")
    )
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Billing sandbox</title>"
        f"<h1>Billing sandbox</h1><table>{rows}</table><p>{links}"
    )


def openapi(_account: Account) -> Response:
    """The API's description, OpenAPI 3.1, with the current currencies."""
    document = strict_json.loads(files(__package__).joinpath("openapi.json").read_bytes())
    assert isinstance(document, dict)  # noqa: S101 - it is packed with this module
    document["components"]["schemas"]["Currency"]["enum"] = sorted(contract.currencies())
    return _json(document)


def customers(account: Account) -> Response:
    """Every customer as JSON lines, in order of creation."""
    return StreamingResponse(_lines(account), media_type="application/jsonl")


def stats(account: Account) -> Response:
    """Return the counts as JSON."""
    return _json(counts(account))


def counts(account: Account) -> dict[str, object]:
    """Return the numbers of requests, answers, effects and customers so far."""
    store = account.store
    return {
        "now": account.clock.now().isoformat(),
        "requests": {"create": 0, "retrieve": 0, "update": 0} | store.counts("requests"),
        "most_requests_in_a_second": account.rush.most,
        "answers": store.counts("answers"),
        "replays": store.number("replays"),
        "effects": store.number("effects"),
        "effects_per_reference": {
            "max": store.number("most_effects"),
            "more_than_one": store.repeated_effects(),
        },
        "keys_seen": store.number("keys_seen"),
        "keys_with_two_bodies": store.number("keys_with_two_bodies"),
        "customers": store.number("customers"),
        "sums": store.sums(),
    }


def move_clock(account: Account, body: bytes) -> dict[str, object]:
    """Advance the clock by seconds, or set it to a moment, for good."""
    match strict_json.loads(body):
        case {"advance_seconds": int() | float() as seconds, **rest} if not rest and not isinstance(
            seconds, bool
        ):
            account.clock.advance(seconds)
        case {"set": str() as moment, **rest} if not rest:
            account.clock.set(moment)
        case _:
            raise ValueError('send {"advance_seconds": n} or {"set": "2026-03-02T09:14:00+02:00"}')
    account.store.keep_setting("clock_offset", repr(account.clock.offset))
    return {"now": account.clock.now().isoformat()}


def seed(account: Account, body: bytes) -> dict[str, object]:
    """Add customers directly: no key, no effect, no answer to replay."""
    found = list(map(_as_customer, _values(body)))
    account.seed(found)
    return {"seeded": len(found)}


def set_faults(account: Account, body: bytes) -> dict[str, object]:
    """Replace the fault settings."""
    settings = strict_json.loads(body)
    if not isinstance(settings, dict):
        raise ValueError('send an object like {"lost_reply": 0.05}, or {}')  # noqa: TRY004  (ValueError is answered 400)
    account.misbehave(faults_from(settings))
    return {"faults": settings}


def loopback_only(account: Account, app: ASGIApp) -> ASGIApp:
    """`app`, for clients on this machine that name the sandbox by a loopback name and its own port, and no web page of another."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app if is_from_here(scope) else refuse(account, Request(scope), problems.FOREIGN)
        await answer(scope, receive, send)

    return guarded


def is_from_here(scope: Scope) -> bool:
    """Whether a request comes from this machine, names it so, and is not sent by a web page of another place."""
    # The name too: a web page elsewhere can make its own name point at 127.0.0.1 (DNS rebinding).
    client, headers = scope["client"], Request(scope).headers
    port = scope["server"][1] or _HTTP_PORT
    return (
        client is not None
        and _is_loopback(client[0])
        and _is_ours("//" + headers.get("host", ""), "", port)
        and all(_is_ours(origin, "http", port) for origin in headers.getlist("origin"))
    )


def _is_ours(url: str, scheme: str, port: int) -> bool:
    """Whether the origin that a URL names is that of a sandbox at this port."""
    try:
        found = urlsplit(url)
        return (
            found.scheme == scheme
            and _is_loopback(found.hostname or "")
            and (found.port or _HTTP_PORT) == port
        )
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _view(account: Account, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return view(account)

    return endpoint


def _lever(account: Account, lever: Lever) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(lever(account, await request.body()))
        except ValueError as error:
            return refuse(account, request, problems.MALFORMED_REQUEST.about(str(error)))

    return endpoint


def _json(document: Mapping[str, object]) -> Response:
    return Response(strict_json.dumps(document), media_type="application/json")


async def _lines(account: Account) -> AsyncIterator[bytes]:
    # Asynchronous in form only: Starlette would take a plain iterator into another thread, and SQLite with it.
    for page in account.store.customer_pages():
        yield b"".join(strict_json.dumps(customer.stored()) + b"\n" for customer in page)


def _values(body: bytes) -> Iterator[object]:
    """Return the values of a JSON array, or of JSON lines."""
    if body.lstrip().startswith(b"["):
        array = strict_json.loads(body)
        yield from array if isinstance(array, list) else ()
    else:
        yield from map(strict_json.loads, filter(None, map(bytes.strip, body.splitlines())))


def _as_customer(value: object) -> Customer:
    """Return a customer that meets the contract, with its own id if it has one."""
    if not isinstance(value, dict):
        raise ValueError("a customer is a JSON object")  # noqa: TRY004  (ValueError is answered 400)
    fields = {name: given for name, given in value.items() if name != "id"}
    problem = contract.check_customer(fields)
    if problem:
        faults = ", ".join(f"{error.field} {error.detail}" for error in problem.errors)
        raise ValueError(f"customer {fields.get('external_reference')!r}: {faults}")
    return Customer(fields, id=_own_id(value["id"])) if "id" in value else Customer(fields)


def _own_id(value: object) -> str:
    if not isinstance(value, str) or not CUSTOMER_ID.fullmatch(value):
        raise ValueError("a customer's id is bcus_ with letters and digits after it")
    return value
