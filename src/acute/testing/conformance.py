"""The assertion behind the conformance suite."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from acute.core.objectives import Objective, parse
from acute.core.profiler import judge
from acute.core.prompt_weight import outcome_advantages, prompt_weight, unbiased_difference
from acute.core.reward_law import expected_advantages, ladder, max_at_k_score_weight, score_weight_error
from acute.errors import ConfigError


def assert_unbiased_for(
    advantage: Callable[[Any], Any],
    objective: str | Objective,
    n: int,
    *,
    up_to_a_factor: bool = False,
    rewards: Sequence[float] = (0.0, 1.0),
) -> None:
    """Fail unless the expected update of `advantage` is ∇ of the objective on every prompt, exactly.

    `advantage` takes rewards (G, n), a float64 array of groups, and returns advantages of that shape; the
    update is (1/n) Σ A_i ∇ log π(y_i), on-policy, unclipped, without length normalisation.
    `up_to_a_factor` accepts a positive constant that is the same for all prompts. With `rewards` other than
    0 and 1 the objective must be pass@K and is read as max@K, on laws from mostly low to mostly high values.

    AssertionError, saying where W(p) departs, if it is biased. InputError if the function has no prompt
    weight (wrong shape, NaN, random, dependent on order or on other groups); ConfigError if no estimator with
    groups of n can be unbiased for the objective.
    """
    target = parse(objective) if isinstance(objective, str) else objective
    if np.isnan(unbiased_difference(target, n)).any():
        raise ConfigError(
            f"no estimator is unbiased for {target.name} with groups of {n}: "
            f"it needs {target.responses_needed} responses"
        )
    values = sorted({float(r) for r in rewards})
    if values == [0.0, 1.0]:
        _binary(advantage, target, n, up_to_a_factor)
    else:
        _real(advantage, target, n, up_to_a_factor, values)


def _binary(advantage: Callable[[Any], Any], target: Objective, n: int, up_to_a_factor: bool) -> None:
    found = outcome_advantages(advantage, n)
    verdict, multiple = judge(found.difference, target)
    if verdict == "unbiased" or (
        verdict == "proportional" and up_to_a_factor and multiple is not None and multiple > 0
    ):
        return
    p = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    rows = "; ".join(
        f"p = {x:g}: W = {w:.4g}, wanted {f:.4g}"
        for x, w, f in zip(p, prompt_weight(found, p), target.weight(p), strict=True)
    )
    what = f"{multiple:.6g} times unbiased" if verdict == "proportional" else verdict
    raise AssertionError(f"not unbiased for {target.name} with groups of {n} but {what}: {rows}")


def _real(
    advantage: Callable[[Any], Any], target: Objective, n: int, up_to_a_factor: bool, values: list[float]
) -> None:
    head, _, k = target.name.partition("@")
    if head != "pass":
        raise ConfigError(f"real-valued rewards are held against max@K, written pass@K; found {target.name}")
    factors = []
    for p in (0.1, 0.3, 0.5, 0.7, 0.9):
        law = ladder(values, p)
        factor, error = score_weight_error(
            expected_advantages(advantage, n, *law), max_at_k_score_weight(*law, int(k)), law[1]
        )
        factors.append(factor)
        right = error < 1e-6 and factor > 0 and abs(factor - (factors[0] if up_to_a_factor else 1.0)) < 1e-6
        if not right:
            raise AssertionError(
                f"not unbiased for max@{k} with groups of {n} and rewards {values}: {factor:.4g} times the "
                f"gradient and {100 * error:.3g} % beside it, at p = {p:g} of the ladder"
            )
