"""`acute compare`: several runs side by side."""

import json
from pathlib import Path

import typer


def compare(
    folders: list[Path] = typer.Argument(metavar="DIR…", help="Two or more analysed run folders."),
    page: Path | None = typer.Option(None, "--page", help="Also write a page with the curves here (.html)."),
    figures: Path | None = typer.Option(None, "--figures", help="Also write its figures as files here."),
    formats: list[str] = typer.Option(["pdf"], "--format", help="Of --figures: pdf, svg or png; repeatable."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Pass@k, cosines and k† of several runs. Checkpoints, models, parameter subsets, mixes of prompts."""
    from acute.errors import InputError
    from acute.report.compare import compared, figures_of_runs, read_runs, table, write_compare_page
    from acute.report.paper import write_figures

    if len(folders) < 2:
        raise InputError(f"wanted two run folders or more, found {len(folders)}")
    runs = read_runs(folders)
    if page is not None:
        write_compare_page(page, runs)
    if figures is not None:
        write_figures(figures_of_runs(runs), figures, formats)
    if as_json:
        typer.echo(json.dumps(compared(runs), allow_nan=False))
        return
    from rich.console import Console

    Console(width=None if Console().is_terminal else 160).print(table(runs))
