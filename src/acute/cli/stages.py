"""`acute run`, and one command for each stage of a run folder."""

import json
from pathlib import Path
from typing import Any

import typer

from acute.cli.stopping import resume_with
from acute.errors import ConfigError

QUICKSTART = Path(__file__).parent.parent / "quickstart" / "override.toml"
DIR = typer.Argument(help="A run folder, as acute run makes it.")
AS_JSON = typer.Option(False, "--json", help="Print one JSON object on standard output.")


def _show(folder: Path, page: Path | None, as_json: bool) -> None:
    """The result on standard output: a summary for people, or one JSON object."""
    from acute.run import Run

    run = Run.open(folder)
    analysis = run.analysis()
    beside = folder / "control"
    asked = run.config.control is not None and (beside / "analysis.json").exists()
    control = Run.open(beside).analysis() if asked else None
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "run": str(folder),
                    "report": str(page) if page else None,
                    "analysis": analysis,
                    "control": control,
                }
            )
        )
        return
    from rich.console import Console

    from acute.report.terminal import summary

    Console().print(summary(analysis, control, page))


def _up_to(folder: Path, stage: str) -> None:
    """Do one stage of a folder again or for the first time, and those before it that are not done."""
    from acute.ranks import refuse_ranks
    from acute.run import Run
    from acute.stages import run_until

    refuse_ranks(stage)
    resume_with(f"acute {stage} {folder}")
    run = Run.open(folder)
    with run.lock():
        run_until(run, stage)


def run(
    config: Path | None = typer.Argument(None, help="A TOML file; without it the built-in quickstart."),
    out: Path | None = typer.Option(None, "--out", help="The run folder; default: runs/NAME."),
    as_json: bool = AS_JSON,
) -> None:
    """Measure from prompts to report. Started again on the same folder it goes on where it stopped."""
    from acute.config import load
    from acute.run import Run
    from acute.stages import report as make_report
    from acute.stages import run_until

    if config is None and out is not None and (out / "run.json").exists():
        settings = Run.open(out).config
    else:
        settings = load(config or QUICKSTART)
    folder = out or Path("runs") / (config.stem if config else "quickstart")
    resume_with(f"acute run --out {folder}")
    control = load(Path(settings.control)) if settings.control else None
    if control is not None and control.control is not None:
        raise ConfigError(f"{settings.control}: a control cannot have a control of its own")
    main_run = Run.create(folder, settings)
    with main_run.lock():
        run_until(main_run, "analyse")
        renewed = False
        if control is not None:
            beside = Run.create(folder / "control", control)
            with beside.lock():
                run_until(beside, "analyse")
                if renewed := not beside.stands("report"):
                    make_report(beside)
        page = folder / "report.html"
        if renewed or not main_run.stands("report"):
            page = make_report(main_run)
    _show(folder, page, as_json)


def _facts(folder: Path, stage: str, as_json: bool) -> None:
    from acute.run import Run

    facts: dict[str, Any] = {"run": str(folder), "stage": stage, **Run.open(folder).record["stages"][stage]}
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        typer.echo(", ".join(f"{name}: {value}" for name, value in facts.items()), err=True)


def rollout(folder: Path = DIR, as_json: bool = AS_JSON) -> None:
    """Draw the responses of a run folder."""
    _up_to(folder, "rollout")
    _facts(folder, "rollout", as_json)


def verify(folder: Path = DIR, as_json: bool = AS_JSON) -> None:
    """Check the responses of a run folder against the answers."""
    _up_to(folder, "verify")
    _facts(folder, "verify", as_json)


def score(
    folder: Path = DIR,
    shard_over: int = typer.Option(
        1, "--shard-over", min=1, help="Split the weights over groups of so many ranks (FSDP2)."
    ),
    ray_workers: int | None = typer.Option(
        None, "--ray-workers", min=1, help="Work on so many ranks that Ray Train starts, not torchrun."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Measure the gradients of the responses. Under torchrun, on all its ranks."""
    from acute.ranks import launched, refuse_ranks
    from acute.stages import score_on

    resume_with(f"acute score {folder}, on any number of ranks")
    if ray_workers is not None:
        from acute.integrations.ray_train import score_by_ray

        refuse_ranks("score --ray-workers")
        score_by_ray(folder, ray_workers, shard_over)
        _facts(folder, "score", as_json)
        return
    with launched() as ranks:
        score_on(folder, ranks, shard_over)
    if ranks.first:
        _facts(folder, "score", as_json)


def analyse(folder: Path = DIR, as_json: bool = AS_JSON) -> None:
    """Estimate conflict and its causes. From the scored responses; writes analysis.json."""
    from acute.run import Run
    from acute.stages import analyse as again
    from acute.stages import run_until

    opened = Run.open(folder)
    with opened.lock():
        run_until(opened, "verify" if opened.config.counts_only else "score")
        again(opened)
    _show(folder, None, as_json)


def report(
    folder: Path = DIR,
    figures: Path | None = typer.Option(None, "--figures", help="Also write every figure as a file here."),
    formats: list[str] = typer.Option(["pdf"], "--format", help="Of --figures: pdf, svg or png; repeatable."),
    as_json: bool = AS_JSON,
) -> None:
    """Write the report page of an analysed run folder, or of a training; with --figures, files for papers."""
    from acute.report.paper import of_folder, write_figures
    from acute.report.training import is_training, write_training_page
    from acute.run import Run
    from acute.stages import report as make_report
    from acute.stages import run_until

    if is_training(folder):
        page = write_training_page(folder)
    else:
        opened = Run.open(folder)
        with opened.lock():
            run_until(opened, "analyse")
            page = make_report(opened)
    written = [] if figures is None else write_figures(of_folder(folder), figures, formats)
    paths = [str(path) for path in written]
    if as_json:
        typer.echo(json.dumps({"run": str(folder), "report": str(page), "figures": paths}))
    else:
        typer.echo("\n".join([str(page), *paths]))
