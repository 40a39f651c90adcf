"""Bytes in memory and on disk."""

from typing import NamedTuple

from acute.plan.shape import Shape

COPIES_OF_LOGITS = 4  # logits, log-softmax in float32, its gradient, the gradient of the logits


def weights(shape: Shape, width: int) -> float:
    """All weights at `width` bytes each."""
    return float(shape.stored * width)


def cache(shape: Shape, width: int, tokens: float) -> float:
    """Keys and values of so many tokens."""
    return 2.0 * shape.layers * shape.cached * width * tokens


def activations(shape: Shape, width: int, tokens: float, reach: float = 1.0) -> float:
    """What one pass keeps for its backward: inputs of products, norms, attention and the gated MLP.

    A layer keeps six vectors of the model's width, the query, key, value and mixed ones, and four of the
    MLP's; attention matrices are not kept. `reach` is the share of the layers that the gradient passes.
    """
    numbers = 6 * shape.width + 2 * shape.attention + 2 * shape.cached + 4 * shape.inner
    return float(max(1.0, reach * shape.layers) * numbers * width * tokens)


def logits(shape: Shape, predicted: float) -> float:
    """Rows of logits in float32, and what is made of them on the way back."""
    return 4.0 * COPIES_OF_LOGITS * shape.vocabulary * predicted


def mask(tokens: float, width: int) -> float:
    """The mask of one pass, a matrix: who may see whom, and what is added to the scores."""
    return (1.0 + width) * tokens**2


class Pass(NamedTuple):
    """One scoring pass: its tokens, those that logits are made for, the layers that the gradient passes."""

    tokens: float
    predicted: float
    reach: float = 1.0


def gathered(shape: Shape, width: int) -> float:
    """What a rank holds of the others' weights: two layers and a table of the vocabulary."""
    return 2 * weights(shape, width) / shape.layers + shape.table * width


def made(shape: Shape, width: int, one: Pass, checkpointing: bool = False) -> float:
    """What a pass makes beside what stands: activations, logits, mask.

    With `checkpointing` each layer keeps the state that it was fed, and one layer at a time all of the rest.
    """
    kept = activations(shape, width, one.tokens, one.reach)
    if checkpointing:
        states = one.reach * shape.layers * shape.width * width * one.tokens
        kept = min(kept, states + activations(shape, width, one.tokens, 1 / shape.layers))
    return kept + logits(shape, one.predicted) + mask(one.tokens, width)


def scoring(
    shape: Shape, width: int, one: Pass, scale: bool = False, ranks: int = 1, checkpointing: bool = False
) -> float:
    """Peak of one scoring pass on one rank; `scale`: for metric = adam, a number a weight.

    On more than one rank the weights are split over them, and two layers and a table gathered at a time.
    """
    shared = weights(shape, width) + (4.0 * shape.stored if scale else 0.0)
    held = shared / ranks + (gathered(shape, width) if ranks > 1 else 0.0) + shape.largest * max(width, 4)
    return held + made(shape, width, one, checkpointing)


def sketches(prompts: int, folds: int, size: int, width: int = 4) -> float:
    """sketch.npy: a sketch for each prompt, fold and outcome."""
    return float(prompts * folds * 2 * size * width)


def tables(responses: float, drawn: float) -> float:
    """responses.parquet: about three bytes a token (its id and its text, compressed), 40 a row."""
    return 40.0 * responses + 3.0 * drawn


def kernel(prompts: int, most: int) -> float:
    """kernel.npz: three matrices in float64, for at most `most` prompts."""
    return 24.0 * prompts**2 if prompts <= most else 0.0
