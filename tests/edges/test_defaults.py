"""Each default of a job is stated once, in `domain/defaults.py`; config, settings and help read it there."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli.commands import cli
from pipeline.config import Job, Settings
from pipeline.domain import defaults
from pipeline.submission import Policy

PACKAGE = Path(__file__).parents[2] / "pipeline"
JOB = Job(environment="test", merchant="acme")
#: The modules that stated these values again.
READERS = ("config/job.py", "config/limits.py", "config/settings.py", "cli/options.py")


def test_settings_without_a_config_have_the_defaults_of_a_job():
    settings = Settings()

    assert settings.region == JOB.region == defaults.REGION
    assert settings.workers == JOB.pace.workers == defaults.WORKERS
    assert settings.outage_seconds == JOB.thresholds.outage_seconds == defaults.OUTAGE_SECONDS
    assert settings.usual_refusals == JOB.thresholds.usual_refusals
    assert settings.alarming_refusals == JOB.thresholds.alarming_refusals
    billing = Settings(destination="https://billing.example")
    assert billing.seconds_of_lag == defaults.LOOKUP_LAG


def test_the_policy_of_a_run_has_the_defaults_of_a_job():
    policy = Policy()

    assert policy.workers == JOB.pace.workers
    assert policy.outage_seconds == JOB.thresholds.outage_seconds
    assert policy.refusals.usual == JOB.thresholds.usual_refusals
    assert policy.refusals.alarming == JOB.thresholds.alarming_refusals
    assert policy.lookup_lag == defaults.LOOKUP_LAG


@pytest.mark.parametrize("name", READERS)
def test_no_module_repeats_a_default(name):
    text = (PACKAGE / name).read_text(encoding="utf-8")
    values = (defaults.OUTAGE_SECONDS, defaults.USUAL_REFUSALS, defaults.ALARMING_REFUSALS)
    literals = [rf"\b{re.escape(f'{value:g}')}0?\b(?!_)" for value in values]
    literals += [rf'"{defaults.REGION}"', rf"default: {defaults.WORKERS}\b", defaults.MOST_REJECTED]
    literals += [rf"\bdefault=\s*{defaults.WORKERS}\b", rf"= {defaults.WORKERS}\b"]

    assert [one for one in literals if re.search(one, text)] == []


def test_the_help_shows_the_defaults():
    text = " ".join(CliRunner().invoke(cli, ["plan", "--help"]).output.split())

    for shown in (
        f"[default: {defaults.REGION}]",
        f"[default: {defaults.WORKERS}]",
        f"[default: {defaults.OUTAGE_SECONDS:g}]",
        f"[default: {defaults.LOOKUP_LAG:g}; 0 for the sandbox]",
        f"[default: {defaults.MOST_REJECTED}, from {defaults.FEWEST_FOR_MOST_REJECTED} records on]",
        f"[default: {defaults.CANARY_IF_LIVE} if live]",
    ):
        assert shown in text, shown
