"""Print how long each stage took."""

from typing import Any

from pipeline.cli.output.terminal import say


def show_profile(stages: dict[str, dict[str, Any]]) -> None:
    """Print seconds, rows and peak memory of each stage to stderr."""
    say(f"{'stage':<10}{'seconds':>9}{'rows':>13}{'rows/s':>13}{'peak MB':>9}")
    for stage, measured in stages.items():
        rows, seconds = measured["rows"], measured["seconds"]
        count = f"{rows:,}" if rows else ""
        pace = f"{rows / seconds:,.0f}" if rows and seconds else ""
        megabytes = (measured["peak_bytes"] or 0) / 1e6
        say(f"{stage:<10}{seconds:>9.2f}{count:>13}{pace:>13}{megabytes:>9,.0f}")
