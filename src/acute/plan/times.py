"""Seconds of each stage: on cards from published rates, on this machine from the rates of a trial.

What a rate does not tell (how much of it is reached, what a launch costs) is assumed, and said.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from acute.errors import InputError
from acute.plan import flops, memory, work
from acute.plan.gpus import Card
from acute.plan.shape import Shape
from acute.plan.tokens import Load
from acute.plan.work import Scored

SHARE_OF_PEAK = 0.4  # of a card's rate that large passes reach
SHARE_OF_BANDWIDTH = 0.6  # of a card's bandwidth that decoding reaches
ROOM = 0.9  # of a card's memory that is used
ROWS_AT_ONCE = 256  # states that the sampler on transformers keeps alive
LAYER_S = 0.8e-3  # one layer of transformers in one step, launches included
DRAW_S = 2.4e-8  # drawing one token, for each word of the vocabulary and state (on the CPU, in float64)
FOLD_S, FOLDED_AT_ONCE = 7.5e-5, 2**22  # a card folds so many numbers of a gradient in a dozen launches …
FOLD_BYTES = 48  # … and moves so many bytes for each
VERIFY_S = {"short": 1e-5, "exact": 1e-5, "math": 3.3e-3, "code": 0.035}  # CPU seconds a response
VERIFY_OTHER_S = 3.3e-3
ANALYSE_RATE = 3e10  # operations a second of one CPU core on sketches that come from disk
ANALYSE_S, ANALYSE_PROMPT_S = 1.8, 5e-4  # fixed; for each prompt
REPORT_S, REPORT_PROMPT_S = 1.5, 1e-3


class Stage(NamedTuple):
    """What a stage takes. `cpu_seconds` where it was measured here; `limit` is what it spends the time on."""

    name: str
    seconds: float
    cpu_seconds: float | None
    limit: str


@dataclass(frozen=True)
class Cards:
    """Equal cards; `share` of their peak is reached."""

    count: int
    card: Card
    share: float = SHARE_OF_PEAK

    def rate(self, width: int) -> float:
        """Operations a second of one card on numbers of `width` bytes."""
        return self.share * (self.card.bfloat16 if width == 2 else self.card.float32)

    def needed(self, shape: Shape, width: int) -> int:
        """Cards that hold one copy of the weights, the least power of two. InputError if all are too few."""
        needed = 1
        while memory.weights(shape, width) > ROOM * 0.9 * needed * self.card.memory:
            needed *= 2
        if needed > self.count:
            raise InputError(
                f"--gpus: {memory.weights(shape, width) / 1e9:.0f} GB of weights do not fit into "
                f"{self.count} × {self.card.name} of {self.card.memory / 1e9:.0f} GB: wanted {needed}"
            )
        return needed


def _decode(shape: Shape, load: Load, width: int, cards: Cards, backend: str) -> tuple[float, str]:
    """Seconds of all decoding steps, and what limits them."""
    a_copy = cards.needed(shape, width)
    context = load.prompt_tokens + load.response_tokens / 2
    held = memory.cache(shape, width, 1)
    free = ROOM * a_copy * cards.card.memory - memory.weights(shape, width)
    states = load.distinct * load.responses * a_copy / cards.count  # of this copy, over the whole run
    rows = max(1.0, min(states, free / (held * (load.prompt_tokens + load.response_tokens))))
    if backend == "transformers":
        rows = min(rows, ROWS_AT_ONCE)
    steps = states * load.response_tokens / rows
    moved = memory.weights(shape, width) + rows * context * held
    step = {
        "bandwidth": moved / (a_copy * cards.card.bandwidth * SHARE_OF_BANDWIDTH),
        "arithmetic": flops.forward(shape, rows, rows, rows * context) / (a_copy * cards.rate(width)),
    }
    if backend == "transformers":
        step["launches"] = shape.layers * LAYER_S
        step["drawing on the CPU"] = rows * shape.vocabulary * DRAW_S
    limit = max(step, key=step.__getitem__)
    on_card = max(step["bandwidth"], step["arithmetic"], step.get("launches", 0.0))
    return steps * (on_card + step.get("drawing on the CPU", 0.0)), limit


def rollout(shape: Shape, load: Load, width: int, cards: Cards, backend: str) -> Stage:
    """Prompts once, then a token a step for as many rows as memory holds."""
    seconds, limit = _decode(shape, load, width, cards, backend)
    seconds += work.prefill(shape, load) / (cards.count * cards.rate(width))
    return Stage("rollout", seconds, None, limit)


def fold(numbers: float, cards: Cards) -> float:
    """Folding so many numbers of gradients into sketches on one card, launches and traffic in turn."""
    traffic = FOLD_BYTES / (cards.card.bandwidth * SHARE_OF_BANDWIDTH)
    return numbers * (FOLD_S / FOLDED_AT_ONCE + traffic)


def score(shape: Shape, load: Load, scored: Scored, width: int, cards: Cards) -> Stage:
    """Passes at the rate of the cards, and the fold of each gradient."""
    one = work.passes(load, scored)
    arithmetic = work.score(shape, load, scored) / (cards.count * cards.rate(width))
    folds = load.signal * load.prompts * one.folds
    folding = folds * fold(scored.selected.count, cards) / cards.count
    attended = flops.attention(shape, one.pairs + 2 * one.pairs_back)
    all_of_it = work.score(shape, replace(load, signal=1.0), scored) / max(load.prompts, 1)
    limit = "attention" if attended > all_of_it / 2 else "arithmetic"
    return Stage("score", arithmetic + folding, None, "folding the sketch" if folding > arithmetic else limit)


def verify(load: Load, kind: str, cores: int) -> Stage:
    """Every response checked, on all cores."""
    each = VERIFY_S.get(kind, VERIFY_OTHER_S)
    return Stage("verify", load.responses * each / cores, None, f"{kind} on {cores} CPU cores")


def analyse(load: Load, scored: Scored, k: int, kernel: bool) -> Stage:
    """Fixed, for each prompt, and arithmetic on the sketches."""
    arithmetic = work.analyse(load.prompts, scored, k, kernel) / ANALYSE_RATE
    rest = ANALYSE_S + ANALYSE_PROMPT_S * load.prompts
    return Stage(
        "analyse", rest + arithmetic, None, "sketches, one CPU core" if arithmetic > rest else "start, rows"
    )


def report(load: Load) -> Stage:
    """The page."""
    return Stage("report", REPORT_S + REPORT_PROMPT_S * load.prompts, None, "the page's own rows")
