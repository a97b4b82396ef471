"""How the pages are built: `make docs`. Nothing is fetched, neither to build nor to read them."""

from __future__ import annotations

from autotransfer import __version__

project = "autotransfer"
copyright = "the authors of autotransfer, Apache-2.0"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples", "_build"]
myst_heading_anchors = 3
suppress_warnings = [
    "misc.highlighting_failure",  # a formula or an outline is no program
]

autodoc_typehints = "none"  # the signature of a mocked or lazy type says less than the text
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "exclude-members": "set_score_request",  # written by scikit-learn
}
default_role = "code"  # single backquotes in docstrings
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "autotransfer"
html_copy_source = False
