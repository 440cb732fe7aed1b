"""The files of a run's folder."""

from generated.markdown import code, escaped, table
from pipeline.domain.run_files import RUN_FILES, RunFile


def run_files() -> str:
    """Every file of a run's folder, with its reader and its content."""
    rows = [[code(file.name), escaped(file.reader), _content(file)] for file in RUN_FILES]
    return table(["File", "For", "Content"], rows)


def _content(file: RunFile) -> str:
    parts = [
        escaped(file.holds),
        f"Only {escaped(file.condition)}." if file.condition else "",
        "**Holds personal data.**" if file.has_personal_data else "",
    ]
    return " ".join(filter(None, parts))
