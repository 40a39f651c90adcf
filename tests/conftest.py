"""Shared fixtures. Tests never reach out: no hub, no network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Verdicts of the tests are kept apart from the user's."""
    os.environ["ACUTE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a tiny model, made once."""
    from tests.tiny import save_model

    return save_model(tmp_path_factory.mktemp("model"))
