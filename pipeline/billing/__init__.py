"""The billing API from the client's side: what may be asked, and what each answer means, as a value.

`client.py` makes the calls, `answers.py` reads what comes back, `pacing.py` decides when a request may leave,
`api_key.py` and `address.py` keep the key from leaving to the wrong place. `probe.py` asks beforehand whether calls would
be answered; it is not imported here, for httpx, which it needs, is a tenth of the time in which a run begins.
"""

from pipeline.billing.address import Address, parse_address
from pipeline.billing.answers import ErrorForm, as_billing_holds_it
from pipeline.billing.api_key import ApiKey
from pipeline.billing.client import Billing, Call, Create, LookUp, preflight
from pipeline.billing.pacing import Pace

__all__ = [
    "Address",
    "ApiKey",
    "Billing",
    "Call",
    "Create",
    "ErrorForm",
    "LookUp",
    "Pace",
    "as_billing_holds_it",
    "parse_address",
    "preflight",
]
