"""Jobs of several ranks, one after the other, as torchrun would start them, by one process that imports once:
`python -m tests.score_jobs '[{"ranks": 2, "folders": [["runs/a", 1]]}]'`.

A folder stands with the number of ranks that its weights are split over. `dies_after` kills the second rank
instead of letting it write that part. Errors that acute raises are printed, by rank.
"""

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import torch._dynamo  # noqa: F401 (FSDP loads it in every rank)
import transformers  # noqa: F401

from acute.errors import AcuteError
from acute.gradients import dots, engines, metric  # noqa: F401
from acute.models import shard  # noqa: F401
from acute.ranks import launched
from acute.run import Run
from acute.stages import score_on


def dies_after(count):
    """This process is killed instead of writing a part number `count`, counted from 0."""
    module, written = sys.modules["acute.parts"], []
    write = module.write_atomically

    def dying(path, data):
        if len(written) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(path)
        write(path, data)

    module.write_atomically = dying


def work(job):
    with launched() as ranks:
        if ranks.rank == 1 and "dies_after" in job:
            dies_after(job["dies_after"])
        for folder, over in job["folders"]:
            try:
                score_on(Path(folder), ranks, over)
            except AcuteError as error:
                os.write(1, f"rank {ranks.rank} of {ranks.size}: {type(error).__name__}: {error}\n".encode())


def start(job, rank, port):
    """The process of one rank."""
    child = os.fork()
    if child:
        return child
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(job["ranks"]), "LOCAL_RANK": str(rank)}
    try:
        work(job)
        os._exit(0)
    except BaseException:  # noqa: BLE001 (whatever it was, this process ends here)
        traceback.print_exc()
        os._exit(1)


def run(job):
    """Start the ranks of a job and wait for all: if one fails the others are to end by themselves."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    children = {start(job, rank, port) for rank in range(job["ranks"])}
    while children:
        child, status = os.wait()
        children.discard(child)
        if status:
            print(f"a rank ended with status {status}", flush=True)


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        began, used = time.monotonic(), os.times()
        run(job)
        left = {folder: len(Run.open(Path(folder)).parts("score")) for folder, _ in job["folders"]}
        cpu = os.times().children_user - used.children_user
        print(
            json.dumps({"seconds": time.monotonic() - began, "cpu_seconds": cpu, "parts": left}), flush=True
        )
