"""Is pass@k up and pass@1 not down by more than a margin? Paired by prompt, error rates stated.

Both conditions are tested at level alpha and both must hold (an intersection–union test), so a wrong
"promote" has probability at most alpha without any correction. Reference: Berger 1982.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from acute.core.estimators import pass_at_k
from acute.errors import ConfigError, InputError, NotEnoughData
from acute.measure.mean_test import (
    Mean,
    certain,
    holm,
    lower_bound,
    mean_of_these,
    mean_over_prompts,
    p_value_above,
    p_value_below,
    upper_bound,
)
from acute.measure.success import deleted_variance

Floats = NDArray[np.float64]
Answer = Literal["promote", "do not promote", "cannot tell"]
POWER = 0.8  # the chance of "promote" that `prompts_needed` aims at
NAMED = 3  # how many prompts an error names


class Answered(NamedTuple):
    """Responses and successes of each prompt under one model."""

    n_N: Floats
    c_N: Floats

    def success(self, k: int) -> Floats:
        """Each prompt's unbiased pass@k."""
        return np.asarray(pass_at_k(self.n_N, self.c_N, k))

    def error(self, k: int) -> tuple[Floats, Floats]:
        """The variance of each prompt's pass@k from its rollouts, and the degrees of freedom it rests on."""
        return deleted_variance(self.n_N, self.c_N, k), self.n_N - 1

    def of(self, kept: list[int]) -> "Answered":
        """Some of the prompts."""
        return Answered(self.n_N[kept], self.c_N[kept])


class Known(NamedTuple):
    """The exact probability of success of each prompt under one model: no rollouts, no noise of theirs."""

    p_N: Floats

    @property
    def n_N(self) -> Floats:
        """As many responses as one may ask for."""
        return np.full(len(self.p_N), np.inf)

    def success(self, k: int) -> Floats:
        """Each prompt's pass@k."""
        return np.asarray(1 - (1 - self.p_N) ** k)

    def error(self, k: int) -> tuple[Floats, Floats]:
        """None, known for certain."""
        del k
        return np.zeros_like(self.p_N), self.n_N

    def of(self, kept: list[int]) -> "Known":
        """Some of the prompts."""
        return Known(self.p_N[kept])


class Pairs(NamedTuple):
    """The same prompts answered by two models; a slice name or None for each."""

    prompt_ids: Sequence[str]
    base: Answered | Known
    candidate: Answered | Known
    slice_N: Sequence[str | None]

    def of_slice(self, name: str) -> "Pairs":
        """The prompts of one slice."""
        kept = [i for i, s in enumerate(self.slice_N) if s == name]
        ids = [self.prompt_ids[i] for i in kept]
        return Pairs(ids, self.base.of(kept), self.candidate.of(kept), [name] * len(kept))


class Rule(NamedTuple):
    """What is asked, and how sure the answer must be."""

    k: int = 8
    margin: float = 0.02  # how far pass@1 may fall, in units of pass@1
    alpha: float = 0.05  # one-sided level of each condition over all looks together
    looks: int = 1  # how often the gate is asked at the most
    these_prompts: bool = False  # errors of the rollouts alone, not of the choice of prompts
    every_slice: bool = False  # pass@1 of every slice must hold too

    @property
    def level(self) -> float:
        """One-sided level of each condition at one look: Bonferroni, so looks may depend in any way."""
        return self.alpha / self.looks


class Change(NamedTuple):
    """Candidate minus base of mean pass@k, against the least change that the rule wants (`wanted`)."""

    k: int
    base: float
    candidate: float
    mean: Mean
    lower: float  # one-sided 1 - level bound
    upper: float  # one-sided 1 - level bound
    wanted: float
    p_holds: float  # p-value of the hypothesis that the change is ≤ wanted
    p_fails: float  # p-value of the hypothesis that the change is ≥ wanted


class Slice(NamedTuple):
    """A slice's changes; its answer is by Holm-adjusted p-values, its bounds are its own (pointwise)."""

    name: str
    prompts: int
    changes: tuple[Change, Change]
    answer: Answer
    p_promote: float
    p_fails: tuple[float, float]  # pass@1 down by more than the margin, pass@k not up


class Decision(NamedTuple):
    """The answer, the conditions it rests on (pass@1, pass@k), and the slices."""

    answer: Answer
    reasons: list[str]
    prompts: int
    changes: tuple[Change, Change]
    slices: list[Slice]


def _checked(rule: Rule) -> None:
    faults = []
    if rule.k < 2:
        faults.append(f"k must be 2 or more (k = 1 is the other condition), found {rule.k}")
    if not 0 <= rule.margin < 1:
        faults.append(f"margin must be in [0, 1), in units of pass@1 (0.02 is 2 points), found {rule.margin}")
    if not 0 < rule.alpha < 0.5:
        faults.append(f"alpha must lie between 0 and 0.5, found {rule.alpha}")
    if rule.looks < 1:
        faults.append(f"looks must be 1 or more, found {rule.looks}")
    if faults:
        raise ConfigError("; ".join(faults))


def _enough(pairs: Pairs, rule: Rule) -> None:
    """Raise InputError if a prompt has too few responses for an unbiased pass@k (or for its error)."""
    if not len(pairs.prompt_ids):
        raise NotEnoughData("wanted prompts that base and candidate share, found none")
    wanted = rule.k + 1 if rule.these_prompts else rule.k
    for side, n_N in (("base", pairs.base.n_N), ("candidate", pairs.candidate.n_N)):
        few = np.flatnonzero(n_N < wanted)
        if len(few):
            some = ", ".join(f"{pairs.prompt_ids[i]!r} (n = {int(n_N[i])})" for i in few[:NAMED])
            raise InputError(
                f"wanted at least {wanted} rewarded responses a prompt for k = {rule.k}, found fewer for "
                f"{len(few)} prompts of the {side}: {some}{', …' if len(few) > NAMED else ''}. Sample more, "
                f"or take a smaller -k"
            )


def change(pairs: Pairs, k: int, wanted: float, rule: Rule) -> Change:
    """Candidate minus base of mean pass@k, with bounds at the rule's level and p-values against `wanted`."""
    base_N, candidate_N = pairs.base.success(k), pairs.candidate.success(k)
    sides = (pairs.base, pairs.candidate)
    if rule.these_prompts and all(isinstance(side, Known) for side in sides):
        mean = certain(candidate_N - base_N)
    elif rule.these_prompts:
        errors = [side.error(k) for side in sides]
        variance, df = (np.concatenate(axis) for axis in zip(*errors, strict=True))
        mean = mean_of_these(candidate_N - base_N, variance, df)
    else:
        mean = mean_over_prompts(candidate_N - base_N)
    return Change(
        k,
        float(base_N.mean()),
        float(candidate_N.mean()),
        mean,
        lower_bound(mean, rule.level),
        upper_bound(mean, rule.level),
        wanted,
        p_value_above(mean, wanted),
        p_value_below(mean, wanted),
    )


def _answer(p_promote: float, p_fails: Sequence[float], level: float) -> Answer:
    if p_promote <= level:
        return "promote"
    return "do not promote" if min(p_fails) <= level else "cannot tell"


def slices_of(pairs: Pairs, rule: Rule) -> list[Slice]:
    """Every slice's changes; answers hold over all slices together (Holm), wrong anywhere at most alpha.

    "promote" is adjusted over slices, and so is each of the two ways to fail.
    """
    names = sorted({s for s in pairs.slice_N if s is not None})
    if not names:
        return []
    parts = [pairs.of_slice(name) for name in names]
    both = [(change(part, 1, -rule.margin, rule), change(part, rule.k, 0.0, rule)) for part in parts]
    promote = holm(np.array([max(a.p_holds, b.p_holds) for a, b in both]))
    down = holm(np.array([a.p_fails for a, _ in both]))
    not_up = holm(np.array([b.p_fails for _, b in both]))
    found = []
    for i, (name, part) in enumerate(zip(names, parts, strict=True)):
        fails = (float(down[i]), float(not_up[i]))
        answer = _answer(float(promote[i]), fails, rule.level)
        found.append(Slice(name, len(part.prompt_ids), both[i], answer, float(promote[i]), fails))
    return found


def _points(x: float) -> str:
    return f"{100 * x:+.2f}"


def _reasons(changes: tuple[Change, Change], slices: list[Slice], rule: Rule) -> list[str]:
    """What stands against "promote", in words; changes in points (hundredths)."""
    one, many = changes
    margin = f"{100 * rule.margin:g} points"
    said = []
    if one.p_fails <= rule.level:
        said.append(f"pass@1 is down by more than {margin}: at most {_points(one.upper)}")
    elif one.p_holds > rule.level:
        said.append(f"pass@1 may be down by more than {margin}: at least {_points(one.lower)}")
    if many.p_fails <= rule.level:
        said.append(f"pass@{rule.k} is not up: at most {_points(many.upper)}")
    elif many.p_holds > rule.level:
        said.append(f"pass@{rule.k} may not be up: at least {_points(many.lower)}")
    if rule.every_slice:
        for s in slices:
            if s.p_fails[0] <= rule.level:
                said.append(f"pass@1 of slice {s.name!r} is down by more than {margin}")
            elif s.changes[0].p_holds > rule.level:
                said.append(f"pass@1 of slice {s.name!r} may be down by more than {margin}")
    return said


def decide(pairs: Pairs, rule: Rule) -> Decision:
    """Promote, do not promote, or cannot tell.

    "promote": lower bounds of pass@k's change above 0 and of pass@1's above -margin; wrong at most alpha of
    the time over all looks. "do not promote": one condition's upper bound lies on the wrong side; each
    condition is called failed wrongly at most alpha of the time. With `every_slice`, pass@1 of every slice
    must hold as well: all must, so that needs no correction; that one fails is adjusted (Holm).

    Raises ConfigError, InputError where a prompt has too few responses, NotEnoughData without prompts.
    """
    _checked(rule)
    _enough(pairs, rule)
    one, many = change(pairs, 1, -rule.margin, rule), change(pairs, rule.k, 0.0, rule)
    slices = slices_of(pairs, rule)
    if rule.every_slice and not slices:
        raise ConfigError("every_slice wants prompts with a slice, found none: name the column to slice by")
    holds, fails = [one.p_holds, many.p_holds], [one.p_fails, many.p_fails]
    if rule.every_slice:
        holds += [s.changes[0].p_holds for s in slices]
        fails += [s.p_fails[0] for s in slices]
    answer = _answer(max(holds), fails, rule.level)
    return Decision(answer, _reasons((one, many), slices, rule), len(pairs.prompt_ids), (one, many), slices)


def chance_unseen(prompts: int, rule: Rule) -> float:
    """Chance that a loss of the margin shows in no prompt, if it all sits in prompts that fall from 1 to 0.

    (1 - margin)^N: where it exceeds the level, "promote" rests on losses not being that concentrated. It is 0
    where only these prompts are asked about.
    """
    return 0.0 if rule.these_prompts else (1 - rule.margin) ** prompts


def prompts_needed(found: Decision, rule: Rule) -> int | None:
    """About how many prompts would give an 80 % chance of "promote" if the changes are those estimated.

    A guide only: it takes estimates for the truth. None where an estimate lies on the wrong side, where there
    is no spread, or where the question is about these prompts.
    """
    if rule.these_prompts or any(c.mean.se == 0 or c.mean.value <= c.wanted for c in found.changes):
        return None
    reach = float(special.ndtri(1 - rule.level) + special.ndtri(POWER))
    shares = [(reach * c.mean.se / (c.mean.value - c.wanted)) ** 2 for c in found.changes]
    return int(np.ceil(found.prompts * max(shares)))
