"""Write a template: an empty file for a supplier, as CSV or as a workbook of text cells."""

from pathlib import Path

from pipeline.config import template_columns, template_line
from pipeline.domain.column_mapping import Layout
from pipeline.storage.files import write_bytes
from pipeline.storage.xlsx import write_text_sheet


def write_template(path: Path, layout: Layout | None, delimiter: str) -> None:
    """Write the header that a job expects to `path`; without a layout, the canonical one."""
    if path.suffix.casefold() == ".xlsx":
        write_text_sheet(path, "customers", template_columns(layout))
    else:
        write_bytes(path, template_line(layout, delimiter).encode())
