"""Intervals cover what they are about, on finite worlds with exact truth."""

import numpy as np
import pytest

from acute.core.products import Products, coefficients, plug_in
from acute.measure.conflict import (
    Curve,
    Measured,
    finite_answers,
    naive,
    population_answers,
    restricted,
    squared_norm,
)
from acute.measure.many import from_errors
from acute.measure.prompts import agreement
from tests.worlds import World, world


@pytest.mark.parametrize("folds", [2, 4])
def test_intervals_of_these_prompts_cover(folds):
    w = world(N=18, sharing=0.8)
    rng = np.random.default_rng(3)
    hits, answered = np.zeros((2, 3)), np.zeros((2, 3))
    for _ in range(300):
        curve = Curve(Measured(*w.roll(256, folds, rng), np.inf), 8)
        for i, k in enumerate((2, 4, 8)):
            for j, (answer, truth) in enumerate(
                [(curve.inner(k), w.inner(k)), (curve.cosine(k), w.cosine(k))]
            ):
                if answer.estimate is not None:
                    answered[j, i] += 1
                    hits[j, i] += answer.estimate.lo <= truth <= answer.estimate.hi
    assert answered.min() > 280
    inner, cosine = hits / answered
    assert inner.min() > 0.91 and inner.max() < 0.995
    assert cosine.min() > 0.91 and cosine.max() < 0.995


@pytest.mark.parametrize("folds", [2, 4])
def test_agreement_of_each_prompt_covers(folds):
    w = world(N=16)
    rng = np.random.default_rng(4)
    hits, bare = [], []
    for _ in range(150):
        measured = Measured(*w.roll(128, folds, rng), np.inf)
        found = from_errors(*agreement(Curve(measured, 1)))
        alone = finite_answers(restricted(measured, 1, 16 * np.eye(16)), np.inf, 0.0)
        for x in np.flatnonzero((measured.c_N > 0) & (measured.c_N < 128)):
            hits.append(found.lo_N[x] <= w.agreement_N[x] <= found.hi_N[x])
            bare.append(alone[x].estimate.lo <= w.agreement_N[x] <= alone[x].estimate.hi)
            assert found.value_N[x] == pytest.approx(alone[x].estimate.value)
    assert 0.92 < np.mean(hits) < 0.985
    if folds == 2:  # one difference a prompt is too little to know its error from
        assert np.mean(bare) < 0.92


def test_agreement_of_parts_of_a_distribution():
    """Prompts of two kinds drawn at random, so that each part's size is random too."""
    w, rng = world(N=200, sharing=0.8, hard=0.5), np.random.default_rng(6)
    kind = (w.p_N < np.median(w.p_N)).astype(float)
    wanted = [w.agreement_N[kind == x].mean() for x in (0, 1)]
    values, hits = [], []
    for _ in range(150):
        drawn = rng.integers(200, size=40)
        part = World(w.pi_NY[drawn], w.s_NYD[drawn], w.r_NY[drawn])
        inside = np.stack([1 - kind[drawn], kind[drawn]])
        measured = Measured(*part.roll(32, 2, rng), np.inf)
        answers = population_answers(measured, 1, inside / inside.mean(1, keepdims=True))
        values.append([a.estimate.value for a in answers])
        hits.append([a.estimate.lo <= t <= a.estimate.hi for a, t in zip(answers, wanted, strict=True)])
    z = (np.mean(values, 0) - wanted) / (np.std(values, 0) / np.sqrt(150))
    assert np.abs(z).max() < 3.5
    assert 0.88 < np.mean(hits) < 0.99


def test_the_naive_way_is_the_plug_in_with_the_same_rollouts_in_both_factors():
    measured = Measured(*world().roll(16, 2, np.random.default_rng(0)), np.inf)
    products = Products(
        measured.sums_NMOD, coefficients([plug_in(4), plug_in(1)], measured.n_NM, measured.c_NM)
    )
    inner, own, first = (products.product(*pair).naive for pair in ((0, 1), (0, 0), (1, 1)))
    found = naive(measured, [2, 4])
    assert found[0][1] == pytest.approx(inner)
    assert found[1][1] == pytest.approx(inner / np.sqrt(own * first))


def test_the_sketch_error_is_counted():
    w = world()
    rolled = w.roll(256, 2, np.random.default_rng(0))
    wide = Curve(Measured(*rolled, 16), 4).cosine(4).estimate
    narrow = Curve(Measured(*rolled, np.inf), 4).cosine(4).estimate
    assert wide.se**2 == pytest.approx(narrow.se**2 + (1 - narrow.value**2) ** 2 / 16)


def test_cosine_with_itself_is_one():
    curve = Curve(Measured(*world().roll(64, 2, np.random.default_rng(0)), np.inf), 2)
    assert curve.cosine(1).estimate.as_json() == {"value": 1, "se": 0, "lo": 1, "hi": 1}


def test_pure_noise_has_no_cosine_or_one_that_may_be_anything():
    rng, seen = np.random.default_rng(1), set()
    for _ in range(40):
        noise = Measured(*world().roll(8, 2, rng), np.inf)
        noise.sums_NMOD[:] = rng.normal(size=noise.sums_NMOD.shape)
        found = Curve(noise, 2).cosine(2).estimate
        seen.add(None if found is None else found.hi - found.lo > 1)
    assert None in seen
    assert seen <= {None, True}


def test_the_band_holds_all_k_at_once_and_pointwise_intervals_do_not():
    w = world(N=18, sharing=0.8)
    rng = np.random.default_rng(5)
    truth = [w.inner(k) for k in range(1, 17)]
    whole, pointwise = [], []
    for seed in range(200):
        curve = Curve(Measured(*w.roll(128, 4, rng), np.inf), 16)
        band = curve.band(seed)
        single = [curve.inner(k).estimate for k in curve.k]
        whole.append(all(lo <= t <= hi for (lo, hi), t in zip(band, truth, strict=True)))
        pointwise.append(all(e.lo <= t <= e.hi for e, t in zip(single, truth, strict=True)))
        assert all(lo <= e.lo for (lo, _), e in zip(band, single, strict=True))
    assert np.mean(pointwise) < 0.93 < np.mean(whole) + 0.02
    assert np.mean(whole) > np.mean(pointwise)


def test_the_band_is_seeded():
    curve = Curve(Measured(*world().roll(64, 4, np.random.default_rng(0)), np.inf), 8)
    assert curve.band(0) == curve.band(0) != curve.band(1)


def test_no_cosine_where_rounding_alone_is_left_of_a_norm():
    """n = 64, k = 32: no pair has 62 others that all fail, so ‖∇J_32‖² is estimated 0."""
    rng = np.random.default_rng(5)
    left = []
    for _ in range(20):
        c_NM = np.array([[15.0, 14.0], [30.0, 29.0]])
        curve = Curve(Measured(np.full((2, 2), 32.0), c_NM, rng.normal(size=(2, 2, 2, 300)), np.inf), 32)
        left.append(curve.norm[31].finite)
        assert curve.cosine(32).estimate is None and np.isnan(curve.scale(32))
        assert squared_norm(curve.norm[1], "finite") == curve.norm[1].finite
    assert any(x > 0 for x in left) and np.abs(left).max() < 1e-12  # what a bare `> 0` took for a length


@pytest.mark.parametrize("N", [1, 2])
def test_one_prompt_or_two_say_nothing_of_their_distribution(N):
    """Two have one pair, which both influences are made of: their spread is 0 whatever the noise."""
    curve = Curve(Measured(*world(N=N).roll(64, 2, np.random.default_rng(0)), 4096), 2)
    assert curve.cosine_population(2).estimate is None
    found = curve.inner_population(2).estimate
    assert found is None if N == 1 else (found.se, found.lo, found.hi) == (None, None, None)
    assert curve.inner(2).estimate.lo is not None
