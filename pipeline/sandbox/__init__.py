"""A billing API to practise on: the vendor's create and retrieve calls, on loopback, with misbehaviour to order.

It imports nothing of the package around it, for it plays someone else's service: shared code would hide our mistakes.
"""

from .faults import NO_FAULTS, Faults, parse_faults
from .server import SandboxServer, serve_forever
from .store import StateError

__all__ = ["NO_FAULTS", "Faults", "SandboxServer", "StateError", "parse_faults", "serve_forever"]
