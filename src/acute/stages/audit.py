"""The audit of the sketch by exact dots: `score.engine = "dots"`.

Each response's exact ⟨∇ ln π, ∇J_1⟩, with ∇J_1 estimated from the other folds, becomes the column
`score_dot`. Summed by group it is compared with what the sketch says of the same products.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from acute.core.estimators import pass_at_k_advantages
from acute.errors import ModelError
from acute.gradients.checkpointing import checkpointed
from acute.gradients.dots import by_hooks
from acute.gradients.engines import Passes, Task, chunks, expected, gradient_sum, taken
from acute.gradients.forward import Sampled
from acute.gradients.sharded import idle, is_sharded, whole
from acute.gradients.store import read_part
from acute.gradients.trie import Tokens
from acute.progress import Tracker, tracked
from acute.ranks import Ranks
from acute.run import Run
from acute.stages.groups import Group, Groups, add_column, value_batch
from acute.stages.score import Scorer

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


def _gradient(scorer: Scorer, task: Task, passes: Passes) -> list[Tensor | None]:
    """The sum of the task's only group, one tensor a parameter."""
    return gradient_sum(
        scorer.model,
        scorer.parameters,
        task.prompt,
        task.responses,
        task.counts_GU[0],
        scorer.sampled,
        passes,
    )


def _direction(
    scorer: Scorer, groups: Groups, mine: list[int], ranks: Ranks, fold: int, tracker: Tracker
) -> Direction:
    """∇J_1 estimated from one fold alone, in float32 or finer, sharded where the parameters are."""
    parameters = scorer.parameters
    wide = {n: torch.promote_types(p.dtype, torch.float32) for n, p in parameters.items()}
    found = {n: torch.zeros_like(p, dtype=wide[n]) for n, p in parameters.items()}

    def add(gradients: Iterable[Tensor | None]) -> None:
        for (name, total), gradient in zip(found.items(), gradients, strict=True):
            if gradient is not None:
                total.add_(gradient.to(wide[name]))

    def task_of(group: Group) -> Task:
        weight_U = _fold_advantages(group, scorer.config.score.folds, fold) / len(groups)
        return Task(scorer.prompt(group), group.distinct, weight_U[None])

    own = sum(expected(task_of(groups[index]), scorer.passes)[0] for index in mine)
    join = scorer.keep_step(ranks, own, lambda: idle(scorer.model))
    for index in mine:
        task = task_of(groups[index])
        add(scorer.room.run(partial(_gradient, scorer, task), task.longest, parameters.values()))
        tracker.advance()
    join()
    add(taken(parameters))  # what FSDP summed while this rank had nothing to do
    ranks.sum(total for total in found.values() if not is_sharded(total))
    return found


def _fold_task(scorer: Scorer, group: Group, fold: int) -> Task:
    """The distinct responses of one prompt and fold, each once."""
    some = {row["token_ids"] for row in group.rows if row["fold"] == fold} if group.has_signal else set()
    return Task(scorer.prompt(group), sorted(some), np.ones((1, len(some))))


def _cut(task: Task, passes: Passes) -> list[list[Tokens]]:
    """The responses of a task, cut into passes of a row a response."""
    everyone = list(range(len(task.responses)))
    cut = chunks(task, everyone, replace(passes, share=False))
    return [[task.responses[u] for u in chunk] for chunk in cut]


def _dots_of(scorer: Scorer, along: Direction, task: Task, passes: Passes) -> dict[Tokens, float]:
    """⟨∇ ln π, direction⟩ of each response of a task."""
    found = dict[Tokens, float]()
    with checkpointed(scorer.model, passes.checkpointing):
        for some in _cut(task, passes):
            value = by_hooks(scorer.model, along, task.prompt, some, scorer.sampled)[0].double().cpu()
            found.update(zip(some, value.tolist(), strict=True))
    return found


def _dots(
    scorer: Scorer, groups: Groups, mine: list[int], ranks: Ranks, fold: int, along: Direction
) -> Iterator[tuple[int, Group, dict[str, float]]]:
    """⟨∇ ln π, direction⟩ of the responses of one fold, by `response_id`, for each of this rank's prompts."""
    own = sum(len(_cut(_fold_task(scorer, groups[index], fold), scorer.passes)) for index in mine)
    join = scorer.keep_step(ranks, own, lambda: by_hooks(scorer.model, along, (0,), [(0,)], Sampled()))
    with tracked(f"dots {fold + 1}/{scorer.config.score.folds}", len(mine), shown=ranks.first) as tracker:
        for index in mine:
            group = groups[index]
            task, at = _fold_task(scorer, group, fold), dict[Tokens, float]()
            if task.responses:
                work = partial(_dots_of, scorer, along, task)
                at = scorer.room.run(work, task.longest, scorer.parameters.values())
            if odd := [response for response, value in at.items() if not np.isfinite(value)]:
                named = group.named(group.distinct.index(odd[0]))
                raise ModelError(f"score, {named}: its score_dot is not finite")
            rows = group.rows if at else []
            yield index, group, {r["response_id"]: at[r["token_ids"]] for r in rows if r["fold"] == fold}
            tracker.advance()
        join()


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


def audit(run: Run, scorer: Scorer, groups: Groups, mine: list[int], ranks: Ranks) -> dict[str, float | None]:
    """Write `score_dot`; return how far the sketch's products are from the exact ones.

    `mine` are the groups that this rank works on. `rms_error` is the root mean square, over (prompt, fold,
    outcome) groups, of the difference of the two products in units of ‖group's sketch‖ ‖direction‖ (None
    where no group has a signal); a sketch of D numbers promises about 1/√D.
    """
    folds, sketch, parts = run.config.score.folds, scorer.sketch, run.parts("score")
    with tracked("direction", folds * len(mine), shown=ranks.first) as tracker:
        own = [_direction(scorer, groups, mine, ranks, fold, tracker) for fold in range(folds)]
    dots: list[pa.RecordBatch] = []
    errors: dict[tuple[str, int], float] = {}
    for fold in range(folds):
        others = [d for m, d in enumerate(own) if m != fold]
        direction = {n: sum(d[n] for d in others) / (folds - 1) for n in scorer.parameters}
        sketched = sketch.fold(whole(d) for d in direction.values()).double().cpu().numpy()
        if sketch.scale is not None:  # ⟨∇ ln π, P ∇J_1⟩, as the sketch's two factors √P make it
            direction = {n: d * sketch.scale[n] ** 2 for n, d in direction.items()}
        along = {n: d.to(scorer.parameters[n].dtype)[None] for n, d in direction.items()}
        for index, group, found in _dots(scorer, groups, mine, ranks, fold, along):
            sums_OD = read_part(next(parts.contents([index])))[0][fold].astype(float)
            errors.update(_errors(group, found, sums_OD, sketched))
            dots.append(value_batch(found))
    of_all, errors = ranks.gathered(dots), ranks.merged(errors)
    if ranks.first:
        add_column(run, "score_dot", [batch for some in of_all for batch in some])
    rms = float(np.sqrt(np.mean(np.square(list(errors.values()))))) if errors else None
    return {"rms_error": rms, "expected": sketch.size**-0.5}
