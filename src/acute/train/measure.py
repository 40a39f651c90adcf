"""Conflict measured on the trainer's own rollouts, with the engine and the statistics of `acute score`."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.mitigations.seen import Seen
from acute.core.products import Product, first_negative
from acute.errors import InputError
from acute.gradients.engines import Passes, shared
from acute.gradients.forward import Sampled, may_share
from acute.gradients.parameters import selected
from acute.gradients.room import Room
from acute.gradients.sketch import Sketch
from acute.measure.conflict import Curve, Measured, restricted
from acute.models.blocks import blocks_of
from acute.train.mitigate import Bounds
from acute.train.rolled import Rolled
from acute.train.target import Target

Floats = NDArray[np.float64]
Sums = NDArray[np.floating[Any]]


@contextmanager
def undisturbed(model: Any) -> Any:
    """Within the block the model is in evaluation mode and has no gradients; then all is as it was.

    A measurement may fall between the backward passes of one accumulated step.
    """
    kept = [(p, p.grad) for p in model.parameters()]
    was_training = [(m, m.training) for m in model.modules()]
    for p, _ in kept:
        p.grad = None
    model.eval()
    try:
        yield
    finally:
        for m, training in was_training:
            m.training = training
        for p, gradient in kept:
            p.grad = gradient


def gradient_sums(
    model: Any,
    rolled: Sequence[Rolled],
    which: str,
    temperature: float,
    folds: int,
    size: int,
    tokens_at_once: int,
) -> list[Sums]:
    """Sketches of Σ ∇ log π over each prompt's responses, by fold and outcome; (folds, 2, size) a prompt.

    Prompts whose rewards do not differ are 0 without a pass through the model.
    """
    import torch

    found: list[Sums] = []
    sampled = Sampled(temperature)
    with torch.enable_grad(), undisturbed(model), selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), size, seed=0)
        tasks = [group.task(folds) for group in rolled if group.has_signal]
        share = may_share(model, [(task.prompt, task.responses) for task in tasks], sampled)
        room = Room(Passes(tokens_at_once, share), blocks_of(model) is not None)
        for group in rolled:
            if not group.has_signal:
                found.append(np.zeros((folds, 2, size), np.float32))
                continue
            task = group.task(folds)
            work = partial(shared, model, parameters, sketch, task, sampled)
            scored = room.run(work, task.longest, parameters.values())
            found.append(scored.sketch_GD.reshape(folds, 2, -1))
    return found


@dataclass(frozen=True)
class Conflict:
    """What one measurement says. Estimates are None where they cannot be had."""

    seen: Seen
    bounds: Bounds
    inner: Estimate | None
    cosine: Estimate | None
    k_dagger: int | None
    agreement: dict[str, float]
    """a(x) by prompt key."""
    of_family: dict[str, float]
    """Mean a(x) of each family."""

    def as_row(self) -> dict[str, Any]:
        """The fields of a row of acute.jsonl; what is not known is null."""
        known = {name: _or_none(value) for name, value in self.of_family.items()}
        return {
            "inner": None if self.inner is None else self.inner.as_json(),
            "cosine_k": None if self.cosine is None else self.cosine.as_json(),
            "p_value_negative": self.bounds.p_value,
            "k_dagger": self.k_dagger,
            "norm_1": _or_none(self.seen.norm_1),
            "norm_k": _or_none(self.seen.norm_k),
            "agreement": known,
        }


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _honest(found: Estimate | None) -> Estimate | None:
    """An estimate without any spread has no error to tell: rewards that do not differ say nothing."""
    return found if found is None or found.se else Estimate(found.value, None, None, None)


def _families(rolled: Sequence[Rolled]) -> list[str]:
    return sorted({group.family for group in rolled if group.family is not None})


def _shares(rolled: Sequence[Rolled], families: Sequence[str]) -> Floats:
    """Rows for `restricted`: first one prompt each, then one family each; (N + F, N)."""
    N = len(rolled)
    member = np.array([[group.family == name for group in rolled] for name in families], float).reshape(-1, N)
    return np.concatenate([np.eye(N) * N, member * N / np.maximum(member.sum(1, keepdims=True), 1)])


def conflict(
    rolled: Sequence[Rolled], sums: Sequence[Sums], target: Target, about: str, size: float
) -> Conflict:
    """⟨∇J, ∇J_1⟩ of the target, every pass@k's, and each prompt's agreement.

    `about` "distribution": products of different prompts only (one fold is enough); "prompts": own-prompt
    products too, from pairs of folds. InputError where a reward is neither 0 nor 1.
    """
    if odd := {r for group in rolled for r in group.rewards} - {0.0, 1.0}:
        raise InputError(
            f"conflict can be measured with rewards 0 and 1, found {odd.pop()}: set measure_every = 0"
        )
    folds = len(sums[0])
    counted = np.array([group.counts(folds) for group in rolled], float)
    measured = Measured(counted[:, 0], counted[:, 1], np.stack(sums), size)
    smallest = int(measured.n_N.min()) if about == "distribution" else int(measured.n_NM.min())
    k_max = max(smallest, 1)
    curve = Curve(measured, k_max, [target.pairs])
    of = "population" if about == "distribution" else "finite"
    inner = curve.inner_population if about == "distribution" else curve.inner
    cosine = curve.cosine_population if about == "distribution" else curve.cosine
    answers = [_honest(inner(k).estimate) for k in curve.k]
    own = inner(k_max + 1)
    families = _families(rolled)

    def value(product: Product) -> float:
        return float(getattr(product, of))

    agreement = [value(p) for p in restricted(measured, 1, _shares(rolled, families))]
    N = len(rolled)
    seen = Seen(
        target.weights(measured.n_N, measured.c_N),
        np.array(agreement[:N]),
        value(curve.with_first[k_max]),
        value(curve.norm[0]),
        value(curve.norm[k_max]),
    )
    values = [np.nan if e is None else e.value for e in answers]
    return Conflict(
        seen,
        Bounds(curve.k, [None if e is None else e.lo for e in answers], own.p_value),
        _honest(own.estimate),
        cosine(k_max + 1).estimate,
        first_negative(curve.k[1:], values[1:]),
        {group.key: a for group, a in zip(rolled, agreement[:N], strict=True)},
        dict(zip(families, agreement[N:], strict=True)),
    )
