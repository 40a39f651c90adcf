"""What advantage estimators would do to the prompts of a run folder: weights, and conflict with pass@1."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acute.core.products import Products, coefficients, unbiased
from acute.core.prompt_weight import OutcomeAdvantages, estimate_prompt_weight, lifted, outcome_advantages
from acute.errors import InputError, NotEnoughData
from acute.gradients.store import read_sketches
from acute.measure.conflict import Measured, finite_answers
from acute.measure.counting import count
from acute.run import Run
from acute.testing.load import Found

Json = dict[str, Any]


class Scored(NamedTuple):
    """The prompts of a run folder that have enough responses, and how many have not."""

    prompt_ids: list[str]
    measured: Measured
    left_out: int


def read_scored(path: Path, n: int) -> Scored:
    """Counts and gradient sums of a run folder, for groups of n.

    A prompt needs n rewarded responses in each fold, since its product with itself pairs different folds.
    InputError where a stage is missing, NotEnoughData where no prompt has as many.
    """
    responses = Run.open(path).responses()
    if "reward" not in responses.column_names:
        raise InputError(f"{path} has no rewards: run acute verify {path} first")
    counts = count(responses.to_batches())
    sums, facts = read_sketches(path)
    at = {name: i for i, name in enumerate(facts["prompt_ids"])}
    few = counts.n_NM.min(1) < n
    if few.all():
        raise NotEnoughData(
            f"groups of {n} need {n} rewarded responses in each fold of a prompt, found at most "
            f"{int(counts.n_NM.min(1).max())}: take a smaller -n, or sample more responses"
        )
    kept = np.flatnonzero(~few)
    ids = [counts.prompt_ids[i] for i in kept]
    rows = sums[[at[name] for name in ids]]
    measured = Measured(counts.n_NM[kept], counts.c_NM[kept], rows, rows.shape[3])
    return Scored(ids, measured, int(few.sum()))


def conflict_of_estimators(scored: Scored, found: Sequence[Found], n: int, k: int) -> Json:
    """Each estimator's expected update on these prompts, against ∇J_1: E[W(p) a], with 95 % intervals.

    `inner` scales with the estimator's own scale; `reweighted_agreement` is inner over the mean weight, the
    mean of a under the prompts as the estimator weighs them (the mean weight's own error is not counted).
    Negative: a step on it lowers pass@1 of these prompts to first order.
    """
    measured = scored.measured
    outcomes = [_outcomes(f, n, k) for f in found]
    coefs = coefficients([unbiased(1), *(lifted(x) for x in outcomes)], measured.n_NM, measured.c_NM)
    products = Products(measured.sums_NMOD, coefs)
    own = products.product(0, 0).finite
    estimators, weights = [], []
    for i, (f, x) in enumerate(zip(found, outcomes, strict=True), start=1):
        weight = estimate_prompt_weight(x, measured.n_N, measured.c_N)
        scale = max(products.product(i, i).finite, 0.0) * max(own, 0.0)
        answer = finite_answers([products.product(i, 0)], measured.sketch_size, scale)[0]
        mean = float(weight.mean())
        inner = None if answer.estimate is None else answer.estimate.as_json()
        estimators.append(
            {
                "name": f.name,
                "objective": f.objective.name,
                "mean_weight": mean,
                "inner": inner,
                "reweighted_agreement": _over(inner, mean),
                "p_value_negative": answer.p_value,
            }
        )
        weights.append(weight)
    prompts = [
        {
            "prompt_id": name,
            "responses": int(measured.n_N[i]),
            "successes": int(measured.c_N[i]),
            "weight": {f.name: float(w[i]) for f, w in zip(found, weights, strict=True)},
        }
        for i, name in enumerate(scored.prompt_ids)
    ]
    return {"n": n, "k": k, "left_out": scored.left_out, "estimators": estimators, "prompts": prompts}


def _outcomes(found: Found, n: int, k: int) -> OutcomeAdvantages:
    return outcome_advantages(lambda rewards: found.advantage(rewards, k), n)


def _over(estimate: dict[str, float | None] | None, mean: float) -> dict[str, float | None] | None:
    if estimate is None or not mean > 0:
        return None
    return {name: None if value is None else value / mean for name, value in estimate.items()}
