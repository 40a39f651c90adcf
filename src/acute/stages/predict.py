"""Prediction from a scored run folder: the objective by its name, the prompts that can answer, the change."""

from collections.abc import Sequence
from typing import Any

from acute.core.advantages.registry import ESTIMATORS
from acute.core.estimate import Estimate
from acute.core.objectives import parse
from acute.core.products import Advantage
from acute.core.prompt_weight import lifted, outcome_advantages
from acute.errors import ConfigError
from acute.run import Run

Json = dict[str, Any]


def advantage_of(name: str, group: int) -> tuple[Advantage, int]:
    """An objective by name, as unbiased advantages, and how many responses a fold must hold for it.

    An objective (pass@8, mixture@0.5,8, log@16, …) is ascended without bias. An estimator (grpo,
    pkpo-loo@8, module:function@8, verl:NAME, trl:SCALE; its k behind an @) stands for its expected update in
    groups of `group`. ConfigError for any other name, and for objectives no finite number of responses can
    estimate.
    """
    from acute.testing.load import load

    head, _, number = name.partition("@")
    if head not in ESTIMATORS and ":" not in head:
        try:
            objective = parse(name)
        except ConfigError as error:
            raise ConfigError(
                f"{error}; or an estimator, with @k where it has a k: see acute profile"
            ) from None
        return objective.advantages, max(2, objective.responses_needed)
    if number and not number.isdecimal():
        raise ConfigError(f"wanted {head}@k with a whole k, found {name!r}")
    k = int(number or 1)
    found = load(head, group, k)
    outcomes = outcome_advantages(lambda rewards: found.advantage(rewards, k), group)
    return lifted(outcomes), group


def predict(
    run: Run,
    objective: str,
    ks: Sequence[int],
    eta: float | None = None,
    length: float | None = None,
    group: int = 16,
) -> Json:
    """Predicted change of pass@k of the run's prompts after one step: what `acute predict --json` prints.

    `group` is the group size of an estimator's update. Raises ConfigError, InputError, NotEnoughData.
    """
    from acute.gradients.store import read_sketches
    from acute.measure.analyse import select
    from acute.measure.counting import ALSO_COUNTED, COUNTED, count
    from acute.measure.predict import predict as predicted
    from acute.measure.success import pass_at_k_of_these

    if not ks or min(ks) < 1:
        raise ConfigError(f"wanted each k a whole number of 1 or more, found {list(ks)}")
    if length is not None and run.config.score.metric == "adam":
        raise ConfigError(
            "a step's length is not measured in the metric of AdamW: give the step size η, its learning rate"
        )
    advantage, needed = advantage_of(objective, group)
    sums, facts = read_sketches(run.path)
    counts = count(run.response_batches((*COUNTED, *ALSO_COUNTED)))
    selected = select(counts, sums, facts["prompt_ids"], max(*ks, needed))
    measured = selected.measured
    found = predicted(measured, advantage, ks, eta, length)
    return {
        "run": str(run.path),
        "objective": objective,
        "eta": found.eta,
        "length": None if run.config.score.metric == "adam" else found.length,
        "log_odds_moved": found.log_odds_moved,
        "prompts": len(selected.prompt_ids),
        "excluded": selected.excluded,
        "never_right": int((measured.c_N == 0).sum()),
        "changes": [
            {
                "k": change.k,
                "before": _json(pass_at_k_of_these(measured.n_N, measured.c_N, change.k)),
                "first_order": _json(change.first_order),
                "curved": _json(change.curved),
                "first_order_holds": change.holds,
                "population": _json(change.population),
            }
            for change in found.changes
        ],
        "reasons": found.reasons,
    }


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()
