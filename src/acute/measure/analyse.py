"""From the tables and the sketches to `analysis.json`: every number with its interval."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k_weight
from acute.core.products import first_negative
from acute.core.theory import certificate, k_star_scan
from acute.errors import InputError, NotEnoughData
from acute.measure.conflict import Answer, Curve, Measured, finite_answers, naive, prompt_answers, restricted
from acute.measure.intervals import crossing, wilson
from acute.measure.success import (
    pass_at_k_of_population,
    pass_at_k_of_these,
    posterior_negative,
    weight_interval,
)

Json = dict[str, Any]
COST_MOST = 20  # how many prompts "prompts_that_cost_most" lists


class Counts(NamedTuple):
    """Responses and successes of each prompt and fold; responses without a reward are not counted."""

    prompt_ids: list[str]
    n_NM: NDArray[np.float64]
    c_NM: NDArray[np.float64]
    no_reward: int


def count(responses: pa.Table) -> Counts:
    """Count responses and successes by prompt and fold, prompts in the order of their first row.

    Raises InputError if a reward is neither 0 nor 1.
    """
    columns = responses.select(["prompt_id", "fold", "reward"]).to_pydict()
    order: dict[str, int] = dict.fromkeys(columns["prompt_id"], 0)
    order = {name: i for i, name in enumerate(order)}
    folds = 1 + max(columns["fold"])
    n_NM, c_NM = np.zeros((2, len(order), folds))
    missing = 0
    for name, fold, reward in zip(*columns.values(), strict=True):
        if reward is None:
            missing += 1
        elif reward not in (0.0, 1.0):
            raise InputError(f"wanted rewards 0 or 1 (or null), found {reward} for the prompt {name!r}")
        else:
            n_NM[order[name], fold] += 1
            c_NM[order[name], fold] += reward
    return Counts(list(order), n_NM, c_NM, missing)


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()


def _scaled(estimate: Estimate | None, by: float) -> Estimate | None:
    if estimate is None:
        return None
    members = (estimate.value, estimate.se, estimate.lo, estimate.hi)
    return Estimate(*(None if m is None else m * by for m in members))  # type: ignore[arg-type]


def _kept(
    counts: Counts, k_max: int, easy: float | None, hard: float | None
) -> tuple[NDArray[np.int64], Json]:
    """Indices of the prompts that are analysed, and how many were left out for which reason."""
    few = counts.n_NM.min(1) < max(k_max, 2)
    p = counts.c_NM.sum(1) / np.maximum(counts.n_NM.sum(1), 1)
    middle = np.zeros_like(few)
    if easy is not None and hard is not None:
        middle = ~few & (p >= hard) & (p <= easy)
    excluded = {
        "responses without a reward": counts.no_reward,
        f"prompts with fewer than {max(k_max, 2)} rewarded responses in a fold": int(few.sum()),
        "prompts of middle difficulty (analyse.hard ≤ p ≤ analyse.easy)": int(middle.sum()),
    }
    return np.flatnonzero(~few & ~middle), {reason: n for reason, n in excluded.items() if n}


def _conflict(curve: Curve, ks: Sequence[int]) -> tuple[Json, Json]:
    """The parts `conflict` and `conflict_population`."""
    inner = {k: curve.inner(k) for k in ks}
    cosine = {k: curve.cosine(k) for k in ks}
    population = {k: (curve.inner_population(k), curve.cosine_population(k)) for k in ks}
    weight = {k: float(pass_at_k_weight(curve.measured.n_N, curve.measured.c_N, k).mean()) for k in ks}
    first = curve.with_first[0].finite
    naive_inner, naive_cosine = naive(curve.measured, ks)
    return (
        {
            "k": list(ks),
            "inner": [_json(inner[k].estimate) for k in ks],
            "inner_sum": [_json(_scaled(inner[k].estimate, curve.N)) for k in ks],
            "cosine": [_json(cosine[k].estimate) for k in ks],
            "p_value_negative": [inner[k].p_value for k in ks],
            "naive_inner": [_finite_or_none(v) for v in naive_inner],
            "naive_cosine": [_finite_or_none(v) for v in naive_cosine],
            "mean_weight": [weight[k] for k in ks],
            "mean_weight_times_norm": [weight[k] * first for k in ks],
            "covariance": [curve.with_first[k - 1].finite - weight[k] * first for k in ks],
        },
        {
            "k": list(ks),
            "inner": [_json(population[k][0].estimate) for k in ks],
            "cosine": [_json(population[k][1].estimate) for k in ks],
            "p_value_negative": [population[k][0].p_value for k in ks],
        },
    )


def _finite_or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _verdict(ks: Sequence[int], band: Sequence[tuple[float, float] | None], never_right: int) -> Json:
    """conflict: the band over all k lies below 0 somewhere · no conflict: nowhere does it reach 0.

    Prompts without a success show no gradient, so they enter as nothing, and so does their error; yet
    pass@k weighs such prompts most. With any of them "no conflict" cannot be told.
    """
    below = [k for k, ends in zip(ks, band, strict=True) if ends is not None and ends[1] < 0]
    above = [k for k, ends in zip(ks, band, strict=True) if ends is not None and ends[0] > 0]
    if below:
        return {"answer": "conflict", "k": below[0]}
    clear = len(above) == len(ks) and not never_right
    return {"answer": "no conflict" if clear else "cannot tell", "k": None}


def _fraction_negative(agreement: Sequence[Answer]) -> Estimate | None:
    """Share of prompts with a < 0, by empirical Bayes; None if an error is unknown.

    The interval runs from the share whose own intervals lie below 0 to the share whose do not lie above:
    wide, and free of the prior that the value leans on. Prompts that show no gradient are not in it.
    """
    known = [a.estimate for a in agreement if a.estimate is not None and a.estimate.se]
    if len(known) < max(2, len(agreement)):
        return None
    values, errors = np.array([e.value for e in known]), np.array([e.se for e in known], float)
    value = float(posterior_negative(values, errors).mean())
    below = float(np.mean([e.hi is not None and e.hi < 0 for e in known]))
    not_above = float(np.mean([not (e.lo is not None and e.lo > 0) for e in known]))
    return Estimate(min(max(value, below), not_above), None, below, not_above)


def _prompts(measured: Measured, curve: Curve, k: int, facts: list[Json]) -> tuple[list[Json], list[Answer]]:
    """A row a prompt: p, weight and agreement, and what it adds to ⟨∇J_k, ∇J_1⟩ and to the cosine."""
    N = curve.N
    norm = max(curve.norm[0].finite, 0.0)
    agreement = prompt_answers(curve, 1, N, norm**2, range(N))
    norms = max(curve.norm[k - 1].finite, 0.0) * norm
    contribution = prompt_answers(curve, k, 1, norms / N**2, range(N))
    rows = []
    for i in range(N):
        n, c = int(measured.n_N[i]), int(measured.c_N[i])
        p = wilson(c, n)
        signal = 0 < c < n  # without a success, or without a failure, the gradient is not seen at all
        part = contribution[i].estimate if signal else None
        rows.append(
            {
                **facts[i],
                "responses": n,
                "successes": c,
                "p": _json(p),
                "weight": _json(weight_interval(p, n, c, k)),
                "agreement": _json(agreement[i].estimate) if signal else None,
                "contribution": _json(part),
                "share": _json(_scaled(part, 1 / np.sqrt(norms))) if norms > 0 else None,
            }
        )
    return rows, [a for a, row in zip(agreement, rows, strict=True) if row["agreement"] is not None]


def _costs(row: Json) -> float:
    """The end of the interval that is nearer to harmless; unknown counts as harmless."""
    share = row["contribution"]
    return float("inf") if share is None or share["hi"] is None else float(share["hi"])


def _families(measured: Measured, curve: Curve, k: int, facts: list[Json]) -> list[Json]:
    """A row a family: p, agreement with ∇J_1, and what it adds to the cosine at k."""
    names = sorted({f["family"] for f in facts if f["family"] is not None})
    if not names:
        return []
    inside = np.array([[f["family"] == name for f in facts] for name in names], float)
    size = inside.sum(1)
    shares = inside * curve.N / size[:, None]
    norm = max(curve.norm[0].finite, 0.0)
    norms = max(curve.norm[k - 1].finite, 0.0) * norm
    answers = finite_answers(restricted(measured, 1, shares), curve.size, norm**2)
    parts = finite_answers(restricted(measured, k, inside), curve.size, norms)
    return [
        {
            "family": name,
            "prompts": int(size[i]),
            "p": _json(pass_at_k_of_these(measured.n_N[inside[i] > 0], measured.c_N[inside[i] > 0], 1)),
            "agreement": _json(answers[i].estimate),
            "share": _json(_scaled(parts[i].estimate, 1 / np.sqrt(norms))) if norms > 0 else None,
        }
        for i, name in enumerate(names)
    ]


class Selected(NamedTuple):
    """The prompts that are analysed, and what was left out: how many for which reason."""

    prompt_ids: list[str]
    measured: Measured
    excluded: Json


def select(
    responses: pa.Table,
    sums_NMOD: NDArray[np.floating],
    sketched_ids: list[str],
    k_max: int,
    easy: float | None = None,
    hard: float | None = None,
) -> Selected:
    """Join counts and sketches by prompt, and leave out what cannot be analysed up to `k_max`.

    `sums_NMOD` are the sketched gradient sums of the prompts `sketched_ids`, by fold and outcome (wrong,
    right). Raises NotEnoughData if no prompt with both successes and failures is left.
    """
    counts = count(responses)
    kept, excluded = _kept(counts, k_max, easy, hard)
    n_NM, c_NM = counts.n_NM[kept], counts.c_NM[kept]
    if not ((c_NM.sum(1) > 0) & (c_NM.sum(1) < n_NM.sum(1))).any():
        raise NotEnoughData(
            f"no prompt has both right and wrong responses (prompts left: {len(kept)}; left out: "
            f"{excluded or 'none'}): wanted at least one; take easier or harder prompts, or more responses"
        )
    at = {name: i for i, name in enumerate(sketched_ids)}
    ids = [counts.prompt_ids[i] for i in kept]
    sums = sums_NMOD[[at[name] for name in ids]]
    return Selected(ids, Measured(n_NM, c_NM, sums, sums_NMOD.shape[3]), excluded)


def analyse(
    selected: Selected, prompts: pa.Table, responses: pa.Table, ks: Sequence[int], seed: int = 0
) -> Json:
    """Everything that `analysis.json` holds (see docs/analysis.md), NaN-free."""
    ids, measured, excluded = selected
    curve = Curve(measured, max(ks))
    inner = [curve.inner(k) for k in curve.k]
    band = curve.band(seed)
    population = [curve.inner_population(k) for k in curve.k]
    conflict, conflict_population = _conflict(curve, ks)
    family = dict(zip(*prompts.select(["prompt_id", "family"]).to_pydict().values(), strict=True))
    cut = responses.filter(pa.compute.equal(responses["finish"], "length"))["prompt_id"].to_pylist()
    facts = [{"prompt_id": name, "family": family.get(name), "truncated": cut.count(name)} for name in ids]
    rows, agreement = _prompts(measured, curve, max(ks), facts)
    n_N, c_N = measured.n_N, measured.c_N
    dagger = first_negative(curve.k, [p.finite for p in curve.with_first])
    dagger_population = first_negative(curve.k, [p.population for p in curve.with_first])
    return {
        "prompts": len(ids),
        "responses": int(n_N.sum()),
        "excluded": excluded,
        "counts": {
            "truncated": sum(f["truncated"] for f in facts),
            "no_success": int((c_N == 0).sum()),
            "all_success": int((c_N == n_N).sum()),
            "distinct_responses": len(set(zip(*_texts(responses, set(ids)), strict=True))),
        },
        "k_headline": max(ks),
        "pass_at_k": {str(k): _json(pass_at_k_of_these(n_N, c_N, k)) for k in ks},
        "pass_at_k_population": {str(k): _json(pass_at_k_of_population(n_N, c_N, k)) for k in ks},
        "conflict": conflict,
        "conflict_population": conflict_population,
        "curve": {
            "k": curve.k,
            "inner": [_json(a.estimate) for a in inner],
            "cosine": [_json(curve.cosine(k).estimate) for k in curve.k],
            "inner_band": [None if ends is None else list(ends) for ends in band],
        },
        "k_dagger": _json(crossing(curve.k, [a.estimate for a in inner], dagger)),
        "k_dagger_population": _json(crossing(curve.k, [a.estimate for a in population], dagger_population)),
        **_theory(rows, max(ks)),
        "agreement": {
            "fraction_negative": _json(_fraction_negative(agreement)),
            "unweighted_mean": _json(inner[0].estimate),
            "weighted_mean": _json(inner[-1].estimate),
        },
        "families": _families(measured, curve, max(ks), facts),
        "per_prompt": rows,
        "prompts_that_cost_most": sorted(rows, key=_costs)[:COST_MOST],
        "verdict": _verdict(curve.k, band, int((c_N == 0).sum())),
    }


def _theory(rows: list[Json], k: int) -> Json:
    """k* and the certificate of conflict at k, from the measured p and a taken at their values.

    The smoothness constants are not measured, so neither is the range of steps, nor the paper's own k*.
    """
    known = [row for row in rows if row["agreement"] is not None]
    p, a = (np.array([row[name]["value"] for row in known]) for name in ("p", "agreement"))
    threshold, proof = k_star_scan(p, a), certificate(p, a, k)
    return {
        "k_star": None if threshold is None else threshold._asdict(),
        "certificate": None if proof is None else {**proof._asdict(), "k": k, "step_range": None},
    }


def _texts(responses: pa.Table, ids: set[str]) -> tuple[list[str], list[str]]:
    pairs = zip(responses["prompt_id"].to_pylist(), responses["response"].to_pylist(), strict=True)
    kept = [(a, b) for a, b in pairs if a in ids]
    return [a for a, _ in kept], [b for _, b in kept]
