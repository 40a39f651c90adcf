"""One cell: runs simulated, analysed by the package, and compared with what is exactly true.

Each repetition draws its prompts from a universe with replacement and its responses from the policy. The
exact values of the prompts drawn are the truth for "these prompts", those of the universe for "their
distribution". The former differ from one repetition to the next, so errors are averaged, not values.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from bench.coverage.worlds import FAMILIES, UNIVERSE, Truth, roll, truth, universe, whole_truth
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k, pass_at_k_weight
from acute.core.products import unbiased
from acute.measure.conflict import (
    Curve,
    Measured,
    finite_answers,
    naive,
    population_answers,
    restricted,
)
from acute.measure.intervals import from_error
from acute.measure.prompts import agreement
from acute.measure.success import pass_at_k_of_population, pass_at_k_of_these

KS = (1, 2, 4, 8)
PROMPTS = 16  # agreement is looked at for so many prompts of each run: those drawn first
SLACK = 1e-12  # an interval that ends at its own bound (a cosine of 1) holds the bound


class Cell(NamedTuple):
    """A point of the grid."""

    law: str
    sharing: str
    prompts: int
    responses: int
    folds: int = 2
    unequal: bool = False  # n, n/2 and 2n responses, each without a reward one time in ten
    universe: int = 0  # seed of the prompts that runs draw from

    @property
    def name(self) -> str:
        """The name of the cell's file."""
        extra = "-unequal" if self.unequal else ""
        return f"{self.law}-{self.sharing}-N{self.prompts}-n{self.responses}-M{self.folds}{extra}"

    def n_NM(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rewarded responses of each prompt and fold."""
        n = np.full(self.prompts, self.responses)
        if self.unequal:
            n = n * np.array([2, 1, 4])[np.arange(self.prompts) % 3] // 2
        n_NM = np.repeat(n[:, None] // self.folds, self.folds, 1)
        return rng.binomial(n_NM, 0.9) if self.unequal else n_NM


class Key(NamedTuple):
    """A quantity: what, of which estimand, at which k."""

    what: str
    of: str
    k: int


class Seen(NamedTuple):
    """One estimate (None where there is none) beside its truth; `value` is compared where no interval is."""

    truth: float
    estimate: Estimate | None
    value: float | None = None


def _agreement(curve: Curve, exact: Truth, family_N: NDArray[np.int64]) -> Iterator[tuple[Key, Seen]]:
    """Of single prompts and of families, these prompts."""
    measured, N, these = curve.measured, curve.N, "these prompts"
    signal = (measured.c_N > 0) & (measured.c_N < measured.n_N)
    noisy = agreement(curve)
    for x, (value, variance, df) in enumerate(zip(*(member[:PROMPTS] for member in noisy), strict=True)):
        found = from_error(float(value), float(np.sqrt(variance)), float(df)) if signal[x] else None
        yield Key("agreement of a prompt", these, 1), Seen(float(exact.agreement_N[x]), found, float(value))
    inside = np.array([family_N == f for f in range(FAMILIES)], float)
    inside = inside[inside.sum(1) > 0]
    shares = inside / inside.mean(1, keepdims=True)
    answers = finite_answers(restricted(measured, 1, shares), np.inf, 0.0)
    for value, answer in zip(shares @ exact.agreement_N / N, answers, strict=True):
        yield Key("agreement of a family", these, 1), Seen(float(value), answer.estimate)


def _family_population(
    measured: Measured, whole: Truth, family_N: NDArray[np.int64], family_U: NDArray[np.int64]
) -> Iterator[tuple[Key, Seen]]:
    """Agreement of families of the distribution."""
    inside = np.array([family_N == f for f in range(FAMILIES)], float)
    inside = inside[inside.sum(1) > 1]
    answers = population_answers(measured, 1, inside / inside.mean(1, keepdims=True))
    for members, answer in zip(inside, answers, strict=True):
        f = family_N[int(members.argmax())]
        exact = float(whole.agreement_N[family_U == f].mean())
        yield Key("agreement of a family", "their distribution", 1), Seen(exact, answer.estimate)


def _curve(curve: Curve, exact: Truth, whole: Truth) -> Iterator[tuple[Key, Seen]]:
    """Inner products, norms and cosines of both estimands, and the naive ones."""
    these, all_of_them = "these prompts", "their distribution"
    naive_inner, naive_cosine = naive(curve.measured, KS)
    for i, k in enumerate(KS):
        yield Key("inner", these, k), Seen(exact.inner(k), curve.inner(i + 1).estimate)
        yield Key("inner", all_of_them, k), Seen(whole.inner(k), curve.inner_population(i + 1).estimate)
        norm = curve.products.product(i, i)
        yield Key("norm²", these, k), Seen(exact.norm(k), None, norm.finite)
        yield Key("norm²", all_of_them, k), Seen(whole.norm(k), None, norm.population)
        yield Key("naive inner", these, k), Seen(exact.inner(k), None, naive_inner[i])
        if k > 1:
            yield Key("cosine", these, k), Seen(exact.cosine(k), curve.cosine(i + 1).estimate)
            yield (
                Key("cosine", all_of_them, k),
                Seen(whole.cosine(k), curve.cosine_population(i + 1).estimate),
            )
            yield Key("naive cosine", these, k), Seen(exact.cosine(k), None, naive_cosine[i])


def _counts(measured: Measured, exact: Truth, whole: Truth) -> Iterator[tuple[Key, Seen]]:
    """Pass@k and weights, from counts alone."""
    n, c = measured.n_N, measured.c_N
    for k in KS:
        truths = [float((1 - (1 - t.p_N) ** k).mean()) for t in (exact, whole)]
        value = float(pass_at_k(n, c, k).mean())
        yield Key("pass@k", "these prompts", k), Seen(truths[0], pass_at_k_of_these(n, c, k), value)
        yield (
            Key("pass@k", "their distribution", k),
            Seen(truths[1], pass_at_k_of_population(n, c, k), value),
        )
        if k > 1:
            weight = float(pass_at_k_weight(n, c, k).mean())
            yield Key("weight", "these prompts", k), Seen(float(exact.weight_N(k).mean()), None, weight)


def repetition(cell: Cell, rng: np.random.Generator) -> Iterator[tuple[Key, Seen]]:
    """Every quantity of one simulated run."""
    world = (cell.sharing, cell.law, cell.universe)
    of, whole = universe(*world), whole_truth(*world)
    drawn = rng.integers(UNIVERSE, size=cell.prompts)
    measured = Measured(*roll(of, drawn, cell.n_NM(rng), rng), np.inf)
    exact, family_N = truth(of, drawn), of.family_U[drawn]
    curve = Curve(measured, KS[0], [unbiased(k) for k in KS[1:]])  # asked for as 1, 2, 3, 4
    yield from _curve(curve, exact, whole)
    yield from _agreement(curve, exact, family_N)
    yield from _family_population(measured, whole, family_N, of.family_U)
    yield from _counts(measured, exact, whole)


Row = dict[str, Any]
ADDED = ("answered", "nulls", "below", "above", "runs", "sum_error", "sum_square", "sum_truth")


def added(row: Row, several: list[Seen]) -> None:
    """One run into the sums of a quantity: one or more estimates of a kind, which may depend on one another.

    `below` counts truths under the interval, `above` truths over it.
    """
    errors = []
    for exact, estimate, value in several:
        if estimate is None or estimate.lo is None or estimate.hi is None:
            row["nulls"] += 1
        else:
            row["answered"] += 1
            row["below"] += int(exact < estimate.lo - SLACK)
            row["above"] += int(exact > estimate.hi + SLACK)
        point = value if value is not None else None if estimate is None else estimate.value
        if point is not None and np.isfinite(point):
            errors.append(point - exact)
    if errors:
        error = float(np.mean(errors))
        row["runs"] += 1
        row["sum_error"] += error
        row["sum_square"] += error**2
        row["sum_truth"] += float(np.mean([seen.truth for seen in several]))


def simulate(cell: Cell, repetitions: int, seed: tuple[int, ...] = (0,)) -> list[Row]:
    """Sums over simulated runs, a row a quantity."""
    rng = np.random.default_rng([*seed, *cell.name.encode()])
    rows: dict[Key, Row] = {}
    for _ in range(repetitions):
        several: dict[Key, list[Seen]] = {}
        for key, seen in repetition(cell, rng):
            several.setdefault(key, []).append(seen)
        for key, found in several.items():
            added(rows.setdefault(key, {**key._asdict(), **dict.fromkeys(ADDED, 0)}), found)
    return list(rows.values())


def joined(one: list[Row], other: list[Row]) -> list[Row]:
    """The sums of two sets of runs of a cell together."""
    both = {(row["what"], row["of"], row["k"]): dict(row) for row in one}
    for row in other:
        mine = both.setdefault((row["what"], row["of"], row["k"]), {**row, **dict.fromkeys(ADDED, 0)})
        for name in ADDED:
            mine[name] += row[name]
    return list(both.values())
