"""From the tables and the sketches to `analysis.json`: every number with its interval."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acute.core.blocks import Readable, Rows, Sums
from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k_weight
from acute.core.products import first_negative
from acute.core.theory import certificate, k_star_scan
from acute.errors import NotEnoughData
from acute.measure.beyond import beyond
from acute.measure.bootstrap import Bootstrap, bootstrap
from acute.measure.conflict import Curve, Measured, naive
from acute.measure.counting import Counts
from acute.measure.imperfect import Verifier, given, imperfect_verifier
from acute.measure.interference import between_families
from acute.measure.intervals import crossing
from acute.measure.prompts import (
    Facts,
    PerPrompt,
    costs,
    family_rows,
    fraction_negative,
    per_prompt,
    prompt_rows,
)
from acute.measure.reasons import reasons
from acute.measure.success import pass_at_k_band, pass_at_k_of_population, pass_at_k_of_these

Json = dict[str, Any]
NO_ERRORS = given(0.0, 0.0)
COST_MOST = 20  # how many prompts "prompts_that_cost_most" lists


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


class Selected(NamedTuple):
    """The prompts that are analysed, and what was left out: how many for which reason.

    `truncated_N` and `distinct_N` count responses cut off and different ones.
    """

    prompt_ids: list[str]
    measured: Measured
    excluded: Json
    truncated_N: NDArray[np.int64]
    distinct_N: NDArray[np.int64]


def select(
    counts: Counts,
    sums_NMOD: Sums | Readable,
    sketched_ids: list[str],
    k_max: int,
    easy: float | None = None,
    hard: float | None = None,
) -> Selected:
    """Join counts and sketches by prompt, and leave out what cannot be analysed up to `k_max`.

    `sums_NMOD` are the sketched gradient sums of the prompts `sketched_ids`, by fold and outcome (wrong,
    right); they are read when they are needed. Raises NotEnoughData if no prompt is left, or none with both
    successes and failures.
    """
    kept, excluded = _kept(counts, k_max, easy, hard)
    if not len(kept):
        raise NotEnoughData(
            f"no prompt is left to analyse at k = {k_max}; left out: {excluded}: ask for a smaller k, or "
            f"take more responses"
        )
    n_NM, c_NM = counts.n_NM[kept], counts.c_NM[kept]
    if not ((c_NM.sum(1) > 0) & (c_NM.sum(1) < n_NM.sum(1))).any():
        raise NotEnoughData(
            f"no prompt has both right and wrong responses (prompts left: {len(kept)}; left out: "
            f"{excluded or 'none'}): wanted at least one; take easier or harder prompts, or more responses"
        )
    at = {name: i for i, name in enumerate(sketched_ids)}
    ids = [counts.prompt_ids[i] for i in kept]
    sums = Rows(sums_NMOD, [at[name] for name in ids])
    measured = Measured(n_NM, c_NM, sums, sums_NMOD.shape[3])
    return Selected(ids, measured, excluded, counts.truncated_N[kept], counts.distinct_N[kept])


# long: a line for each field of analysis.json
def analyse(
    selected: Selected,
    prompts: pa.Table,
    ks: Sequence[int],
    seed: int = 0,
    verifier: Verifier = NO_ERRORS,
    beyond_ks: Sequence[int] = (),
) -> Json:
    """Everything that `analysis.json` holds (see docs/analysis.md), NaN-free.

    `beyond_ks` are k above those that two folds can be paired at, answered by a model of p.
    """
    ids, measured, n_N, c_N = (
        selected.prompt_ids,
        selected.measured,
        selected.measured.n_N,
        selected.measured.c_N,
    )
    curve, k = Curve(measured, max(ks)), max(ks)
    inner = [curve.inner(k).estimate for k in curve.k]
    band = curve.band(seed)
    conflict, conflict_population = _conflict(curve, ks)
    family = dict(zip(*prompts.select(["prompt_id", "family"]).to_pydict().values(), strict=True))
    facts = Facts(ids, [family.get(name) for name in ids], selected.truncated_N)
    found = per_prompt(curve, k)
    rows = prompt_rows(curve, found, facts)
    signal = np.isfinite(found.agreement.value_N)
    never_right = int((c_N == 0).sum())
    results: Json = {
        "prompts": len(ids),
        "responses": int(n_N.sum()),
        "excluded": selected.excluded,
        "counts": {
            "truncated": int(selected.truncated_N.sum()),
            "no_success": never_right,
            "all_success": int((c_N == n_N).sum()),
            "distinct_responses": int(selected.distinct_N.sum()),
        },
        "k_headline": k,
        "pass_at_k": {str(k): _json(pass_at_k_of_these(n_N, c_N, k)) for k in ks},
        "pass_at_k_population": {str(k): _json(pass_at_k_of_population(n_N, c_N, k)) for k in ks},
        "conflict": conflict,
        "conflict_population": conflict_population,
        "curve": _curve(curve, inner, band, seed),
        **_thresholds(curve, inner),
        **_theory(found, k),
        "agreement": {
            "fraction_negative": _json(fraction_negative(found.agreement.some(signal))),
            "unweighted_mean": _json(inner[0]),
            "weighted_mean": _json(inner[-1]),
        },
        "families": family_rows(curve, k, facts.family),
        "families_by_families": between_families(measured, facts.family),
        "per_prompt": rows,
        "prompts_that_cost_most": sorted(rows, key=costs)[:COST_MOST],
        **({"beyond": beyond(measured, k, beyond_ks, seed)} if beyond_ks else {}),
        "verdict": _verdict(curve.k, band, never_right),
        "imperfect_verifier": imperfect_verifier(
            curve, ks, verifier, lambda other: _verdict(other.k, other.band(seed), never_right)
        ),
    }
    _add_bootstrap(results, bootstrap(curve, seed), ks)
    return {**results, "reasons": reasons(curve, ks, found, _missing(results))}


def _add_bootstrap(results: Json, found: Bootstrap | None, ks: Sequence[int]) -> None:
    """Percentile intervals over prompts beside those by Fieller and by the band."""
    ends = [None if found is None else found.cosine[k - 1] for k in ks]
    results["conflict_population"]["cosine_bootstrap"] = [e and list(e) for e in ends]
    results["k_dagger_population_bootstrap"] = (
        None
        if found is None or found.k_dagger is None
        else {**dict(zip(("lo", "hi"), found.k_dagger, strict=True)), "no_crossing": found.no_crossing}
    )


def _missing(results: Json) -> list[str]:
    """Names of the single numbers that are null."""
    names = ["k_dagger", "k_dagger_population", "k_star", "certificate"]
    missing = [name for name in names if results[name] is None]
    if results["agreement"]["fraction_negative"] is None:
        missing.append("agreement.fraction_negative")
    return missing


def _curve(
    curve: Curve,
    inner: Sequence[Estimate | None],
    band: Sequence[tuple[float, float] | None],
    seed: int,
) -> Json:
    """What is known at every k."""
    n_N, c_N = curve.measured.n_N, curve.measured.c_N
    passes = pass_at_k_band(n_N, c_N, curve.k, seed)
    return {
        "k": curve.k,
        "inner": [_json(e) for e in inner],
        "cosine": [_json(curve.cosine(k).estimate) for k in curve.k],
        "inner_band": [None if ends is None else list(ends) for ends in band],
        "pass_at_k": [_json(pass_at_k_of_these(n_N, c_N, k)) for k in curve.k],
        "pass_at_k_band": [None if ends is None else list(ends) for ends in passes],
    }


def _thresholds(curve: Curve, inner: Sequence[Estimate | None]) -> Json:
    """k† of these prompts and of their distribution."""
    population = [curve.inner_population(k).estimate for k in curve.k]
    first = first_negative(curve.k, [p.finite for p in curve.with_first])
    first_population = first_negative(curve.k, [p.population for p in curve.with_first])
    return {
        "k_dagger": _json(crossing(curve.k, inner, first)),
        "k_dagger_population": _json(crossing(curve.k, population, first_population)),
    }


def _theory(found: PerPrompt, k: int) -> Json:
    """k* and the certificate of conflict at k, from the measured p and a taken at their values.

    The smoothness constants are not measured, so neither is the range of steps, nor the paper's own k*.
    """
    known = np.isfinite(found.agreement.value_N)
    p, a = found.p.value_N[known], found.agreement.value_N[known]
    threshold, proof = k_star_scan(p, a), certificate(p, a, k)
    return {
        "k_star": None if threshold is None else threshold._asdict(),
        "certificate": None if proof is None else {**proof._asdict(), "k": k, "step_range": None},
    }
