"""What a mitigation sees, what it answers, and what the answer does to first order."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.agreement import inner_product, shares
from acute.errors import InputError

Floats = NDArray[np.float64]


class Seen(NamedTuple):
    """The conflict of one objective with pass@1, measured or exact. N prompts."""

    weights_N: Floats
    """f'(p(x)) of the objective: k (1-p)**(k-1) for pass@k."""
    agreement_N: Floats
    """a(x) = ⟨∇p(x), ∇J_1⟩."""
    inner: float
    """⟨∇J_k, ∇J_1⟩ = E[w a]."""
    norm_1: float
    """‖∇J_1‖² = E[a]."""
    norm_k: float
    """‖∇J_k‖²."""
    mass_N: Floats | None = None
    """Share of each prompt; None for equal shares."""

    def need_finite(self) -> None:
        """InputError if a number is missing: an unknown conflict cannot be mitigated."""
        known = np.isfinite([self.inner, self.norm_1, self.norm_k]).all()
        if not (known and np.isfinite(self.weights_N).all() and np.isfinite(self.agreement_N).all()):
            raise InputError("a mitigation needs finite weights, agreement scores and inner products")

    def wanted(self, margin: float) -> float:
        """margin · ‖∇J_1‖², the progress of pass@1 that is asked for.

        InputError for a margin outside [0, 1] or where ‖∇J_1‖² is not positive: then no direction is known
        to raise pass@1, and there is nothing to hold on to.
        """
        self.need_finite()
        if not 0 <= margin <= 1:
            raise InputError(f"the margin is a share of ‖∇J_1‖², wanted 0 to 1, found {margin}")
        if not self.norm_1 > 0:
            raise InputError(f"wanted ‖∇J_1‖² > 0, found {self.norm_1:g}: measure with more responses")
        return margin * self.norm_1


class Reweighting(NamedTuple):
    """The prompt weight v = scale · w + added(x).

    Kept apart so that a trainer can execute it without bias: scale times the objective's own advantages plus
    added(x) times pass@1's. A constant `added` is the family of the 2×2 Gram matrix.
    """

    scale: float
    added_N: Floats

    def of(self, weights_N: Floats) -> Floats:
        """v(x), shape (N,)."""
        return np.asarray(self.scale * weights_N + self.added_N)

    def times(self, factor: float) -> "Reweighting":
        """The same direction, so many times as long."""
        return Reweighting(self.scale * factor, self.added_N * factor)


def unchanged(seen: Seen) -> Reweighting:
    """v = w: no mitigation.

    Reference: Eq. 3.
    """
    return Reweighting(1.0, np.zeros_like(seen.weights_N))


def mixed(seen: Seen, scale: float, of_pass_1: float) -> Reweighting:
    """v = scale · w + of_pass_1: the step scale ∇J_k + of_pass_1 ∇J_1.

    Reference: Eq. 2: ∇J_k = E[w_k ∇p] and ∇J_1 = E[∇p], so both are weights on ∇p.
    """
    return Reweighting(scale, np.full_like(seen.weights_N, of_pass_1))


def progress_1(seen: Seen, v: Reweighting) -> float:
    """d J_1 / dη of the step E[v ∇p]: scale · ⟨∇J_k, ∇J_1⟩ + E[added a].

    Reference: Eq. 9, for the weights v in place of w.
    """
    return v.scale * seen.inner + inner_product(v.added_N, seen.agreement_N, seen.mass_N)


def length_in_family(seen: Seen, scale: float, of_pass_1: float) -> float:
    """‖scale ∇J_k + of_pass_1 ∇J_1‖ from the Gram matrix; 0 where noise makes the square negative.

    Reference: The Gram matrix of eqs. 2 and 9.
    """
    square = scale**2 * seen.norm_k + 2 * scale * of_pass_1 * seen.inner + of_pass_1**2 * seen.norm_1
    return float(np.sqrt(max(square, 0.0)))


def at_length(v: Reweighting, length: float, wanted: float) -> Reweighting:
    """v scaled from step length `length` to `wanted`, so that methods can be compared.

    InputError unless the length is positive.

    Not in the paper: directions are compared at equal ‖step‖.
    """
    if not length > 0:
        raise InputError(f"wanted a step of positive length to rescale, found {length:g}")
    return v.times(wanted / length)


def mean_product(seen: Seen, v_N: Floats) -> float:
    """E[v a]: what prompt weights v do to pass@1 to first order.

    Reference: Eq. 9, for the weights v in place of w.
    """
    return float(shares(len(v_N), seen.mass_N) @ (v_N * seen.agreement_N))
