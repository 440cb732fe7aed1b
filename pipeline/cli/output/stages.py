"""Print how long each stage took."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.domain.plan_file import StageProfile


def show_profile(stages: "Mapping[str, StageProfile]") -> None:
    """Print seconds, rows and peak memory of each stage to stderr."""
    say(f"{'stage':<10}{'seconds':>9}{'rows':>13}{'rows/s':>13}{'peak MB':>9}")
    for stage, of in stages.items():
        count = f"{of.rows:,}" if of.rows else ""
        rate = f"{of.rows / of.seconds:,.0f}" if of.rows and of.seconds else ""
        megabytes = (of.peak_bytes or 0) / 1e6
        say(f"{stage:<10}{of.seconds:>9.2f}{count:>13}{rate:>13}{megabytes:>9,.0f}")
