"""How Sphinx builds this site: `sphinx-build -W --keep-going -n docs build/docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))

from pipeline import __version__  # noqa: E402 - the path of our extensions comes first

project = "pipeline"
author = "the authors of pipeline"
release = __version__
language = "en"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "reference_pages",
]
exclude_patterns = ["_extensions", "pictures"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "substitution"]
myst_heading_anchors = 4
myst_substitutions = {"release": release}

autodoc_member_order = "bysource"
autodoc_class_signature = "separated"  # a model's own would be long, and repeats its fields
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
# Types of other packages, and of ours that are not public, have no page here.
nitpick_ignore_regex = [(r"py:.*", r".*")]
smartquotes = False  # they would make a dash of the two hyphens of an option
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
default_role = "code"  # our docstrings mark code with single backticks

html_theme = "furo"
html_title = "pipeline"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_show_copyright = False
