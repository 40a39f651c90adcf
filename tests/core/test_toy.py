"""The paper's toy world: every printed number, and gradients against differences."""

from itertools import pairwise

import numpy as np
import pytest

from acute.core import toy
from acute.core.agreement import cosine_kernel, kernel
from acute.errors import ConfigError, InputError
from tests.core.worlds import numeric_gradient, softmax_world


def test_every_printed_number_of_the_two_prompt_table():
    world, k = toy.two_prompts(), 10
    at = toy.state(world, toy.THETA_REF, k)
    kappa = kernel(at.gradients)
    psi = world.features
    assert psi[0] @ psi[1] / np.linalg.norm(psi[0]) / np.linalg.norm(psi[1]) == pytest.approx(0.98, abs=0.005)
    assert at.p == pytest.approx([0.86, 0.10], abs=0.005)
    assert kappa[0, 1] == pytest.approx(-0.01, abs=0.005)
    assert cosine_kernel(kappa)[0, 1] == pytest.approx(-0.98, abs=0.005)
    assert k * (1 - at.p[0]) ** (k - 1) == pytest.approx(2.33e-7, abs=0.005e-7)
    assert k * (1 - at.p[1]) ** (k - 1) == pytest.approx(3.88, abs=0.005)
    assert at.cosine == pytest.approx(-0.77, abs=0.005)
    after = toy.state(world, toy.THETA_REF + 5 * at.gradient_k, k)
    assert (pytest.approx(0.48, abs=0.005), pytest.approx(0.46, abs=0.005)) == (at.J1, after.J1)
    assert (at.Jk, after.Jk) == (pytest.approx(0.83, abs=0.005), pytest.approx(0.95, abs=0.005))


@pytest.mark.parametrize("seed", range(3))
def test_the_population_loses_pass_at_1_and_gains_pass_at_5(seed):
    world = toy.population(seed=seed)
    path = toy.ascend(world, toy.THETA_REF, k=5, step=0.5, steps=400)
    states = [toy.state(world, theta, 5) for theta in path]
    first, last = states[0], states[-1]
    assert (pytest.approx(0.53, abs=0.01), pytest.approx(0.51, abs=0.01)) == (first.J1, last.J1)
    assert (first.Jk, last.Jk) == (pytest.approx(0.76, abs=0.01), pytest.approx(0.97, abs=0.01))
    assert all(s.inner < 0 or abs(s.inner) < 1e-12 for s in states)
    assert 0.3 < (first.agreement < 0).mean() < 0.5
    assert last.agreement.min() < first.agreement.min()


@pytest.mark.parametrize("world", [toy.two_prompts(), toy.population(7, seed=1), softmax_world(2)])
def test_gradients_are_the_derivatives(world):
    d = world.features.shape[-1]
    theta = np.linspace(-1, 0.7, d)
    numeric = np.array(
        [numeric_gradient(lambda t, x=x: world.success(t)[x], theta) for x in range(len(world.mass))]
    )
    assert world.gradients(theta) == pytest.approx(numeric, abs=1e-9)
    at = toy.state(world, theta, 4)
    assert at.gradient_1 == pytest.approx(
        numeric_gradient(lambda t: toy.state(world, t, 4).J1, theta), abs=1e-9
    )
    assert at.gradient_k == pytest.approx(
        numeric_gradient(lambda t: toy.state(world, t, 4).Jk, theta), abs=1e-9
    )
    assert at.agreement == pytest.approx(numeric @ at.gradient_1, abs=1e-8)
    assert at.inner == pytest.approx(at.gradient_1 @ at.gradient_k)


def test_bandit_success_and_labels():
    world = toy.Bandit(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([False, True]))
    assert world.success(np.array([np.log(3), 0.0])) == pytest.approx([0.25, 0.75])
    assert world.mass.tolist() == [0.5, 0.5]


def test_bandit_constants_bound_every_theta():
    world = toy.population(50, seed=2)
    G2, F = world.constants()
    for theta in np.random.default_rng(0).normal(size=(40, 2)) * 2:
        one = 1 / (1 + np.exp(-(world.features @ theta)))
        spread = (one * (1 - one) * (world.features**2).sum(-1)).max()  # E‖s‖² and ‖∇² log π‖ alike
        assert spread <= G2 + 1e-12 and spread <= F + 1e-12
    assert toy.two_prompts().constants() == (pytest.approx(1.01 / 4), pytest.approx(1.01 / 4))


def test_softmax_constants_bound_every_theta():
    world = softmax_world(4)
    G2, F = world.constants()
    for theta in np.random.default_rng(0).normal(size=(40, 4)) * 2:
        pi, s = world.probabilities(theta), world.scores(theta)
        assert (pi * (s**2).sum(-1)).sum(-1).max() <= G2
        curvature = np.einsum("xy,xyi,xyj->xij", pi, s, s)
        assert np.linalg.eigvalsh(curvature).max() <= F
    assert max(((x[:, None] - x[None]) ** 2).sum(-1).max() / 2 for x in world.features) == G2


def test_softmax_probabilities_do_not_overflow():
    world = softmax_world(0)
    pi = world.probabilities(np.full(4, 1e4))
    assert np.isfinite(pi).all() and pi.sum(-1) == pytest.approx(np.ones(6))


def test_tabular_is_a_table():
    world = toy.tabular([[1, 0], [0, 1], [1, 1]], mass=[1, 1, 2])
    assert world.features.shape == (3, 2, 6) and world.mass.tolist() == [0.25, 0.25, 0.5]
    theta = np.array([np.log(3), 0, 0, 0, 0, 0])
    assert world.success(theta) == pytest.approx([0.75, 0.5, 1.0])
    with pytest.raises(InputError, match=r"found \(2,\)"):
        toy.tabular([1, 0])


def test_population_is_drawn_as_told():
    world = toy.population(20_000, p_hard=0.3, separation=1.0, seed=3)
    assert world.hard.mean() == pytest.approx(0.3, abs=0.02)
    assert world.features[world.hard, 1].mean() == pytest.approx(0.5, abs=0.05)
    assert world.features[~world.hard, 1].mean() == pytest.approx(-0.5, abs=0.05)
    assert (world.features[:, 0] == 1).all()


def test_one_prompt_of_one_kind_is_a_population():
    for p_hard in (0.0, 1.0):
        world = toy.population(1, p_hard)
        assert len(world.features) == 1 and world.hard[0] == bool(p_hard)


def test_seeds_are_real():
    a, b, c = (toy.population(50, seed=s).features for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize(("prompts", "p_hard"), [(0, 0.4), (10, -0.1), (10, 1.1)])
def test_impossible_populations_are_refused(prompts, p_hard):
    with pytest.raises(ConfigError, match="needed prompts >= 1"):
        toy.population(prompts, p_hard)


def test_ascent_follows_the_gradient():
    world = toy.two_prompts(separation=0.2)
    path = toy.ascend(world, [0.0, 0.0], k=3, step=0.1, steps=2)
    assert path.shape == (3, 2)
    for before, after in pairwise(path):
        assert after - before == pytest.approx(0.1 * toy.state(world, before, 3).gradient_k)
    assert toy.two_prompts(0.6).features[:, 1].tolist() == [-0.3, 0.3]


def test_no_gradient_no_angle():
    world = toy.tabular([[1, 1]])
    assert np.isnan(toy.state(world, np.zeros(2), 3).cosine)
