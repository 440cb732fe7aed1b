"""A run whose environment is locked and whose ledger is open for writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.config import SANDBOX, Settings, Target
from pipeline.domain.customer import Environment
from pipeline.storage.files import token_key
from pipeline.storage.ledger import HOME_IS_NEW, Ledger, run_lock
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.progress import CLOCK, StopRequest, Watch
from pipeline.workflows.unfinished import Attempt


@dataclass(frozen=True, slots=True)
class OpenRun:
    """What the steps of applying a plan share; the caller holds the lock."""

    folder: RunFolder
    settings: Settings
    target: Target
    ledger: Ledger
    stopping: StopRequest
    watch: Watch
    attempt: Attempt

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.folder.run_id

    @property
    def is_practice(self) -> bool:
        """Whether billing is the sandbox of this process, which keeps its customers in the home."""
        return self.settings.destination == SANDBOX


@contextmanager
def writing(settings: Settings, environment: Environment, run_id: str) -> Iterator[Ledger]:
    """Lock the environment and open its ledger for writing; raise OutputRefused where the home's key cannot be used."""
    folder = settings.home / environment.name
    with (
        run_lock(folder, run_id, CLOCK.now().isoformat(timespec="seconds")),
        Ledger.opened(
            folder,
            environment,
            CLOCK.now,
            # The sandbox of this process keeps its customers in the home, so both are lost together.
            reports=None if settings.destination == SANDBOX else settings.reports,
            accepts_new_home=HOME_IS_NEW in settings.accept,
        ) as ledger,
    ):
        # The results need the key, and nothing may be sent for which they cannot be written.
        token_key(settings.home)
        yield ledger
