"""The side file, and what the verl estimator computes of rewards: no verl needed."""

import numpy as np
import pytest

from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out
from acute.core.advantages.pass_at_one import rloo
from acute.core.mitigations.projection import projection
from acute.core.mitigations.reweighting import reweighting
from acute.errors import ConfigError, InputError
from acute.integrations.grouped import grouped_advantages
from acute.integrations.side_file import Weights, read_weights, weights_of, write_weights
from acute.integrations.verl import settings
from acute.train.target import target
from tests.core.mitigations.exact import IN_CONFLICT


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "weights.json"
    for weights in (Weights(), Weights(0.5, 0.2, {"a": 1.5})):
        write_weights(path, weights)
        assert read_weights(path) == weights
    assert not list(tmp_path.glob("*.part"))


def test_a_reweighting_as_weights():
    w = IN_CONFLICT[0]
    keys = [f"p{i}" for i in range(len(w.w_N))]
    for v in (projection(w.seen), reweighting(w.seen)):
        said = weights_of(v, keys)
        assert said.scale * w.w_N + said.added_to(keys) == pytest.approx(v.of(w.w_N))
    assert not weights_of(projection(w.seen), keys).prompts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "wanted JSON"),
        ("[1]", "an object of scale, added and prompts"),
        ('{"scal": 1}', "an object of scale"),
        ('{"scale": "x"}', "finite numbers"),
        ('{"added": NaN}', "finite numbers"),
        ('{"prompts": {"a": null}}', "finite numbers"),
    ],
)
def test_side_files_that_cannot_be(tmp_path, text, words):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_weights(tmp_path / "w.json")
    with pytest.raises(InputError, match="wanted weights at"):
        read_weights(tmp_path / "none.json")


def test_groups_are_told_by_uid_in_any_order():
    rewards = np.array([1.0, 0, 0, 1, 1, 0, 0, 0])
    uid = ["a", "b", "a", "b", "a", "b", "a", "b"]
    found = grouped_advantages(rewards, uid, target("pass@2"), Weights(0.5, 0.25, {"b": 0.0}))
    a, b = rewards[::2], rewards[1::2]
    assert found[::2] == pytest.approx(0.5 * pass_at_k_leave_one_out(a, 2) + 0.25 * rloo(a))
    assert found[1::2] == pytest.approx(0.5 * pass_at_k_leave_one_out(b, 2))
    with pytest.raises(InputError, match="groups of 8 or more, found 4"):
        grouped_advantages(rewards, uid, target("pass@8"), Weights())


def test_settings_of_verl(tmp_path):
    of, weights = settings({"acute": {"objective": "pass@4"}})
    assert of.name == "pass@4" and weights == Weights()
    write_weights(tmp_path / "w.json", Weights(0.5))
    assert settings({"acute": {"objective": "grpo", "weights": str(tmp_path / "w.json")}})[1].scale == 0.5
    for config, words in (
        (None, r"\+algorithm\.acute\.objective"),
        ({}, r"\+algorithm\.acute\.objective"),
        ({"acute": {}}, "wanted an objective"),
        ({"acute": {"objective": "pass@4", "k": 3}}, r"algorithm\.acute\.k: unknown key"),
    ):
        with pytest.raises(ConfigError, match=words):
            settings(config)
