"""Settings from a config, options and the environment. Reports every fault at once, never a key.

- `job.py`: the model of a config
- `yaml_file.py`: reads YAML with the line of each key
- `settings.py`: joins config and options
- `places.py`: the folders of ledgers and runs
- `person.py`: the name of the person who plans or signs
- `target.py`: the destination and its key
- `schema.py`: the JSON Schema of a config, and the template for suppliers
"""

from pipeline.config.job import SANDBOX, ConfigFile, Job, load_config, stop_at
from pipeline.config.person import PLANNER_VARIABLE, person_from
from pipeline.config.places import DEMO_HOMES, HOME, REPORTS
from pipeline.config.schema import config_schema, template_columns, template_line
from pipeline.config.settings import Settings
from pipeline.config.target import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Naming,
    Target,
    environment_from,
    read_api_key,
    sandbox_target,
    target_from,
)

__all__ = [
    "DEMO_HOMES",
    "HOME",
    "KEY_FILE_VARIABLE",
    "KEY_VARIABLE",
    "PLANNER_VARIABLE",
    "REPORTS",
    "SANDBOX",
    "ConfigFile",
    "Job",
    "Naming",
    "Settings",
    "Target",
    "config_schema",
    "environment_from",
    "load_config",
    "person_from",
    "read_api_key",
    "sandbox_target",
    "stop_at",
    "target_from",
    "template_columns",
    "template_line",
]
