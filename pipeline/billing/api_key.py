"""The API key, wrapped so that it does not appear in a repr, a log, a traceback, JSON or a pickle."""

import hashlib
import re
from typing import NoReturn

from pipeline.errors import KeyProblem

_SECRET = re.compile(r"sk_[A-Za-z0-9_-]{8,251}")


class ApiKey:
    """A secret key that was checked; `reveal()` is called where the request leaves, and where answers are searched for the key."""

    __slots__ = ("_account_key", "_secret")

    def __init__(self, text: str, *, source: str, account_key: str | None = None) -> None:
        """Check a key before it is used: HTTP libraries echo a malformed header with the key in it.

        `account_key`: the key whose fingerprint is used, if this one is valid for a single run only.
        """
        if text.startswith("pk_"):
            raise KeyProblem(
                f"{source} holds a public key (pk_…), which may not create customers; use a secret key (sk_…)"
            )
        if not _SECRET.fullmatch(text):
            raise KeyProblem(
                f"{source} does not hold a secret key: sk_ followed by letters, digits, _ and - is expected, "
                "without quotes, spaces or line ends"
            )
        self._secret = text
        self._account_key = account_key or text

    @property
    def is_live(self) -> bool:
        """`sk_test_…` is a test key, any other `sk_…` a live one."""
        return not self._secret.startswith("sk_test_")

    @property
    def fingerprint(self) -> str:
        """An identifier of the key that does not reveal it."""
        return hashlib.sha256(b"pipeline credential " + self._account_key.encode()).hexdigest()[:16]

    def reveal(self) -> str:
        """The secret itself."""
        return self._secret

    def __repr__(self) -> str:
        return "ApiKey(redacted)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey is not pickled")
