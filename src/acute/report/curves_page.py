"""A plain page of plotly figures that opens offline: of a training, or of several runs side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acute.table import write_atomically

Curves = list[dict[str, Any]]


def write_curves_page(
    target: Path, title: str, about: str, figures: Sequence[tuple[str, Curves]], x: dict[str, Any]
) -> Path:
    """Write the page, whole or not at all; figures without a point are left out. `x` is the x axis's layout.

    Raises OutsideError where it cannot be written.
    """
    from jinja2 import Environment, PackageLoader
    from plotly.offline import get_plotlyjs

    drawn = [(name, curves) for name, curves in figures if any(curve["x"] for curve in curves)]
    template = Environment(autoescape=True, loader=PackageLoader("acute.report", ".")).get_template(
        "curves.html"
    )
    page = template.render(
        title=title,
        about=about,
        drawn=drawn,
        data=json.dumps([curves for _, curves in drawn]).replace("<", "\\u003c"),
        axis=json.dumps(x).replace("<", "\\u003c"),
        plotly=get_plotlyjs(),
    )
    write_atomically(target, page.encode("utf-8"))
    return target
