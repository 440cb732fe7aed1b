"""The client of the billing API: its calls, and what each answer means, as a value.

`client.py` makes the calls, `responses.py` reads what comes back, `rate_limit.py` decides when a request may leave,
`api_key.py` and `address.py` keep the key from going to the wrong host. `probe.py` checks an address before a run. It is not
imported here: it needs httpx, whose import takes a tenth of the startup time of a run.
"""

from pipeline.billing.address import Address, parse_address
from pipeline.billing.api_key import ApiKey
from pipeline.billing.client import Billing, Call, Create, Lookup, preflight
from pipeline.billing.rate_limit import Pace
from pipeline.billing.responses import ErrorForm, as_billing_holds_it

__all__ = [
    "Address",
    "ApiKey",
    "Billing",
    "Call",
    "Create",
    "ErrorForm",
    "Lookup",
    "Pace",
    "as_billing_holds_it",
    "parse_address",
    "preflight",
]
