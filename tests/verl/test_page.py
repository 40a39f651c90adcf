"""The commands of docs/verl.md: verl's own configuration takes every setting that they make."""

import json
import shlex

import pytest
from hydra import compose, initialize_config_module
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

from acute.integrations.side_file import read_weights
from tests.docs.pages import ROOT, blocks, commands

BLOCKS = blocks((ROOT / "docs" / "verl.md").read_text())
COMMANDS = [c for b in BLOCKS if b.language == "console" for c, _ in commands(b.text) if "main_ppo" in c]


@pytest.mark.parametrize("command", COMMANDS)
def test_verl_takes_the_settings(command):
    settings = [word for word in shlex.split(command) if "=" in word]
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=settings)
    assert config.algorithm.adv_estimator in ADV_ESTIMATOR_REGISTRY
    assert config.algorithm.acute.objective == "pass@8"


def test_there_are_commands():
    assert len(COMMANDS) >= 2


def test_the_side_file_is_one(tmp_path):
    (shown,) = [b.text for b in BLOCKS if b.language == "json"]
    path = tmp_path / "weights.json"
    path.write_text(shown)
    assert read_weights(path).added == json.loads(shown)["added"]
