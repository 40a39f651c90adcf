"""`acute import`: a run folder from what another program logged."""

import json
from enum import StrEnum
from pathlib import Path

import typer

from acute.errors import ConfigError


class Format(StrEnum):
    """The logs that can be read."""

    TRL = "trl"
    VERL = "verl"
    JSONL = "jsonl"
    COUNTS = "counts"
    LM_EVAL = "lm-eval"
    INSPECT = "inspect"


# long: every option is a parameter
def import_log(
    path: Path = typer.Argument(help="The log: a file, or a folder of files."),
    form: Format = typer.Option(
        ..., "--format", help="trl, verl, jsonl (Parquet too), counts, lm-eval, inspect."
    ),
    out: Path = typer.Option(..., "--out", help="The run folder to make."),
    columns: list[str] | None = typer.Option(
        None, "--map", metavar="OURS=COLUMN,…", help="Where a field stands: prompt_id=id,reward=score."
    ),
    where: list[str] | None = typer.Option(
        None, "--where", metavar="COLUMN=VALUE", help="Read only rows with this value; may be repeated."
    ),
    step: str = typer.Option("last", help="Which step: last, a number, or all (groups kept apart)."),
    right_above: float | None = typer.Option(
        None, help="A reward above this is right. Needed where rewards are not 0 and 1."
    ),
    model: str | None = typer.Option(
        None, help="The model that wrote the responses, for acute score; its tokenizer reads them now."
    ),
    chat: bool = typer.Option(False, "--chat", help="Prompts are user messages for the model's template."),
    temperature: float = typer.Option(1.0, help="Temperature that the responses were drawn at."),
    top_p: float = typer.Option(1.0, help="Nucleus that they were drawn from."),
    max_tokens: int = typer.Option(1_000_000, help="Where responses were cut off, if the log does not say."),
    k: int | None = typer.Option(
        None, "-k", min=1, help="The largest k; default: what nine in ten can answer."
    ),
    profile: bool = typer.Option(False, "--profile", help="Also write what the log says: OUT/profile.html."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Read rollouts that another program logged. TRL, verl, … : they become a run folder.

    acute profile, gate, analyse and report work on it; with --model, acute score too.
    """
    from acute.config import UNKNOWN_MODEL, parse
    from acute.report.safe_text import visible
    from acute.stages.imported import import_log as read

    config = parse(
        {
            "model": {"name": model or UNKNOWN_MODEL},
            "prompts": {"source": str(path)},
            "sampling": {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens},
            "analyse": {"k": [1, 2]},
            "imported": {
                "path": str(path.resolve()),
                "format": form.value,
                "step": step,
                "right_above": right_above,
                "columns": _columns(columns or []),
                "where": _pairs(where or [], "--where COLUMN=VALUE"),
                "chat": chat,
            },
        },
        "acute import",
    )
    run = read(out, config, k)
    facts = {stage: run.record["stages"][stage] for stage in ("prompts", "rollout", "verify")}
    notes = {
        topic.removeprefix("import, "): said
        for topic, said in run.record["left_out"].items()
        if topic.startswith("import, ")
    }
    page = out / "profile.html" if profile else None
    if page is not None:
        from acute.cli.profile_log import profile_page

        profile_page(out, page)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "run": str(out),
                    "format": form.value,
                    "prompts": facts["prompts"]["prompts"],
                    "responses": facts["rollout"]["responses"],
                    "outcomes": facts["verify"]["outcomes"],
                    "k": list(run.config.analyse.k),
                    "notes": notes,
                    "page": None if page is None else str(page),
                }
            )
        )
        return
    typer.echo(f"{facts['rollout']['responses']} responses to {facts['prompts']['prompts']} prompts in {out}")
    for topic, said in notes.items():
        typer.echo(visible(f"{topic}: {said}"), err=True)  # columns' names come from the log
    typer.echo(f"next: acute profile {out}" + (f", acute score {out}" if model else ""), err=True)


def _pairs(items: list[str], wanted: str) -> dict[str, str]:
    found = {}
    for item in items:
        name, sign, value = item.partition("=")
        if not (name and sign and value):
            raise ConfigError(f"wanted {wanted}, found {item!r}")
        found[name] = value
    return found


def _columns(items: list[str]) -> dict[str, str]:
    """--map, our names checked."""
    from acute.integrations.logs.rows import FIELDS

    wanted = "--map OURS=COLUMN,…"
    found = _pairs([pair for item in items for pair in item.split(",")], wanted)
    if unknown := [name for name in found if name not in FIELDS]:
        raise ConfigError(f"{wanted}: our fields are {', '.join(FIELDS)}; found {unknown[0]!r}")
    return found
