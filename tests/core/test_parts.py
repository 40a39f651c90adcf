"""Parts of the inner product in closed form against one restricted objective a group."""

import numpy as np
import pytest

from acute.core import parts as module
from acute.core.blocks import Rows, blocks
from acute.core.parts import parts
from acute.core.products import Products, coefficients, unbiased
from tests.worlds import world

N = 9
GROUPS = {
    "each prompt": np.arange(N),
    "groups, one prompt in none": np.array([0, 1, 0, 2, -1, 2, 2, 1, 0]),
    "a group without prompts": np.array([0, 0, 0, 2, 2, 2, 2, 2, 2]),
}


def slowly(sums, base, of_k, group_N):
    """Value, variance and sum of squares of each group, by one restricted objective a group."""
    share = (group_N == np.arange(group_N.max() + 1)[:, None]).astype(float)
    products = Products(sums, base + of_k.restricted(share))
    for g in range(len(share)):
        found = products.product(1 + g, 0)
        variance = (found.deviation_NM**2).sum(1)
        yield N * found.finite, variance.sum(), (variance**2).sum()


def assert_equal(found, wanted):
    for one, other in zip(found, zip(*wanted, strict=True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("folds", [2, 3, 4])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("group_N", GROUPS.values(), ids=GROUPS)
def test_parts_are_restricted_objectives(folds, k, group_N):
    n, c, sums = world(N=N).roll(48, folds, np.random.default_rng(folds))
    base, of_k = (coefficients([unbiased(a)], n, c) for a in (1, k))
    found = parts(sums, Products(sums, base + of_k), 1, group_N)
    assert_equal(found, slowly(sums, base, of_k, group_N))


def test_blocks_of_any_size_give_the_same(monkeypatch):
    n, c, sums = world(N=N).roll(48, 3, np.random.default_rng(0))
    products = Products(sums, coefficients([unbiased(1), unbiased(4)], n, c))
    whole = parts(sums, products, 1, np.arange(N))
    for prompts in (1, 2, 4):
        size = prompts * sums[0].nbytes
        monkeypatch.setattr(module, "BYTES", prompts * sums[0, 0, 0].nbytes)
        monkeypatch.setattr(module, "blocks", lambda rows, width, budget=size: blocks(rows, width, budget))
        assert_equal(parts(sums, products, 1, np.arange(N)), list(zip(*whole, strict=True)))


def test_rows_are_read_where_they_stand():
    n, c, sums = world(N=N).roll(48, 2, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(N)
    rows = Rows(sums[np.argsort(order)], order)
    assert rows.shape == sums.shape and np.array_equal(rows[2:5], sums[2:5])
    coefs = coefficients([unbiased(1), unbiased(4)], n, c)
    one, other = (parts(x, Products(x, coefs), 1, np.arange(N)) for x in (sums, rows))
    assert_equal(one, list(zip(*other, strict=True)))


def test_too_few_responses_are_unknown_for_their_own_group_alone():
    """pass@8 from eight responses has no products of a prompt with itself; from twelve it has."""
    w = world(N=N)
    few, more = w.roll(8, 2, np.random.default_rng(0)), w.roll(12, 2, np.random.default_rng(1))
    n, c, sums = (np.concatenate([a[:3], b[3:]]) for a, b in zip(few, more, strict=True))
    products = Products(sums, coefficients([unbiased(1), unbiased(8)], n, c))
    value = parts(sums, products, 1, np.arange(N)).value_G
    assert np.isnan(value[:3]).all() and np.isfinite(value[3:]).all()


def test_the_sum_of_the_parts_is_the_whole():
    n, c, sums = world(N=N).roll(48, 4, np.random.default_rng(0))
    products = Products(sums, coefficients([unbiased(1), unbiased(4)], n, c))
    assert parts(sums, products, 1, np.arange(N)).value_G.mean() == pytest.approx(
        products.product(1, 0).finite
    )


def test_blocks_hold_every_row_once():
    assert list(blocks(0, 8)) == []
    assert [s.stop - s.start for s in blocks(7, 10, 31)] == [3, 3, 1]
    assert [s.stop - s.start for s in blocks(2, 10, 5)] == [1, 1]


def test_one_fold_has_no_products_of_a_prompt_with_itself():
    n, c, sums = (x.sum(1, keepdims=True) for x in world(N=N).roll(48, 2, np.random.default_rng(0)))
    found = parts(sums, Products(sums, coefficients([unbiased(1)], n, c)), 0, np.arange(N))
    assert np.isnan(found.value_G).all()


MANY = 600


def rolled_many(seed, folds=2):
    """Prompts of which a third show no gradient."""
    n, c, sums = world(N=MANY).roll(24, folds, np.random.default_rng(seed))
    c[::3] = n[::3]
    sums[::3] = 0
    return n, c, sums


@pytest.mark.parametrize("folds", [2, 3])
def test_error_through_the_direction_from_some_prompts_is_that_from_all(folds):
    n, c, sums = rolled_many(0, folds)
    products = Products(sums, coefficients([unbiased(1), unbiased(4)], n, c))
    whole, some = (parts(sums, products, 1, np.arange(MANY), most) for most in (MANY, 200))
    np.testing.assert_array_equal(some.value_G, whole.value_G)
    shown = whole.variance_G > 0
    ratio = some.variance_G[shown] / whole.variance_G[shown]
    assert 0.97 < ratio.mean() < 1.03 and np.quantile(np.abs(ratio - 1), 0.95) < 0.1
    ratio = some.squares_G[shown] / whole.squares_G[shown]
    assert 0.9 < ratio.mean() < 1.1


def test_with_every_noisy_prompt_drawn_it_is_exactly_the_same():
    n, c, sums = rolled_many(1)
    products = Products(sums, coefficients([unbiased(1), unbiased(4)], n, c))
    group_N = np.arange(MANY) - 1  # the first prompt is in no group
    group_N[-40:] = group_N[-80:-40]  # some groups hold two
    group_N[5] = MANY - 2
    noisy = int((c.sum(1) < n.sum(1)).sum())
    assert noisy < 500 < group_N.max() + 1
    found = parts(sums, products, 1, group_N, 500)
    assert_equal(found, list(zip(*parts(sums, products, 1, group_N), strict=True)))


def test_without_any_noise_there_is_no_error():
    n, c, sums = rolled_many(2)
    sums[:] = 0
    c[:] = n
    products = Products(sums, coefficients([unbiased(1)], n, c))
    assert not parts(sums, products, 0, np.arange(MANY), 100).variance_G.any()
