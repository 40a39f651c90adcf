"""From which k pass@k turns against pass@1: certificates and thresholds, the paper's and sharper ones.

Everything here is about ⟨∇J_k, ∇J_1⟩ = E[w_k(p) a] on a finite set of prompts with success probabilities p,
agreement scores a and shares `mass` (None: equal), all of shape (N,). w_k(p) = k (1-p)**(k-1).

G2 bounds E‖∇ log π‖² on every prompt (G² of the paper's assumption 4.3); B is any bound on a outside the set
of strongly negative prompts: the paper takes B = G², and G²/4 is always enough, since
‖∇p‖² = ‖E[(r - p) ∇ log π]‖² <= p(1-p) G². On data, B is the largest such a.

Reference: arXiv 2602.21189, sections 4.2-4.3. Corollary 4.4 is printed with "δ(θ) < 0"; it needs δ(θ) > 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.agreement import shares
from acute.errors import InputError

Floats = NDArray[np.float64]


def _prompts(p: ArrayLike, a: ArrayLike, mass: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    p, a = np.asarray(p, float), np.asarray(a, float)
    if p.ndim != 1 or p.shape != a.shape or not len(p) or not np.isfinite(a).all():
        raise InputError(
            f"p and a must be finite, one of each a prompt; found shapes {p.shape} and {a.shape}"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"success probabilities must lie in [0, 1], found {p[~((p >= 0) & (p <= 1))][0]}")
    return p, a, shares(len(p), mass)


def _weight(p: Floats, k: int) -> Floats:
    return np.asarray(k * (1 - p) ** (k - 1))


class Split(NamedTuple):
    """The prompts with a <= -m against the rest, under the weights of one k."""

    q: float
    """Mass of the prompts with a <= -m."""
    W_minus: float
    """E[w 1{a <= -m}]."""
    W_plus: float
    """E[w 1{a > -m}]."""
    B: float
    """Largest a among the rest; -inf if there is none."""


def split(p: ArrayLike, a: ArrayLike, k: int, m: float, mass: ArrayLike | None = None) -> Split:
    """q, W₋, W₊ and B of the m-strongly negatively interfering set {x : a(x) <= -m}, m > 0.

    Reference: arXiv 2602.21189, eqs. 13-15. InputError for m <= 0.
    """
    if not m > 0:
        raise InputError(f"the margin m must be positive, found {m}")
    p, a, d = _prompts(p, a, mass)
    negative, w = a <= -m, _weight(p, k)
    rest = a[~negative].max(initial=-np.inf)
    return Split(*(float(x) for x in (d @ negative, d @ (w * negative), d @ (w * ~negative), rest)))


def conflict_margin(m: float, W_minus: float, W_plus: float, bound: float) -> float:
    """δ(θ) = m W₋ - B W₊: ⟨∇J_k, ∇J_1⟩ <= -δ(θ), so that conflict is certain if δ(θ) > 0.

    `bound` is B: G² in the paper, G²/4, or the largest measured a outside the set.

    Reference: arXiv 2602.21189, corollary 4.4 with its sign corrected.
    """
    return m * W_minus - bound * W_plus


class Certificate(NamedTuple):
    """The best proof of conflict at one k. Field names are those of `analysis.json`."""

    delta_theta: float
    """m W₋ - B W₊ at the best m: ⟨∇J_k, ∇J_1⟩ <= -delta_theta; a proof of conflict if positive."""
    W_minus: float
    W_plus: float
    m: float
    q: float
    B: float


def certificate(p: ArrayLike, a: ArrayLike, k: int, mass: ArrayLike | None = None) -> Certificate | None:
    """Corollary 4.4 with B = the largest a outside the set, at the m of the measured scores that proves most.

    None if no score is negative. If all are, W₊ = 0 and B = 0. Reference: arXiv 2602.21189, corollary 4.4.
    """
    p, a, d = _prompts(p, a, mass)
    best = None
    for margin in np.unique(-a[a < 0]):
        m = float(margin)
        q, minus, plus, largest = split(p, a, k, m, d)
        bound = largest if np.isfinite(largest) else 0.0
        found = Certificate(conflict_margin(m, minus, plus, bound), minus, plus, m, q, bound)
        if best is None or found.delta_theta > best.delta_theta:
            best = found
    return best


def k_star(epsilon: float, delta: float, q: float, m: float, bound: float) -> float:
    """k* = 1 + log((1-q) B / (q m)) / log((1-ε)/(1-δ)): every k > k* is in conflict. Never below 1.

    Needs p <= ε on the set {a <= -m} of mass q > 0, p >= δ > ε elsewhere, B >= a elsewhere. Sufficient only:
    the exact threshold is `k_dagger`. Where noise leaves (1-q) B < q m, which exact scores cannot, 1 is
    returned: conflict at every k > 1.

    Reference: arXiv 2602.21189, proposition 4.5, with B for G². InputError unless 0 <= ε < δ <= 1, 0 < q <= 1
    and m > 0.
    """
    if not (0 <= epsilon < delta <= 1 and 0 < q <= 1 and m > 0):
        raise InputError(
            f"k* needs 0 <= epsilon < delta <= 1, 0 < q <= 1, m > 0; found {epsilon}, {delta}, {q}, {m}"
        )
    against = (1 - q) * bound
    if delta == 1 or against <= q * m:
        return 1.0
    return float(1 + np.log(against / (q * m)) / (np.log1p(-epsilon) - np.log1p(-delta)))


class KStar(NamedTuple):
    """The smallest k* over the margins m. Field names are those of `analysis.json`."""

    epsilon: float
    """Largest p of the prompts with a <= -m."""
    delta: float
    """Smallest p of the others."""
    q: float
    m: float
    G2: float | None
    B: float
    """Largest a of the others."""
    value_paper: float | None
    """With G² as the paper has it; None where G² was not measured."""
    value_sharp: float
    """With B."""


def k_star_scan(
    p: ArrayLike, a: ArrayLike, mass: ArrayLike | None = None, G2: float | None = None
) -> KStar | None:
    """k* of Prop. 4.5, m scanned over the measured scores for the smallest threshold (with B).

    None unless some m separates: all p with a <= -m below all p with a > -m, neither group empty.
    """
    p, a, d = _prompts(p, a, mass)
    best = None
    for margin in np.unique(-a[(a < 0) & (d > 0)]):
        m = float(margin)
        negative = (a <= -m) & (d > 0)
        rest = (a > -m) & (d > 0)
        if not rest.any() or not p[negative].max() < p[rest].min():
            continue
        epsilon, delta = float(p[negative].max()), float(p[rest].min())
        q, bound = float(d @ negative), float(a[rest].max())
        sharp = k_star(epsilon, delta, q, m, bound)
        paper = None if G2 is None else k_star(epsilon, delta, q, m, G2)
        if best is None or sharp < best.value_sharp:
            best = KStar(epsilon, delta, q, m, G2, bound, paper, sharp)
    return best


def inner_products(p: ArrayLike, a: ArrayLike, k: ArrayLike, mass: ArrayLike | None = None) -> Floats:
    """⟨∇J_k, ∇J_1⟩ = E[w_k(p) a] for each k, shape of k. Reference: arXiv 2602.21189, eq. 9."""
    p, a, d = _prompts(p, a, mass)
    k = np.asarray(k, float)
    return np.asarray(k * ((1 - p) ** (k[..., None] - 1) @ (d * a)))


def _levels(p: ArrayLike, a: ArrayLike, mass: ArrayLike | None) -> tuple[Floats, Floats]:
    """Distinct success probabilities below 1, rising, and the summed mass · a of each; no zero sums.

    A prompt with p = 1 is heard at k = 1 alone, where the sign is that of E[a].
    """
    p, a, d = _prompts(p, a, mass)
    level, where = np.unique(p, return_inverse=True)
    total = np.bincount(where, d * a, len(level))
    keep = (total != 0) & (level < 1)
    return level[keep], total[keep]


def k_dagger(p: ArrayLike, a: ArrayLike, k_max: int = 10_000, mass: ArrayLike | None = None) -> int | None:
    """The exact threshold k† = min{k : E[w_k(p) a] < 0}; None if there is none up to k_max.

    Beyond some k the prompts with the smallest p decide the sign for good, and the scan ends there.
    Signs are taken after dividing by the largest weight, so that they survive where weights underflow.
    1 only for noisy scores: exact ones have E[a] = ‖∇J_1‖².

    Reference: The exact counterpart, on finitely many prompts, of Prop. 4.5's k*.
    """
    crossing = transitions(p, a, k_max, mass)
    return next((k for k, sign in crossing if sign < 0), None)


def transitions(
    p: ArrayLike, a: ArrayLike, k_max: int = 10_000, mass: ArrayLike | None = None
) -> list[tuple[int, int]]:
    """Every k from 1 to k_max at which the sign of E[w_k(p) a] changes, with its new sign, (1, sign) first.

    Zeros are passed over. At most 1 + `sign_change_bound` entries. Memory O(N), time O(N · k scanned).

    Reference: The sign of eq. 9 in k.
    """
    p, a, d = _prompts(p, a, mass)
    found: list[tuple[int, int]] = []
    at_one = int(np.sign(d @ a))
    if at_one:
        found.append((1, at_one))
    level, total = _levels(p, a, d)
    if not len(level):
        return found
    ratio = (1 - level) / (1 - level[0])
    last = min(k_max, _settled(ratio, total))
    term = total * ratio  # at k = 2
    for k in range(2, last + 1):
        sign = int(np.sign(term.sum()))
        if sign and (not found or found[-1][1] != sign):
            found.append((k, sign))
        term = term * ratio
    return found


def _settled(ratio: Floats, total: Floats) -> int:
    """A k from which on the first level outweighs all others together, so that the sign is settled."""
    if len(ratio) == 1:
        return 2
    others = np.abs(total[1:]).sum() / abs(total[0])
    return 2 + int(np.ceil(max(0.0, np.log(others)) / -np.log(ratio[1])))


def sign_change_bound(p: ArrayLike, a: ArrayLike, mass: ArrayLike | None = None) -> int:
    """How often the sign of E[w_k(p) a] can change in k >= 2: the sign changes of a sorted by p.

    E[w_k a]/k is a sum of exponentials in k, to which Descartes' rule applies. Prompts of equal p count once,
    with their summed mass · a. With one change, from negative at low p to positive, conflict persists for all
    k above k†. A prompt with p = 1 has no weight for k >= 2 and is left out. (Ours, not the paper's.)

    Reference: Descartes' rule for the exponential sum E[a (1-p)^(k-1)] of eq. 9. (Ours.)
    """
    return int((np.diff(np.sign(_levels(p, a, mass)[1])) != 0).sum())


def sign_for_large_k(p: ArrayLike, a: ArrayLike, mass: ArrayLike | None = None) -> int:
    """The sign of E[w_k(p) a] for all k large enough: that of the prompts with the smallest p; 0 if none.

    Reference: The leading term of eq. 9 as k grows. (Ours.)
    """
    total = _levels(p, a, mass)[1]
    return int(np.sign(total[0])) if len(total) else 0
