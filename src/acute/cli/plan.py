"""`acute plan`: what would a run cost, before it starts?"""

import json
from pathlib import Path
from typing import Any

import typer

from acute.errors import ConfigError

JSON_HELP = "Print one JSON object on standard output."


def plan(
    config: Path | None = typer.Argument(None, help="A TOML file; without it the built-in quickstart."),
    gpus: str | None = typer.Option(
        None, "--gpus", help="Plan for these cards, as 8xH200. Without: for this machine, from a short trial."
    ),
    parameters: float | None = typer.Option(
        None, "--parameters", help="Size of a model that is not at hand, as 8e9."
    ),
    prompts: int | None = typer.Option(
        None, "--prompts", min=1, help="So many prompts, in place of reading them."
    ),
    prompt_tokens: float | None = typer.Option(None, "--prompt-tokens", help="Mean tokens of a prompt."),
    response_tokens: float | None = typer.Option(
        None,
        "--response-tokens",
        help="Mean tokens of a response. Default: sampling.max_tokens.",
    ),
    like: Path | None = typer.Option(
        None, "--like", metavar="DIR", help="A run folder whose responses tell length, sharing and signal."
    ),
    share: float = typer.Option(
        0.4, "--share-of-peak", help="Share of a card's published rate that passes over many tokens reach."
    ),
    as_json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """What a run costs, before you start.

    Tokens, operations, memory, disk and time of each stage. On this machine a few prompts are tried; for
    other machines published rates are taken. What is assumed is said. Not for acute train.
    """
    from acute.stages.plan import Given

    count = None if parameters is None else int(_positive("--parameters", parameters))
    for name, value in (("--prompt-tokens", prompt_tokens), ("--response-tokens", response_tokens)):
        if value is not None:
            _positive(name, value)
    if not 0 < share <= 1:
        raise ConfigError(f"--share-of-peak: wanted a share above 0 and at most 1, found {share}")
    given = Given(count, prompts, prompt_tokens, response_tokens, like)
    found = made(config, gpus, given, share)
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        _show(found)


def _positive(name: str, value: float) -> float:
    if not 1 <= value < 1e15:
        raise ConfigError(f"{name}: wanted a number from 1, found {value:g}")
    return value


def made(config: Path | None, gpus: str | None, given: Any, share: float) -> dict[str, Any]:
    """The plan as analysis-like plain values. Raises what reading, looking up and the trial raise."""
    from acute.cli.stages import QUICKSTART
    from acute.config import load, read_toml
    from acute.stages.plan import planned

    path = config or QUICKSTART
    if "train" in read_toml(path):
        raise ConfigError(f"{path}: acute plan is for the configurations of acute run, found the table train")
    return {"config": str(path), **planned(load(path), gpus, given, share)}


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console

    from acute.report.plan import page

    console = Console(width=None if Console().is_terminal else 120)
    for part in page(found):
        console.print(part)
