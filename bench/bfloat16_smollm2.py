"""How far sketches of SmolLM2-135M in bfloat16 are from those of the same weights in float32.

    python bench/bfloat16_smollm2.py [PROMPTS]        (one thread: OMP_NUM_THREADS=1)

The first prompts of the quickstart (4), each with 64 sampled answers of at most 8 tokens; a sketch for each
prompt, fold and outcome, as the score stage makes them. The weights are rounded to bfloat16 in both, so what
differs is the arithmetic. "products wide" multiplies the factors of each weight's gradient, which are
bfloat16, in float32: what is left then comes from activations and their gradients alone.
"""

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from acute.gradients import tiles
from acute.gradients.engines import shared
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from bench_score import SAMPLED, short_run, task, work_of


def sketches(policy, tasks):
    """Of every group of every task, one below the other."""
    with selected(policy.model, "all") as parameters:
        sketch = Sketch(parameters.items(), 65536, 0)
        found = [shared(policy.model, parameters, sketch, each, SAMPLED).sketch_GD for each in tasks]
    return np.concatenate(found).astype(float)


@contextmanager
def products_wide():
    """Within the block the tiles of linear layers are products in float32."""
    narrow = tiles._Linear.backward

    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        rows, columns = weight.shape
        whole = grad.reshape(-1, rows).float().T @ x.reshape(-1, columns).float()
        take, ctx.on_rows = ctx.on_rows, lambda *_: None
        passed_on = narrow(ctx, grad)
        take(slice(0, rows), whole)
        return passed_on

    with patch.object(tiles._Linear, "backward", staticmethod(backward)):
        yield


def cosines(rows):
    """Of every pair of rows."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(rows), 1)]


def main() -> None:
    prompts = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    low, wide = (load_policy("bundled:smollm2", "bfloat16", "cpu") for _ in range(2))
    wide.model.float()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task(*each) for each in work_of(short_run(Path(folder), prompts), low)]
    true = sketches(wide, tasks)
    kept = np.linalg.norm(true, axis=1) > 0
    true = true[kept]
    print(f"{len(true)} groups; their cosines: sd {cosines(true).std():.3f}")
    found = {"bfloat16": sketches(low, tasks)[kept]}
    with products_wide():
        found["bfloat16, products wide"] = sketches(low, tasks)[kept]
    for name, rows in found.items():
        off = cosines(rows) - cosines(true)
        apart = np.linalg.norm(rows - true, axis=1) / np.linalg.norm(true, axis=1)
        print(
            f"{name}: cosines off by {np.sqrt((off**2).mean()):.5f} rms, {np.abs(off).max():.5f} at most, "
            f"{off.mean():+.5f} on average; sketches by {np.median(apart):.4f} of their norm (median)"
        )
    narrow, broad = found.values()
    apart = np.linalg.norm(narrow - broad, axis=1) / np.linalg.norm(broad, axis=1)
    print(f"the products alone: {np.median(apart):.5f} of the norm (median)")


if __name__ == "__main__":
    main()
