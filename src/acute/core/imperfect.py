"""What a verifier that errs does to pass@k, and how to undo it when its rates are known.

α is the chance that a wrong response passes, β the chance that a right one fails, given the prompt and
nothing else of the response. A prompt with success probability p is then seen to succeed with

    p' = α + λ p,   ∇p' = λ ∇p,   λ = 1 - α - β,   1 - p' = (1-α)(1-p) + β p,

and pass@k of what is seen, J'_k = 1 - (1-p')**k, has the gradient λ k (1-p')**(k-1) ∇p. Two consequences:

* With false passes alone it is (1-α)**k ∇J_k: the same direction for every α, however small the share of
  it that is left. No sign, cosine or k† moves where all prompts have the same α.
* With false fails the prompts that are always right keep the weight λ k β**(k-1): weights are flatter than
  those of pass@k, and a conflict shows later in k than it is there.

Rates that differ between prompts change the direction in both cases: pass arrays, one rate a prompt.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.estimators import pass_at_k
from acute.errors import InputError

Floats = NDArray[np.float64]
LOST = 1e-6  # rounding, relative to the terms that cancel, beyond which a correction is given up


class Rates(NamedTuple):
    """How a verifier errs: α, wrong responses that pass; β, right responses that fail. Numbers, or (N,)."""

    false_pass: ArrayLike = 0.0
    false_fail: ArrayLike = 0.0

    def checked(self) -> "Rates":
        """These rates. InputError unless none is negative and their sum is below 1."""
        a, b = np.asarray(self.false_pass, float), np.asarray(self.false_fail, float)
        if not ((a >= 0) & (b >= 0) & (a + b < 1)).all():
            raise InputError(
                "wanted false_pass ≥ 0 and false_fail ≥ 0 with a sum below 1 (else right responses pass no "
                f"more often than wrong ones), found {self.false_pass} and {self.false_fail}"
            )
        return self

    @property
    def slope(self) -> Floats:
        """λ = 1 - α - β. InputError for impossible rates."""
        false_pass, false_fail = self.checked()
        return np.asarray(1 - np.asarray(false_pass, float) - np.asarray(false_fail, float))


def seen(p: ArrayLike, rates: Rates) -> Floats:
    """p' = α + λ p: how often responses pass. InputError for impossible rates.

    >>> float(seen(0.0, Rates(false_pass=0.25)))
    0.25

    Reference: Rogan and Gladen 1978, Am. J. Epidemiol. 107: apparent against true prevalence.
    """
    return np.asarray(np.asarray(rates.false_pass) + rates.slope * np.asarray(p, float))


def unseen(seen_p: ArrayLike, rates: Rates) -> Floats:
    """p = (p' - α) / λ: `seen` undone, not cut off where noise or wrong rates lead outside [0, 1].

    Reference: The estimator of Rogan and Gladen 1978, Am. J. Epidemiol. 107.
    """
    return np.asarray((np.asarray(seen_p, float) - np.asarray(rates.false_pass)) / rates.slope)


def weight_in_training(p: ArrayLike, k: int, rates: Rates) -> Floats:
    """λ k (1-p')**(k-1): what optimising pass@k of the verdicts puts on ∇p of the true success.

    At α = β = 0 it is w_k(p). InputError for impossible rates.

    Reference: arXiv 2602.21189, eq. 3, by the chain rule through p'.
    """
    return np.asarray(rates.slope * k * (1 - seen(p, rates)) ** (k - 1))


def correction(k_max: int, rates: Rates) -> tuple[Floats, Floats]:
    """T of shape (k_max, k_max) and t of shape (k_max,): J_k = t_k + Σ_m T_km J'_m and ∇J_k = Σ_m T_km ∇J'_m.

    By the binomial theorem for (1-p)**k = ((1-p') - β)**k / λ**k:

        T_km = C(k, m) (-β)**(k-m) / λ**k for 1 ≤ m ≤ k,   t_k = 1 - ((1-β)/λ)**k.

    So unbiased estimates of what is seen, for every m up to k, give unbiased estimates of what is true, at no
    more responses; the noise grows with β and k. α enters through λ alone: it scales ∇J_k and no cosine.
    One rate for all prompts. NaN where the terms cancel to fewer than six digits: `LOST`.
    InputError for impossible rates.

    Reference: Eq. 2 under the rates of Rogan and Gladen 1978. (Ours.)
    """
    slope, b = float(rates.slope), float(np.asarray(rates.false_fail))
    matrix, constant = np.zeros((k_max, k_max)), np.zeros(k_max)
    for k in range(1, k_max + 1):
        if k * np.log((1 + b) / slope) > np.log(LOST / np.finfo(float).eps):
            matrix[k - 1 :], constant[k - 1 :] = np.nan, np.nan
            break
        m = np.arange(k, 1, -1)  # from T_kk down: binomial coefficients alone would overflow
        matrix[k - 1, k - 1 :: -1] = np.cumprod([slope**-k, *(-b * m / (k - m + 1))])
        constant[k - 1] = 1 - ((1 - b) / slope) ** k
    return matrix, constant


def true_pass_at_k(n: ArrayLike, c: ArrayLike, k: int, rates: Rates) -> Floats:
    """Estimate pass@k of the true success from c of n responses that passed; broadcasts over prompts.

    Unbiased, so it may leave [0, 1]; NaN where n < k. One rate for all prompts.
    InputError for impossible rates.

    Reference: the estimator of Chen et al. 2021 (arXiv:2107.03374, eq. 1) for each J'_m.
    """
    matrix, constant = correction(k, rates)
    parts = [x * pass_at_k(n, c, m) for m, x in enumerate(matrix[-1], 1) if x]
    return np.asarray(constant[-1] + np.sum(np.broadcast_arrays(*parts), axis=0))
