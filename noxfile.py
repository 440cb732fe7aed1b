"""The tasks of a developer: `nox` runs lint and test, `nox -l` lists all sessions.

Sessions without packages of their own run in the environment that has nox, which is that of
requirements-dev.lock. So they install nothing and need no network.
"""

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "test"]
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False

BENCHES = ("planning", "planning.growth", "at_scale", "reconciling", "poison")
SAMPLE = Path("sample_data/customers.csv").absolute()
EXAMPLES = Path("examples").absolute()


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style and types."""
    _python(session, "-m", "ruff", "format", "--check", ".")
    _python(session, "-m", "ruff", "check", ".")
    _python(session, "-m", "mypy")


@nox.session
def test(session: nox.Session) -> None:
    """Run the everyday suite on all cores, or what is named: nox -s test -- tests/journeys."""
    _python(session, "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session
def long(session: nox.Session) -> None:
    """Run the slow variants, as before a release."""
    _python(session, "-m", "pytest", "-n", "auto", "-m", "long", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benches, or those that are named: nox -s bench -- planning."""
    for name in session.posargs or BENCHES:
        _python(session, "-m", f"tests.benches.{name}")


@nox.session(venv_backend="virtualenv")
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    _install(session, "requirements-docs.lock")
    session.run("sphinx-build", "-q", "-E", "-W", "--keep-going", "-n", "docs", "build/docs")


@nox.session(venv_backend="virtualenv")
def dagster(session: nox.Session) -> None:
    """Materialize the assets of examples/dagster_assets.py."""
    _install(session, "requirements.lock")
    session.install("dagster")
    work = Path(session.create_tmp())
    session.chdir(work)
    session.run(
        "python",
        str(EXAMPLES / "dagster_assets.py"),
        env={"PIPELINE_FILE": str(SAMPLE), "DAGSTER_HOME": str(work.absolute())},
    )


@nox.session(venv_backend="virtualenv")
def airflow(session: nox.Session) -> None:
    """Run examples/airflow_dag.py once; its tasks run in the environment that has nox."""
    session.install("apache-airflow")
    work = Path(session.create_tmp()).absolute()
    (work / "work").mkdir(exist_ok=True)
    environment = {
        "AIRFLOW_HOME": str(work),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PIPELINE_PYTHON": sys.executable,
        "PIPELINE_WORK": str(work / "work"),
    }
    session.run("airflow", "db", "migrate", env=environment)
    session.run("python", str(EXAMPLES / "check_airflow_dag.py"), env=environment)


def _python(session: nox.Session, *arguments: str) -> None:
    session.run(sys.executable, *arguments, external=True)


def _install(session: nox.Session, lock: str) -> None:
    """Install a lock, and the package without its dependencies."""
    session.install("-q", "--require-hashes", "-r", lock)
    session.install("-q", "--no-deps", "--no-build-isolation", "-e", os.curdir)
