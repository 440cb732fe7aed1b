"""Settings and the environment they come from; every fault at once, and never a key in a message."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.billing.address import VENDOR_HOST, Address, parse_address
from pipeline.billing.api_key import ApiKey
from pipeline.customer import Environment
from pipeline.errors import AddressRefused, ConfigError, KeyProblem

KEY_VARIABLE, KEY_FILE_VARIABLE = "BILLING_API_KEY", "BILLING_API_KEY_FILE"
SANDBOX = "sandbox"


class Settings(BaseModel):
    """What a run may be told; everything has a default that is safe to leave alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    destination: str = SANDBOX  #: "sandbox" for the one in this process, else the billing address
    home: Path = Path(".pipeline")
    reports: Path = Path("reports")
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "ZA"
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None
    outage_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    retry_refused: bool = False
    allow_empty: bool = False
    planner: Annotated[str, Field(min_length=1, max_length=100)] = "unknown"


class Target(BaseModel):
    """Where customers are created, and with which key."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    address: Address
    environment: Environment
    api_key: ApiKey


def settings_from(**given: Any) -> Settings:
    """Settings from what was given (None = not given); raise ConfigError with every fault."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as invalid:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in invalid.errors()]
        raise ConfigError("; ".join(faults)) from None


def target_from(
    base_url: str, api_key: ApiKey, *, live: bool = False, environment: str | None = None, merchant: str | None = None
) -> Target:
    """Where to, with which key: or a refusal where key, host and environment do not belong together."""
    address = parse_address(base_url)
    _refuse_mismatch(address, api_key, live=live)
    return Target(
        address=address,
        environment=environment_from(base_url, live=api_key.is_live, environment=environment, merchant=merchant),
        api_key=api_key,
    )


def sandbox_target(base_url: str, api_key: str) -> Target:
    """A sandbox that this process has started itself."""
    return target_from(base_url, ApiKey(api_key, source="the sandbox"))


def environment_from(
    destination: str, *, live: bool, environment: str | None = None, merchant: str | None = None
) -> Environment:
    """The environment at a destination; without names this machine is the sandbox, any other address wants both."""
    address = parse_address("http://127.0.0.1" if destination == SANDBOX else destination)
    if address.is_loopback:
        environment, merchant = environment or SANDBOX, merchant or SANDBOX
    missing = [f"--{name}" for name, value in (("environment", environment), ("merchant", merchant)) if not value]
    if environment is None or merchant is None or missing:
        raise ConfigError(
            f"{address.host} is not this machine: say {' and '.join(missing)}, so that its ledger and keys are its own"
        )
    for name, value in (("--environment", environment), ("--merchant", merchant)):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
            raise ConfigError(f"{name} {value!r}: lower-case letters, digits and - are expected")
    return Environment(
        environment, merchant, "live" if live else "test", "loopback" if address.is_loopback else address.host
    )


def read_api_key(variables: Mapping[str, str] = os.environ) -> ApiKey:
    """The key from BILLING_API_KEY, or from the file that BILLING_API_KEY_FILE names."""
    text, path = variables.get(KEY_VARIABLE), variables.get(KEY_FILE_VARIABLE)
    if text and path:
        raise KeyProblem(f"both {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are set; leave one")
    if path:
        return ApiKey(_first_line(Path(path)), source=f"the file that {KEY_FILE_VARIABLE} names")
    if text:
        return ApiKey(text, source=KEY_VARIABLE)
    raise KeyProblem(
        f"no API key: set {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file that holds it (never an option)"
    )


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyProblem(f"{KEY_FILE_VARIABLE} names {path}, which cannot be read: {type(error).__name__}") from None


def _refuse_mismatch(address: Address, api_key: ApiKey, *, live: bool) -> None:
    if api_key.is_live and not live:
        raise KeyProblem("this is a live key: customers would be real; say --live if they should be")
    if live and not api_key.is_live:
        raise KeyProblem("--live was said, but the key is a test key (sk_test_…)")
    if api_key.is_live and address.host != VENDOR_HOST:
        raise AddressRefused(f"a live key goes to {VENDOR_HOST} only, not to {address.host}")
