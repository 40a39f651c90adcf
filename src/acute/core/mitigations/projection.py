"""Projection of ∇J_k onto the half-space in which pass@1 does not fall."""

from acute.core.mitigations.seen import Reweighting, Seen, mixed


def projection(seen: Seen, margin: float = 0.0) -> Reweighting:
    """The step nearest to ∇J_k with ⟨g, ∇J_1⟩ >= τ‖∇J_1‖², τ = margin: v = w + max(0, τ - I/‖∇J_1‖²).

    Guarantees, to first order: pass@1 rises by τ‖∇J_1‖² per step size or more; at τ = 0 pass@k rises by
    ‖∇J_k‖² - I²/‖∇J_1‖² >= 0 where there was a conflict. There it is `mixture` at another length.
    InputError as `Seen.wanted`.

    Reference: A-GEM, arXiv:1812.00420; PCGrad, arXiv:2001.06782, with pass@1 as reference.
    """
    wanted = seen.wanted(margin)
    return mixed(seen, 1.0, max(0.0, wanted - seen.inner) / seen.norm_1)
