"""`acute profile RUN`: how the profile of a run folder is shown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

Json = dict[str, Any]
K = 8  # of pass@k, where the user names none


def profile_folder(
    folder: Path,
    names: list[str],
    n: int | None,
    k: int,
    objective: str | None,
    as_json: bool,
    page: Path | None = None,
) -> None:
    """Profile a run folder's log, on the terminal or as JSON, and as a page where `page` names its file."""
    answer = _profiled(folder, names, n, k, objective, page)
    if as_json:
        typer.echo(json.dumps(answer, allow_nan=False))
    else:
        _show(answer)


def profile_page(folder: Path, page: Path) -> None:
    """Profile a run folder's log under every estimator that fits its groups, as a page alone."""
    _profiled(folder, [], None, K, None, page)


def _profiled(
    folder: Path, names: list[str], n: int | None, k: int, objective: str | None, page: Path | None
) -> Json:
    """The profile of a folder; `n` is by default the group size that it has."""
    from acute.core.advantages.registry import ESTIMATORS
    from acute.profile_log import group_size, profile_log, read_counts
    from acute.progress import tracked
    from acute.run import Run
    from acute.testing.load import load

    run = Run.open(folder)
    counts = read_counts(run)
    n = n or group_size(counts)
    k = min(k, n)
    chosen = names or [name for name, e in ESTIMATORS.items() if e.admits(n, k)]
    found = [load(name, n, k, objective) for name in chosen]
    with tracked("profile", len(found)) as tracker:
        answer = profile_log(run, counts, found, n, k, tracker.advance)
    if page is not None:
        from acute.report.profile_page import write_profile_page

        write_profile_page(page, answer, run)
        typer.echo(f"wrote {page}", err=True)
    return answer


def _show(answer: Json) -> None:
    from rich.console import Console

    from acute.report.safe_text import visible  # names come from a log, and may hold a terminal's commands

    console = Console(width=None if Console().is_terminal else 120)
    said = f"{answer['responses']} responses to {answer['prompts']} prompts of {answer['run']}"
    if answer["no_reward"]:
        said += f"; {answer['no_reward']} without a reward are not counted"
    console.print(said, highlight=False, markup=False)
    _show_difficulty(console, answer)
    _show_estimators(console, answer)
    for found in answer["suspected_faults"]:
        where = ", ".join(
            f"{f['family'] or 'no family'} {f['responses']}/{f['of']}" for f in found["families"][:5]
        )
        first = ", ".join(found["examples"][:3])
        line = f"{found['kind']}: {found['responses']} responses ({where}); see {first}"
        console.print(f"suspected verifier fault: {visible(line)}", highlight=False, markup=False)
    for topic, note in answer["notes"].items():
        typer.echo(visible(f"{topic}: {note}"), err=True)


def _show_difficulty(console: "Console", answer: Json) -> None:
    from rich.table import Table

    table = Table("p = right / responses", "prompts", "", title="Difficulty")
    most = max(bar["prompts"] for bar in answer["p_histogram"]) or 1
    for bar in answer["p_histogram"]:
        ends = f"{bar['from']:g}" if bar["from"] == bar["to"] else f"{bar['from']:g} to {bar['to']:g}"
        table.add_row(ends, str(bar["prompts"]), "█" * round(30 * bar["prompts"] / most))
    console.print(table)
    silent = answer["zero_signal"]
    console.print(
        f"without a signal: {100 * silent['share']:.0f} % of the groups ({silent['no_success']} never right, "
        f"{silent['all_success']} always)",
        highlight=False,
    )
    cut = answer["truncated"]
    console.print(
        "truncated: not known, the log does not say how responses ended"
        if cut is None
        else f"truncated: {100 * cut['share']:.1f} % of the responses, {cut['right']} of them right",
        highlight=False,
    )
    passed = ", ".join(
        f"pass@{k} {e['value']:.3f}" + (f" [{e['lo']:.3f}, {e['hi']:.3f}]" if e["se"] is not None else "")
        for k, e in answer["pass_at_k"].items()
        if e is not None
    )
    console.print(passed, highlight=False, markup=False)


def _show_estimators(console: "Console", answer: Json) -> None:
    from rich.table import Table

    title = f"What estimators do to these prompts, groups of n = {answer['n']}, k = {answer['k']}"
    heading = f"weight on p < {answer['hard']:g}"
    table = Table("estimator", "mean weight", heading, "95 % interval", "silent groups", title=title)
    overstated = False
    for row in answer["estimators"]:
        share = row["hard_share"] or {"value": None, "lo": None, "hi": None}
        interval = "?" if share["lo"] is None else f"{_percent(share['lo'])} to {_percent(share['hi'])}"
        mark = "" if row["cross_fitted"] or share["value"] is None else " *"
        overstated |= bool(mark)
        cells = (f"{row['mean_weight']:.3g}", _percent(share["value"]) + mark, interval)
        table.add_row(row["name"], *cells, _percent(row["without_signal"]))
    console.print(table)
    if overstated:
        console.print(
            "* hard prompts were told by the same responses, which overstates their share; by others where "
            "each fold holds n - 1 responses",
            highlight=False,
        )
    if answer["left_out"]:
        console.print(f"{answer['left_out']} prompts have fewer than {answer['n'] - 1} responses: left out")


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.0f} %"
