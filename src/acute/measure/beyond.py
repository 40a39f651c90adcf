"""Pass@k and its conflict for k beyond n / folds, by a stated model that is checked before it is believed.

The model: p of each prompt is a draw from one Beta distribution, and ∇ logit p does not depend on p.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from acute.core.estimate import Estimate
from acute.core.parts import parts
from acute.measure.beta_binomial import Beta, fit, modelled, p_values
from acute.measure.conflict import Curve, Measured
from acute.measure.intervals import fold_variance, from_error, pair_variance
from acute.measure.many import Z

Json = dict[str, Any]
Floats = NDArray[np.float64]
STEP = 1e-3  # of ln α and ln β, for derivatives
REFUSED = 0.05  # chance to refuse a true model, over the three checks together
FEWEST = 20  # prompts that a distribution of p can be fitted to


def beyond(measured: Measured, k_max: int, ks: Sequence[int], seed: int) -> Json:
    """The part `beyond` of analysis.json: pass@k, ⟨∇J_k, ∇J_1⟩ and cosine at `ks`, all by the model.

    `k_max` is the largest k that needs no model; up to it the model is checked against the unbiased
    estimates. Nothing is given where it fails, or where there are too few prompts.
    """
    n, c = measured.n_N, measured.c_N
    empty: Json = {"estimator": "beta-binomial", "k": list(ks)}
    empty |= {name: [None] * len(ks) for name in ("pass_at_k", "pass_at_k_population", "inner", "cosine")}
    empty |= {"inner_population": [None] * len(ks), "alpha": None, "beta": None, "checks": None}
    if len(n) < FEWEST:
        return {
            **empty,
            "reason": f"{len(n)} prompts are too few to fit a distribution of p (wanted {FEWEST})",
        }
    beta = fit(n, c)
    if beta is None:
        return {**empty, "reason": "no Beta distribution of p is determined by the counts"}
    curve = Curve(measured, k_max, [f for k in (k_max, *ks) for f in _objectives(beta, k)])
    checks = {**p_values(beta, n, c, k_max, seed), "inner": _p_value_of_inner(curve, beta)}
    known = {**empty, **_parameters(beta), "checks": checks}
    failed = [name for name, p in checks.items() if p < REFUSED / len(checks)]
    if failed:
        how = ", ".join(f"{name}: p = {checks[name]:.2g}" for name in failed)
        return {**known, "reason": f"the model does not reproduce what was seen up to k = {k_max} ({how})"}
    passes = [_pass_at_k(beta, n, c, k) for k in ks]
    inner = [_inner(curve, beta, i, k) for i, k in enumerate(ks, 1)]
    return {
        **known,
        "pass_at_k": [_json(these) for these, _ in passes],
        "pass_at_k_population": [_json(population) for _, population in passes],
        "inner": [_json(these) for these, _, _ in inner],
        "inner_population": [_json(population) for _, population, _ in inner],
        "cosine": [_json(cosine) for _, _, cosine in inner],
        "reason": None,
    }


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()


STEPS = STEP * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])


def _objectives(beta: Beta, k: int) -> list[Any]:
    """∇J_k by the model, and by the models a step aside from it."""
    return [modelled(beta.moved(step), k) for step in STEPS]


def _of_parameters(value_S: Floats, beta: Beta) -> float:
    """Variance that the error of α and β adds, from the values at `STEPS`."""
    slope = np.array([value_S[1] - value_S[2], value_S[3] - value_S[4]]) / (2 * STEP)
    return float(slope @ beta.covariance @ slope)


def _parameters(beta: Beta) -> Json:
    found = {}
    for i, name in enumerate(("alpha", "beta")):
        value, reach = getattr(beta, name), Z * np.sqrt(beta.covariance[i, i])
        ends = value * np.exp(-reach), value * np.exp(reach)
        found[name] = Estimate(value, float(value * reach / Z), float(ends[0]), float(ends[1])).as_json()
    return found


def _pass_at_k(beta: Beta, n: Floats, c: Floats, k: int) -> tuple[Estimate, Estimate]:
    """Of these prompts (posterior means) and of their distribution."""
    models = [beta.moved(step) for step in STEPS]
    these_S = np.array([1 - model.all_fail_given(n, c, k).mean() for model in models])
    spread = (beta.all_fail_given(n, c, 2 * k) - beta.all_fail_given(n, c, k) ** 2).sum() / len(n) ** 2
    log_S = np.array([model.log_all_fail(k) for model in models])  # of the chance to fail
    log_se = np.sqrt(_of_parameters(log_S, beta))
    failing = np.exp(log_S[0])
    lo, hi = (float(1 - np.exp(log_S[0] + sign * Z * log_se)) for sign in (1, -1))
    return (
        from_error(these_S[0], np.sqrt(spread + _of_parameters(these_S, beta)), np.inf, (0.0, 1.0)),
        Estimate(float(1 - failing), float(failing * log_se), max(0.0, lo), hi),
    )


def _at(curve: Curve, i: int) -> int:
    """Where the i-th modelled k stands among the curve's objectives."""
    return len(curve.k) + len(STEPS) * i


def _inner(curve: Curve, beta: Beta, i: int, k: int) -> tuple[Estimate, Estimate, Estimate | None]:
    """⟨∇J_k, ∇J_1⟩ of these prompts and of their distribution, and the cosine of these prompts."""
    at = _at(curve, i)
    found = curve.with_first[at]
    of_beta, of_beta_population = (
        _of_parameters(np.array([getattr(p, of) for p in curve.with_first[at : at + len(STEPS)]]), beta)
        for of in ("finite", "population")
    )
    variance, df = fold_variance(found.deviation_NM)
    unseen = _posterior_noise(curve, beta, k)
    these = from_error(found.finite, np.sqrt(variance / curve.N**2 + of_beta + unseen), df)
    variance, df = pair_variance(found.psi_N)
    population = from_error(found.population, np.sqrt(variance + of_beta_population), df)
    cosine = curve.cosine(at + 1).estimate
    if cosine is None or cosine.se is None or cosine.lo is None or cosine.hi is None:
        return these, population, None
    scale = np.sqrt(curve.norm[at].finite * curve.norm[0].finite)
    more = Z * np.sqrt(of_beta + unseen) / scale
    lo = max(-1.0, cosine.value - float(np.hypot(cosine.value - cosine.lo, more)))
    hi = min(1.0, cosine.value + float(np.hypot(cosine.hi - cosine.value, more)))
    se = float(np.hypot(cosine.se, more / Z))
    return these, population, Estimate(cosine.value, se, lo, hi)


def _posterior_noise(curve: Curve, beta: Beta, k: int) -> float:
    """Variance of the inner product of these prompts from weights that their counts leave open."""
    n, c = curve.measured.n_N, curve.measured.c_N
    first = parts(curve.measured.sums_NMOD, curve.products, 0, np.arange(curve.N))
    mean = beta.all_fail_given(n, c, k - 1, tilt=1)
    open_N = k**2 * (beta.all_fail_given(n, c, 2 * (k - 1), tilt=1) - mean**2)
    squared = np.maximum(first.value_G**2 - first.variance_G, 0)
    return float((squared * open_N).sum() / curve.N**2)


def _p_value_of_inner(curve: Curve, beta: Beta) -> float:
    """Two-sided p-value that the model's ⟨∇J_k, ∇J_1⟩ is the unbiased one at the largest k that has both."""
    at, unbiased = _at(curve, 0), len(curve.k) - 1
    one, other = curve.with_first[at], curve.with_first[unbiased]
    variance, df = fold_variance(one.deviation_NM - other.deviation_NM)
    values = np.array([p.finite for p in curve.with_first[at : at + len(STEPS)]])
    more = _of_parameters(values, beta) + _posterior_noise(curve, beta, curve.k[-1])
    z = (one.finite - other.finite) / np.sqrt(variance / curve.N**2 + more)
    return float(2 * stats.t.sf(abs(z), df))
