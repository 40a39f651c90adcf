"""Which parameters `trainable` selects."""

import pytest

from acute.errors import ConfigError
from acute.gradients.parameters import selected
from tests.policies import policy


def test_trainable_is_what_requires_a_gradient_and_stays_so():
    model, _ = policy("llama-lora")
    with selected(model, "trainable") as parameters:
        assert parameters and all("lora_" in name for name in parameters)
    wanted = {name for name, p in model.named_parameters() if "lora_" in name}
    assert {name for name, p in model.named_parameters() if p.requires_grad} == wanted
    model.requires_grad_(False)
    with (
        pytest.raises(ConfigError, match="every parameter of this model is frozen"),
        selected(model, "trainable"),
    ):
        pass
