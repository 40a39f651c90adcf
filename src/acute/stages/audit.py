"""The audit of the sketch by exact dots: `score.engine = "dots"`.

Each response's exact ⟨∇ ln π, ∇J_1⟩, with ∇J_1 estimated from the other folds, becomes the column
`score_dot`. Summed by group it is compared with what the sketch says of the same products.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from acute.core.estimators import pass_at_k_advantages
from acute.gradients.dots import by_hooks
from acute.gradients.engines import gradient_sum
from acute.gradients.store import read_part
from acute.progress import tracked
from acute.ranks import Ranks
from acute.run import Run
from acute.stages.score import Group, Scorer, add_column

Direction = dict[str, Tensor]
Floats = np.ndarray[Any, Any]


def _fold_advantages(group: Group, folds: int, fold: int) -> np.ndarray[Any, Any]:
    """Leave-one-out advantages of one fold, summed over equal responses, divided by its size; shape (U,)."""
    counts = group.task((), folds).counts_GU.reshape(folds, 2, -1)[fold]
    n, c = counts.sum(), counts[1].sum()
    if n < 2:
        return np.zeros(counts.shape[1])
    success, failure = pass_at_k_advantages(n, c, 1)
    return np.asarray((counts[1] * success + counts[0] * failure) / n)


def _directions(scorer: Scorer, groups: list[Group], mine: list[int], ranks: Ranks) -> list[Direction]:
    """∇J_1 estimated from each fold alone, in float32 or finer: one gradient a fold in memory."""
    folds, parameters = scorer.config.score.folds, scorer.parameters
    wide = {n: torch.promote_types(p.dtype, torch.float32) for n, p in parameters.items()}
    found = [{n: torch.zeros_like(p, dtype=wide[n]) for n, p in parameters.items()} for _ in range(folds)]
    with tracked("direction", len(mine), shown=ranks.first) as tracker:
        for group in (groups[i] for i in mine):
            for fold in range(folds) if group.has_signal else ():
                gradients = gradient_sum(
                    scorer.model,
                    parameters,
                    scorer.prompts[group.prompt_id],
                    group.distinct,
                    _fold_advantages(group, folds, fold) / len(groups),
                    scorer.sampled,
                    scorer.passes,
                )
                for (name, total), gradient in zip(found[fold].items(), gradients, strict=True):
                    if gradient is not None:
                        total.add_(gradient.to(wide[name]))
            tracker.advance()
    for direction in found:
        ranks.sum(direction.values())
    return found


def _dots(scorer: Scorer, group: Group, fold: int, along: Direction) -> dict[str, float]:
    """⟨∇ ln π, direction⟩ of the responses of one prompt and fold, by `response_id`."""
    rows = [row for row in group.rows if row["fold"] == fold]
    if not (group.has_signal and rows):
        return {}
    distinct = sorted({row["token_ids"] for row in rows})
    prompt = scorer.prompts[group.prompt_id]
    value = by_hooks(scorer.model, along, prompt, distinct, scorer.sampled)[0].double().cpu()
    at = dict(zip(distinct, value.tolist(), strict=True))
    return {row["response_id"]: at[row["token_ids"]] for row in rows}


def _errors(
    group: Group, dots: dict[str, float], sums_OD: Floats, direction_D: Floats
) -> dict[tuple[str, int], float]:
    """By (first response, outcome): how far the sketch's product of a group is from its exact one."""
    found = {}
    for outcome in (0, 1):
        rows = [row for row in group.rows if row["response_id"] in dots]
        exact = sum(dots[row["response_id"]] for row in rows if row["reward"] == outcome)
        scale = np.linalg.norm(sums_OD[outcome]) * np.linalg.norm(direction_D)
        if rows and scale > 0:
            found[rows[0]["response_id"], outcome] = float((sums_OD[outcome] @ direction_D - exact) / scale)
    return found


def audit(
    run: Run, scorer: Scorer, groups: list[Group], mine: list[int], ranks: Ranks
) -> dict[str, float | None]:
    """Write `score_dot`; return how far the sketch's products are from the exact ones.

    `mine` are the groups that this rank works on. `rms_error` is the root mean square, over (prompt, fold,
    outcome) groups, of the difference of the two products in units of ‖group's sketch‖ ‖direction‖ (None
    where no group has a signal); a sketch of D numbers promises about 1/√D.
    """
    folds, sketch = run.config.score.folds, scorer.sketch
    own = _directions(scorer, groups, mine, ranks)
    dots: dict[str, float] = {}
    errors: dict[tuple[str, int], float] = {}
    for fold in range(folds):
        others = [d for m, d in enumerate(own) if m != fold]
        direction = {n: sum(d[n] for d in others) / (folds - 1) for n in scorer.parameters}
        sketched = sketch.fold(direction.values()).double().cpu().numpy()
        if sketch.scale is not None:  # ⟨∇ ln π, P ∇J_1⟩, as the sketch's two factors √P make it
            direction = {n: d * sketch.scale[n] ** 2 for n, d in direction.items()}
        along = {n: d.to(scorer.parameters[n].dtype)[None] for n, d in direction.items()}
        with tracked(f"dots {fold + 1}/{folds}", len(mine), shown=ranks.first) as tracker:
            for index in mine:
                found = _dots(scorer, groups[index], fold, along)
                sums_OD = read_part(run.part("score", index, "npz"))[0][fold].astype(float)
                errors.update(_errors(groups[index], found, sums_OD, sketched))
                dots.update(found)
                tracker.advance()
    dots, errors = ranks.merged(dots), ranks.merged(errors)
    if ranks.first:
        add_column(run, "score_dot", dots)
    rms = float(np.sqrt(np.mean(np.square(list(errors.values()))))) if errors else None
    return {"rms_error": rms, "expected": sketch.size**-0.5}
