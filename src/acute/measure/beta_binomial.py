"""Success probabilities as draws from one Beta: the fit, the posterior of each prompt, and whether it fits.

Cells are the different (n, c) among the prompts, with how many prompts have each: (n_C, c_C, times_C).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from acute.core.estimators import pass_at_k
from acute.core.products import Advantage

Floats = NDArray[np.float64]
LARGEST = 1e4  # of α + β; beyond it all prompts are alike, which a Beta cannot say
REPEATS = 199  # data sets drawn from the fit to see how badly a true model fits


class Beta(NamedTuple):
    """p ~ Beta(alpha, beta), with the covariance of the estimates of ln α and ln β."""

    alpha: float
    beta: float
    covariance: Floats

    def moved(self, step: Floats) -> "Beta":
        """The distribution with ln α and ln β moved."""
        return Beta(self.alpha * np.exp(step[0]), self.beta * np.exp(step[1]), self.covariance)

    def all_fail(self, k: float) -> float:
        """E[(1 - p)^k] over prompts."""
        return float(np.exp(self.log_all_fail(k)))

    def log_all_fail(self, k: float) -> float:
        """ln E[(1 - p)^k] over prompts, where E[(1 - p)^k] itself may be below the smallest float."""
        return float(special.betaln(self.alpha, self.beta + k) - special.betaln(self.alpha, self.beta))

    def all_fail_given(self, n: Floats, c: Floats, k: float, tilt: int = 0) -> Floats:
        """E[(1 - p)^k] of a prompt with c successes in n, under the posterior times (p (1 - p))^tilt."""
        a, b = self.alpha + c + tilt, self.beta + n - c + tilt
        return np.asarray(np.exp(special.betaln(a, b + k) - special.betaln(a, b)))


def _cells(n_N: Floats, c_N: Floats) -> tuple[Floats, Floats, Floats]:
    pairs, times = np.unique(np.stack([n_N, c_N], 1), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], times.astype(float)


def fit(n_N: Floats, c_N: Floats) -> Beta | None:
    """The Beta of greatest marginal likelihood; None where the counts do not determine it.

    Reference: Skellam 1948 (the beta-binomial), by Newton's method on ln α, ln β from their moments.
    """
    n, c, times = _cells(n_N, c_N)

    def loss(x: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood at (ln α, ln β), up to a constant, and its gradient."""
        a, b = np.exp(x)
        value = times @ (special.betaln(a + c, b + n - c) - special.betaln(a, b))
        whole = special.digamma(a + b) - special.digamma(a + b + n)
        slope = [
            a * (times @ (special.digamma(a + c) - special.digamma(a) + whole)),
            b * (times @ (special.digamma(b + n - c) - special.digamma(b) + whole)),
        ]
        return -float(value), -np.array(slope)

    mean = min(max(float((times @ c) / (times @ n)), 1e-3), 1 - 1e-3)
    start = np.log([mean, 1 - mean])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-9, np.log(LARGEST))] * 2)
    h = 1e-4
    curvature = np.stack([(loss(found.x + h * e)[1] - loss(found.x - h * e)[1]) / (2 * h) for e in np.eye(2)])
    curvature = (curvature + curvature.T) / 2
    inside = np.abs(found.x - np.log(LARGEST)).min() > 1e-6 and found.x.min() > -9 + 1e-6
    if not inside or np.linalg.eigvalsh(curvature).min() <= 0:
        return None
    alpha, beta = np.exp(found.x).tolist()
    return Beta(alpha, beta, np.asarray(np.linalg.inv(curvature), float))


def weight_given(beta: Beta, n: Floats, c: Floats, k: int) -> Floats:
    """E[w_k(p) | c successes in n others], w_k = k (1 - p)^(k-1), each p counted with p (1 - p).

    ∇p = p (1 - p) ∇ logit p: where ∇ logit p does not depend on p, this factor is what a weight must be
    averaged with for weight times gradient to be right on average.
    """
    return k * beta.all_fail_given(n, c, k - 1, tilt=1)


def modelled(beta: Beta, k: int) -> Advantage:
    """∇J_k by the model: leave-one-out advantages of pass@1 times the weight that the others predict.

    Any k; unbiased over prompts from the Beta whose ∇ logit p does not depend on p.
    """

    def advantages(n: Floats, c: Floats) -> tuple[Floats, Floats]:
        others = np.maximum(n - 1, 1)
        less = np.maximum(c - 1, 0)
        of_success = weight_given(beta, n - 1, less, k) * (1 - less / others)
        at_most = np.minimum(c, n - 1)
        of_failure = -weight_given(beta, n - 1, at_most, k) * at_most / others
        return np.where(n < 2, np.nan, of_success), np.where(n < 2, np.nan, of_failure)

    return advantages


def deviance(beta: Beta, n_N: Floats, c_N: Floats) -> float:
    """2 Σ observed · ln(observed / expected) over the cells (n, c)."""
    n, c, times = _cells(n_N, c_N)
    prompts = np.array([times[n == one].sum() for one in n])
    ways = special.gammaln(n + 1) - special.gammaln(c + 1) - special.gammaln(n - c + 1)
    log = ways + special.betaln(beta.alpha + c, beta.beta + n - c) - special.betaln(beta.alpha, beta.beta)
    return float(2 * times @ (np.log(times / prompts) - log))


def worst_pass_at_k(beta: Beta, n_N: Floats, c_N: Floats, k_max: int) -> float:
    """The largest distance, over k ≤ k_max, of the model's pass@k from the unbiased one, in its errors."""
    found = 0.0
    for k in range(1, k_max + 1):
        each = pass_at_k(n_N, c_N, k)
        error = each.std(ddof=1) / np.sqrt(len(each))
        if error > 0:
            found = max(found, abs(each.mean() - 1 + beta.all_fail(k)) / error)
    return found


def p_values(beta: Beta, n_N: Floats, c_N: Floats, k_max: int, seed: int) -> dict[str, float]:
    """How rarely a true Beta fits as badly: its counts, and its pass@k up to k_max.

    Parametric bootstrap: data drawn from the fit, fitted again.
    """
    rng = np.random.default_rng(seed)
    seen = {"counts": deviance(beta, n_N, c_N), "pass_at_k": worst_pass_at_k(beta, n_N, c_N, k_max)}
    as_bad = dict.fromkeys(seen, 1)
    for _ in range(REPEATS):
        drawn = rng.binomial(n_N.astype(int), rng.beta(beta.alpha, beta.beta, len(n_N))).astype(float)
        again = fit(n_N, drawn) or beta
        as_bad["counts"] += deviance(again, n_N, drawn) >= seen["counts"]
        as_bad["pass_at_k"] += worst_pass_at_k(again, n_N, drawn, k_max) >= seen["pass_at_k"]
    return {name: times / (REPEATS + 1) for name, times in as_bad.items()}
