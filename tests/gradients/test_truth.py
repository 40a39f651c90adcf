"""Estimates on a real 135M model, all parameters, against the exact truth."""

from dataclasses import replace

import numpy as np
import pytest
from bench.coverage_smollm2 import compressed

from acute.gradients.exact import exact_inner
from acute.measure.conflict import Curve, Measured, finite_answers, restricted
from acute.models.load import load_policy
from tests.real_world import quickstart_rows, real_world

KS = (1, 2, 4, 8, 16)
pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def real():
    # a hard and an easy sum, two override prompts; by position, not by outcome
    found = real_world(load_policy("bundled:smollm2"), quickstart_rows("override", (0, 3, 10, 13)), most=8)
    return replace(found, world=compressed(found.world))


def measured(real, n, seed, folds=4):
    return Measured(*real.world.roll(n, folds, np.random.default_rng(seed)), sketch_size=65536)


def test_sketched_kernel_is_the_exact_one_to_its_stated_error(real):
    gradients = real.world.grad_p_ND
    norms = np.sqrt(np.diag(real.kernel_NN))
    error = (gradients @ gradients.T - real.kernel_NN) / np.outer(norms, norms)
    assert np.sqrt(np.mean(error**2)) < 2 / 65536**0.5
    np.testing.assert_allclose(real.world.p_N, real.p_N, rtol=1e-4)


def test_most_of_the_responses_are_enumerated(real):
    assert real.world.pi_NY[:, -1].max() < 0.35
    assert np.median(real.world.pi_NY[:, -1]) < 0.15


def test_errors_fall_like_one_over_root_n(real):
    truth = np.array([exact_inner(real.p_N, real.kernel_NN, k)[0] for k in KS])

    def rms(n):
        found = []
        for seed in range(100):
            curve = Curve(measured(real, n, seed), max(KS))
            found.append([curve.with_first[k - 1].finite for k in KS])
        return np.sqrt(np.mean((np.array(found) - truth) ** 2, axis=0))

    ratio = rms(128) / rms(2048)  # 16 times the responses: a quarter of the error
    assert np.all((ratio > 2.8) & (ratio < 5.5)), ratio


def test_intervals_cover_the_exact_values(real):
    """At least 88 of 100 for every k, for the inner product, the cosine and each prompt's agreement."""
    N, inner, cosine = len(real.p_N), dict.fromkeys(KS, 0), dict.fromkeys(KS, 0)
    agreement = np.zeros(N)
    truth = {k: exact_inner(real.p_N, real.kernel_NN, k) for k in KS}
    for seed in range(100):
        data = measured(real, 256, seed)
        curve = Curve(data, max(KS))
        for k in KS:
            inner[k] += covers(curve.inner(k), truth[k][0])
            cosine[k] += covers(curve.cosine(k), truth[k][1])
        scale = curve.norm[0].finite ** 2
        answers = finite_answers(restricted(data, 1, N * np.eye(N)), curve.size, scale)
        agreement += [covers(a, t) for a, t in zip(answers, real.kernel_NN.mean(1), strict=True)]
    assert min(inner.values()) >= 88, inner
    assert min(cosine.values()) >= 88, cosine
    assert min(agreement) >= 88, agreement


def covers(answer, truth):
    """Whether the interval holds the truth; no interval counts as a miss."""
    e = answer.estimate
    return e is not None and e.lo <= truth + 1e-12 and truth - 1e-12 <= e.hi
