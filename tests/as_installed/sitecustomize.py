"""Python of a process of ours as users have it: without what only developers install, which also starts it sooner."""

import sys

ONLY_FOR_DEVELOPERS = {
    "aiohttp", "hypothesis", "jsonschema", "matplotlib", "numpy", "openpyxl", "pandas", "playwright", "pytest", "schemathesis",
}  # fmt: skip


class _Absent:
    """Finds none of them; what takes them if they are there must do without."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name in ONLY_FOR_DEVELOPERS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Absent)
