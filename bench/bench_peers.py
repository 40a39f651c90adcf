"""Scoring beside one backward a response, and beside Bergson's scorer, on identical rows.

    pip install --no-deps bergson==2.5.1 simple-parsing docstring-parser ml-dtypes petname jaxtyping
    python bench/bench_peers.py [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

SmolLM2-135M, float32, all parameters. Bergson's scorer takes the derivative of each response's loss along one
given direction, in the linear layers under the model's base (no embedding, norms or head); the sketch of the
same rows answers for every direction in all parameters. The pass that finds the direction is not counted
for Bergson; where it is not installed, its rows of an earlier run are kept, and marked. One backward a
response is timed on 16 of the quickstart's 256 responses, and taken 16 times.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from acute.config import ModelConfig
from acute.gradients.engines import Passes, shared
from acute.gradients.forward import pad, response_logprob
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.rollout.hf import Sampling, sample
from acute.stages.policy import policy_of
from bench_score import ROWS, SAMPLED, long_work, run_shared, short_run, task, work_of
from ratios import earlier, interleaved, kept, ratios, record

QUICKSTART_N, TIMED = 256, 16


def bergson_scorer(model, work):
    """Bergson's scorer over the rows, 16 at once; None where it is not installed."""
    try:
        from bergson.score.output_influence import output_token_influence
    except ImportError as error:
        print(f"Bergson is not measured: {error}")
        return None
    names = {id(p): name for name, p in model.named_parameters()}
    layers = [m for m in model.base_model.modules() if isinstance(m, torch.nn.Linear)]
    directions = [(torch.randn(m.weight.numel(), 1), names[id(m.weight)], None, False) for m in layers]
    settings = SimpleNamespace(loss_reduction="sum", loss_fn="ce", label_smoothing=0.0)

    def run():
        for prompt, rows, _ in work:
            for first in range(0, len(rows), ROWS):
                some = rows[first : first + ROWS]
                ids, mask, _ = pad([prompt + row for row in some], model.device)
                wanted = ids.masked_fill(mask == 0, -100)
                wanted[:, : len(prompt)] = -100
                with sdpa_kernel(SDPBackend.MATH):
                    output_token_influence(model, ids, wanted, directions, settings)

    return run


def one_backward_each(model, parameters, prompt, rows):
    """The plain way: a forward and a backward of its own for every response."""
    for row in rows:
        response_logprob(model, prompt, row, SAMPLED).backward()
        for parameter in parameters.values():
            parameter.grad = None


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    policy = policy_of(ModelConfig(name="bundled:smollm2", device="cpu"))
    model, found = policy.model, {}
    with selected(model, "all") as parameters, tempfile.TemporaryDirectory() as folder:
        short = work_of(short_run(Path(folder)), policy)
        sketch = Sketch(parameters.items(), 65536, 0)
        ((prompt, _, _),) = short
        (samples,) = sample(policy, [prompt], ["a"], Sampling(QUICKSTART_N, 1.0, 1.0, 2), seed=0)
        rows = [s.token_ids for s in samples]
        common = max(set(rows), key=rows.count)
        quickstart = task(prompt, rows, [float(row == common) for row in rows])
        found["quickstart prompt, one backward a response"] = interleaved(
            {
                "acute": lambda: shared(model, parameters, sketch, quickstart, SAMPLED, Passes()),
                "peer": lambda: one_backward_each(model, parameters, prompt, rows[:TIMED]),
            },
            rounds,
        )
        peer = found["quickstart prompt, one backward a response"]["peer"]
        peer[:] = [seconds * QUICKSTART_N / TIMED for seconds in peer]
        for name, work in (("short", short), ("long", long_work())):
            if (scorer := bergson_scorer(model, work)) is not None:
                ours = lambda w=work: run_shared(policy, parameters, sketch, w)  # noqa: E731
                found[f"{name} answers, Bergson's scorer"] = interleaved(
                    {"acute": ours, "peer": scorer}, rounds
                )
    faster = {name: ratios(times, "acute")["peer"] for name, times in found.items()}
    for name, ratio in faster.items():
        print(f"{name}: {ratio.median:.1f} times the sketch ({ratio.smallest:.1f} to {ratio.largest:.1f})")
    rows = {name: ratio._asdict() for name, ratio in faster.items()}
    before, versions = earlier("peers")
    record("peers", kept(rows, before, versions, before))


if __name__ == "__main__":
    main()
