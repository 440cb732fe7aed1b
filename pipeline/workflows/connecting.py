"""A connection to the billing API that the settings speak of."""

from pipeline.billing import Billing, ErrorForm
from pipeline.config import Settings, Target


def connected(settings: Settings, target: Target, *, workers: int | None = None) -> Billing:
    """Open one, for as many workers as the settings or the caller say."""
    errors = ErrorForm(settings.billing_errors)
    return Billing(
        target.address, target.api_key, workers=workers or settings.workers, errors=errors
    )
