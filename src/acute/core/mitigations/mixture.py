"""Conflict-free mixture of ∇J_k and ∇J_1."""

from acute.core.mitigations.seen import Reweighting, Seen, mixed


def mixture_share(seen: Seen, margin: float = 0.0) -> float:
    """λ*: the least λ in [0, 1] for which λ∇J_1 + (1-λ)∇J_k keeps pass@1's rise at margin · ‖∇J_1‖² or more.

    (margin ‖∇J_1‖² - I) / (‖∇J_1‖² - I), and 0 where there is nothing to mend. InputError as `Seen.wanted`.

    Reference: theory of arXiv 2602.21189, Prop. 4.1; the formula is ours.
    """
    wanted = seen.wanted(margin)
    if seen.inner >= wanted:
        return 0.0
    return (wanted - seen.inner) / (seen.norm_1 - seen.inner)


def mixture(seen: Seen, margin: float = 0.0) -> Reweighting:
    """v = λ* + (1-λ*) w.

    Guarantees, to first order: pass@1 rises by margin · ‖∇J_1‖² per step size or more, and pass@k does not
    fall at margin 0: ⟨g, ∇J_k⟩ = (1-λ*)(‖∇J_k‖² - I²/‖∇J_1‖²) >= 0 by Cauchy-Schwarz.

    Reference: λ* = -I / (‖∇J_1‖² - I), from eq. 9 for λ J_1 + (1-λ) J_k. (Ours.)
    """
    share = mixture_share(seen, margin)
    return mixed(seen, 1 - share, share)
