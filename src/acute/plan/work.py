"""Operations of each stage as the program does it, from the passes it makes."""

from typing import NamedTuple

from acute.plan import flops
from acute.plan.shape import Selected, Shape, every
from acute.plan.tokens import Load, Passes, scoring

OTHERS = 2048  # prompts that the error of a prompt's agreement through ∇J_1 is taken from


class Scored(NamedTuple):
    """What gradients are taken in, and how."""

    folds: int
    sketch_size: int
    at_once: int
    selected: Selected
    sketch_bytes: int = 4
    """Of a number of the sketches on disk."""
    directions: bool = False
    """Whether the dots engine audits the sketch: two further passes over a row a response."""
    checkpointing: bool = False
    """Whether the blocks run once more for each backward pass."""


def prefill(shape: Shape, load: Load) -> float:
    """Operations on the prompts, each once."""
    q = load.prompt_tokens
    return flops.forward(shape, load.prompts * q, load.prompts, load.prompts * q**2)


def decode(shape: Shape, load: Load) -> float:
    """Operations on the response tokens, equal beginnings once."""
    fed = load.distinct * load.drawn
    return flops.forward(shape, fed, fed, fed * (load.prompt_tokens + load.response_tokens / 2))


def rollout(shape: Shape, load: Load) -> float:
    """Operations of the stage `rollout`."""
    return prefill(shape, load) + decode(shape, load)


def passes(load: Load, scored: Scored) -> Passes:
    """Passes over a prompt that has a signal."""
    return scoring(load, 2 * scored.folds, scored.at_once)


def score(shape: Shape, load: Load, scored: Scored) -> float:
    """Operations of the stage `score`: passes over the prompts that have a signal, and the sketch's fold."""
    one = passes(load, scored)
    each = flops.forward(shape, one.forward, one.predicted, one.pairs)
    each += flops.backward(shape, one.backward, one.predicted_back, one.pairs_back, scored.selected)
    if scored.checkpointing:
        each += flops.forward(shape, one.backward, 0, one.pairs_back)
    each += flops.fold(scored.selected.count, one.folds)
    if scored.directions:
        each += 2 * trainer(shape, load) / max(load.prompts, 1)
    return load.signal * load.prompts * each


def trainer(shape: Shape, load: Load) -> float:
    """One plain forward and backward of all responses in rows of their own, as a trainer makes it."""
    q, r = load.prompt_tokens, load.response_tokens
    tokens, predicted, pairs = load.rows, load.drawn, load.responses * (q + r) ** 2
    back = flops.backward(shape, tokens, predicted, pairs, every(shape))
    return flops.forward(shape, tokens, predicted, pairs) + back


def analyse(prompts: int, scored: Scored, k: int, kernel: bool) -> float:
    """Operations of the stage `analyse` on the sketches, all k up to `k`; `kernel`: every pair of prompts."""
    groups, D = 2 * scored.folds, scored.sketch_size
    once = 2.0 * prompts * groups * D  # every sum along one direction
    objectives = 10 * k * once  # means, sums along them, the bends of intervals
    own = once * groups
    agreements = 4.0 * prompts * min(prompts, OTHERS) * (scored.folds - 1) * D
    pairs = 2.0 * prompts**2 * (1 + scored.folds) * D if kernel else 0.0
    return objectives + own + agreements + pairs
