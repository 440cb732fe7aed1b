"""A billing API for tests: the vendor's create and retrieve calls, on loopback, with configurable faults.

It imports nothing of the package around it, because it simulates another service: shared code would hide our mistakes.
"""

from .faults import NO_FAULTS, Faults, parse_faults
from .server import SandboxServer, serve_forever
from .store import StateError

__all__ = ["NO_FAULTS", "Faults", "SandboxServer", "StateError", "parse_faults", "serve_forever"]
