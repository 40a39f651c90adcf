"""The direction of a step, by method, from exact p, exact gradients and exact a(x)."""

from typing import NamedTuple

import numpy as np
import torch
from world import Gradient, World, dot

from acute.core.estimators import Floats
from acute.core.mitigations.adaptive_k import adaptive_k
from acute.core.mitigations.annealing import annealed_k
from acute.core.mitigations.flattening import largest_truncation
from acute.core.mitigations.mixture import mixture_share
from acute.core.mitigations.seen import Seen
from acute.core.objectives import truncated_log
from acute.train.mitigate import REWEIGHT

OF_TWO = ("mixture", "projection", "projection-0.5", "upgrad", "pcd")  # α ∇J_k + β ∇J_1
BY_PROMPT = ("reweighting", "clip", "power", "truncation", "adaptive-k")  # need a(x) of every prompt
METHODS = ("pass@1", "pass@k", "annealing", *OF_TWO, *BY_PROMPT)


class Direction(NamedTuple):
    """What is known at θ, and where the method goes from there."""

    p_N: Floats
    first: Gradient
    """∇J_1."""
    kth: Gradient | None
    """∇J_k; None where the method did not need it."""
    along: Gradient
    seen: Seen
    k_used: int | None


def pass_k_weight(p_N: Floats, k: int) -> Floats:
    """f'(p) of pass@k."""
    return k * (1 - p_N) ** (k - 1)


def mixed(scale: float, kth: Gradient, of_first: float, first: Gradient) -> Gradient:
    """scale ∇J_k + of_first ∇J_1."""
    return [scale * b + of_first * a for a, b in zip(first, kth, strict=True)]


def _of_two(method: str, seen: Seen) -> tuple[float, float]:
    name, _, margin = method.partition("-")
    given = float(margin) if margin else (0.02 if name == "pcd" else 0.0)
    v = REWEIGHT[name](seen, given)
    return v.scale, float(v.added_N[0])


def _by_prompt(method: str, seen: Seen, p_N: Floats, k: int) -> tuple[Floats, int | None]:
    """Prompt weights v, and the k (or T) where the method has one."""
    a, w = seen.agreement_N, seen.weights_N
    if method == "adaptive-k":
        ks = range(1, k + 1)
        used = adaptive_k(list(ks), [float(np.mean(pass_k_weight(p_N, j) * a)) for j in ks])
        return pass_k_weight(p_N, used), used
    if method == "truncation":
        used = largest_truncation(p_N, seen, k)
        return truncated_log(used).weight(p_N), used
    return REWEIGHT[method](seen, 0.0).of(w), None


def direction(world: World, method: str, k: int, step: int, steps: int) -> Direction:
    """The direction of `method` at the world's weights, at step `step` of `steps`."""
    p = world.success()
    p_N = p.detach().numpy().copy()
    w, ones = pass_k_weight(p_N, k), np.ones_like(p_N)
    first = world.gradient(p, ones, last=method == "pass@1")
    norm_1, none = dot(first, first), np.zeros_like(p_N)
    if method in BY_PROMPT:
        a = world.agreement(first)
        seen = Seen(w, a, float(np.mean(w * a)), float(a.mean()), np.nan)
        # ‖∇J_k‖² is not needed by these; any finite number says "known"
        v, used = _by_prompt(method, seen._replace(norm_k=0.0), p_N, k)
        return Direction(p_N, first, None, world.gradient(p, v, last=True), seen, used)
    if method == "pass@1":  # the other gradient would only be for the record
        return Direction(p_N, first, None, first, Seen(w, none, np.nan, norm_1, np.nan), 1)
    kth = world.gradient(p, w, last=method != "annealing")
    seen = Seen(w, none, dot(first, kth), norm_1, dot(kth, kth))
    if method == "annealing":
        used = annealed_k(step, steps, k)
        along = world.gradient(p, pass_k_weight(p_N, used), last=True)
        return Direction(p_N, first, kth, along, seen, used)
    if method in OF_TWO:
        scale, added = _of_two(method, seen)
        return Direction(p_N, first, kth, mixed(scale, kth, added, first), seen, None)
    return Direction(p_N, first, kth, kth, seen, k)


class Sgd:
    """Plain steps, the gradient cut to norm 1 as trainers do: of length `rate` while it is longer than 1."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def step(self, along: Gradient) -> Gradient:
        """What is added to θ."""
        factor = self.rate / max(1.0, dot(along, along) ** 0.5)
        return [factor * x for x in along]


class Adam:
    """AdamW without weight decay at torch's default moments, the gradient cut to norm 1 first."""

    def __init__(self, rate: float) -> None:
        self.rate, self.steps = rate, 0
        self.mean: Gradient = []
        self.square: Gradient = []

    def step(self, along: Gradient) -> Gradient:
        """What is added to θ."""
        if not self.mean:
            self.mean = [torch.zeros_like(x) for x in along]
            self.square = [torch.zeros_like(x) for x in along]
        cut = 1 / max(1.0, dot(along, along) ** 0.5)
        self.steps += 1
        one, two = 1 - 0.9**self.steps, 1 - 0.999**self.steps
        out = []
        for x, m, v in zip(along, self.mean, self.square, strict=True):
            m.mul_(0.9).add_(x, alpha=0.1 * cut)
            v.mul_(0.999).addcmul_(x, x, value=0.001 * cut**2)
            out.append((m / ((v / two).sqrt_().add_(1e-8))).mul_(self.rate / one))
        return out


OPTIMIZERS = {"sgd": Sgd, "adamw": Adam}


def share(seen: Seen) -> float | None:
    """λ*, where the conflict is known."""
    return mixture_share(seen._replace(norm_k=0.0)) if np.isfinite(seen.inner) else None
