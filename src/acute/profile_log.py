"""What a run folder's counts and texts say before any model is loaded: `acute profile RUN`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from acute.core.prompt_weight import OutcomeAdvantages, estimate_prompt_weight, outcome_advantages
from acute.errors import InputError, NotEnoughData
from acute.measure.counted import truncated
from acute.measure.counting import Counts, count
from acute.measure.share import HARD, hard_share
from acute.measure.success import pass_at_k_of_these
from acute.run import Run
from acute.testing.load import Found
from acute.verifier_faults import suspected_faults

Json = dict[str, Any]
Floats = NDArray[np.float64]
ENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def read_counts(run: Run) -> Counts:
    """Counts of a run folder's rewarded responses. Raises InputError where there are none."""
    responses = run.responses()
    if "reward" not in responses.column_names:
        raise InputError(f"{run.path} has no rewards: run acute verify {run.path} first")
    if not len(responses) or responses["reward"].null_count == len(responses):
        raise InputError(f"wanted rewarded responses in {run.path}, found none")
    return count(responses.to_batches())


def group_size(counts: Counts) -> int:
    """The most frequent number of rewarded responses to a prompt: the group that training saw."""
    sizes, times = np.unique(counts.n_NM.sum(1)[counts.n_NM.sum(1) > 0], return_counts=True)
    return int(sizes[times.argmax()])


def profile_log(
    run: Run,
    counts: Counts,
    found: Sequence[Found],
    n: int,
    k: int,
    on_step: Callable[[], None] = lambda: None,
) -> Json:
    """Difficulty, zero-signal groups, truncation, suspected verifier faults, and each estimator's weights.

    Groups of n: an estimator's weight on a prompt is estimated without bias from n - 1 responses or more;
    prompts with fewer are left out of the estimators, and counted. NotEnoughData where all have fewer.
    """
    n_N, c_N = counts.n_NM.sum(1), counts.c_NM.sum(1)
    answered = n_N > 0
    rows = np.flatnonzero(n_N >= max(n - 1, 1))
    if not len(rows):
        raise NotEnoughData(
            f"groups of {n} need {n - 1} rewarded responses to a prompt, found at most {int(n_N.max())}: "
            f"take a smaller -n"
        )
    enough = counts._replace(
        prompt_ids=[counts.prompt_ids[i] for i in rows], n_NM=counts.n_NM[rows], c_NM=counts.c_NM[rows]
    )
    hard = run.config.analyse.hard
    estimators = []
    for one in found:
        estimators.append(_estimator(one, enough, n, k, HARD if hard is None else hard))
        on_step()
    ks = [j for j in run.config.analyse.k if j <= n_N[answered].min()]
    passed = {j: pass_at_k_of_these(n_N[answered], c_N[answered], j) for j in ks}
    responses, prompts = run.responses(), run.prompts()
    return {
        "run": str(run.path),
        "prompts": int(answered.sum()),
        "responses": len(responses),
        "no_reward": counts.no_reward,
        "n": n,
        "k": k,
        "hard": HARD if hard is None else hard,
        "left_out": int(answered.sum()) - len(rows),
        "pass_at_k": {str(j): None if e is None else e.as_json() for j, e in passed.items()},
        "p_histogram": _histogram(n_N[answered], c_N[answered]),
        "zero_signal": _zero_signal(n_N[answered], c_N[answered]),
        "truncated": _truncated(responses),
        "suspected_faults": suspected_faults(prompts, responses),
        "estimators": estimators,
        "notes": _notes(run),
    }


def _histogram(n_N: Floats, c_N: Floats) -> list[Json]:
    """Prompts by c/n: never right, then tenths, then always right."""
    p = c_N / n_N
    inner = p[(p > 0) & (p < 1)]
    tenths = np.histogram(inner, ENDS)[0]
    return [
        {"from": 0.0, "to": 0.0, "prompts": int((p == 0).sum())},
        *(
            {"from": a, "to": b, "prompts": int(size)}
            for a, b, size in zip(ENDS[:-1], ENDS[1:], tenths, strict=True)
        ),
        {"from": 1.0, "to": 1.0, "prompts": int((p == 1).sum())},
    ]


def _zero_signal(n_N: Floats, c_N: Floats) -> Json:
    none, every = int((c_N == 0).sum()), int((c_N == n_N).sum())
    return {"no_success": none, "all_success": every, "share": (none + every) / len(n_N)}


def _truncated(responses: Any) -> Json | None:
    """Cut-off responses, and how many of them were right; None where the log does not say."""
    if truncated(responses) is None:
        return None
    cut = responses.filter(pc.fill_null(pc.equal(responses["finish"], "length"), False))
    known = len(responses) - responses["finish"].null_count
    right = pc.sum(cut["reward"]).as_py() or 0.0
    return {"responses": len(cut), "of": known, "share": len(cut) / known, "right": int(right)}


def _notes(run: Run) -> dict[str, str]:
    head = "import, "
    return {k.removeprefix(head): v for k, v in run.record["left_out"].items() if k.startswith(head)}


def _estimator(one: Found, counts: Counts, n: int, k: int, hard: float) -> Json:
    """What one estimator would do to these prompts in groups of n."""
    advantages = outcome_advantages(lambda rewards: one.advantage(rewards, k), n)

    def weight(m: Floats, c: Floats) -> Floats:
        return np.where(m >= n - 1, estimate_prompt_weight(advantages, np.maximum(m, n - 1), c), np.nan)

    n_N, c_N = counts.n_NM.sum(1), counts.c_NM.sum(1)
    w_N = weight(n_N, c_N)
    share = hard_share(weight, counts.n_NM, counts.c_NM, hard)
    return {
        "name": one.name,
        "objective": one.objective.name,
        "mean_weight": float(w_N.mean()),
        "hard_share": None if share is None else share.share.as_json(),
        "cross_fitted": None if share is None else share.cross_fitted,
        "without_signal": _without_signal(advantages, n_N, c_N),
        "weight": {name: float(w) for name, w in zip(counts.prompt_ids, w_N, strict=True)},
    }


def _without_signal(advantages: OutcomeAdvantages, n_N: Floats, c_N: Floats) -> float | None:
    """Share of groups of n, drawn from each prompt's responses, where every advantage is 0."""
    n = advantages.n
    whole = n_N >= n
    if not whole.any():
        return None
    silent = np.maximum(np.abs(advantages.success), np.abs(advantages.failure)) <= 1e-9
    chance = stats.hypergeom.pmf(np.arange(n + 1), n_N[whole, None], c_N[whole, None], n)
    return float((chance @ silent).mean())
