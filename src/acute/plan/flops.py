"""Floating-point operations of the passes; a product and its addition are two.

Suffix-free numbers: tokens and pairs are counts, results are operations.
"""

from acute.plan.shape import Selected, Shape


def products(shape: Shape, tokens: float) -> float:
    """Multiplying tokens with the weights of all layers, forward."""
    return 2.0 * shape.body * tokens


def logits(shape: Shape, predicted: float) -> float:
    """Logits of so many next tokens."""
    return 2.0 * shape.table * predicted


def attention(shape: Shape, pairs: float) -> float:
    """Scores and sums over so many (query, key) pairs, forward, in all layers: two products a pair."""
    return 4.0 * shape.layers * shape.attention * pairs


def forward(shape: Shape, tokens: float, predicted: float, pairs: float) -> float:
    """One forward pass over `tokens`, logits of `predicted` of them, attention over `pairs`."""
    return products(shape, tokens) + logits(shape, predicted) + attention(shape, pairs)


def backward(shape: Shape, tokens: float, predicted: float, pairs: float, selected: Selected) -> float:
    """One backward pass for the gradient of the selected weights.

    Through the products it costs as much as forward, through attention twice that (scores and sums each
    have two factors); the weights' own gradients as much as their part of the forward pass.
    """
    through = selected.reach * (products(shape, tokens) + 2 * attention(shape, pairs))
    if selected.below_the_table:
        through += logits(shape, predicted)
    return through + 2.0 * selected.body * tokens + selected.table * logits(shape, predicted)


def fold(parameters: float, folds: float) -> float:
    """Sketching a gradient: a sign and an addition for each number, for so many gradients."""
    return 2.0 * parameters * folds
