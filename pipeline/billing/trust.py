"""Which certificates are believed: Mozilla's and those of the system's store. No variable of the environment changes that."""

import os
import ssl
from pathlib import Path

import certifi

#: Libraries of TLS obey these unasked: the first writes the keys of every connection to a file, the others replace the store.
IGNORED = ("SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def ignore_environment() -> None:
    """Remove the variables that steer TLS from this process: the store of rustls reads them, and has no switch for that."""
    for name in IGNORED:
        os.environ.pop(name, None)


def certificates() -> bytes:
    """Mozilla's certificates as PEM, beside the system's: a slim container has none, and then nobody could be verified."""
    return Path(certifi.where()).read_bytes()


def tls_context() -> ssl.SSLContext:
    """A context that verifies certificates and host names, and logs no keys; `ssl.create_default_context` obeys SSLKEYLOGFILE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificates().decode())
    paths = ssl.get_default_verify_paths()
    for place in (paths.openssl_cafile, paths.openssl_capath):  # as OpenSSL was built, whatever the environment says
        if Path(place).is_file():
            context.load_verify_locations(cafile=place)
        elif Path(place).is_dir():
            context.load_verify_locations(capath=place)
    return context
