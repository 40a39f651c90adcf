"""Trajectories with exact gradients and exact success: no sampling, so no noise in what is compared.

    python examples/tradeoff/exact.py projection --prompts src/acute/quickstart/override.jsonl --steps 12

Every step is normalised to the same length, whatever the method, and goes along the plain gradient. Prints
one JSON object a line: step 0 is the start. Needs prompts whose right answer is one sequence of tokens.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from acute.core.estimators import Floats
from acute.core.mitigations.mixture import mixture_share
from acute.core.mitigations.seen import Seen
from acute.gradients.exact import success_gradient
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.models.load import load_policy
from acute.models.render import render
from acute.tasks.files import read_prompts
from acute.train.mitigate import REWEIGHT

FAMILY = ("mixture", "projection", "upgrad", "pcd")  # those that need ∇J_1 and ∇J_k alone


class World:
    """A model and prompts with one right answer each."""

    def __init__(self, model, prompts, which):
        self.policy = load_policy(model)
        tokenizer = self.policy.tokenizer
        self.rows = read_prompts(prompts)
        texts = [render(tokenizer, row["prompt"], None, row.get("prefill")) for row in self.rows]
        self.prompts = [tuple(tokenizer(t, add_special_tokens=False).input_ids) for t in texts]
        self.answers = [tuple(tokenizer(r["answer"], add_special_tokens=False).input_ids) for r in self.rows]
        self.which = which

    def gradients(self, parameters, k):
        """p (N,), ∇J_1 and ∇J_k, one flat vector each, in float32."""
        size = sum(p.numel() for p in parameters.values())
        first, kth, ps = torch.zeros(size), torch.zeros(size), []
        for prompt, answer in zip(self.prompts, self.answers, strict=True):
            p, parts = success_gradient(self.policy.model, parameters, prompt, answer, Sampled())
            ps.append(p)
            at = 0
            for part in parts:
                flat = part.flatten()
                first[at : at + len(flat)].add_(flat, alpha=1 / len(self.prompts))
                kth[at : at + len(flat)].add_(flat, alpha=k * (1 - p) ** (k - 1) / len(self.prompts))
                at += len(flat)
        return np.array(ps), first, kth


def dot(a, b):
    """Inner product in float64, in pieces."""
    return sum(
        float(x.double() @ y.double()) for x, y in zip(a.split(1 << 22), b.split(1 << 22), strict=True)
    )


def direction(method, seen, first, kth):
    """The step of a method before it is normalised, and what is said about it."""
    if method == "pass@1":
        return first
    if method == "pass@k":
        return kth
    v = REWEIGHT[method](seen, 0.0)
    return v.scale * kth + float(v.added_N[0]) * first


def row(step, world, p: Floats, seen, k):
    """Everything exact about this step."""
    families = sorted({r["family"] for r in world.rows})
    of = {f: np.array([r["family"] == f for r in world.rows]) for f in families}
    return {
        "step": step,
        "pass@1": float(p.mean()),
        f"pass@{k}": float((1 - (1 - p) ** k).mean()),
        "cosine": seen.inner / float(np.sqrt(seen.norm_1 * seen.norm_k)),
        "lambda": mixture_share(seen),
        "pass@1 by family": {f: float(p[m].mean()) for f, m in of.items()},
    }


def main():
    """Parse the arguments, walk, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=("pass@1", "pass@k", *FAMILY))
    parser.add_argument("--prompts", type=Path, default=Path("src/acute/quickstart/override.jsonl"))
    parser.add_argument("--model", default="bundled:smollm2")
    parser.add_argument("--parameters", default="all")
    parser.add_argument("-k", type=int, default=16)
    parser.add_argument("--length", type=float, default=0.06)
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    world = World(given.model, given.prompts, given.parameters)
    with selected(world.policy.model, given.parameters) as parameters:
        for step in range(given.steps + 1):
            p, first, kth = world.gradients(parameters, given.k)
            inner, norm_1, norm_k = dot(first, kth), dot(first, first), dot(kth, kth)
            none = np.zeros(1)
            seen = Seen(none, none, inner, norm_1, norm_k)
            step_along = direction(given.method, seen, first, kth)
            size = dot(step_along, step_along) ** 0.5
            said = row(step, world, p, seen, given.k)
            said["rise of pass@1 along the unit step"] = dot(step_along, first) / size
            said["of pass@k"] = dot(step_along, kth) / size
            print(json.dumps(said), flush=True)
            with torch.no_grad():
                at = 0
                for parameter in parameters.values():
                    part = step_along[at : at + parameter.numel()].view_as(parameter)
                    parameter.add_(part.to(parameter), alpha=given.length / size)
                    at += parameter.numel()


if __name__ == "__main__":
    main()
