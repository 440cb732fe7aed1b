"""The help for one reason or issue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """How to fix a row that was set aside for a reason."""

    remedy: str  #: what to do
    example: str = ""  #: an example in words, if cells cannot show it
    #: Cells of a canonical file that produce this reason.
    cells: Mapping[str, str] = field(default_factory=dict)
    #: Options of the command line, and config keys as dotted paths.
    settings: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The example as text."""
        return self.example or ", ".join(
            f"{name}: {_short(text)}" for name, text in self.cells.items()
        )


def _short(text: str) -> str:
    """A long text as its beginning and its length."""
    return text if len(text) <= 60 else f"{text[:20]}… ({len(text)} characters)"


Help = dict[Reason | FileIssue, Explanation]
