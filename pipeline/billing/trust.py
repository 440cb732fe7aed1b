"""The trusted certificates: Mozilla's and those of the system. No environment variable changes that."""

import os
import ssl
from pathlib import Path

import certifi

#: TLS libraries read these by default: the first writes the keys of every connection to a file, the others replace the store.
IGNORED = ("SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def ignore_environment() -> None:
    """Remove the variables that configure TLS from this process: rustls reads them, and has no option against it."""
    for name in IGNORED:
        os.environ.pop(name, None)


def certificates() -> bytes:
    """Mozilla's certificates as PEM, in addition to the system's: a slim container has none of its own."""
    return Path(certifi.where()).read_bytes()


def tls_context() -> ssl.SSLContext:
    """A context that verifies certificates and host names, and logs no keys; `ssl.create_default_context` obeys SSLKEYLOGFILE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificates().decode())
    paths = ssl.get_default_verify_paths()
    for place in (
        paths.openssl_cafile,
        paths.openssl_capath,
    ):  # as OpenSSL was built, whatever the environment says
        if Path(place).is_file():
            context.load_verify_locations(cafile=place)
        elif Path(place).is_dir():
            context.load_verify_locations(capath=place)
    return context
