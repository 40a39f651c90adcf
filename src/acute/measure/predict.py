"""What one step along an objective's gradient does to pass@k, from one checkpoint's table.

The step is θ + η ∇J_f, the expected update of the objective f, or one of given length along it. Two
predictions for each k:

* `first_order`, η ⟨∇J_f, ∇J_k⟩: exact as η → 0, unbiased, with an interval;
* `curved`, in which every prompt's log-odds move on a straight line: the same for short steps, and for longer
  ones the measure of what the first order leaves out.

Suffixes name axes: N prompts, M folds, J objectives.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.parts import values
from acute.core.products import Advantage, Product, Products, coefficients, unbiased
from acute.core.steps import moved_along_log_odds
from acute.errors import ConfigError, NotEnoughData
from acute.measure.conflict import Measured, finite_answers
from acute.measure.intervals import FEWEST, fold_variance, from_error, pair_variance, ratio
from acute.measure.reasons import NEGATIVE, too_few

Floats = NDArray[np.float64]
NOWHERE = 1e300  # the end of an interval that has none on that side
UNSURE = "‖{}‖ is not surely above 0, so a step of given length may be any one: {}, or give the step size η"
SHORT = 0.1  # root mean square change of log-odds of the step that is taken where none is asked for


class Change(NamedTuple):
    """Predicted change of pass@k after the step; a member is None where it cannot be had."""

    k: int
    first_order: Estimate | None
    """Of these prompts: the interval carries the rollouts' noise, not the step's curvature."""
    curved: Estimate | None
    """Of these prompts, log-odds moving straight; the error of p itself is not in its interval."""
    population: Estimate | None
    """First order, of the prompt distribution and a step along its gradient."""

    @property
    def holds(self) -> bool | None:
        """Whether the curved prediction lies inside the first order's interval; None if one is unknown."""
        if self.first_order is None or self.first_order.lo is None or self.curved is None:
            return None
        return bool(self.first_order.lo <= self.curved.value <= (self.first_order.hi or 0.0))


class Prediction(NamedTuple):
    """A step and what it is predicted to do."""

    eta: float
    length: float | None
    """η ‖∇J_f‖; None where the estimated squared norm is not positive."""
    log_odds_moved: float
    """Root mean square over prompts of the predicted change of log-odds."""
    changes: list[Change]
    reasons: dict[str, str]
    """Why a change or its interval is unknown, by its name and k: "population.16"."""


class Slopes:
    """⟨∇J_f, ∇J_k⟩ for each k, ⟨∇J_f, ∇p(x)⟩ for each prompt, and ‖∇J_f‖²."""

    def __init__(self, measured: Measured, objective: Advantage, ks: Sequence[int]) -> None:
        self.measured, self.ks, self.N = measured, list(ks), len(measured.n_NM)
        self.size = measured.sketch_size
        objectives = [objective, unbiased(1), *(unbiased(k) for k in self.ks)]
        self._objectives = coefficients(objectives, measured.n_NM, measured.c_NM)
        products = Products(measured.sums_NMOD, self._objectives)
        self.with_k = [products.product(2 + i, 0) for i in range(len(self.ks))]
        self.norms_k = [products.product(2 + i, 2 + i) for i in range(len(self.ks))]
        self.norm = products.product(0, 0)
        if not np.isfinite(self.norm.finite):
            raise NotEnoughData(
                "the objective needs more rewarded responses in each fold of a prompt than there are"
            )
        self.slope_N = values(products, 1)
        self.p_N = measured.c_N / measured.n_N

    def log_odds_per_eta(self) -> float:
        """Root mean square over prompts of how fast their log-odds move with η; those never or always right
        show no gradient and count as standing still."""
        spread = self.p_N * (1 - self.p_N)
        speed = self.slope_N[spread > 0] / spread[spread > 0]
        return float(np.sqrt((speed**2).sum() / self.N))

    def eta_of(self, length: float) -> float:
        """η of a step of this length. NotEnoughData where ‖∇J_f‖² is not estimated positive."""
        if not self.norm.finite > 0:
            raise NotEnoughData(
                f"the estimated ‖∇J‖² of the objective is {self.norm.finite:.3g}, not positive: a step of "
                f"given length has no known size; sample more responses, or give the step size η"
            )
        return float(length / np.sqrt(self.norm.finite))

    def _products_with(self, share_JN: Floats) -> list[Product]:
        """(1/N) Σ_x share_x ⟨∇p(x), ∇J_f⟩ for each row of shares."""
        first = coefficients([unbiased(1)], self.measured.n_NM, self.measured.c_NM)
        products = Products(self.measured.sums_NMOD, self._objectives + first.restricted(share_JN))
        return [products.product(2 + len(self.ks) + j, 0) for j in range(len(share_JN))]

    def predict(self, eta: float, normalised: bool) -> Prediction:
        """The step η. `normalised`: its length is what was given, so η carries the error of ‖∇J_f‖."""
        first = [self._first_order(i, eta, normalised) for i in range(len(self.ks))]
        curved = self._curved(eta, normalised)
        population = [self._population(i, eta, normalised) for i in range(len(self.ks))]
        changes = [Change(*each) for each in zip(self.ks, first, curved, population, strict=True)]
        reasons = {
            f"{name}.{k}": self._reason(i, of, normalised)
            for i, k in enumerate(self.ks)
            for name, of, found in (
                ("first_order", "finite", first),
                ("population", "population", population),
            )
            if not _is_known(found[i])
        }
        length = eta * np.sqrt(self.norm.finite) if self.norm.finite > 0 else None
        return Prediction(
            eta, None if length is None else float(length), eta * self.log_odds_per_eta(), changes, reasons
        )

    def _reason(self, i: int, of: str, normalised: bool) -> str:
        """Why the change of pass@k, or its interval, is unknown."""
        if of == "population" and self.N < FEWEST:
            return too_few(self.N)
        if not np.isfinite(getattr(self.with_k[i], of)):
            return "more rewarded responses a prompt are needed for this k than there are"
        square = getattr(self.norm, of)
        if normalised and not square > 0:
            return NEGATIVE.format("∇J", square)
        return UNSURE.format("∇J", "take more " + ("prompts" if of == "population" else "responses"))

    def _first_order(self, i: int, eta: float, normalised: bool) -> Estimate | None:
        product, own = self.with_k[i], self.norm.finite
        if not np.isfinite(product.finite):
            return None
        scale = max(own, 0.0) * max(self.norms_k[i].finite, 0.0)
        if not normalised:
            return _times(finite_answers([product], self.size, scale)[0].estimate, eta)
        return _times(self._per_length(product, self.norm, "finite", scale), eta * float(np.sqrt(own)))

    def _population(self, i: int, eta: float, normalised: bool) -> Estimate | None:
        product, own = self.with_k[i], self.norm
        if not np.isfinite(product.population):
            return None
        scale = max(own.population, 0.0) * max(self.norms_k[i].population, 0.0)
        if normalised:
            length = eta * float(np.sqrt(own.finite))
            return _times(self._per_length(product, own, "population", scale), length)
        variance, df = pair_variance(product.psi_N)
        variance += (scale + product.population**2) / self.size
        return _times(from_error(product.population, float(np.sqrt(variance)), df), eta)

    def _per_length(self, product: Product, own: Product, of: str, scale: float) -> Estimate | None:
        """⟨∇J_f, ∇J_k⟩ / ‖∇J_f‖, with Fieller's interval; the root's influence to first order."""
        top, square = getattr(product, of), getattr(own, of)
        if not square > 0 or (of == "population" and self.N < FEWEST):
            return None
        bottom = float(np.sqrt(square))
        field = "deviation_NM" if of == "finite" else "psi_N"
        a, b = getattr(product, field), getattr(own, field) / (2 * bottom)
        from_sketch = max(scale - top**2 / 2, 0.0) / self.size

        def variance_along(r: float) -> tuple[float, float]:
            if of == "population":
                variance, df = pair_variance(a - r * b)
            else:
                variance, df = fold_variance(a - r * b)
                variance /= self.N**2
            return variance + from_sketch, df

        return ratio(top, bottom, variance_along, (-NOWHERE, NOWHERE))

    def curved_weights(self, eta: float) -> Floats:
        """How fast the curved pass@k rises with each prompt's η slope, w_k(p′) dp′/d(η slope); (K, N)."""
        spread = self.p_N * (1 - self.p_N)
        after = moved_along_log_odds(self.p_N, eta * self.slope_N)
        speed = np.where(spread > 0, after * (1 - after) / np.where(spread > 0, spread, 1.0), 0.0)
        return np.stack([k * (1 - after) ** (k - 1) * speed for k in self.ks])

    def _curved(self, eta: float, normalised: bool) -> list[Estimate]:
        """Every prompt's log-odds move by η slope / (p (1 - p)); the error is the slopes', linearised."""
        p, after = self.p_N, moved_along_log_odds(self.p_N, eta * self.slope_N)
        found = []
        for k, product in zip(self.ks, self._products_with(self.curved_weights(eta)), strict=True):
            value = float(np.mean((1 - p) ** k - (1 - after) ** k))
            deviation = product.deviation_NM
            if normalised:
                deviation = deviation - product.finite / (2 * self.norm.finite) * self.norm.deviation_NM
            variance, df = fold_variance(deviation)
            room = float(np.mean(1 - (1 - p) ** k))  # as far as pass@k can fall
            found.append(from_error(value, eta * float(np.sqrt(variance)) / self.N, df, (-room, 1 - room)))
        return found


def _is_known(estimate: Estimate | None) -> bool:
    """Whether there is an estimate with both ends of its interval."""
    return estimate is not None and estimate.lo is not None and estimate.hi is not None


def _times(estimate: Estimate | None, by: float) -> Estimate | None:
    """The estimate and its error times a positive number; ends at `NOWHERE` are unknown."""
    if estimate is None:
        return None

    def scaled(x: float | None) -> float | None:
        return None if x is None or abs(x) >= NOWHERE else x * by

    return Estimate(estimate.value * by, scaled(estimate.se), scaled(estimate.lo), scaled(estimate.hi))


def predict(
    measured: Measured,
    objective: Advantage,
    ks: Sequence[int],
    eta: float | None = None,
    length: float | None = None,
) -> Prediction:
    """Predicted change of pass@k, for each of `ks`, after θ + η ∇J_f or a step of `length` along ∇J_f.

    `objective` gives the advantages of a success and a failure, unbiased for ∇J_f at any number of
    responses. With neither: a step that moves log-odds by `SHORT` (root mean square over prompts).
    ConfigError unless the step is positive and given once; NotEnoughData where a fold has too few responses
    for the objective, or where a length is given and ‖∇J_f‖² is not estimated positive.
    """
    if eta is not None and length is not None:
        raise ConfigError("wanted the step size η or the step's length, found both")
    for name, given in (("step size η", eta), ("step length", length)):
        if given is not None and not (given > 0 and np.isfinite(given)):
            raise ConfigError(f"wanted a positive {name}, found {given}")
    slopes = Slopes(measured, objective, ks)
    if length is not None:
        return slopes.predict(slopes.eta_of(length), normalised=True)
    if eta is None:
        speed = slopes.log_odds_per_eta()
        if not speed > 0:
            raise NotEnoughData(
                "the objective moves no prompt that was both right and wrong: no step is predicted"
            )
        eta = SHORT / speed
    return slopes.predict(eta, normalised=False)
