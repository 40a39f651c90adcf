"""What the tables of the page hold: prompts, families, k; every unknown with the reason for it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from acute.report.numbers import UNKNOWN, Json, Shown, count, p_value, show, value_of
from acute.report.reading import RunData, at_k, why
from acute.report.responses import Budget, Examples, budget, examples
from acute.report.safe_text import Clipped, clip, label, visible

LABEL = 110  # characters of a prompt in a table's row
MEASURED = ("p", "weight", "agreement", "agreement_shrunk", "contribution", "share")


class PromptRow(NamedTuple):
    """One row of the table of prompts, and what opens below it."""

    anchor: str
    label: str
    prompt_id: str
    family: str
    level: str
    counts: str
    cells: dict[str, Shown]
    prompt: Clipped | None
    answer: Clipped | None
    examples: Examples


class FamilyRow(NamedTuple):
    """One family: its means, and the sum of its prompts' shares of the cosine."""

    name: str
    prompts: int
    p: Shown
    agreement: Shown
    share: Shown
    bar: float  # the share over the largest share, between -1 and 1


class KRow(NamedTuple):
    """Everything that is reported at one k."""

    k: int
    cells: dict[str, Shown]
    p: str


def why_unknown(row: Json) -> str:
    """Why nothing can be said of a prompt."""
    n, right = row.get("responses"), row.get("successes")
    if n is None:
        return "could not be estimated"
    if n < 2:
        return f"only {count(n, 'response')}"
    if right == 0:
        return f"no success in {n:,} responses"
    if right == n:
        return f"all {n:,} responses right"
    return "could not be estimated"


def labels(prompts: dict[str, Json]) -> dict[str, str]:
    """A short text for each prompt, by prompt_id, from the rows of prompts.parquet."""
    return {
        prompt_id: label(row["prompt"], LABEL) if row.get("prompt") else visible(prompt_id)
        for prompt_id, row in prompts.items()
    }


def prompt_rows(data: RunData, names: dict[str, str]) -> tuple[list[PromptRow], Budget]:
    """The prompts, those that cost most first: by the end of the interval that is nearer to harmless."""
    rows = data.analysis.get("per_prompt") or []
    room = budget(len(rows))
    seen = examples(data.responses, room)
    ordered = sorted(rows, key=_harm)
    return [_prompt_row(i, row, data, names, seen, room) for i, row in enumerate(ordered)], room


def _harm(row: Json) -> tuple[bool, float]:
    cost = row.get("share") or row.get("contribution")
    value = value_of(cost)
    nearer = value_of(cost, "hi")
    found = nearer if nearer is not None else value
    return (found is None, found or 0.0)


def _prompt_row(
    index: int, row: Json, data: RunData, names: dict[str, str], seen: dict[str, Examples], room: Budget
) -> PromptRow:
    prompt_id, why = row["prompt_id"], why_unknown(row)
    told = data.prompts.get(prompt_id, {})
    text, answer = told.get("prompt"), told.get("answer")
    counted = (
        count(row["responses"], "response") if row.get("responses") is not None else "responses not counted"
    )
    if row.get("successes") is not None:
        counted += f", {row['successes']:,} right"
    if row.get("truncated"):
        counted += f", {row['truncated']:,} cut off"
    return PromptRow(
        anchor=f"prompt-{index + 1}",
        label=names.get(prompt_id) or visible(prompt_id),
        prompt_id=visible(prompt_id),
        family=visible(str(row.get("family") or told.get("family") or "")),
        level=visible(str(told.get("level") or "")),
        counts=counted,
        cells={name: show(row.get(name), why, name not in ("p", "weight")) for name in MEASURED},
        prompt=None if text is None else clip(text, room.prompt),
        answer=None if answer is None else clip(answer, room.characters),
        examples=seen.get(prompt_id, Examples([], 0)),
    )


def costs(analysis: Json, most: int = 5) -> list[Json]:
    """The prompts known to pull the cosine down (interval of the share below 0), in the analysis' order."""
    listed = analysis.get("prompts_that_cost_most") or sorted(analysis.get("per_prompt") or [], key=_harm)
    return [r for r in listed if (hi := value_of(r.get("share"), "hi")) is not None and hi < 0][:most]


def costliest(analysis: Json, rows: Iterable[PromptRow]) -> list[tuple[PromptRow, float]]:
    """The rows of `costs`, each with the length of its bar."""
    by_id = {row.prompt_id: row for row in rows}
    found = [by_id[key] for r in costs(analysis) if (key := visible(r["prompt_id"])) in by_id]
    largest = max((abs(row.cells["share"].value or 0.0) for row in found), default=1.0)
    return [(row, abs(row.cells["share"].value or 0.0) / largest) for row in found]


def family_rows(analysis: Json) -> list[FamilyRow]:
    """The families, the one that costs most first."""
    rows = analysis.get("per_prompt") or []
    found = []
    for family in analysis.get("families") or []:
        members = [r for r in rows if r.get("family") == family["family"]]
        share = family.get("share") or _summed(members)
        why = "no prompt of it could be measured"
        found.append((family, share, why))
    largest = max((abs(value_of(share) or 0.0) for _, share, _ in found), default=0.0) or 1.0
    found.sort(key=lambda f: (value_of(f[1]) is None, value_of(f[1]) or 0.0))
    return [
        FamilyRow(
            name=visible(str(family["family"] or "no family")),
            prompts=family["prompts"],
            p=show(family.get("p"), why),
            agreement=show(family.get("agreement"), why, signed=True),
            share=show(share, why, signed=True),
            bar=(value_of(share) or 0.0) / largest,
        )
        for family, share, why in found
    ]


def _summed(members: Sequence[Json]) -> Json | None:
    """The sum of shares. No interval: prompts share the direction's error, so errors do not simply add."""
    values = [value for r in members if (value := value_of(r.get("share"))) is not None]
    return {"value": sum(values), "se": None, "lo": None, "hi": None} if values else None


def k_rows(analysis: Json) -> list[KRow]:
    """A row a reported k."""
    conflict, few = analysis["conflict"], "too few responses for this k"
    none = conflict.get("reason") or few
    passes = analysis.get("pass_at_k") or {}
    rows = []
    for i, k in enumerate(conflict["k"]):
        cells = {
            "cosine": show(conflict["cosine"][i], why(analysis, f"conflict.cosine.{k}", none), signed=True),
            "inner": show(conflict["inner"][i], none, signed=True),
            "inner_sum": show(at_k(analysis, "inner_sum", k), none, signed=True),
            "naive_cosine": _either(
                at_k(analysis, "naive_cosine", k), conflict.get("reason") or "not computed", signed=True
            ),
            "mean_weight": _either(at_k(analysis, "mean_weight", k), few),
            "covariance": _either(at_k(analysis, "covariance", k), none, signed=True),
            "pass_at_k": show(passes.get(str(k)), few),
            "population": show(
                at_k(analysis, "cosine", k, "conflict_population"),
                why(analysis, f"conflict_population.cosine.{k}", none),
                signed=True,
            ),
        }

        rows.append(KRow(k, cells, p_value(at_k(analysis, "p_value_negative", k))))
    return rows


class BeyondRow(NamedTuple):
    """What a model says at a k that no two folds can be paired at."""

    k: int
    cells: dict[str, Shown]


def beyond_rows(analysis: Json) -> list[BeyondRow]:
    """A row a k beyond n / folds; none where none was asked for. Unknown with the model's own reason."""
    found = analysis.get("beyond") or {"k": []}
    why = found.get("reason") or UNKNOWN
    names = ("cosine", "inner", "pass_at_k", "inner_population", "pass_at_k_population")
    return [
        BeyondRow(k, {name: show(found[name][i], why, "pass" not in name) for name in names})
        for i, k in enumerate(found["k"])
    ]


def _either(found: Json | float | None, reason: str, signed: bool = False) -> Shown:
    """An estimate, or a number that was given without one."""
    if found is None or isinstance(found, dict):
        return show(found, reason, signed)
    return show({"value": found}, reason, signed)._replace(interval="")
