"""A Ray cluster of two workers makes the table of the local backend, with a worker killed on the way."""

import contextlib
import os
import signal
import time

import psutil
import pytest
import ray

from acute.config import load, parse
from acute.errors import InputError, OutsideError
from acute.parts import Parts
from acute.run import Run
from acute.stages import cluster as driver
from acute.stages import run_until
from acute.stages.cluster_workers import Verifies
from acute.table import CHECKED, table_bytes
from tests.tiny import write_run

pytestmark = pytest.mark.timeout(590)  # a minute and less on two free cores; nothing here may wait for ever
N = 32


@pytest.fixture(scope="module", autouse=True)
def ready():
    """Workers as eager as everything else here (Ray makes them nice), and no report of usage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture(scope="module")
def local(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    run = Run.create(folder / "run", load(write_run(folder, tiny_model, n=N)))
    run_until(run, "verify")
    return run


@pytest.fixture(scope="module")
def two_cores():
    """A cluster that this process is connected to before a run is, and after."""
    here = {"address": "local", "num_cpus": 2, "object_store_memory": 100 << 20}
    ray.init(**here, include_dashboard=False, log_to_driver=False)
    yield
    assert ray.is_initialized()
    ray.shutdown()


def on_ray(local, folder, deadline=300.0, **verify):
    """The run `local` once more, on a cluster, in batches of one prompt."""
    data = local.config.model_dump(mode="json")
    data["sampling"] |= {"backend": "ray", "prompts_at_once": 1}
    data["verify"] |= verify
    return Run.create(folder, parse({**data, "ray": {"deadline": deadline}}))


def assert_same_table(run, local):
    """Every column equal; ln π up to rounding, since batches are cut otherwise."""
    ours, theirs = run.responses(), local.responses()
    assert ours.column_names == theirs.column_names
    plain = [name for name in ours.column_names if name != "logprob"]
    assert ours.select(plain).equals(theirs.select(plain))
    assert ours["logprob"].to_pylist() == pytest.approx(theirs["logprob"].to_pylist(), abs=1e-5)
    assert len(set(ours["response_id"].to_pylist())) == len(ours) == 12 * N


def children(title=""):
    """The processes that this one started, and those that they did, of a title."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if title in " ".join(child.cmdline()):
                found.add(child)
    return found


def test_gone_on_with_and_a_worker_killed(local, tmp_path, monkeypatch):
    before, handler = children(), signal.getsignal(signal.SIGTERM)
    run = on_ray(local, tmp_path / "run")
    run_until(run, "prompts")
    first = local.responses().slice(0, N)  # of a prompt that was done before the run broke off
    model = local.record["stages"]["rollout"]["model"]
    run.parts("rollout").write(0, table_bytes(first.drop_columns(list(CHECKED))), model)
    written, killed, write = [], [], Parts.write

    def killing(parts, index, *content):
        write(parts, index, *content)
        written.append((parts.stage, index))
        if len(written) == 2:  # one batch of eleven, with its verdicts
            killed.append(children("(Samples)").pop())
            killed[0].kill()

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(Parts, "write", killing)
    run_until(run, "rollout")
    assert not killed[0].is_running()
    assert len(written) == len(set(written)) == 2 * 11  # every batch that was left once, with its verdicts
    assert run.record["stages"]["rollout"]["model"] == model
    assert not ray.is_initialized() and signal.getsignal(signal.SIGTERM) is handler
    assert not psutil.wait_procs(children() - before, timeout=60)[1]  # the cluster has ended
    asked = []

    def here(config, items, longest):
        asked.extend((item["index"], longest) for item in items)
        yield from map(Verifies(config.model_dump_json()), items)

    monkeypatch.setattr(driver, "_results", here)
    run_until(run, "verify")
    assert asked == [(0, None)]  # the verdicts on the others are there already
    assert_same_table(run, local)


@pytest.mark.usefixtures("two_cores")
def test_a_cluster_that_is_full_does_not_hang(local, tmp_path):
    @ray.remote(num_cpus=2)
    class Holds:
        def ready(self):
            return True

    held = Holds.remote()
    try:
        assert ray.get(held.ready.remote(), timeout=300)
        began = time.monotonic()
        with pytest.raises(OutsideError, match="gave up, 12 batches are left; the same command goes on"):
            run_until(on_ray(local, tmp_path / "run", deadline=2.0), "rollout")
        assert time.monotonic() - began < 120
    finally:
        ray.kill(held)


@pytest.mark.usefixtures("two_cores")
def test_what_goes_wrong_in_a_worker_is_said_here(local, tmp_path):
    run = on_ray(local, tmp_path / "run", kind="json:nowhere")
    for name, write, table in (
        ("prompts", run.write_prompts, local.prompts()),
        ("rollout", run.write_responses, local.responses().drop_columns(list(CHECKED))),
    ):
        with run.stage(name):
            write(table)
    with pytest.raises(InputError, match="json:nowhere"):
        run_until(run, "verify")
