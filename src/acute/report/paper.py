"""Figures as files for papers: the page's own figures, in the colours of print, through kaleido.

Source of the decision: docs/decisions/0011-figures-as-files.md.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acute.errors import InputError, OutsideError
from acute.report.html import asset
from acute.report.numbers import Json

FORMATS = ("svg", "pdf", "png")
WIDTH = 640  # pixels; at 96 an inch twice a column of most papers
PNG_SCALE = 3  # dots a pixel: 300 an inch where the figure is printed 16 cm wide
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"


def _palette() -> dict[str, str]:
    """The colours of print by name: those of the light page, and what the sheet changes on paper."""
    sheet = asset("page.css")
    parts = [
        sheet[: sheet.index("@media")],
        *re.findall(r'data-theme="print"\] \{(.*?)\}', sheet, flags=re.S),
    ]
    return {name: value for part in parts for name, value in re.findall(r"--([a-z0-9-]+): ([^;]+);", part)}


def on_paper(figure: Json) -> Json:
    """A figure of the page with every "@name" resolved, on white."""
    colours = {**_palette(), "font": FONT, "paper": "#ffffff"}

    def resolved(part: Any) -> Any:
        if isinstance(part, str) and part.startswith("@"):
            return colours[part[1:]]
        if isinstance(part, list):
            return [resolved(item) for item in part]
        return {key: resolved(value) for key, value in part.items()} if isinstance(part, dict) else part

    made: Json = resolved(figure)
    return {"data": made["data"], "layout": {**made["layout"], "width": WIDTH, "paper_bgcolor": "#ffffff"}}


def figures(folder: Path) -> dict[str, Any]:
    """Every figure of a run's or a training's page, by name, as plotly.graph_objects.Figure.

    In a notebook they show themselves; `figure.write_image("cosine.pdf")` writes one.
    Raises InputError or TableError as the page does.
    """
    import plotly.graph_objects as go

    return {name: go.Figure(on_paper(figure)) for name, figure in of_folder(Path(folder)).items()}


def of_folder(folder: Path) -> dict[str, Json]:
    """The page's figures by name, colours as names. Raises InputError or TableError."""
    from acute.report.page import figures_of_run
    from acute.report.reading import read_run
    from acute.report.training import figures_of_training, is_training

    return figures_of_training(folder) if is_training(folder) else figures_of_run(read_run(folder))


def write_figures(drawn: dict[str, Json], folder: Path, formats: Sequence[str] = ("pdf",)) -> list[Path]:
    """Write figures of the page as `folder/NAME.FORMAT`, each whole or not at all, and return the paths.

    Raises InputError for an unknown format, OutsideError without kaleido, a browser or a place to write.
    """
    if unknown := [kind for kind in formats if kind not in FORMATS]:
        raise InputError(f"wanted a format of {', '.join(FORMATS)}, found {unknown[0]!r}")
    names = [(name, kind, f"{name}.{kind}") for kind in formats for name in drawn]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=folder) as made:
            _render(
                [
                    {
                        "fig": on_paper(drawn[name]),
                        "path": Path(made) / file,
                        "opts": {"format": kind, "scale": PNG_SCALE if kind == "png" else 1},
                    }
                    for name, kind, file in names
                ]
            )
            for *_, file in names:
                (Path(made) / file).replace(folder / file)
    except OSError as error:
        raise OutsideError(f"could not write figures to {folder}: {error.strerror}") from error
    return [folder / file for *_, file in names]


def _render(wanted: list[Json]) -> None:
    """One browser for all of them; nothing is fetched from a network."""
    try:
        import kaleido
        from choreographer.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError
    except ImportError as error:
        raise OutsideError(
            f"wanted kaleido to write figures ({error}): pip install 'acute[figures]', or save single "
            f"figures from the page"
        ) from None
    try:
        kaleido.write_fig_from_object_sync(wanted, cancel_on_error=True, kopts={"mathjax": False})
    except ChromeNotFoundError:
        raise OutsideError(
            "wanted Chrome or Chromium to draw figures, found none: install one (apt-get install chromium) "
            "or name it in BROWSER_PATH, or save single figures from the page"
        ) from None
    except (BrowserFailedError, BrowserClosedError, TimeoutError) as error:
        raise OutsideError(f"the browser that draws figures failed: {error}") from error
