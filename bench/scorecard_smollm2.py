"""Steps really taken on SmolLM2, against what `acute predict` says of them from a sampled run's table.

    python bench/scorecard_smollm2.py steps runs/quickstart --out scorecard.json   # a quarter of an hour
    python bench/scorecard_smollm2.py compare runs/quickstart --steps scorecard.json

`steps` takes every step of a mix, objective and length along the exact gradient over all parameters (the right
answers are one sequence of two tokens, so p and ∇p are exact) and writes p of every prompt before and after.
Each gradient is computed once; the lengths along it need forward passes alone. `compare` needs no model: it
predicts the same steps from the sampled responses of the run and its control and counts what came true.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from acute.core.objectives import parse
from acute.gradients.exact import success_gradient, success_probability
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.models.load import load_policy
from acute.run import Run

OBJECTIVES = ("pass@1", "pass@4", "pass@16", "pass@32", "mixture@0.2,16", "log@16")
LENGTHS = (0.001, 0.003, 0.01, 0.03)


class Mix:
    """Prompts with one right answer each, as token ids."""

    def __init__(self, tokenizer, runs):
        rows = {row["prompt_id"]: row for run in runs for row in run.prompts().to_pylist()}
        self.ids = list(rows)

        def tokens(text):
            return tuple(tokenizer(text, add_special_tokens=False).input_ids)

        self.prompts = [tokens(row["prompt"]) for row in rows.values()]
        self.answers = [tokens(row["answer"]) for row in rows.values()]

    def p(self, model):
        """The exact p of every prompt."""
        pairs = zip(self.prompts, self.answers, strict=True)
        return np.array([success_probability(model, *pair, Sampled()) for pair in pairs])

    def gradients(self, model, parameters):
        """∇p of one prompt after the other, a list of tensors each."""
        for pair in zip(self.prompts, self.answers, strict=True):
            yield success_gradient(model, parameters, *pair, Sampled())[1]


def dot(a, b):
    """⟨a, b⟩ in float64 of two lists of tensors."""
    return sum(float(torch.sum(x * y, dtype=torch.float64)) for x, y in zip(a, b, strict=True))


def step_through(mix, model, parameters, objectives, lengths):
    """p before, and for each objective ⟨∇p(x), ∇J⟩, ‖∇J‖ and p after a step of each length along ∇J."""
    p = mix.p(model)
    weights = {name: parse(name).weight(p) / len(p) for name in objectives}
    along = {name: [torch.zeros_like(x) for x in parameters.values()] for name in objectives}
    for i, gradient in enumerate(mix.gradients(model, parameters)):
        for name, total in along.items():
            for part, own in zip(total, gradient, strict=True):
                part.add_(own, alpha=weights[name][i])
    slopes = {name: [] for name in objectives}
    for gradient in mix.gradients(model, parameters):
        for name, total in along.items():
            slopes[name].append(dot(gradient, total))
    before = [x.detach().clone() for x in parameters.values()]
    steps = []
    for name, total in along.items():
        norm = dot(total, total) ** 0.5
        for length in lengths:
            with torch.no_grad():
                for x, start, part in zip(parameters.values(), before, total, strict=True):
                    x.copy_(start).add_(part, alpha=length / norm)
            after = mix.p(model).tolist()
            steps.append({"objective": name, "length": length, "norm": norm, "p": after})
            print(name, length, f"pass@1 {p.mean():.4f} -> {np.mean(after):.4f}", file=sys.stderr, flush=True)
    with torch.no_grad():
        for x, start in zip(parameters.values(), before, strict=True):
            x.copy_(start)
    return {"prompt_id": mix.ids, "p": p.tolist(), "slopes": slopes, "steps": steps}


def take_steps(folder, out):
    """Every mix of the run and its control; written after each, so that a killed run keeps what it has."""
    run, control = Run.open(folder), Run.open(folder / "control")
    mixes = {"override": (run,), "control": (control,), "both": (run, control)}
    found = json.loads(out.read_text()) if out.exists() else {}
    policy = load_policy(run.config.model.name)
    with selected(policy.model, "all") as parameters:
        for name, runs in mixes.items():
            if name not in found:
                mix = Mix(policy.tokenizer, runs)
                found[name] = step_through(mix, policy.model, parameters, OBJECTIVES, LENGTHS)
                out.write_text(json.dumps(found, indent=1))


def main():
    """Parse the arguments and do one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("steps", "compare"))
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("scorecard.json"))
    given = parser.parse_args()
    take_steps(given.run, given.out)


if __name__ == "__main__":
    main()
