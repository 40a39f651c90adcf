"""The guarantee on exact worlds, and that no prompt is dropped without need."""

import numpy as np
import pytest

from acute.core.mitigations.dropping import dropping
from acute.core.mitigations.seen import Seen
from acute.errors import NotEnoughData
from tests.core.mitigations.exact import AT_PEACE, IN_CONFLICT, WORLDS


def test_pass_at_1_does_not_fall_and_weights_stay_or_go():
    for w in WORLDS:
        v = dropping(w.seen).of(w.w_N)
        assert w.rise_1(dropping(w.seen)) >= -1e-10
        assert np.all((v == 0) | (v == w.w_N))
    assert all(np.array_equal(dropping(w.seen).of(w.w_N), w.w_N) for w in AT_PEACE)


def test_one_prompt_fewer_would_not_do():
    for w in IN_CONFLICT:
        v = dropping(w.seen)
        gone = np.flatnonzero(v.added_N)
        least = gone[np.argmin(-(w.w_N * w.seen.agreement_N)[gone])]
        v.added_N[least] = 0
        assert w.rise_1(v) < 0


def test_a_margin_out_of_reach_is_said():
    seen = Seen(np.array([1.0, 0.0]), np.array([-1.0, 3.0]), -0.5, 1.0, 1.0)
    assert dropping(seen).of(seen.weights_N).tolist() == [0, 0]
    with pytest.raises(NotEnoughData, match="smaller"):
        dropping(seen, 0.5)
