"""The audit of the sketch by exact dots: `score.engine = "dots"`.

Each response's exact ⟨∇ ln π, ∇J_1⟩, with ∇J_1 estimated from the other folds, becomes the column
`score_dot`. Summed by group it is compared with what the sketch says of the same products.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acute.core.estimators import pass_at_k_advantages
from acute.gradients.dots import by_hooks
from acute.gradients.engines import gradient_sum
from acute.gradients.forward import Sampled
from acute.gradients.sketch import Sketch
from acute.gradients.store import read_part
from acute.gradients.trie import Tokens
from acute.progress import tracked
from acute.run import Run
from acute.stages.score import Group, add_column

Direction = dict[str, Tensor]


def _fold_advantages(group: Group, folds: int, fold: int) -> np.ndarray[Any, Any]:
    """Leave-one-out advantages of one fold, summed over equal responses, divided by its size; shape (U,)."""
    counts = group.task((), folds).counts_GU.reshape(folds, 2, -1)[fold]
    n, c = counts.sum(), counts[1].sum()
    if n < 2:
        return np.zeros(counts.shape[1])
    success, failure = pass_at_k_advantages(n, c, 1)
    return np.asarray((counts[1] * success + counts[0] * failure) / n)


def _directions(
    run: Run,
    model: Any,
    parameters: dict[str, nn.Parameter],
    groups: list[Group],
    prompts: dict[str, Tokens],
    sampled: Sampled,
) -> list[Direction]:
    """∇J_1 estimated from each fold alone, in float32 or finer: one gradient a fold in memory."""
    folds = run.config.score.folds
    wide = {n: torch.promote_types(p.dtype, torch.float32) for n, p in parameters.items()}
    found = [{n: torch.zeros_like(p, dtype=wide[n]) for n, p in parameters.items()} for _ in range(folds)]
    with tracked("direction", len(groups)) as tracker:
        for group in groups:
            for fold in range(folds) if group.has_signal else ():
                weight_U = _fold_advantages(group, folds, fold) / len(groups)
                gradients = gradient_sum(
                    model, parameters, prompts[group.prompt_id], group.distinct, weight_U, sampled
                )
                for (name, total), gradient in zip(found[fold].items(), gradients, strict=True):
                    if gradient is not None:
                        total.add_(gradient.to(wide[name]))
            tracker.advance()
    return found


def audit(
    run: Run,
    policy: Any,
    parameters: dict[str, nn.Parameter],
    sketch: Sketch,
    groups: list[Group],
    prompts: dict[str, Tokens],
    sampled: Sampled,
) -> dict[str, float]:
    """Write `score_dot`; return how far the sketch's products are from the exact ones.

    `rms_error` is the root mean square, over (prompt, fold, outcome) groups, of the difference of the two
    products in units of ‖group's sketch‖ ‖direction‖; a sketch of D numbers promises about 1/√D.
    """
    folds = run.config.score.folds
    own = _directions(run, policy.model, parameters, groups, prompts, sampled)
    dots: dict[str, float] = {}
    errors = []
    sums_NMOD = [read_part(part)[0] for part in run.parts("score")]
    for fold in range(folds):
        others = [d for m, d in enumerate(own) if m != fold]
        direction = {n: sum(d[n] for d in others) / (folds - 1) for n in parameters}
        sketched = sketch.fold(direction.values()).double().cpu().numpy()
        if sketch.scale is not None:  # ⟨∇ ln π, P ∇J_1⟩, as the sketch's two factors √P make it
            direction = {n: d * sketch.scale[n] ** 2 for n, d in direction.items()}
        direction = {n: d.to(parameters[n].dtype) for n, d in direction.items()}
        with tracked(f"dots {fold + 1}/{folds}", len(groups)) as tracker:
            for group, sums in zip(groups, sums_NMOD, strict=True):
                rows = [row for row in group.rows if row["fold"] == fold]
                if group.has_signal and rows:
                    distinct = sorted({row["token_ids"] for row in rows})
                    prompt = prompts[group.prompt_id]
                    along = {name: tensor[None] for name, tensor in direction.items()}
                    value = by_hooks(policy.model, along, prompt, distinct, sampled)[0].double().cpu()
                    at = dict(zip(distinct, value.tolist(), strict=True))
                    for outcome in (0, 1):
                        exact = sum(at[r["token_ids"]] for r in rows if r["reward"] == outcome)
                        own_sums = sums[fold, outcome].astype(float)
                        scale = np.linalg.norm(own_sums) * np.linalg.norm(sketched)
                        if scale > 0:
                            errors.append((own_sums @ sketched - exact) / scale)
                    dots.update({row["response_id"]: at[row["token_ids"]] for row in rows})
                tracker.advance()
    add_column(run, "score_dot", dots)
    return {"rms_error": float(np.sqrt(np.mean(np.square(errors)))), "expected": sketch.size**-0.5}
