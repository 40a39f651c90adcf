"""What one scoring pass of SmolLM2-135M takes: peak memory and CPU time, with and without checkpointing.

    python bench/pass_memory.py [TOKENS…]        (one thread: OMP_NUM_THREADS=1)

One response behind a prompt of 64 tokens, float32, all parameters, TOKENS in the pass (512 and 2,048). Each
setting has a process of its own; memory is the peak of what the process holds above the loaded model.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from acute.gradients.engines import Passes, Task, shared
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy

PROMPT = 64


def held(what: str) -> int:
    """Bytes that this process holds (VmRSS), or has held at most since that was reset (VmHWM)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 2**10


def one_pass(tokens: int, checkpointing: bool) -> tuple[float, float]:
    """GiB above the loaded model, and CPU seconds."""
    rng = random.Random(1)
    prompt, response = (
        tuple(rng.randrange(1000, 40000) for _ in range(count)) for count in (PROMPT, tokens - PROMPT + 1)
    )
    policy = load_policy("bundled:smollm2", "float32", "cpu", None)
    with selected(policy.model, "all") as parameters:
        sketch = Sketch(parameters.items(), 65536, 0)

        def run(response):
            task = Task(prompt, [response], np.ones((1, 1)))
            shared(
                policy.model, parameters, sketch, task, Sampled(), Passes(tokens, checkpointing=checkpointing)
            )

        run(response[:2])  # what only a first pass does
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew: loading had one of its own
        before, began = held("VmRSS"), time.process_time()
        run(response)
    return (held("VmHWM") - before) / 2**30, time.process_time() - began


def main() -> None:
    if "--one" in sys.argv:
        print(*one_pass(int(sys.argv[2]), sys.argv[3] == "True"))
        return
    for tokens in map(int, sys.argv[1:] or ("512", "2048")):
        for checkpointing in (False, True):
            command = [sys.executable, __file__, "--one", str(tokens), str(checkpointing)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            gib, seconds = map(float, out.split()[-2:])
            print(f"{tokens} tokens, checkpointing {checkpointing}: {gib:.2f} GiB, {seconds:.1f} CPU seconds")


if __name__ == "__main__":
    main()
