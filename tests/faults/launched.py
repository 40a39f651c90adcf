"""Faults of what acute is started by or starts itself: a rank of torchrun, a worker of a Ray cluster."""

import os
import sys
import time

import psutil

from tests.faults.kinds import killed_now
from tests.faults.process import launch

RAY_ENDS_S = 90.0  # Ray's own processes look for each other now and then


def _torchrun(case, ranks):
    """`torchrun --nproc-per-node=R -m acute score DIR`, as a user would start it."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
    one_thread = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return launch([*command, "-m", "acute", "score", str(case.folder)], case.logs, one_thread)


def _with(processes, name, value):
    """Those of some processes that have a variable of the environment."""
    found = []
    for process in processes:
        try:
            if process.environ().get(name) == value:
                found.append(process)
        except psutil.Error:  # it has just ended
            pass
    return found


def killed_rank_of_torchrun(case):
    """kill -9 on one rank of torchrun once so many parts are there; the job goes on, on ranks or alone."""
    victim, parts, again = case.rng.randrange(2), case.rng.randrange(4), case.rng.choice((1, 2))
    case.what = f"rank {victim} of 2 after {parts} parts, then {again}"
    job, ranks = _torchrun(case, 2), []
    case.wait_until(lambda: ranks.extend(_with(job.workers(), "RANK", str(victim))) or ranks, job)
    if parts == 0:
        time.sleep(case.rng.random() * 5)  # while it starts
    case.wait_until(lambda: len(case.parts()) >= parts, job)
    for rank in ranks[:1]:
        rank.kill()
    ended = job.wait()
    if case.struck_by(ended):
        case.must(ended.code == 1, f"torchrun ended with {ended.code}: {ended.last[:200]}")
    case.nothing_left()
    if again == 1:
        case.go_on()
    else:
        ended = _torchrun(case, 2).wait()
        case.must(ended.code == 0, f"torchrun, resumed, ended with {ended.code}: {ended.last[:200]}")
        case.nothing_left()
    return case.compared()


def _actors(command):
    """Workers of a cluster that sample or verify: Ray titles them by what they do."""
    found = []
    for process in command.workers():
        try:
            if any(name in " ".join(process.cmdline()) for name in ("(Samples)", "(Verifies)")):
                found.append(process)
        except psutil.Error:  # it has just ended
            pass
    return found


def killed_ray_worker(case):
    """kill -9 on a worker that samples or verifies; the run goes on by itself, and ends."""
    parts, actors = case.rng.randrange(3), []
    command = case.start()
    case.wait_until(
        lambda: len(case.parts()) >= parts and (actors.extend(_actors(command)) or actors), command
    )
    case.what, case.struck = f"after {parts} parts: none was there", bool(actors)
    if actors:
        victim = case.rng.choice(actors)
        case.what = f"after {parts} parts: {' '.join(victim.cmdline())[:60]}"
        victim.kill()
    case.ended_as_promised(command.wait(), 0)
    return case.compared()


def killed_ray_driver(case):
    """kill -9 on the command that a cluster of its own works for; the same command goes on."""
    parts = case.rng.randrange(3)
    case.what = f"after {parts} parts"
    command = case.start()
    if parts == 0:
        time.sleep(case.rng.random() * 5)  # while the cluster starts
    case.wait_until(lambda: len(case.parts()) >= parts, command)
    return killed_now(case, command, RAY_ENDS_S)
