"""The kernel from grouped sums, against the exact one of finite worlds."""

import numpy as np

from acute.measure.conflict import Measured
from acute.measure.kernel import kernel
from tests.worlds import world


def test_unbiased_and_its_errors_are_those_that_occur():
    w = world(N=6, hard=0.0)
    exact = w.grad_p_ND @ w.grad_p_ND.T
    rng = np.random.default_rng(0)
    found = [kernel(Measured(*w.roll(128, 4, rng), np.inf)) for _ in range(1500)]
    kept = [f for f in found if np.isfinite(f.kernel_NN).all()]
    assert len(kept) > 1490
    values = np.stack([f.kernel_NN for f in kept])
    error = (values.mean(0) - exact) / (values.std(0) / np.sqrt(len(kept)))
    assert np.abs(error).max() < 4.5
    variance = np.mean([f.se_NN**2 for f in kept], 0)
    assert np.all((variance / values.var(0) > 0.7) & (variance / values.var(0) < 1.6))


def test_its_mean_is_the_squared_norm_of_the_gradient():
    from acute.measure.conflict import Curve

    measured = Measured(*world(N=8, hard=0.1).roll(256, 2, np.random.default_rng(1)), np.inf)
    found = kernel(measured).kernel_NN
    np.testing.assert_allclose(np.mean(found), Curve(measured, 1).with_first[0].finite, rtol=1e-10)


def test_symmetric_and_prompts_without_signal_are_unknown():
    n_NM, c_NM, sums = world(N=5).roll(64, 2, np.random.default_rng(2))
    c_NM[2] = 0
    found = kernel(Measured(n_NM, c_NM, sums, np.inf))
    np.testing.assert_array_equal(found.kernel_NN, found.kernel_NN.T)
    assert np.isnan(found.kernel_NN[2]).all()
    assert np.isnan(found.se_NN[:, 2]).all()
    assert np.isfinite(np.delete(np.delete(found.kernel_NN, 2, 0), 2, 1)).all()


def test_the_sketch_error_is_counted():
    rolled = world(N=5, hard=0.0).roll(64, 2, np.random.default_rng(3))
    wide, narrow = (kernel(Measured(*rolled, size)) for size in (16, np.inf))
    assert not narrow.sketch_se_NN[np.isfinite(narrow.sketch_se_NN)].any()
    np.testing.assert_allclose(wide.se_NN**2, narrow.se_NN**2 + wide.sketch_se_NN**2)
    norm = np.diag(narrow.kernel_NN).clip(0)
    added = (np.outer(norm, norm) + narrow.kernel_NN**2) / 16
    np.testing.assert_allclose(wide.se_NN**2, narrow.se_NN**2 + added)
