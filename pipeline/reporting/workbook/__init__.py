"""The reports as tables of texts for a workbook, one sheet per section of a page."""

from pipeline.reporting.workbook.period import period_tables
from pipeline.reporting.workbook.reconciliation import reconciliation_tables
from pipeline.reporting.workbook.run import run_tables
from pipeline.reporting.workbook.tables import Table

__all__ = ["Table", "period_tables", "reconciliation_tables", "run_tables"]
