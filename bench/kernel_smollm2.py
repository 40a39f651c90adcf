"""The sketched kernel beside the exact one on SmolLM2-135M, all parameters, and what sketching costs.

    python bench/kernel_smollm2.py kernel bench/mixes  # about 7 CPU minutes, 6 GB
    python bench/kernel_smollm2.py cost bench/mixes    # about 3 CPU minutes

`kernel`: ∇p of every prompt of the mixes (each counted once) and all inner products, exact, into exact.npz;
the same from sketches of 65,536 numbers under several seeds. Wanted: correlation of the off-diagonal products
at least .995, error of a(x) at most 2 % of its root mean square.

`cost`: CPU time of the sketch engine over the same passes without the sketch (same rows, same grouping, same
backward passes, gradients dropped), the two taking turns. Wanted: at most 1.15.
"""

import statistics
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from acute.gradients.engines import Task, shared
from acute.gradients.exact import exact_kernel
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.models.render import render
from acute.rollout.hf import Sampling, sample
from acute.tasks.files import read_prompts
from ratios import interleaved, ratios

SIZE, SEEDS, AT_ONCE = 65536, 3, 8
RESPONSES, FOLDS, ROUNDS, EVERY = 256, 4, 2, 12


def prompts_of(policy, folder):
    """The prompts of all mixes, each once, in the order of their names: rows, prompt and answer tokens."""
    rows = {row["prompt_id"]: row for path in sorted(folder.glob("*.jsonl")) for row in read_prompts(path)}
    rows = [rows[name] for name in sorted(rows)]
    tokens = lambda text: tuple(policy.tokenizer(text, add_special_tokens=False).input_ids)  # noqa: E731
    prompts = [tokens(render(policy.tokenizer, row["prompt"], None, row["prefill"])) for row in rows]
    return rows, prompts, [tokens(row["answer"]) for row in rows]


def cosines(kernel):
    norm = np.sqrt(np.diag(kernel))
    return kernel / np.outer(norm, norm)


def compared(found, exact):
    """How far a kernel is from the exact one."""
    off = ~np.eye(len(exact), dtype=bool)
    a, a_exact = found.mean(1), exact.mean(1)
    relative = np.abs(a - a_exact) / np.abs(a_exact)
    return {
        "off-diagonal correlation": np.corrcoef(found[off], exact[off])[0, 1],
        "the same of cosines": np.corrcoef(cosines(found)[off], cosines(exact)[off])[0, 1],
        "error of cosines, rms": np.sqrt(np.mean((cosines(found) - cosines(exact))[off] ** 2)),
        "a(x): error / rms of a": np.sqrt(np.mean((a - a_exact) ** 2) / np.mean(a_exact**2)),
        "a(x): median relative error": np.median(relative),
        "a(x): largest relative error": relative.max(),
        "‖∇J_1‖²: relative error": abs(a.mean() / a_exact.mean() - 1),
    }


def kernel(folder):
    policy = load_policy("bundled:smollm2")
    rows, prompts, answers = prompts_of(policy, folder)
    sketched = np.zeros((SEEDS, len(rows), SIZE))
    with selected(policy.model, "all") as parameters:
        sketches = [Sketch(parameters.items(), SIZE, seed) for seed in range(SEEDS)]

        def fold(i, gradient):
            for seed, sketch in enumerate(sketches):
                sketched[seed, i] = sketch.fold(gradient).numpy()
            print(f"\r{i + 1} of {len(rows)} prompts", end="", file=sys.stderr, flush=True)

        p, exact = exact_kernel(policy.model, parameters, prompts, answers, Sampled(), AT_ONCE, fold)
    np.savez(folder / "exact.npz", prompt_id=[row["prompt_id"] for row in rows], p=p, kernel=exact)
    report(sketched, exact)


def report(sketched, exact):
    found = [compared(s @ s.T, exact) for s in sketched]
    print(f"\n{len(exact)} prompts, sketches of {SIZE} numbers, {SEEDS} seeds: median (worst)")
    for name in found[0]:
        values = [f[name] for f in found]
        worst = min(values) if "correlation" in name or "same" in name else max(values)
        print(f"  {name:30s} {statistics.median(values):.5f} ({worst:.5f})")


class Dropped:
    """Stands for a sketch and keeps nothing: what is left is forward and backward."""

    size = 1

    @contextmanager
    def during_backward(self, _model, parameters):
        def drop():
            for parameter in parameters.values():
                parameter.grad = None
            return torch.zeros(1)

        yield drop


def tasks_of(policy, folder):
    """Sampled responses of every `EVERY`-th prompt, merged, by fold and outcome, as the stage has them."""
    rows, prompts, answers = (column[::EVERY] for column in prompts_of(policy, folder))
    found = sample(policy, prompts, [row["prompt_id"] for row in rows], Sampling(RESPONSES, 1.0, 1.0, 2), 0)
    for prompt, answer, samples in zip(prompts, answers, found, strict=True):
        distinct = sorted({s.token_ids for s in samples})
        counts = np.zeros((FOLDS, 2, len(distinct)))
        for i, s in enumerate(samples):
            counts[i % FOLDS, int(s.token_ids == answer), distinct.index(s.token_ids)] += 1
        yield Task(prompt, distinct, counts.reshape(2 * FOLDS, -1))


def cost(folder):
    policy = load_policy("bundled:smollm2")
    tasks = list(tasks_of(policy, folder))
    with selected(policy.model, "all") as parameters:
        ways = {"plain": Dropped(), "sketched": Sketch(parameters.items(), SIZE, 0)}

        def run(way):
            for task in tasks:
                shared(policy.model, parameters, way, task, Sampled())

        times = interleaved({name: partial(run, way) for name, way in ways.items()}, ROUNDS)
    distinct = statistics.mean(len(task.responses) for task in tasks)
    print(f"{len(tasks)} prompts, {distinct:.0f} distinct responses each; CPU seconds of each round: {times}")
    found = ratios(times, "plain")["sketched"]
    print(f"sketched / plain: {found.median:.3f} ({found.smallest:.3f} to {found.largest:.3f})")


if __name__ == "__main__":
    {"kernel": kernel, "cost": cost}[sys.argv[1]](Path(sys.argv[2]))
