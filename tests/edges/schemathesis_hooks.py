"""What no schema can say, put into what schemathesis makes up: a key is for one request, and a balance finds its currency."""

from itertools import count

import schemathesis
from schemathesis import GenerationMode

_numbers = count(1)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Give a well-formed request a key of its own, and the balance of an update a currency beside it."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f"key-{next(_numbers)}"
    if isinstance(case.body, dict) and "balance" in case.body:
        case.body.setdefault("currency", "ZAR")
