"""Methods of multi-objective descent on the 2×2 Gram matrix of (∇J_k, ∇J_1), by torchjd.

They need the three inner products alone, and answer with a point α ∇J_k + β ∇J_1 of the family that mixture
and projection belong to (`acute.core.mitigations`): compare at equal step length.
"""

from typing import Any

import numpy as np

from acute.core.mitigations.seen import Reweighting, Seen, mixed
from acute.errors import OutsideError


def gram(seen: Seen) -> Any:
    """[[‖∇J_k‖², I], [I, ‖∇J_1‖²]] as a float64 tensor.

    |I| is held at √(‖∇J_k‖²‖∇J_1‖²): noisy estimates can break Cauchy-Schwarz, and no gradients have such a
    Gram matrix. InputError where a squared norm is not positive.
    """
    import torch

    seen.wanted(0.0)
    most = float(np.sqrt(max(seen.norm_k, 0.0) * seen.norm_1))
    inner = float(np.clip(seen.inner, -most, most))
    return torch.tensor([[max(seen.norm_k, 0.0), inner], [inner, seen.norm_1]], dtype=torch.float64)


def _weightings() -> Any:
    try:
        from torchjd import aggregation
    except ImportError as error:
        raise OutsideError(
            "the mitigations upgrad and pcd need torchjd: pip install 'acute[train]'"
        ) from error
    return aggregation


def upgrad(seen: Seen) -> Reweighting:
    """UPGrad: the mean of ∇J_k and ∇J_1, each projected onto the directions that lower neither.

    Guarantees, to first order: neither pass@k nor pass@1 falls. Without conflict it is the plain mean, not
    ∇J_k: it always mixes in half of ∇J_1.

    Reference: Jacobian descent, arXiv:2406.16232.
    """
    weightings = _weightings()
    from torchjd.linalg import QuadprogProjector

    # by default torchjd takes a Gram matrix with a trace below 1e-4 for zero, and then protects nothing
    exact = QuadprogProjector(norm_eps=0.0, reg_eps=1e-13)
    alpha, beta = weightings.UPGradWeighting(projector=exact)(gram(seen)).tolist()
    return mixed(seen, alpha, beta)


def pcd(seen: Seen, margin: float = 0.02) -> Reweighting:
    """Priority-constrained descent: as near to ∇J_k as ⟨g, ∇J_1⟩ >= margin allows, both gradients normalised.

    Guarantees, to first order: along the step, in units where ∇J_k and ∇J_1 have length 1, pass@1 rises by
    `margin` or more before the step is given the length of ∇J_k; so pass@1 does not fall. It is `projection`
    with the margin margin · ‖∇J_k‖/‖∇J_1‖, at the length of ∇J_k. No average over steps is kept (β = 0), so
    that the answer depends on what was seen alone.

    Reference: Priority-constrained descent, arXiv:2606.29521, with ∇J_k as the primary objective.
    """
    alpha, beta = _weightings().PCDWeighting(tau=margin, beta=0.0, eps=0.0)(gram(seen)).tolist()
    return mixed(seen, alpha, beta)
