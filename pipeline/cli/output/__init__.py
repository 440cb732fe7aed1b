"""Print for people and programs; a module for each kind of result.

`terminal.py`         lines, text and JSON, without control characters; every module prints with it
`report.py`           the report of a run: fates and sums
`report_lines.py`     the lines below its tables: reasons, findings, unsent columns
`plan.py`             what a plan would do, and the command that applies it
`stages.py`           seconds, rows and memory of each stage
`runs.py`             all runs, or one of them
`history.py`          the history of a customer
`explanation.py`      codes with their explanations
`inspection.py`       the form of a file, its columns and its unreadable lines
`draft.py`            the config that `init` drafts
`known_customers.py`  the known customers of each environment
`reconciliation.py`   the bridge, the differences and the verdict
`verification.py`     the checks of `verify`
"""
