"""Random finite worlds with exact gradients, for tests of identities and bounds."""

import numpy as np
from hypothesis import strategies as st

from acute.core.toy import Softmax


def softmax_world(seed, prompts=6, responses=5, d=4):
    """A softmax policy with shared parameters, unequal shares, and every prompt solvable but not always."""
    rng = np.random.default_rng(seed)
    rewards = (rng.random((prompts, responses)) < 0.3).astype(float)
    rewards[:, 0], rewards[:, 1] = 1, 0
    features = rng.normal(size=(prompts, responses, d))
    return Softmax(features, rewards, rng.dirichlet(np.ones(prompts)))


@st.composite
def worlds(draw):
    """(world, θ): θ from near uniform to nearly deterministic policies."""
    seed = draw(st.integers(0, 2**32 - 1))
    world = softmax_world(seed, draw(st.integers(2, 8)), draw(st.integers(2, 6)), draw(st.integers(1, 5)))
    scale = draw(st.floats(0.0, 3.0))
    return world, scale * np.random.default_rng(seed + 1).normal(size=world.features.shape[-1])


def numeric_gradient(f, theta, h=1e-5):
    """Central differences of a function of θ."""
    return np.array([(f(theta + h * e) - f(theta - h * e)) / (2 * h) for e in np.eye(len(theta))])
