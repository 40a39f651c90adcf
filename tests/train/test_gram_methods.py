"""torchjd's methods on the Gram matrix of (∇J_k, ∇J_1): guarantees on exact worlds, and the family."""

import numpy as np
import pytest

pytest.importorskip("torchjd")

from acute.core.mitigations.projection import projection
from acute.core.mitigations.seen import at_length, length_in_family
from acute.errors import InputError
from acute.train.gram_methods import gram, pcd, upgrad
from tests.core.mitigations.exact import AT_PEACE, IN_CONFLICT, WORLDS

SLACK = 1e-10


def test_upgrad_lowers_neither():
    for w in WORLDS:
        v = upgrad(w.seen)
        assert min(w.rise_1(v), w.rise_k(v)) >= -SLACK
    for w in AT_PEACE:
        assert w.step(upgrad(w.seen)) == pytest.approx((w.at.gradient_1 + w.at.gradient_k) / 2, abs=1e-6)


def test_upgrad_protects_small_gradients_too():
    for w in IN_CONFLICT:
        small = w.seen._replace(
            inner=w.seen.inner * 1e-6, norm_1=w.seen.norm_1 * 1e-6, norm_k=w.seen.norm_k * 1e-6
        )
        assert upgrad(small).of(w.w_N) == pytest.approx(upgrad(w.seen).of(w.w_N), rel=1e-5)


def test_pcd_keeps_its_share_of_pass_at_1():
    for w in WORLDS:
        v = pcd(w.seen, 0.1)
        scale = v.scale * np.sqrt(w.seen.norm_k)  # what the step was multiplied by to have ‖∇J_k‖ as length
        assert w.rise_1(v) / np.sqrt(w.seen.norm_1) >= 0.1 * scale - 1e-7
        assert np.linalg.norm(w.step(v)) == pytest.approx(np.sqrt(w.seen.norm_k), rel=1e-6)


def test_pcd_is_projection_at_another_length():
    acted = 0
    for w in IN_CONFLICT:
        s = w.seen
        margin = 0.02 * np.sqrt(s.norm_k / s.norm_1)
        if margin > 1:
            continue
        p = projection(s, margin)
        same = at_length(p, length_in_family(s, p.scale, p.added_N[0]), np.sqrt(s.norm_k))
        found = pcd(s, 0.02)
        assert (found.scale, found.added_N[0]) == pytest.approx((same.scale, same.added_N[0]), rel=1e-6)
        acted += 1
    assert acted > 5


def test_the_gram_matrix_is_one_that_gradients_can_have():
    seen = WORLDS[0].seen._replace(inner=-10.0)
    assert np.linalg.eigvalsh(gram(seen).numpy()).min() >= -1e-12
    with pytest.raises(InputError, match="‖∇J_1‖² > 0"):
        gram(seen._replace(norm_1=0.0))
