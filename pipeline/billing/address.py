"""Check the address of billing: HTTPS, or plain HTTP to this machine; nothing that could be read as another host."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import AddressRefused

_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_NETLOC = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:0*[1-9][0-9]{0,4})?")
#: Without a config that lists other hosts, a key may go to the vendor and to this machine.
VENDOR_HOST = "api.momentco.io"


@dataclass(frozen=True, slots=True)
class Address:
    """A base address that was checked."""

    base_url: str
    host: str
    is_loopback: bool


def parse_address(text: str) -> Address:
    """Check an address; raise AddressRefused, saying why, for anything that a key should not be sent to."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its text may quote a password
        raise AddressRefused(f"the billing address {_shown(text)} cannot be read") from None
    host = (parts.hostname or "").lower()
    shown_host = f"[{host}]" if ":" in host else host
    if fault := _fault(
        text, parts.scheme, host, parts.netloc, parts.path, parts.query or parts.fragment
    ):
        raise AddressRefused(f"the billing address {_shown(text)} is refused: {fault}")
    loopback = _is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise AddressRefused(
            f"the billing address {_shown(text)} is refused: plain HTTP is for this machine alone, use https://"
        )
    return Address(f"{parts.scheme}://{shown_host}{f':{port}' if port else ''}", host, loopback)


def _fault(text: str, scheme: str, host: str, netloc: str, path: str, rest: str) -> str | None:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return "it holds characters that an address may not have"
    if scheme not in {"http", "https"}:
        return "it must begin with https://"
    if "@" in netloc:
        return "it holds a user name or password"
    if not _NETLOC.fullmatch(netloc):
        return "it must be a host name or address, with a port from 1 to 65535 if any"
    if path not in {"", "/"} or rest or text.endswith(("?", "#")):
        return "it must be a host without path, query or fragment"
    if not (_is_ip(host) or (_HOST.fullmatch(host) and not _looks_like_a_number(host))):
        return "its host name is not a plain one"
    return None


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _looks_like_a_number(host: str) -> bool:
    """`127.1`, `0x7f000001` and `2130706433` are addresses to some resolvers and names to others: the last part decides."""
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is not None


def _shown(text: str) -> str:
    """The address without a part that may be a password."""
    return repr(re.sub(r".*@", "…@", text, flags=re.DOTALL))
