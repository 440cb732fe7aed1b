"""Open a connection to the billing API."""

from pipeline.billing import Billing, ErrorForm
from pipeline.config import Settings, Target


def connected(settings: Settings, target: Target, *, workers: int | None = None) -> Billing:
    """Open a connection; `workers` overrides the settings."""
    errors = ErrorForm(settings.billing_errors)
    return Billing(
        target.address, target.api_key, workers=workers or settings.workers, errors=errors
    )
