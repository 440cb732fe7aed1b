"""The destination and its key. Nothing is sent unless key, host, mode and environment match."""

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
    """The names of environment and merchant, and whether customers may be real."""

    model_config = ConfigDict(frozen=True)

    environment: str | None = None
    merchant: str | None = None
    mode: str | None = None  #: mode of the config; None: the mode of the key
    live: bool = False  #: --live was given

    @classmethod
    def from_options(
        cls,
        destination: str,
        *,
        job: Job | None = None,
        environment: str | None = None,
        merchant: str | None = None,
        live: bool = False,
    ) -> "Naming":
        """Names from options, else from the config; not for practice on this machine."""
        is_practice = destination == SANDBOX or (
            destination != (job.address if job else None) and _is_loopback(destination)
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
    """A destination with its key; refuse if key, host, mode and environment do not match."""
    naming = naming or Naming()
    address = parse_address(base_url)
    _refuse_mismatch(address, api_key, naming)
    return Target(
        address=address,
        environment=environment_from(base_url, naming, live=api_key.is_live),
        api_key=api_key,
    )


def sandbox_target(base_url: str, api_key: str, account_key: str) -> Target:
    """The sandbox of this process; `account_key` identifies its account across new keys."""
    return target_from(base_url, ApiKey(api_key, source="the sandbox", account_key=account_key))


def environment_from(
    destination: str, naming: Naming | None = None, *, live: bool | None = None
) -> Environment:
    """The environment at a destination. Only this machine has default names: the sandbox."""
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
            f"{address.host} is not this machine: use {' and '.join(missing)} or --config,"
            " so that it has its own ledger and keys"
        )
    for name, value in (("--environment", environment), ("--merchant", merchant)):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
            raise OptionRefused([(name, f"{value!r}: use only lower-case letters, digits and -")])
    if environment == SANDBOX and not address.is_loopback:
        raise ConfigError(
            f"the environment '{SANDBOX}' is for this machine;"
            f" give {address.host} another name: --environment NAME"
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
        raise KeyProblem(f"both {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are set; unset one")
    if path:
        return ApiKey(_first_line(Path(path)), source=f"the file that {KEY_FILE_VARIABLE} names")
    if text:
        return ApiKey(text, source=KEY_VARIABLE)
    raise KeyProblem(
        f"no API key: set {KEY_VARIABLE}, or set {KEY_FILE_VARIABLE} to a file that holds it"
        " (there is no option for it)"
    )


def _is_loopback(destination: str) -> bool:
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
            f"{KEY_FILE_VARIABLE} names {path}, which cannot be read: {why};"
            " name a regular file that this user may read"
        ) from None


def _refuse_writable(path: Path, found: os.stat_result) -> None:
    """Refuse a key file that others can write: customers could be created in another account."""
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeyProblem(
            f"{KEY_FILE_VARIABLE} names {path}, which others may write to:"
            f" chmod 600 {shlex.quote(str(path))}"
        )
    if found.st_uid not in {0, os.geteuid()} and found.st_mode & stat.S_IWUSR:
        raise KeyProblem(
            f"{KEY_FILE_VARIABLE} names {path}, which belongs to another user:"
            " copy it, then chmod 600 the copy"
        )


def _refuse_mismatch(address: Address, api_key: ApiKey, naming: Naming) -> None:
    if api_key.is_live and not naming.live:
        raise KeyProblem(
            "this is a live key: customers would be real; use --live if they should be"
        )
    if naming.live and not api_key.is_live:
        raise KeyProblem("--live needs a live key, but the key is a test key (sk_test_…)")
    if naming.mode is not None and (naming.mode == "live") != api_key.is_live:
        raise KeyProblem(
            f"the config has mode: {naming.mode},"
            f" but the key is a {'live' if api_key.is_live else 'test'} key"
        )
    if api_key.is_live and address.host != VENDOR_HOST:
        raise AddressRefused(f"a live key goes to {VENDOR_HOST} only, not to {address.host}")
