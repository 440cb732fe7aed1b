"""Where customers are created and with which key; key, host, mode and environment belong together or nothing is sent."""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.billing.address import VENDOR_HOST, Address, parse_address
from pipeline.billing.api_key import ApiKey
from pipeline.config.job import SANDBOX, Job
from pipeline.domain.customer import Environment
from pipeline.errors import AddressRefused, ConfigError, KeyProblem, OptionRefused
from pipeline.storage.files import open_regular

_LONGEST_KEY_FILE = 1 << 12  #: bytes; a longer file holds no key
KEY_VARIABLE, KEY_FILE_VARIABLE = "BILLING_API_KEY", "BILLING_API_KEY_FILE"


class Target(BaseModel):
    """Where customers are created, and with which key."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    address: Address
    environment: Environment
    api_key: ApiKey


class Naming(BaseModel):
    """How environment and merchant are called, and whether customers may be real; said by options or by a config."""

    model_config = ConfigDict(frozen=True)

    environment: str | None = None
    merchant: str | None = None
    mode: str | None = None  #: what a config says; None: whatever the key says
    live: bool = False  #: --live was said

    @classmethod
    def said(
        cls,
        destination: str,
        *,
        job: Job | None = None,
        environment: str | None = None,
        merchant: str | None = None,
        live: bool = False,
    ) -> "Naming":
        """Options before config; a config's names belong to its own address and to others that are not this machine."""
        is_practice = destination == SANDBOX or (
            destination != (job.address if job else None) and _is_here(destination)
        )
        if job is None or is_practice:
            return cls(environment=environment, merchant=merchant, live=live)
        return cls(
            environment=environment or job.environment,
            merchant=merchant or job.merchant,
            mode=job.mode,
            live=live,
        )


def target_from(base_url: str, api_key: ApiKey, naming: Naming | None = None) -> Target:
    """Where to, with which key: or a refusal where key, host, mode and environment do not belong together."""
    naming = naming or Naming()
    address = parse_address(base_url)
    _refuse_mismatch(address, api_key, naming)
    return Target(
        address=address,
        environment=environment_from(base_url, naming, live=api_key.is_live),
        api_key=api_key,
    )


def sandbox_target(base_url: str, api_key: str, account_key: str) -> Target:
    """A sandbox that this process has started itself; its ledger knows the account, for each run has a key of its own."""
    return target_from(base_url, ApiKey(api_key, source="the sandbox", account_key=account_key))


def environment_from(
    destination: str, naming: Naming | None = None, *, live: bool | None = None
) -> Environment:
    """The environment at a destination; without names this machine is the sandbox, any other address wants both."""
    naming = naming or Naming()
    address = parse_address("http://127.0.0.1" if destination == SANDBOX else destination)
    environment, merchant = naming.environment, naming.merchant
    if address.is_loopback:
        environment, merchant = environment or SANDBOX, merchant or SANDBOX
    missing = [
        f"--{name}"
        for name, value in (("environment", environment), ("merchant", merchant))
        if not value
    ]
    if environment is None or merchant is None or missing:
        raise ConfigError(
            f"{address.host} is not this machine: say {' and '.join(missing)} or --config, so that its ledger and keys are its own"
        )
    for name, value in (("--environment", environment), ("--merchant", merchant)):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
            raise OptionRefused(
                [(name, f"{value!r}: lower-case letters, digits and - are expected")]
            )
    if environment == SANDBOX and not address.is_loopback:
        raise ConfigError(
            f"the environment '{SANDBOX}' is for this machine; give {address.host} a name of its own: --environment NAME"
        )
    is_live = live if live is not None else naming.live or naming.mode == "live"
    return Environment(
        environment,
        merchant,
        "live" if is_live else "test",
        "loopback" if address.is_loopback else address.host,
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


def _is_here(destination: str) -> bool:
    return parse_address(destination).is_loopback


def _first_line(path: Path) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            _refuse_writable(path, os.fstat(file.fileno()))
            return file.read(_LONGEST_KEY_FILE).decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise KeyProblem(f"{KEY_FILE_VARIABLE} names {path}, which is not UTF-8 text") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise KeyProblem(
            f"{KEY_FILE_VARIABLE} names {path}, which cannot be read: {why}; name a regular file that this user may read"
        ) from None


def _refuse_writable(path: Path, found: os.stat_result) -> None:
    """Refuse a key that somebody else may have put there: customers would be created in that person's account."""
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeyProblem(
            f"{KEY_FILE_VARIABLE} names {path}, which others may write to: chmod 600 {shlex.quote(str(path))}"
        )
    if found.st_uid not in {0, os.geteuid()} and found.st_mode & stat.S_IWUSR:
        raise KeyProblem(
            f"{KEY_FILE_VARIABLE} names {path}, which belongs to another user: copy it, then chmod 600 the copy"
        )


def _refuse_mismatch(address: Address, api_key: ApiKey, naming: Naming) -> None:
    if api_key.is_live and not naming.live:
        raise KeyProblem(
            "this is a live key: customers would be real; say --live if they should be"
        )
    if naming.live and not api_key.is_live:
        raise KeyProblem("--live was said, but the key is a test key (sk_test_…)")
    if naming.mode is not None and (naming.mode == "live") != api_key.is_live:
        raise KeyProblem(
            f"the config says mode: {naming.mode}, but the key is a {'live' if api_key.is_live else 'test'} key"
        )
    if api_key.is_live and address.host != VENDOR_HOST:
        raise AddressRefused(f"a live key goes to {VENDOR_HOST} only, not to {address.host}")
