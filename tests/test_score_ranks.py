"""`torchrun -m acute score`: any number of ranks gives the same numbers, and a killed job goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from acute.run import Run
from acute.stages import run_until
from acute.stages.score import score
from tests.tiny import save_model, write_run

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def ranked(folder, size, wait=True):
    command = [*LAUNCH, f"--nproc_per_node={size}", "-m", "acute", "score", str(folder), "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return process.communicate(timeout=300) if wait else process


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """A run folder whose responses are verified and not scored, once for each engine."""
    from acute.config import load

    made = {}
    base = tmp_path_factory.mktemp("ranks")
    model = save_model(base / "model")
    for engine in ("sketch", "dots"):
        run = Run.create(base / engine, load(write_run(base / f"c-{engine}", model, engine=engine)))
        with run.lock():
            run_until(run, "verify")
        made[engine] = base / engine
    return made


def analysed(folder):
    run = Run.open(folder)
    with run.lock():
        run_until(run, "analyse")
    return run


@pytest.mark.parametrize("engine", ["sketch", "dots"])
def test_two_and_four_ranks_give_the_numbers_of_one(verified, tmp_path, engine):
    shutil.copytree(verified[engine], tmp_path / "1")
    run = Run.open(tmp_path / "1")
    with run.lock():
        score(run)
    alone = analysed(tmp_path / "1")
    conflict = alone.analysis()["conflict"]
    for size in (2, 4) if engine == "sketch" else (2,):
        folder = tmp_path / str(size)
        shutil.copytree(verified[engine], folder)
        out, err = ranked(folder, size)
        assert json.loads(out)["ranks"] == size, err[-2000:]
        found = analysed(folder)
        for key in ("inner", "cosine"):
            values = [[e and e["value"] for e in c[key]] for c in (conflict, found.analysis()["conflict"])]
            scale = np.abs([v for v in values[0] if v is not None]).max()
            for a, b in zip(*values, strict=True):
                assert (a is None) == (b is None)
                assert a is None or abs(a - b) <= 1e-5 * scale
        assert np.allclose(np.load(folder / "sketch.npy"), np.load(tmp_path / "1/sketch.npy"), atol=1e-6)
        if engine == "dots":
            columns = [r.responses()["score_dot"].to_pylist() for r in (alone, found)]
            assert any(v is not None for v in columns[0])
            for a, b in zip(*columns, strict=True):
                assert a == b or abs(a - b) < 1e-5
            rms = [r.record["checks"]["dots"]["rms_error"] for r in (alone, found)]
            assert rms[0] == pytest.approx(rms[1], rel=1e-3)


def test_a_killed_job_goes_on_where_it_was(verified, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(verified["sketch"], folder)
    process = ranked(folder, 2, wait=False)
    deadline = time.monotonic() + 120
    parts = folder / ".parts"
    while not list(parts.glob("score-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {part.name: part.stat().st_mtime_ns for part in parts.glob("score-*")}
    run = Run.open(folder)
    if before and not run.stands("score"):
        kept = {}
        with run.lock():
            run.part("score", 0, "npz")
            kept = {part.name: part.stat().st_mtime_ns for part in run.parts("score")}
        assert kept == before  # what was measured stands
    out, err = ranked(folder, 2)
    assert json.loads(out)["stage"] == "score", err[-2000:]
    shutil.copytree(verified["sketch"], tmp_path / "whole")
    whole = Run.open(tmp_path / "whole")
    with whole.lock():
        score(whole)
    assert np.allclose(np.load(folder / "sketch.npy"), np.load(tmp_path / "whole/sketch.npy"), atol=1e-6)


def test_other_stages_are_one_process(verified, tmp_path):
    folder = tmp_path / "two"
    shutil.copytree(verified["sketch"], folder)
    done = subprocess.run(
        [sys.executable, "-m", "acute", "rollout", str(folder)],
        capture_output=True, text=True, timeout=120, env=os.environ | {"WORLD_SIZE": "2", "RANK": "1"},
    )  # fmt: skip
    assert done.returncode == 2 and "without torchrun" in done.stderr
