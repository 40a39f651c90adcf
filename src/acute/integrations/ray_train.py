"""Scoring by Ray Train: the stage that torchrun's ranks do, on workers that Ray places over its cluster."""

import shutil
from pathlib import Path
from typing import Any

from acute.errors import AcuteError, InputError, OutsideError
from acute.ranks import PATIENCE
from acute.run import Run


def _work(settings: dict[str, Any]) -> None:
    """One worker: Ray Train has connected it with the others."""
    from acute.ranks import launched
    from acute.stages import score_on

    with launched() as ranks:
        score_on(Path(settings["folder"]), ranks, settings["shard_over"])


def score_by_ray(folder: Path, workers: int, shard_over: int = 1, restarts: int = 0) -> None:
    """Score a run folder by so many workers of a Ray cluster, each with a GPU where every one can have one.

    The cluster is the one that `RAY_ADDRESS` names or that runs here, or else one of this machine, started
    for the purpose. All workers must see the folder, and acute, at the same place. A job whose worker is lost
    is started again `restarts` times, and goes on with what is not measured yet. Raises the error that a
    worker met, or OutsideError.
    """
    try:
        import ray
        from ray.exceptions import RayError
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError
    except ImportError as error:
        raise InputError(f"wanted Ray Train ({error}): pip install acute[ray]") from None
    on_gpu = Run.open(folder).config.model.device != "cpu"
    if not ray.is_initialized():
        ray.init()
    total = ray.cluster_resources()
    on_gpu = on_gpu and total.get("GPU", 0) >= workers
    if not on_gpu and total.get("CPU", 0) < workers:
        raise InputError(
            f"{workers} workers: wanted as many CPUs in the cluster, found {total.get('CPU', 0):g}"
        )
    store = folder.resolve() / ".ray"
    trainer = TorchTrainer(
        _work,
        train_loop_config={"folder": str(folder.resolve()), "shard_over": shard_over},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu),
        torch_config=TorchConfig(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout_s=int(PATIENCE.total_seconds())
        ),
        run_config=RunConfig(
            name="score", storage_path=str(store), failure_config=FailureConfig(max_failures=restarts)
        ),
    )
    try:
        trainer.fit()
    except (TrainingFailedError, RayError) as error:  # of the workers, and of Ray's own processes
        raise _cause(error) from error
    finally:
        shutil.rmtree(store, ignore_errors=True)  # Ray's own notes; what was measured stands in the folder


def _cause(error: Any) -> AcuteError:
    """What acute raised in a worker, or else what Ray says."""
    failures = getattr(error, "worker_failures", {}).values()
    for failure in (f for known in failures for f in (known, known.__cause__)):
        if isinstance(failure, AcuteError):
            return failure
    lines = str(error).strip().splitlines()
    return OutsideError(f"Ray Train: {' … '.join(dict.fromkeys((lines[0], lines[-1])))}"[:500])
