"""A trajectory with exact gradients and exact success: no sampling, so no noise in what is compared.

    python examples/tradeoff/exact.py projection --prompts src/acute/quickstart/override.jsonl --steps 12

Prints one JSON object a line: step 0 is the start, each row says what is true before its step and what the
step promises to first order. The gradient is cut to norm 1, as trainers do, so that steps of SGD have the
same length, the learning rate, whatever the method. Needs prompts whose right answer is one sequence of
tokens.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from methods import METHODS, OPTIMIZERS, Direction, direction, share
from world import Gradient, World, dot, fast_float32

from acute.core.estimators import Floats


def success_of(p_N: Floats, families: list[str | None], k: int) -> dict[str, Any]:
    """pass@1 and pass@k of all prompts and of each family."""
    found = {"pass@1": float(p_N.mean()), f"pass@{k}": float((1 - (1 - p_N) ** k).mean())}
    for name in sorted({f for f in families if f is not None}):
        of = p_N[[f == name for f in families]]
        found |= {f"pass@1/{name}": float(of.mean()), f"pass@{k}/{name}": float((1 - (1 - of) ** k).mean())}
    return found


def _row(at: Direction, taken: Gradient, families: list[str | None], k: int) -> dict[str, Any]:
    """What is true here, and the first-order change of pass@1 and pass@k that the step promises."""
    seen = at.seen
    row = success_of(at.p_N, families, k) | {
        "p": [round(float(x), 6) for x in at.p_N],
        "norm_1": seen.norm_1,
        "k": at.k_used,
        "length": dot(taken, taken) ** 0.5,
        "promised pass@1": dot(taken, at.first),
    }
    if np.isfinite(seen.inner):
        row |= {"inner": seen.inner, "lambda": share(seen)}
    if at.kth is not None:
        row |= {
            "norm_k": seen.norm_k,
            "cosine": seen.inner / float(np.sqrt(seen.norm_1 * seen.norm_k)),
            f"promised pass@{k}": dot(taken, at.kth),
        }
    return row


def walk(world: World, method: str, optimizer: str, rate: float, steps: int, k: int = 16) -> Iterator[dict]:
    """Rows of a trajectory from the world's first weights on, one a step; the last says where it ended."""
    of = OPTIMIZERS[optimizer](rate)
    world.reset()
    for step in range(steps):
        at = direction(world, method, k, step, steps)
        taken = of.step(at.along)
        yield {"step": step} | _row(at, taken, world.families, k)
        del at
        world.move(taken, 1.0)
    p_N = world.success().detach().numpy()
    yield {"step": steps} | success_of(p_N, world.families, k) | {"p": [round(float(x), 6) for x in p_N]}


def main() -> None:
    """Parse the arguments, walk, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--prompts", type=Path, default=Path("src/acute/quickstart/override.jsonl"))
    parser.add_argument("--model", default="bundled:smollm2")
    parser.add_argument("--parameters", default="all")
    parser.add_argument("-k", type=int, default=16)
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="sgd")
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate; of SGD, the step's length")
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    fast_float32()
    world = World(given.prompts, given.model, given.parameters)
    for row in walk(world, given.method, given.optimizer, given.rate, given.steps, given.k):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
