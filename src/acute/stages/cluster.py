"""Sampling and verifying on a Ray cluster, where `sampling.backend = "ray"`.

One job of Ray Data: batches of prompts go through actors that sample and on to actors that verify, and come
back here, where each is written as a part of the run. A batch is a block: what a dead worker held is done
again by another, and a part stands once under its own number. Random numbers belong to (seed, prompt), so
that it does not matter where a batch is sampled.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from acute import errors
from acute.config import Config, RayConfig
from acute.errors import DisagreementError, OutsideError, in_short
from acute.progress import Tracker
from acute.run import Run
from acute.stages.cluster_workers import VERIFIERS, Samples, Verifies
from acute.stages.sampling import Asked, longest_of
from acute.table import response_id, table_bytes, table_of

OLDEST = (2, 60)
SAMPLER_CPUS, VERIFIER_CPUS = 0.7, 0.2  # of one core: a pool of either leaves room for the other
OBJECTS = 1 << 29  # bytes of a local cluster's store; batches wait in it


class Room(NamedTuple):
    """How many actors of each kind a cluster holds, and the GPUs that one sampler takes."""

    samplers: int
    gpus: int
    verifiers: int


def room_of(config: Config, cpus: float, gpus: float, batches: int) -> Room:
    """The pools for a cluster of so many cores and GPUs. Raises OutsideError if there is room for none."""
    settings = config.ray or RayConfig()
    each = 1 if config.model.device == "cuda" else 0
    if config.vllm is not None:
        each = config.vllm.tensor_parallel_size
    most = int(min(gpus // each, cpus) if each else cpus)
    if most < 1:
        raise OutsideError(
            f"wanted a cluster with a core and {each} GPUs for a sampler, found {cpus:g} cores and {gpus:g} "
            f"GPUs"
        )
    samplers = min(most, settings.samplers or most, batches)
    return Room(samplers, each, min(int(cpus), batches))


def imported() -> Any:
    """The module ray, with ray.data. Raises OutsideError if it is missing or too old."""
    wanted = f"Ray {'.'.join(map(str, OLDEST))} or later"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise OutsideError(f"wanted {wanted} ({error}): pip install acute[ray]") from None
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < OLDEST:
        raise OutsideError(f"wanted {wanted}, found {ray.__version__}: pip install acute[ray]")
    return ray


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected for the length of the block; a cluster that was started here ends with it.

    A connection that this process has already is used and kept. Raises OutsideError if Ray is missing, too
    old, or not to be reached.
    """
    ray = imported()
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its errors come back as exceptions
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    here: dict[str, Any] = {}
    if address is None:
        cores = len(os.sched_getaffinity(0))
        here = {"num_cpus": cores, "object_store_memory": OBJECTS, "include_dashboard": False}
    try:
        with _own_signals():
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **here)
    except Exception as error:  # Ray raises just that where a node is slow to start
        raise OutsideError(f"no Ray cluster at ray.address = {address!r}: {in_short(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts its own handler of SIGTERM in place as it starts; ours is put back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def sample_on_cluster(run: Run, asked: Asked, tracker: Tracker) -> dict[str, Any]:
    """Write the parts of the stages rollout and verify that are not there yet; returns facts of the rollout.

    Raises OutsideError if the cluster fails, or does nothing for `ray.deadline` seconds; DisagreementError if
    a worker holds other weights than those sampled from so far; and what a worker raised.
    """
    config, size, prompts = run.config, run.config.sampling.prompts_at_once, run.prompts()
    drawn, checked = run.parts("rollout"), run.parts("verify")
    items, models = [], set[str]()
    for start in range(0, len(asked.ids), size):
        names = asked.part(start, size).names
        if (model := drawn.made_of(start)) is None:
            items.append({"index": start, "prompts": table_bytes(prompts.slice(start, size)), "names": names})
        else:
            models.add(model)
            tracker.advance(len(names))
    with closing(_results(config, items, longest_of(config, asked))) as rows:
        for row in rows:
            responses, start = table_of(row["responses"]), row["index"]
            wanted = asked.part(start, size).ids
            _refuse_other_rows(responses, wanted, config.sampling.n)
            models.add(row["model"])
            if len(models) > 1:
                raise DisagreementError(
                    f"a worker holds other weights of {config.model.name!r} than those sampled from so far: "
                    f"put the same model on every node, or choose another --out"
                )
            drawn.write(start, row["responses"], row["model"])
            checked.write(start // size, row["verdicts"], row["digest"])
            tracker.tokens(sum(len(ids) for ids in responses["token_ids"].to_pylist()))
            tracker.advance(len(wanted))
    return {"model": model} if (model := models.pop()) else {}


def verify_on_cluster(
    run: Run, responses: pa.Table, missing: list[int], tracker: Tracker
) -> dict[str, Any] | list[dict[str, Any]]:
    """Write the parts of the stage verify that are `missing`, by batch; returns what the workers tell of
    their verifiers, a list where they differ. Raises as `sample_on_cluster` does."""
    config, prompts, parts = run.config, run.prompts(), run.parts("verify")
    size = config.sampling.prompts_at_once
    items = []
    for block in missing:
        rows = responses.slice(block * size * config.sampling.n, size * config.sampling.n)
        some = table_bytes(prompts.slice(block * size, size))
        items.append({"index": block * size, "prompts": some, "responses": table_bytes(rows)})
    with closing(_results(config, items, None)) as results:
        for row in results:
            parts.write(row["index"] // size, row["verdicts"], row["digest"])
            tracker.advance(len(table_of(row["verdicts"])))
    told = {(table_of(part).schema.metadata or {}).get(VERIFIERS, b"{}") for part in parts.contents()}
    found = [json.loads(one) for one in sorted(told)]
    return found[0] if len(found) == 1 else found


def _refuse_other_rows(responses: pa.Table, prompt_ids: list[str], n: int) -> None:
    wanted = [response_id(prompt_id, j) for prompt_id in prompt_ids for j in range(n)]
    if responses["response_id"].to_pylist() != wanted:
        raise OutsideError(
            f"wanted the {len(wanted)} responses to {prompt_ids[0]!r} and so on from a worker, found "
            f"{len(responses)} others: run the same command again"
        )


def _results(
    config: Config, items: list[dict[str, Any]], longest: int | None
) -> Generator[dict[str, Any], None, None]:
    """Each batch once, as it is done; without `longest` batches are verified alone."""
    if not items:
        return
    settings = config.ray or RayConfig()
    with cluster(settings.address) as ray:
        have = ray.cluster_resources()
        room = room_of(config, have.get("CPU", 0.0), have.get("GPU", 0.0), len(items))
        failures = (ray.exceptions.RayError, ray.data.exceptions.ExecutionTimeoutError, RuntimeError)
        waiting = {item["index"] for item in items}
        try:
            for row in _job(ray, config, items, longest, room).iter_rows():
                if row["fault"]:
                    raise _fault(row["fault"])
                if row["index"] in waiting:  # a block may be made twice, and counts once
                    waiting.remove(row["index"])
                    yield row
        except failures as error:
            raise OutsideError(
                f"the cluster gave up, {len(waiting)} batches are left; the same command goes on: "
                f"{in_short(error)}"
            ) from error
        if waiting:
            raise OutsideError(f"the cluster left {len(waiting)} batches undone: the same command goes on")


def _job(ray: Any, config: Config, items: list[dict[str, Any]], longest: int | None, room: Room) -> Any:
    """The dataset whose rows are the batches done. Every item is a block of its own."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = (config.ray or RayConfig()).deadline
    text = _everywhere(config).model_dump_json()

    def pool(actors: int) -> Any:
        # one batch at a time: it takes far longer than to be sent, and none waits beside an idle actor
        return ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1)

    found = ray.data.from_items(items, override_num_blocks=len(items))
    if longest is not None:
        found = found.map(
            Samples,
            fn_constructor_args=(text, longest),
            compute=pool(room.samplers),
            num_cpus=SAMPLER_CPUS,
            num_gpus=room.gpus,
        )
    return found.map(
        Verifies,
        fn_constructor_args=(text,),
        compute=pool(room.verifiers),
        num_cpus=VERIFIER_CPUS,
    )


def _everywhere(config: Config) -> Config:
    """The configuration with whole paths: a worker starts in a folder of its own."""
    paths = {
        key: str(Path(value).resolve())
        for key in ("name", "adapter")
        if (value := getattr(config.model, key)) is not None and Path(value).is_dir()
    }
    return config.model_copy(update={"model": config.model.model_copy(update=paths)})


def _fault(told: str) -> errors.AcuteError:
    """What a worker raised, by its kind and its words."""
    kind, _, words = told.partition(": ")
    found = getattr(errors, kind, OutsideError)
    raised: errors.AcuteError = found(words)
    return raised
