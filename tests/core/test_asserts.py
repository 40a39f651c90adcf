"""The named asserts can fail: each is shown a formula with exactly the fault that it is for."""

import numpy as np
import pytest
import torch

from tests.core import asserts as A

BATCH = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
ORDERS = [[2, 0, 1], [1, 0, 2]]


def centred(x):
    return x - x.mean(-1, keepdims=True)


def sums_in_place(x):
    x += 1
    return x


def as_float32(x):
    return torch.as_tensor(np.asarray(x, np.float32))


WHOLE = {
    "permutation_equivariant": lambda f: A.assert_permutation_equivariant(f, BATCH, ORDERS),
    "permutation_invariant": lambda f: A.assert_permutation_invariant(f, [3.0, 1.0, 2.0], orders=ORDERS),
    "batch_invariant": lambda f: A.assert_batch_invariant(f, BATCH),
    "scale_equivariant": lambda f: A.assert_scale_equivariant(f, BATCH),
    "broadcasts": lambda f: A.assert_broadcasts(f, np.array([[1.0], [2.0]]), np.array([3.0, 4.0])),
    "input_untouched": lambda f: A.assert_input_untouched(f, BATCH.copy()),
    "dtype_kept": lambda f: A.assert_dtype_kept(f, BATCH),
    "torch_agrees": lambda f: A.assert_torch_agrees(f, BATCH),
    "unbiased": lambda f: A.assert_unbiased(f, 4, 0.3, 0.3),
    "monotone": lambda f: A.assert_monotone(f(np.arange(4.0))),
    "concave": lambda f: A.assert_concave(f, 0.0, 1.0),
}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("permutation_equivariant", centred, lambda x: x * np.arange(3)),
        ("permutation_invariant", np.sum, lambda x: x[0]),
        ("batch_invariant", centred, lambda x: x - x.mean()),
        ("scale_equivariant", centred, lambda x: x**2),
        ("broadcasts", np.hypot, lambda a, b: a + np.max(b)),
        ("input_untouched", centred, sums_in_place),
        ("dtype_kept", lambda x: 1.0 * x if isinstance(x, torch.Tensor) else x * np.float64(1), as_float32),
        ("torch_agrees", lambda x: 2 * x, lambda x: np.asarray(x)),
        ("unbiased", lambda c: c / 4, lambda c: c / 5),
        ("monotone", np.sqrt, np.cos),
        ("concave", np.sqrt, np.square),
    ],
)
def test_each_passes_the_right_formula_and_fails_the_wrong_one(name, good, bad):
    WHOLE[name](good)
    with pytest.raises(AssertionError):
        WHOLE[name](bad)


def test_every_assert_is_shown_to_fail():
    named = {x.removeprefix("assert_") for x in vars(A) if x.startswith("assert_")}
    assert named == WHOLE.keys() | {"close"}
    with pytest.raises(AssertionError, match=r"wanted shape \(1,\), found \(\)"):
        A.assert_close(1.0, [1.0])
    with pytest.raises(AssertionError, match="not falling"):
        A.assert_monotone([1.0, 1.0], up=False, strictly=True)
    assert A.all_groups(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
