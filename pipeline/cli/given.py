"""The parameters of a command."""

from collections.abc import Mapping
from typing import Any

#: Name of a parameter -> its value, which click has parsed by the type of its option.
Given = Mapping[str, Any]
