"""Intervals cover what they are about, on finite worlds with exact truth."""

import numpy as np
import pytest

from acute.measure.conflict import Curve, Measured, finite_answers, restricted
from tests.worlds import world


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
    assert cosine.min() > 0.87  # the delta method on a ratio: see docs/statistics.md


def test_agreement_of_each_prompt_covers():
    w = world(N=10)
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(150):
        measured = Measured(*w.roll(128, 4, rng), np.inf)
        answers = finite_answers(restricted(measured, 1, 10 * np.eye(10)), np.inf, 0.0)
        hits.append(
            [
                a.estimate.lo <= t <= a.estimate.hi
                for a, t, c in zip(answers, w.agreement_N, measured.c_N, strict=True)
                if 0 < c < 128
            ]
        )
    assert 0.90 < np.mean(np.concatenate(hits)) < 0.99


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
