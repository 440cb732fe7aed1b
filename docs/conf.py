"""How Sphinx builds this site: `sphinx-build -W --keep-going -n docs build/docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))

from pipeline import __version__  # noqa: E402 - the path of our extensions comes first

project = "pipeline"
author = "the authors of pipeline"
release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["_extensions"]
suppress_warnings = ["toc.empty_glob"]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "pipeline"
