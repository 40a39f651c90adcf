"""How far one step on ∇J_k lowers pass@1 and raises pass@k: smoothness constants, step ranges, a curved path.

G2 and F are the constants of assumption 4.3: E‖∇ log π(y|x)‖² <= G2 and E‖∇² log π(y|x)‖ <= F for every
prompt. The functions named `paper_*` give the paper's constants; `sharp_*` smaller ones that hold as well.
All are conservative: they bound the worst prompt.

Reference: arXiv 2602.21189, section 4.3 and appendix C.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.errors import InputError

Floats = NDArray[np.float64]


def _need(k: int, G2: float, F: float) -> None:
    if k < 1 or G2 < 0 or F < 0:
        raise InputError(f"needed k >= 1, G2 >= 0 and F >= 0, found k = {k}, G2 = {G2}, F = {F}")


def paper_smoothness(k: int, G2: float, F: float) -> float:
    """L_k = k² G² + k F: ‖∇²J_k‖ <= L_k. Reference: arXiv 2602.21189, appendix C."""
    _need(k, G2, F)
    return k**2 * G2 + k * F


def sharp_smoothness(k: int, G2: float, F: float) -> float:
    """(k-1)(1-1/k)**(k-1) G² + k (G² + F)/2: also bounds ‖∇²J_k‖, linear in k. (Ours.)

    ‖∇p‖² <= p(1-p) G² beside |w_k'| = k(k-1)(1-p)**(k-2), whose product peaks at p = 1/k; and
    E[∇∇log π + ∇log π ∇log πᵀ] = 0 lets r be centred at 1/2 in ∇²p.

    Reference: Sharpens the lemma of App. C of arXiv 2602.21189, L_k = k²G² + kF.
    """
    _need(k, G2, F)
    return (k - 1) * (1 - 1 / k) ** (k - 1) * G2 + k * (G2 + F) / 2


def paper_gradient_bound(k: int, G2: float) -> float:
    """k² G² >= ‖∇J_k‖². Reference: arXiv 2602.21189, appendix C."""
    _need(k, G2, 0.0)
    return k**2 * G2


def sharp_gradient_bound(k: int, G2: float) -> float:
    """(k/2)(1 - 1/(2k))**(2k-1) G² >= ‖∇J_k‖²: the largest w_k(p)² p(1-p) G², at p = 1/(2k). (Ours.)

    Reference: Sharpens ‖∇J_k‖² <= k²G², used for Prop. 4.6.
    """
    _need(k, G2, 0.0)
    return k / 2 * (1 - 1 / (2 * k)) ** (2 * k - 1) * G2


class OneStep(NamedTuple):
    """What is guaranteed of θ + η ∇J_k for all 0 < η < `largest`."""

    largest: float
    """Both effects are strict below this step size; 0 if nothing is guaranteed."""
    best_for_drop: float
    """The step size with the largest guaranteed drop of J_1."""
    best_for_rise: float
    """The step size with the largest guaranteed rise of J_k."""


def paper_step(delta_theta: float, k: int, G2: float, F: float) -> OneStep:
    """Proposition 4.6: min(δ(θ)/C_2, 1/L_k) with C_2 = k² G² L_1/2. Zeros unless δ(θ) > 0.

    At the end δ(θ)/C_2 itself the drop is no longer strict, as printed. InputError for k < 2.

    Reference: arXiv 2602.21189, proposition 4.6.
    """
    _need_conflict(k)
    if not delta_theta > 0:
        return OneStep(0.0, 0.0, 0.0)
    c2 = paper_gradient_bound(k, G2) * paper_smoothness(1, G2, F) / 2
    rise = 1 / paper_smoothness(k, G2, F)
    return OneStep(min(delta_theta / c2, rise), delta_theta / (2 * c2), rise)


def sharp_step(inner: float, norm_squared: float, L1: float, Lk: float) -> OneStep:
    """min(2|I| / (L_1 ‖∇J_k‖²), 2/L_k) for I = ⟨∇J_k, ∇J_1⟩ < 0, with any valid smoothness constants. (Ours.)

    Zeros unless I < 0. The guaranteed drop is largest at |I| / (L_1 ‖∇J_k‖²), the rise at 1/L_k.

    Reference: Widens the range of Prop. 4.6.
    """
    if not inner < 0:
        return OneStep(0.0, 0.0, 0.0)
    drop = -inner / (L1 * norm_squared)
    return OneStep(min(2 * drop, 2 / Lk), drop, 1 / Lk)


def pass_at_1_change_bounds(inner: float, norm_squared: float, L1: float, step: float) -> tuple[float, float]:
    """Between what J_1(θ + η ∇J_k) - J_1(θ) lies: η I ∓ η² L_1 ‖∇J_k‖²/2, (lower, upper).

    Reference: arXiv 2602.21189, eq. 17, on both sides.
    """
    slack = step**2 * L1 * norm_squared / 2
    return step * inner - slack, step * inner + slack


def pass_at_k_gain_bound(norm_squared: float, Lk: float, step: float) -> float:
    """J_k(θ + η ∇J_k) - J_k(θ) is at least η (1 - η L_k/2) ‖∇J_k‖². Reference: arXiv 2602.21189, eq. 18."""
    return step * (1 - step * Lk / 2) * norm_squared


def moved_along_log_odds(p: ArrayLike, change: ArrayLike) -> Floats:
    """p after a step that changes it by `change` to first order, if its log-odds move straight. (Ours.)

    The log-odds move by change / (p (1 - p)): p stays inside [0, 1] at any length, where p + change does
    not, and the curvature of p near its ends, and of pass@k in p, is in. What the model bends besides is
    not. p = 0 and p = 1 stay where they are.

    >>> [round(float(x), 3) for x in moved_along_log_odds([0.5, 0.1, 0.0], [0.01, 0.3, 0.2])]
    [0.51, 0.757, 0.0]

    Reference: Beyond the first order of section 3.1.
    """
    p, change = np.asarray(p, float), np.asarray(change, float)
    spread = p * (1 - p)
    inside = np.where(spread > 0, p, 0.5)
    with np.errstate(over="ignore"):  # e**-u is infinite: p goes to 0
        odds_against = (1 - inside) / inside * np.exp(-change / np.where(spread > 0, spread, 1.0))
    return np.where(spread > 0, 1 / (1 + odds_against), p)


def _need_conflict(k: int) -> None:
    if k < 2:
        raise InputError(f"pass@1 cannot be in conflict with itself: needed k >= 2, found {k}")
