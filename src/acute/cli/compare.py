"""`acute compare`: several runs side by side."""

import json
from pathlib import Path

import typer


def compare(
    folders: list[Path] = typer.Argument(metavar="DIR…", help="Two or more analysed run folders."),
    page: Path | None = typer.Option(None, "--page", help="Also write a page with the curves here (.html)."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Pass@k, cosines and k† of several runs. Checkpoints, models, parameter subsets, mixes of prompts."""
    from acute.errors import InputError
    from acute.report.compare import compared, read_runs, table, write_compare_page

    if len(folders) < 2:
        raise InputError(f"wanted two run folders or more, found {len(folders)}")
    runs = read_runs(folders)
    if page is not None:
        write_compare_page(page, runs)
    if as_json:
        typer.echo(json.dumps(compared(runs), allow_nan=False))
        return
    from rich.console import Console

    Console(width=None if Console().is_terminal else 160).print(table(runs))
