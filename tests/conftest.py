"""Shared fixtures. Tests never reach out: no hub, no network."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

# what takes longest begins first: with it at the end one of two workers waits for the other
LONGEST = (
    "train/test_session.py",
    "test_score_ranks.py",
    "gradients/test_truth.py",
    "stages/test_cluster_on_ray.py",
    "test_run.py",
    "faults/test_faults.py",
    "report/test_tutorial_notebook.py",
    "report/test_accessibility.py",
    "integrations/test_ray_train.py",
    "train/test_tradeoff.py",
    "verify/test_code.py",
    "verify/test_code_attacks.py",
    "verify/test_hostile.py",
    "docs/test_blocks.py",
    "rollout/test_openai.py",
    "verify/test_pool.py",
    "docs/test_site.py",
)
PLACE = {path: place for place, path in enumerate(LONGEST)}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """The order of files; within one they keep theirs."""
    items.sort(key=lambda item: PLACE.get(item.path.relative_to(HERE).as_posix(), len(PLACE)))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Verdicts of the tests are kept apart from the user's."""
    os.environ["ACUTE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a tiny model, made once."""
    from tests.tiny import save_model

    return save_model(tmp_path_factory.mktemp("model"))
