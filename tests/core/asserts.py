"""Tests defined by name: what a vectorised formula must do whatever it computes.

Each takes the function first and raises AssertionError where the property fails; `test_asserts.py` shows that
each of them can.
"""

from itertools import product
from math import comb

import numpy as np
import torch

SLACK = 1e-9


def assert_close(found, want, slack=SLACK, message=""):
    """Equal within an absolute and relative slack, NaN where NaN is wanted, and of the same shape."""
    found, want = np.asarray(found, float), np.asarray(want, float)
    assert found.shape == want.shape, f"{message}: wanted shape {want.shape}, found {found.shape}"
    np.testing.assert_allclose(found, want, rtol=slack, atol=slack, err_msg=message)


def assert_permutation_equivariant(f, groups, orders):
    """Responses in another order: the same answers in that order."""
    want = np.asarray(f(groups))
    for order in orders:
        assert_close(f(groups[..., order]), want[..., order], message=f"order {order}")


def assert_permutation_invariant(f, *columns, orders):
    """Prompts in another order, in all columns at once: the same answer."""
    want = f(*columns)
    for order in orders:
        assert_close(f(*(np.asarray(column)[order] for column in columns)), want, message=f"order {order}")


def assert_batch_invariant(f, batch):
    """One group alone gets what it gets in a batch, and so it does in a batch with further axes."""
    want = np.asarray(f(batch))
    for group, answer in zip(batch, want, strict=True):
        assert_close(f(group), answer)
        assert_close(f(group[None, None])[0, 0], answer)
    assert_close(f(np.stack([batch, batch[::-1]])), np.stack([want, want[::-1]]))


def assert_scale_equivariant(f, x, degree=1, factors=(0.25, 3.0)):
    """f(s x) = s**degree f(x)."""
    want = np.asarray(f(x))
    for factor in factors:
        assert_close(f(factor * np.asarray(x)), factor**degree * want, message=f"scaled by {factor}")


def assert_broadcasts(f, *arguments):
    """On arrays, f is what it is on each element of the arguments broadcast against one another."""
    spread = np.broadcast_arrays(*arguments)
    one_by_one = [np.asarray(f(*(a.flat[i] for a in spread))) for i in range(spread[0].size)]
    assert all(x.shape == () for x in one_by_one), "an element alone must give a number"
    assert_close(f(*arguments), np.reshape(one_by_one, spread[0].shape))


def assert_input_untouched(f, x):
    """The caller's array is the same afterwards, and the answer does not share its memory by surprise."""
    before = x.copy()
    f(x)
    assert np.array_equal(x, before), "the input was changed in place"


def assert_dtype_kept(f, rewards):
    """Tensors of a floating dtype come back in it, whole numbers in torch's default; arrays are float64."""
    assert np.asarray(f(rewards.astype(np.float32))).dtype == np.float64
    for dtype in (torch.float64, torch.float32, torch.float16, torch.int32, torch.bool):
        found = f(torch.as_tensor(rewards).to(dtype))
        wanted = dtype if dtype.is_floating_point else torch.get_default_dtype()
        assert found.dtype == wanted, f"wanted {wanted}, found {found.dtype}"


def assert_torch_agrees(f, rewards):
    """A float64 tensor gets the very numbers that the array gets."""
    found = f(torch.as_tensor(rewards, dtype=torch.float64))
    assert isinstance(found, torch.Tensor), f"wanted a tensor, found {type(found).__name__}"
    assert np.array_equal(found.numpy(), f(rewards))


def chances(n, p):
    """Of c = 0..n successes among n responses."""
    return np.array([comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])


def assert_unbiased(estimate, n, p, truth):
    """E estimate(c) over c ~ Binomial(n, p), summed over all outcomes: no seed, no slack for chance."""
    mean = sum(w * np.asarray(estimate(c), float) for c, w in enumerate(chances(n, p)))
    assert_close(mean, truth, message=f"n = {n}, p = {p}")


def assert_monotone(values, up=True, strictly=False):
    """Rising, or falling, along the last axis."""
    steps = np.diff(np.asarray(values, float)) * (1 if up else -1)
    assert (steps > 0 if strictly else steps >= -SLACK).all(), f"not {'rising' if up else 'falling'}"


def assert_concave(f, low, high):
    """No value on a grid of [low, high] lies below the middle of its neighbours."""
    values = np.asarray(f(np.linspace(low, high, 101)), float)
    assert (np.diff(values, 2) <= SLACK).all(), "not concave"


def all_groups(n):
    """Every group of n rewards 0 and 1, shape (2**n, n)."""
    return np.array(list(product([0.0, 1.0], repeat=n)))
