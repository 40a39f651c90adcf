"""All that can be said of an advantage estimator without a model: its weight, its bias, its noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from acute.core.objectives import Objective
from acute.core.prompt_weight import (
    OutcomeAdvantages,
    asked_advantages,
    length_weighted,
    outcome_advantages,
    prompt_weight,
    second_moment,
    signal_probability,
    unbiased_difference,
    weight_variance,
)
from acute.core.reward_law import (
    expected_advantages,
    ladder,
    max_at_k_score_weight,
    score_weight_error,
)
from acute.errors import ConfigError

Floats = NDArray[np.float64]
Verdict = Literal["unbiased", "proportional", "biased", "zero"]
GRID = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
_FINE = (np.arange(200) + 0.5) / 200  # where shapes are compared


def judge(difference: Floats, objective: Objective) -> tuple[Verdict, float | None]:
    """Compare D(c), shape (n,), with the one that is unbiased for the objective: verdict and multiple.

    Exact, for all p at once. "biased" has no multiple; so has a weight that no estimator with groups of n can
    have (f' no polynomial, or of too high a degree).

    Reference: Unbiased means W ∝ f', the weight that takes the place of w_k in eq. 3. (Ours.)
    """
    if np.abs(difference).max() < 1e-12:
        return "zero", 0.0
    if objective.terms is None:
        return "biased", None
    target = unbiased_difference(objective, len(difference))
    if np.isnan(target).any():
        return "biased", None
    multiple = float(difference @ target / (target @ target))
    if np.abs(difference - multiple * target).max() > 1e-9 * np.abs(difference).max():
        return "biased", None
    return ("unbiased" if abs(multiple - 1) < 1e-9 else "proportional"), multiple


def closest_k(weight: Callable[[Floats], Floats], most: float) -> tuple[float, float]:
    """The real k in [1, most] whose k(1-p)**(k-1) has the shape most like W(p): (k, cosine of the two).

    The cosine is that of functions on (0, 1), so that a constant factor does not count. NaN for W = 0.

    Reference: Eq. 3, fitted to W(p). (Ours.)
    """
    found = weight(_FINE)
    size = np.linalg.norm(found)
    if size < 1e-12:
        return float("nan"), float("nan")

    def cosine(k: float) -> float:
        shape = (1 - _FINE) ** (k - 1)
        return float(found @ shape / (size * np.linalg.norm(shape)))

    grid = np.geomspace(1.0, most, 80)
    best = int(np.argmax([cosine(k) for k in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    for _ in range(60):  # thirds: the cosine has one peak between neighbours of the best grid point
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if cosine(left) < cosine(right) else (low, right)
    return float((low + high) / 2), cosine((low + high) / 2)


def departure(weight: Floats, declared: Floats) -> float:
    """Largest |W - s f'|, with the s that fits best, as a share of the largest |W|; both of one shape.

    Reference: Distance of W(p) from a multiple of f'. (Ours.)
    """
    shape = declared / max(np.abs(declared).max(), np.finfo(float).tiny)  # its square must not underflow
    fitted = shape * (weight @ shape) / max(shape @ shape, np.finfo(float).tiny)
    return float(np.abs(weight - fitted).max() / np.abs(weight).max())


def shortened_weight(
    advantages: OutcomeAdvantages, p: Floats, hard_over_easy: float, wrong_over_right: float
) -> Floats:
    """W(p) when each response's gradient is divided by its length, the shape of p.

    Lengths fall geometrically from `hard_over_easy` at p = 0 to 1 at p = 1; a wrong response is
    `wrong_over_right` times as long as a right one.

    Reference: GRPO's division by length, arXiv:2402.03300; its bias: Dr. GRPO, arXiv:2503.20783.
    """
    right = hard_over_easy ** (1 - p)
    return length_weighted(advantages, p, right, right * wrong_over_right)


@dataclass(frozen=True)
class Profile:
    """What `profile` finds. Arrays have the shape of `p`."""

    name: str
    objective: str
    n: int
    k: int
    verdict: Verdict
    """unbiased: W = f'. proportional: W = multiple · f', the same for all prompts. biased. zero: W = 0."""
    multiple: float | None
    p: Floats
    weight: Floats
    """W(p)."""
    declared: Floats
    """f'(p) of the declared objective."""
    ratio: Floats
    """W / f', and NaN where f' is 0 or infinite."""
    bias: float
    """Largest |W - s f'| on the grid, s the best constant, as a share of the largest |W|."""
    closest_k: float
    closest_k_cosine: float
    variance: Floats
    """n · variance of a group's estimate of W, one-parameter policy."""
    second_moment: Floats
    """E[A²] of a response."""
    signal: Floats
    """Chance that a group has any advantage other than 0."""
    length_effect: Floats
    """`shortened_weight` over W; NaN where W is 0."""
    closest_k_by_length: float
    """closest_k with length normalisation."""
    zero_at_k: tuple[int, ...]
    """The k (of those it admits at this n) for which W is identically zero."""

    def _repr_html_(self) -> str:
        found = {
            "proportional": f"{self.multiple or 0:.3g} times {self.objective}, the same for all prompts",
            "biased": f"biased for {self.objective}: by up to {100 * self.bias:.0f} % of its largest weight",
            "zero": "zero: it teaches nothing",
        }.get(self.verdict, f"unbiased for {self.objective}")
        like = "" if self.verdict == "zero" else f"; acts most like pass@{self.closest_k:.1f}"
        said = f"{self.name or 'estimator'}, groups of {self.n}, k = {self.k}: {found}{like}"
        return _as_html(said, {"p": self.p, "W(p)": self.weight, "declared": self.declared})


def profile(
    advantage: Callable[[Any, int], Any],
    objective: Objective,
    n: int,
    k: int,
    *,
    name: str = "",
    ks: Sequence[int] = (),
    p: Floats = GRID,
    hard_over_easy: float = 4.0,
    wrong_over_right: float = 1.5,
) -> Profile:
    """Profile an estimator (rewards (G, n) and k in, advantages out) against the objective it declares.

    `ks`: the k to try for an identically zero weight. The lengths are those of `shortened_weight`.
    InputError where `check_estimator` refuses it,
    ConfigError for n < 1 or p outside (0, 1).

    Reference: W(p) against the objective's f', which takes the place of w_k in eq. 3. (Ours.)
    """
    if n < 1 or not ((p > 0) & (p < 1)).all():
        raise ConfigError(f"a profile needs n of 1 or more and p inside (0, 1), found n = {n} and p = {p}")
    advantages = outcome_advantages(lambda r: advantage(r, k), n)
    verdict, multiple = judge(advantages.difference, objective)
    weight, declared = prompt_weight(advantages, p), objective.weight(p)
    like, cosine = closest_k(lambda x: prompt_weight(advantages, x), 4.0 * n)

    def by_length(x: Floats) -> Floats:
        return shortened_weight(advantages, x, hard_over_easy, wrong_over_right)

    return Profile(
        name=name,
        objective=objective.name,
        n=n,
        k=k,
        verdict=verdict,
        multiple=multiple,
        p=p,
        weight=weight,
        declared=declared,
        ratio=_ratio(weight, declared),
        bias=departure(weight, declared) if verdict == "biased" else 0.0,
        closest_k=like,
        closest_k_cosine=cosine,
        variance=weight_variance(advantages, p),
        second_moment=second_moment(advantages, p),
        signal=signal_probability(advantages, p),
        length_effect=_ratio(by_length(p), weight),
        closest_k_by_length=closest_k(by_length, 4.0 * n)[0],
        zero_at_k=tuple(j for j in ks if _is_zero(advantage, n, j)),
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    usable = np.isfinite(below) & (np.abs(below) > np.finfo(float).tiny)
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=usable))


def _as_html(said: str, columns: dict[str, Floats]) -> str:
    """A sentence and a table, a row a p, for a notebook; names of estimators are escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    rows = zip(*columns.values(), strict=True)
    body = "".join("<tr>" + "".join(f"<td>{x:.3g}</td>" for x in row) + "</tr>" for row in rows)
    return f"<p>{escape(said)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _is_zero(advantage: Callable[[Any, int], Any], n: int, k: int) -> bool:
    found = asked_advantages(lambda r: advantage(r, k), n).difference  # the estimator was checked at one k
    return bool(np.abs(found).max() < 1e-12)


@dataclass(frozen=True)
class RealProfile:
    """An estimator against max@k when rewards take `values`, with the law `ladder(values, p)` at each p."""

    name: str
    values: Floats
    p: Floats
    multiple: Floats
    """Best constant between E[A | r] and the score weight of max@k; unbiased if 1 at every p."""
    error: Floats
    """What that constant leaves over, a share of the root mean square of E[A | r]."""

    def _repr_html_(self) -> str:
        said = (
            f"{self.name or 'estimator'}, against max@k of rewards {', '.join(f'{r:g}' for r in self.values)}"
        )
        return _as_html(said, {"p": self.p, "multiple": self.multiple, "left over": self.error})


def profile_real(
    advantage: Callable[[Any, int], Any],
    values: Floats,
    n: int,
    k: int,
    *,
    name: str = "",
    p: Floats = GRID,
) -> RealProfile:
    """Profile an estimator on real-valued rewards against max@k. Errors as `expected_advantages`.

    Reference: Against the gradient of max@k, PKPO, arXiv:2505.15201.
    """
    rows = []
    for at in p:
        law = ladder(values, float(at))
        found = expected_advantages(lambda r: advantage(r, k), n, *law)
        rows.append(score_weight_error(found, max_at_k_score_weight(*law, k), law[1]))
    multiple, error = np.array(rows).T
    return RealProfile(name, np.sort(values), p, multiple, error)
