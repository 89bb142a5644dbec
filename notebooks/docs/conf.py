"""Sphinx configuration: pages from notebooks/, reference from docstrings, nothing from the network.

The source folder is ``notebooks/``, so that the notebooks stand in the gallery as they are, with their saved outputs.
"""

import importlib
import inspect
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from docutils.utils.math import latex2mathml
from sphinx.util.nodes import nested_parse_with_titles

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import cxmodels  # noqa: E402
from cxmodels import results  # noqa: E402
from tests import public_names  # noqa: E402

project = "cxmodels"
author = "The cxmodels developers"
copyright = author
version = release = cxmodels.__version__
root_doc = "index"
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["**/.ipynb_checkpoints", "docs/README.md"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "code"
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]  # properties of one name in several results

html_theme = "furo"
html_title = "cxmodels"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_math_renderer = "mathml"


class Family(Directive):
    """``.. family:: cxmodels.metrics`` documents all public names of a module, under the notes of the file each lives in."""

    required_arguments = 1
    optional_arguments = 50

    def run(self) -> list[nodes.Node]:
        """Write reStructuredText and parse it."""
        lines = [line for name in self.arguments for line in of_module(name)]
        parent = nodes.section()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, "family"), parent)
        return parent.children


def of_module(name: str) -> list[str]:
    """Public names of a module, file by file, or the one name."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        home, _, one = name.rpartition(".")
        return entry(home, one, getattr(importlib.import_module(home), one))
    known = {getattr(module, one) for one in public_names.of_module(module) if inspect.isclass(getattr(module, one))}
    files: dict[str, list[str]] = {}
    for one in public_names.of_module(module):
        home = public_names.home_of(getattr(module, one)) or module
        files.setdefault(home.__name__, []).append(one)
    lines = [f".. automodule:: {name}", "   :no-members:", ""]
    for file, names in files.items():
        doc = inspect.getdoc(importlib.import_module(file)) or ""
        title = doc.splitlines()[0].rstrip(".") if doc else file
        rest = "\n".join(doc.splitlines()[1:]).strip()
        if file != name:
            lines += [title, "-" * (len(title) + 2), "", *rest.splitlines(), ""]
        for one in names:
            value = getattr(module, one)
            lines += entry(name, one, value)
            for result in dict.fromkeys(public_names.answers(value)) if inspect.isclass(value) else ():
                if result not in known:
                    known.add(result)
                    lines += entry(result.__module__, result.__name__, result)
    return lines


def entry(home: str, name: str, value: object) -> list[str]:
    """One class, function or constant."""
    path = f"{home}.{name}"
    if inspect.isclass(value):
        shared = {*vars(results.Result), "set_fit_request", "set_score_request"}  # said once, and scikit-learn's
        own = [n for n, _ in public_names.members(value) if value is results.Result or n not in shared]
        return [f".. autoclass:: {path}", *([f"   :members: {', '.join(own)}"] if own else []), ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. autodata:: {path}", "   :no-value:", ""]


def inline_math(self: object, node: nodes.math) -> None:
    """A formula within a line, as MathML, which needs no script."""
    self.body.append(latex2mathml.tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def block_math(self: object, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    self.body.append(latex2mathml.tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: object) -> None:
    """Register the directive and the renderer of formulas."""
    app.add_directive("family", Family)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
