"""The site: Sphinx reads the pages of this folder. `make docs` builds it with warnings as errors."""

import pkgutil
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils.nodes import Node, reference
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import acute

project = "acute"
author = "The acute developers"
release = acute.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
exclude_patterns = ["figures/*.py"]
suppress_warnings = ["myst.header"]  # pages that are included begin at their own level

html_theme = "furo"
html_title = "acute"
html_show_sourcelink = False
html_copy_source = False

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": False}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[~?numpy\.float64\]\]")
OUTSIDE: set[str] = set()
default_role = "code"  # docstrings have code in single backticks


def _plain(lines: list[str]) -> list[str]:
    """reStructuredText of a docstring, which is plain text with code in backticks and indented examples."""
    made: list[str] = []
    example = False
    for line in lines:
        indented = line.startswith("    ")
        after_blank = not made or not made[-1].strip()
        if line.strip() and not indented:
            example = False
        elif indented and after_blank and not example:
            made += ["::", ""]
            example = True
        if example or line.startswith((">>>", "...")):
            made.append(line)
        else:
            bullet, text = re.match(r"(\s*(?:\* )?)(.*)", line).groups()  # type: ignore[union-attr]
            parts = re.split(r"(`[^`]*`)", text)
            made.append(
                bullet + "".join(p if p[:1] == "`" else re.sub(r"([*|_])", r"\\\1", p) for p in parts)
            )
    return made


def _short(
    app: Sphinx, what: str, name: str, found: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Signatures with the aliases that the source has, which Python has replaced by what they stand for."""
    del app, what, name, found, options
    return tuple(text and ARRAY.sub("Floats", text) for text in (signature, returns))  # type: ignore[return-value]


def _rewrite(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    del app, what, name, found, options
    lines[:] = _plain(lines)


class Modules(SphinxDirective):
    """```{modules} PACKAGE: a section for each module of the package that has names of its own."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Called by Sphinx."""
        package = import_module(self.arguments[0])
        inside = pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}.")
        names = [package.__name__, *sorted(found.name for found in inside)]
        text = "\n\n".join(f"## {name}\n```{{eval-rst}}\n.. automodule:: {name}\n```" for name in names)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _list_outside(app: Sphinx, tree: Any, page: str) -> None:
    """Collect the links that lead outside; nothing is fetched."""
    del app
    links = (node.get("refuri", "") for node in tree.findall(reference))
    OUTSIDE.update(f"{uri}  {page}" for uri in links if uri.startswith("http"))


def _write_outside(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "outside.txt").write_text("\n".join(sorted(OUTSIDE)) + "\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("modules", Modules)
    app.connect("autodoc-process-docstring", _rewrite)
    app.connect("autodoc-process-signature", _short)
    app.connect("doctree-resolved", _list_outside)
    app.connect("build-finished", _write_outside)
