"""What can be told without gradients: pass@k with intervals, weights, and whom the weight rests on."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acute.core.estimators import pass_at_k_weight
from acute.errors import NotEnoughData
from acute.measure.counting import Counts, count
from acute.measure.many import weights, wilson
from acute.measure.share import HARD, hard_share
from acute.measure.success import pass_at_k_of_population, pass_at_k_of_these

Json = dict[str, Any]


def truncated(responses: pa.Table) -> dict[str, int] | None:
    """Cut-off responses by prompt_id; None where no row says how its response ended."""
    if responses["finish"].null_count == len(responses):
        return None
    cut = responses.filter(pc.fill_null(pc.equal(responses["finish"], "length"), False))
    pairs = cut.group_by("prompt_id").aggregate([([], "count_all")])
    return dict(zip(pairs["prompt_id"].to_pylist(), pairs["count_all"].to_pylist(), strict=True))


# long: a line for each field of analysis.json
def analyse_counts(
    responses: pa.Table,
    prompts: pa.Table,
    ks: Sequence[int],
    reason: str,
    easy: float | None = None,
    hard: float | None = None,
) -> Json:
    """analysis.json from counts: everything about gradients is null, and `reason` says why.

    Raises NotEnoughData where no prompt has as many rewarded responses as the largest k.
    """
    counts, k_max = count(responses.to_batches()), max(ks)
    kept, excluded = _kept(counts, k_max, easy, hard)
    ids = [counts.prompt_ids[i] for i in kept]
    n_NM, c_NM = counts.n_NM[kept], counts.c_NM[kept]
    n_N, c_N = n_NM.sum(1), c_NM.sum(1)
    family = dict(zip(*prompts.select(["prompt_id", "family"]).to_pydict().values(), strict=True))
    cut = truncated(responses)
    p = wilson(c_N, n_N)
    weight = weights(p, pass_at_k_weight(n_N, c_N, k_max), k_max).as_json()
    rows = [
        {
            "prompt_id": name,
            "family": family.get(name),
            "truncated": None if cut is None else cut.get(name, 0),
            "responses": int(n_N[i]),
            "successes": int(c_N[i]),
            "p": p_row,
            "weight": weight[i],
            "agreement": None,
            "contribution": None,
            "share": None,
        }
        for i, (name, p_row) in enumerate(zip(ids, p.as_json(), strict=True))
    ]
    shares = [
        hard_share(partial(pass_at_k_weight, k=k), n_NM, c_NM, HARD if hard is None else hard) for k in ks
    ]
    return {
        "prompts": len(ids),
        "responses": int(n_N.sum()),
        "excluded": excluded,
        "counts": {
            "truncated": None if cut is None else sum(row["truncated"] for row in rows),
            "no_success": int((c_N == 0).sum()),
            "all_success": int((c_N == n_N).sum()),
        },
        "k_headline": k_max,
        "pass_at_k": {str(k): _json(pass_at_k_of_these(n_N, c_N, k)) for k in ks},
        "pass_at_k_population": {str(k): _json(pass_at_k_of_population(n_N, c_N, k)) for k in ks},
        "hard_share": {
            "hard": HARD if hard is None else hard,
            "k": list(ks),
            "share": [None if s is None else s.share.as_json() for s in shares],
            "cross_fitted": [None if s is None else s.cross_fitted for s in shares],
        },
        **_unknown(ks, [float(pass_at_k_weight(n_N, c_N, k).mean()) for k in ks], reason),
        "families": _families(rows, n_N, c_N),
        "per_prompt": rows,
        "prompts_that_cost_most": [],
        "verdict": {"answer": "cannot tell", "k": None, "reason": reason},
    }


def _json(estimate: Any) -> Json | None:
    return None if estimate is None else estimate.as_json()


def _kept(counts: Counts, k_max: int, easy: float | None, hard: float | None) -> tuple[Any, Json]:
    """Indices of the prompts that are analysed, and how many were left out for which reason."""
    n_N, c_N = counts.n_NM.sum(1), counts.c_NM.sum(1)
    few = n_N < max(k_max, 1)
    p = c_N / np.maximum(n_N, 1)
    middle = ~few & (p >= hard) & (p <= easy) if easy is not None and hard is not None else np.zeros_like(few)
    excluded = {
        "responses without a reward": counts.no_reward,
        f"prompts with fewer than {k_max} rewarded responses": int(few.sum()),
        "prompts of middle difficulty (analyse.hard ≤ p ≤ analyse.easy)": int(middle.sum()),
    }
    excluded = {why: n for why, n in excluded.items() if n}
    if (few | middle).all():
        raise NotEnoughData(
            f"no prompt is left to analyse at k = {k_max}; left out: {excluded}: ask for a smaller k, or "
            f"take more responses"
        )
    return np.flatnonzero(~few & ~middle), excluded


def _unknown(ks: Sequence[int], mean_weight: list[float], reason: str) -> Json:
    """The parts of an analysis that only gradients could fill."""
    none = [None] * len(ks)
    return {
        "conflict": {
            "k": list(ks),
            "reason": reason,
            **dict.fromkeys(("inner", "inner_sum", "cosine", "p_value_negative"), none),
            **dict.fromkeys(("naive_inner", "naive_cosine"), none),
            "mean_weight": mean_weight,
        },
        "conflict_population": None,
        "curve": None,
        "k_dagger": None,
        "k_dagger_population": None,
        "k_star": None,
        "certificate": None,
        "agreement": {"fraction_negative": None, "unweighted_mean": None, "weighted_mean": None},
    }


def _families(rows: list[Json], n_N: Any, c_N: Any) -> list[Json]:
    names = np.array([row["family"] for row in rows], object)
    found = []
    for name in sorted({name for name in names if name is not None}):
        inside = names == name
        p = pass_at_k_of_these(n_N[inside], c_N[inside], 1)
        size = int(inside.sum())
        found.append({"family": name, "prompts": size, "p": _json(p), "agreement": None, "share": None})
    return found
