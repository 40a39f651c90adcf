"""`acute gate`: may this checkpoint replace that one?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from acute.gate_inputs import Joined
    from acute.measure.gate import Change, Decision, Rule, Slice

CODES = {"promote": 0, "do not promote": 1, "cannot tell": 3}


def gate(
    base: Path = typer.Argument(
        help="Run folder; training folder or its checkpoint-N; or counts file: a row {id, c, n} a prompt."
    ),
    candidate: Path = typer.Argument(help="The same of the model that may replace it, on the same prompts."),
    k: int = typer.Option(8, "-k", min=2, help="The k of pass@k."),
    margin: float = typer.Option(0.02, help="How far pass@1 may fall; 0.02 is 2 points."),
    alpha: float = typer.Option(0.05, help="Chance of a wrong promote at the most, over all looks."),
    by: str | None = typer.Option(None, help="Column of the prompts to slice by, such as family."),
    every_slice: bool = typer.Option(
        False, "--every-slice", help="Promote only if pass@1 of every slice holds too (needs --by)."
    ),
    looks: int = typer.Option(
        1, min=1, help="How often you will ask at the most: as data grow, or of successive checkpoints."
    ),
    these_prompts: bool = typer.Option(
        False, "--these-prompts", help="Ask about exactly these prompts, not about prompts like these."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Promote a checkpoint, or not. Is pass@k up, pass@1 not down by more than the margin? Paired by prompt.

    Exit code 0: promote. 1: do not promote, one of the two fails. 3: these data cannot tell.
    """
    from acute.gate_inputs import join, read_side
    from acute.measure.gate import Rule, decide

    joined = join(read_side(base), read_side(candidate), by)
    rule = Rule(k, margin, alpha, looks, these_prompts, every_slice)
    found = decide(joined.pairs, rule)
    if as_json:
        typer.echo(json.dumps(as_object(found, joined, rule), allow_nan=False))
    else:
        _show(found, joined, rule)
    raise typer.Exit(CODES[found.answer])


def _change(c: "Change") -> dict[str, Any]:
    return {
        "k": c.k,
        "base": c.base,
        "candidate": c.candidate,
        "change": c.mean.value,
        "se": c.mean.se or None,  # without any spread it is unknown, not 0
        "lower_bound": c.lower,
        "upper_bound": c.upper,
        "wanted_above": c.wanted,
        "p_value_holds": c.p_holds,
        "p_value_fails": c.p_fails,
    }


def _slice(s: "Slice") -> dict[str, Any]:
    return {
        "slice": s.name,
        "prompts": s.prompts,
        "answer": s.answer,
        "pass_at_1": _change(s.changes[0]),
        "pass_at_k": _change(s.changes[1]),
        "p_value_promote_holm": s.p_promote,
        "p_value_pass_at_1_fails_holm": s.p_fails[0],
        "p_value_pass_at_k_fails_holm": s.p_fails[1],
    }


def as_object(found: "Decision", joined: "Joined", rule: "Rule") -> dict[str, Any]:
    """What --json prints: docs/gate.md says what each field means."""
    from acute.measure.gate import chance_unseen, prompts_needed

    return {
        "answer": found.answer,
        "exit_code": CODES[found.answer],
        "reasons": found.reasons,
        **rule._asdict(),
        "level": rule.level,
        "prompts": found.prompts,
        "only_in_base": len(joined.only_in_base),
        "only_in_candidate": len(joined.only_in_candidate),
        "responses_without_reward": {"base": joined.no_reward[0], "candidate": joined.no_reward[1]},
        "without_slice": joined.without_slice,
        "pass_at_1": _change(found.changes[0]),
        "pass_at_k": _change(found.changes[1]),
        "slices": [_slice(s) for s in found.slices],
        "chance_unseen": chance_unseen(found.prompts, rule),
        "prompts_needed": prompts_needed(found, rule) if found.answer == "cannot tell" else None,
    }


def _show(found: "Decision", joined: "Joined", rule: "Rule") -> None:
    from rich.console import Console
    from rich.table import Table

    from acute.measure.gate import chance_unseen, prompts_needed

    about = "these prompts" if rule.these_prompts else "prompts like these"
    table = Table(title=f"{found.prompts} prompts of both; changes in points, about {about}")
    columns = ("", "prompts", "base", "candidate", "change", "at least", "at most", "wanted", "p", "answer")
    for i, heading in enumerate(columns):
        table.add_column(heading, justify="left" if i in (0, 9) else "right")
    for c in found.changes:
        table.add_row(f"pass@{c.k}", str(found.prompts), *_cells(c), "")
    for s in found.slices:
        for c in s.changes:
            last = s.answer if c.k != 1 else ""
            table.add_row(f"{s.name} pass@{c.k}", str(s.prompts), *_cells(c), last)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    sure = f"{100 * (1 - rule.level):g} %"
    console.print(
        f"at least, at most: one-sided {sure} bounds. p: of the change not being as wanted.", highlight=False
    )
    if found.slices:
        console.print(
            "A slice's answer holds over all slices together (Holm); its bounds are its own.", highlight=False
        )
    unseen = chance_unseen(found.prompts, rule)
    if found.answer == "promote" and unseen > rule.level:
        typer.echo(
            f"{found.prompts} prompts are few: a loss of {100 * rule.margin:g} points that sits in as many "
            f"percent of the prompts would show in none of these in {100 * unseen:.0f} % of draws",
            err=True,
        )
    for line in _left_out(joined):
        typer.echo(line, err=True)
    for reason in found.reasons:
        typer.echo(reason)
    needed = prompts_needed(found, rule) if found.answer == "cannot tell" else None
    if needed is not None and needed > found.prompts:
        typer.echo(f"if the changes are what they seem, about {needed} prompts would tell")
    typer.echo(found.answer.upper())


def _cells(c: "Change") -> list[str]:
    points = [f"{100 * x:+.2f}" for x in (c.mean.value, c.lower, c.upper)]
    return [f"{c.base:.4f}", f"{c.candidate:.4f}", *points, f"> {100 * c.wanted:g}", f"{c.p_holds:.2g}"]


def _left_out(joined: "Joined") -> list[str]:
    base, candidate = joined.no_reward
    counted = {
        "prompts are in the base only: left out": len(joined.only_in_base),
        "prompts are in the candidate only: left out": len(joined.only_in_candidate),
        "responses of the base have no reward: not counted": base,
        "responses of the candidate have no reward: not counted": candidate,
        "prompts are in no slice": joined.without_slice,
    }
    return [f"{number} {what}" for what, number in counted.items() if number]
