"""Ray Train does what torchrun does: two gloo workers, sharded, one cluster for all of it."""

import shutil

import numpy as np
import pytest
import ray

from acute.config import load
from acute.errors import InputError, ModelError
from acute.run import Run
from acute.stages import run_until
from tests.tiny import save_model, write_run


@pytest.fixture(scope="module")
def cluster():
    quiet = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    ray.init("local", num_cpus=2, **quiet)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_two_workers_give_the_numbers_of_one_process(tmp_path):
    from acute.integrations.ray_train import score_by_ray

    run = Run.create(tmp_path / "one", load(write_run(tmp_path / "c", save_model(tmp_path / "model"))))
    with run.lock():
        run_until(run, "verify")
    folder = shutil.copytree(run.path, tmp_path / "two")
    with run.lock():
        run_until(run, "score")
    score_by_ray(folder, workers=2, shard_over=2)
    found = Run.open(folder)
    assert found.record["stages"]["score"]["ranks"] == found.record["stages"]["score"]["sharded_over"] == 2
    one, two = np.load(run.path / "sketch.npy"), np.load(folder / "sketch.npy")
    assert np.abs(two - one).max() <= 1e-6 * np.abs(one).max()
    assert not (folder / ".ray").exists()
    with pytest.raises(InputError, match="wanted as many CPUs in the cluster, found 2"):
        score_by_ray(folder, workers=3)


def test_an_error_of_a_worker_is_raised_as_it_was():
    from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

    from acute.integrations.ray_train import _cause

    known = ModelError("could not load the model")
    assert _cause(WorkerGroupError("…", {1: RuntimeError("peer closed"), 0: known})) is known
    wrapped = RuntimeError("in a worker")
    wrapped.__cause__ = known
    assert _cause(WorkerGroupError("…", {1: wrapped})) is known
    said = str(_cause(ControllerError(ValueError("no room"))))
    assert said == "Ray Train: Training failed due to controller error: … no room"
