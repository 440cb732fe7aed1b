"""From the keyword options of a public function to settings, names and a destination."""

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import (
    SANDBOX,
    ConfigFile,
    Naming,
    Settings,
    Target,
    load_config,
    person_from,
)
from pipeline.errors import OptionRefused
from pipeline.storage.files import remove_left_behind
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.destination import opened_target, planned_config, planned_naming

Files = str | Path | Sequence[str | Path]
#: Option -> the setting that it sets, if that has another name.
_SETTINGS = {
    "default_region": "region",
    "pace": "per_second",
    "sheet": "source.sheet",
    "reviewer": "planner",
    "name": "planner",
    "maker": "planner",
}
_OPTIONS = {setting: option for option, setting in _SETTINGS.items() if setting != "planner"}


def paths_of(files: Files) -> list[Path]:
    """One path or several, as a list; raise OptionRefused if there is none."""
    found = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    if not found:
        raise OptionRefused([("files", "name at least one file")])
    return found


def texts_of(value: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


@dataclass(frozen=True, slots=True)
class Call:
    """The options of one call, checked by name, and the config that they name."""

    options: Mapping[str, Any]
    config: ConfigFile | None

    @classmethod
    def of(cls, function: str, known: type, options: Mapping[str, Any]) -> "Call":
        """Read the config; raise TypeError for an option that is not among `known`."""
        names: Mapping[str, Any] = known.__annotations__
        for name in options:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
                raise TypeError(
                    f"{function}() got an unexpected keyword argument {name!r}"
                    + (f". Did you mean {near[0]!r}?" if near else "")
                )
        config = options.get("config")
        return cls(options, load_config(Path(config)) if config is not None else None)

    @property
    def destination(self) -> str | None:
        """The destination of the options, else that of the config."""
        return self.given_destination or (self.config.job.address if self.config else None)

    @property
    def given_destination(self) -> str | None:
        """The destination of the options alone; raise OptionRefused for two."""
        if self.options.get("sandbox") and self.options.get("base_url"):
            raise OptionRefused([("sandbox", "two destinations: use either sandbox or base_url")])
        return SANDBOX if self.options.get("sandbox") else self.options.get("base_url")

    def required_destination(self) -> str:
        """The destination; raise OptionRefused without one."""
        place = self.destination
        if place is None:
            raise OptionRefused([("destination", "use sandbox=True or base_url=URL")])
        return place

    def settings(
        self,
        destination: str | None = None,
        *,
        config: ConfigFile | None = None,
        places: Settings | None = None,
        without: Sequence[str] = (),
    ) -> Settings:
        """The settings of the config and the options; options take precedence.

        Also removes the unfinished files that killed commands left in the home and the reports
        folder.

        Args:
            destination: None for that of the config
            config: the config to use if the options name none
            places: settings with the home and the reports folder to use
            without: options to leave out
        """
        config = self.config or config
        known = self._settings_given(config, without)
        if places is not None:
            known |= {"home": places.home, "reports": places.reports}
        try:
            found = Settings.of(
                config,
                **known,
                destination=destination,
                environment=self.options.get("environment"),
            )
        except OptionRefused as refused:
            raise OptionRefused([(_option(name), what) for name, what in refused.faults]) from None
        remove_left_behind(found.home, found.reports)
        return found

    def _settings_given(self, config: ConfigFile | None, without: Sequence[str]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for option, value in self.options.items():
            setting = _SETTINGS.get(option, option)
            if value is None or option == "config" or option in without:
                continue
            if option == "sheet":
                known["source"] = {
                    **(config.job.source.model_dump() if config else {}),
                    "sheet": value,
                }
            elif setting in Settings.model_fields:
                known[setting] = texts_of(value) if option in {"accept", "expect"} else value
        return {"planner": person_from(), **known}

    def settings_given(self, names: Sequence[str]) -> dict[str, Any]:
        """Of these options, those that were given, by the names of their settings."""
        return {
            _SETTINGS.get(name, name): self.options[name]
            for name in names
            if self.options.get(name) is not None
        }

    def naming(self, destination: str) -> Naming:
        """The names of environment and merchant at a destination."""
        return Naming.from_options(
            destination,
            job=self.config.job if self.config else None,
            environment=self.options.get("environment"),
            merchant=self.options.get("merchant"),
            live=bool(self.options.get("live")),
        )

    @contextmanager
    def target(self, destination: str, settings: Settings) -> Iterator[Target]:
        """The destination of a new run, with its key."""
        with opened_target(destination, self.naming(destination), settings.home) as target:
            yield target

    def planned_config(self, folder: RunFolder) -> ConfigFile | None:
        """The config of the options, else that of the plan."""
        return self.config or planned_config(folder)

    def planned_destination(self, folder: RunFolder) -> str:
        """The destination of the options, else that of the plan."""
        return self.given_destination or folder.read_plan().destination

    @contextmanager
    def planned_target(self, folder: RunFolder, settings: Settings) -> Iterator[Target]:
        """The destination of an existing run, with its key."""
        naming = planned_naming(
            folder,
            self.options.get("environment"),
            self.options.get("merchant"),
            live=bool(self.options.get("live")),
        )
        with opened_target(self.planned_destination(folder), naming, settings.home) as target:
            yield target


def warn_of_unused_ledger(settings: Settings, environment: str) -> None:
    """Warn if the working folder has a ledger that this call does not use."""
    if warning := settings.unused_ledger(environment):
        warnings.warn(warning, UserWarning, stacklevel=3)


def _option(setting: str) -> str:
    """The keyword option of a setting, such as pace for per_second."""
    without_index = ".".join(part for part in setting.split(".") if not part.isdigit())
    return _OPTIONS.get(without_index, without_index)
