"""The errors of the API as RFC 9457 problems, each with its own type."""

from dataclasses import dataclass, field, replace
from http import HTTPStatus

from . import strict_json

TYPES_AT = "https://api.momentco.io/docs/errors#"


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with one field."""

    field: str
    detail: str


@dataclass(frozen=True)
class Problem:
    """A problem as an answer; `kind` is the last part of its type."""

    status: int
    kind: str
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)

    def about(self, detail: str, *errors: FieldError) -> "Problem":
        """Return the same problem, with what is particular to this request."""
        return replace(self, detail=detail, errors=errors)

    def with_headers(self, headers: dict[str, str]) -> "Problem":
        """Return the same problem, answered with `headers`."""
        return replace(self, headers=headers)

    def body(self, instance: str, *, is_opaque: bool = False) -> bytes:
        """Return the problem as JSON; an opaque one has the type `about:blank` and its status as the title."""
        document: dict[str, object] = {
            "type": "about:blank" if is_opaque else TYPES_AT + self.kind,
            "title": HTTPStatus(self.status).phrase if is_opaque else self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.status in (400, 422):
            document["errors"] = [
                {"field": error.field, "detail": error.detail} for error in self.errors
            ]
        return strict_json.dumps(document)


_CHALLENGE = {"WWW-Authenticate": "Bearer"}

MISSING_KEY = Problem(
    401, "missing-key", "No API key", "Send 'Authorization: Bearer <key>'.", headers=_CHALLENGE
)
INVALID_KEY = Problem(
    401,
    "invalid-key",
    "The API key is not valid",
    "This key opens nothing here.",
    headers=_CHALLENGE,
)
FORBIDDEN = Problem(
    403,
    "forbidden",
    "The API key may not do this",
    "A public key (pk_…) has no right to customers.",
)
FOREIGN = Problem(
    403,
    "foreign-request",
    "The request is from another place",
    "Call this sandbox from this machine, by a loopback name with its port, and from no other web page.",
)

MALFORMED_REQUEST = Problem(
    400, "malformed-request", "The request is malformed", "The body is not a JSON object."
)
MISSING_PARAMETER = Problem(
    400, "missing-parameter", "A required parameter is missing", "See errors."
)
UNKNOWN_PARAMETER = Problem(400, "unknown-parameter", "A parameter is unknown", "See errors.")
INVALID_PARAMETER = Problem(
    422, "invalid-parameter", "A parameter cannot be processed", "See errors."
)

KEY_MISSING = Problem(
    400,
    "idempotency-key-missing",
    "No Idempotency-Key",
    "A create or an update needs the header Idempotency-Key, a UUID by preference.",
)
KEY_MALFORMED = Problem(
    400,
    "idempotency-key-malformed",
    "The Idempotency-Key is malformed",
    "Send one Idempotency-Key of 1 to 255 letters, digits and hyphens.",
)
KEY_REUSED = Problem(
    422,
    "idempotency-key-reused",
    "The Idempotency-Key was used before",
    "This key came first with another payload.",
)
IN_PROGRESS = Problem(
    409,
    "request-in-progress",
    "The first request is still running",
    "A request with this Idempotency-Key is running.",
)
REFERENCE_TAKEN = Problem(
    409,
    "reference-taken",
    "The external_reference is taken",
    "Another customer has this external_reference.",
)

NOT_FOUND = Problem(404, "not-found", "Not found", "There is no such resource.")
METHOD_NOT_ALLOWED = Problem(
    405, "method-not-allowed", "Method not allowed", "This resource has no such method."
)
TOO_LARGE = Problem(413, "too-large", "The request is too large", "A body is 1 MiB at most.")
UNSUPPORTED_MEDIA_TYPE = Problem(
    415, "unsupported-media-type", "The content type is not supported", "Send application/json."
)
TOO_MANY_REQUESTS = Problem(
    429, "too-many-requests", "Too many requests", "Slow down and try again."
)

SERVER_ERROR = Problem(
    500, "server-error", "Something failed on our side", "The request was not processed."
)
BAD_GATEWAY = Problem(
    502,
    "bad-gateway",
    "Something failed on the way",
    "The outcome of the request is not known here.",
)
UNAVAILABLE = Problem(
    503, "unavailable", "Unavailable", "The service is not available at the moment."
)
