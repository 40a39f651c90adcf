"""Bytes in memory and on disk."""

from acute.plan.shape import Shape

COPIES_OF_LOGITS = 4  # logits, log-softmax in float32, its gradient, the gradient of the logits


def weights(shape: Shape, width: int) -> float:
    """All weights at `width` bytes each."""
    return float(shape.stored * width)


def cache(shape: Shape, width: int, tokens: float) -> float:
    """Keys and values of so many tokens."""
    return 2.0 * shape.layers * shape.cached * width * tokens


def activations(shape: Shape, width: int, tokens: float) -> float:
    """What one pass keeps for its backward: inputs of products, norms, attention and the gated MLP.

    A layer keeps six vectors of the model's width, the query, key, value and mixed ones, and four of the
    MLP's; attention matrices are not kept.
    """
    numbers = 6 * shape.width + 2 * shape.attention + 2 * shape.cached + 4 * shape.inner
    return float(shape.layers * numbers * width * tokens)


def logits(shape: Shape, predicted: float) -> float:
    """Rows of logits in float32, and what is made of them on the way back."""
    return 4.0 * COPIES_OF_LOGITS * shape.vocabulary * predicted


def mask(tokens: float, width: int) -> float:
    """The mask of one pass, a matrix: who may see whom, and what is added to the scores."""
    return (1.0 + width) * tokens**2


def scoring(shape: Shape, width: int, tokens: float, predicted: float, scale: bool = False) -> float:
    """Peak of one scoring pass on one rank that holds the whole model; `scale`: for metric = adam."""
    held = weights(shape, width) + shape.largest * max(width, 4) + (4.0 * shape.stored if scale else 0.0)
    return held + activations(shape, width, tokens) + logits(shape, predicted) + mask(tokens, width)


def scoring_sharded(
    shape: Shape, width: int, tokens: float, predicted: float, ranks: int, scale: bool = False
) -> float:
    """As `scoring`, the weights split over ranks and two layers gathered at a time."""
    whole = scoring(shape, width, tokens, predicted, scale)
    shared = weights(shape, width) + (4.0 * shape.stored if scale else 0.0)
    gathered = 2 * weights(shape, width) / shape.layers + shape.table * width
    return whole - shared * (1 - 1 / ranks) + gathered * (ranks > 1)


def sketches(prompts: int, folds: int, size: int, width: int = 4) -> float:
    """sketch.npy: a sketch for each prompt, fold and outcome."""
    return float(prompts * folds * 2 * size * width)


def tables(responses: float, drawn: float) -> float:
    """responses.parquet: about three bytes a token (its id and its text, compressed), 40 a row."""
    return 40.0 * responses + 3.0 * drawn


def kernel(prompts: int, most: int) -> float:
    """kernel.npz: three matrices in float64, for at most `most` prompts."""
    return 24.0 * prompts**2 if prompts <= most else 0.0
