"""Does the gradient in a few parameters tell the truth about all of them? The same responses, scored again.

    python examples/subsets.py runs/quickstart --out runs/subsets            # sampled, with intervals
    python examples/subsets.py runs/quickstart --out runs/subsets --exact    # and the exact truth beside it

For each subset the run folder's prompts and responses are copied to OUT/SUBSET and only `score` and
`analyse` are done again: no response is drawn anew, so differences are the subset's alone. `--exact` needs
prompts whose right answer is one sequence of tokens (the quickstart's). Prints one row a subset.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch

from acute.gradients.exact import success_gradient
from acute.gradients.forward import Sampled
from acute.gradients.parameters import FINAL_STATE, selected
from acute.models.load import load_policy
from acute.run import Run
from acute.stages import run_until

SUBSETS = ("all", "final-state", "final-norm", "lm_head", "last-block")
KS = (2, 4, 8, 16, 32)


def scored_again(run, subset, out):
    """analysis.json of the run's responses in another subset of parameters."""
    if subset == run.config.score.parameters:
        return run.analysis()
    folder = out / subset
    if not folder.exists():
        half_made = out / f".{subset}"
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(parents=True)
        for name in ("run.json", "prompts.parquet", "responses.parquet"):
            shutil.copy(run.path / name, half_made)
        half_made.rename(folder)
    score = run.config.score.model_copy(update={"parameters": subset})
    again = Run.create(folder, run.config.model_copy(update={"score": score, "control": None}))
    with again.lock():
        run_until(again, "analyse")
    return again.analysis()


def sampled_row(analysis):
    """Cosine at each k and k†, with their intervals."""

    def text(e, form):
        if e is None:
            return "-"
        return " ".join("?" if x is None else form.format(x) for x in (e["value"], e["lo"], e["hi"]))

    curve = analysis["curve"]
    at = {k: curve["cosine"][curve["k"].index(k)] for k in KS}
    return [*(text(at[k], "{:+.3f}") for k in KS), text(analysis["k_dagger"], "{:.0f}")]


class Exact:
    """p and ∇p of a run's prompts, one prompt after the other."""

    def __init__(self, run):
        self.policy = load_policy(run.config.model.name)
        columns = (run.prompts()[c].to_pylist() for c in ("prompt", "answer"))
        self.pairs = [tuple(map(self._tokens, pair)) for pair in zip(*columns, strict=True)]

    def _tokens(self, text):
        return tuple(self.policy.tokenizer(text, add_special_tokens=False).input_ids)

    def gradients(self, which):
        """p and {parameter: gradient} of each prompt."""
        with selected(self.policy.model, which) as parameters:
            for prompt, answer in self.pairs:
                p, parts = success_gradient(self.policy.model, parameters, prompt, answer, Sampled())
                yield p, dict(zip(parameters, parts, strict=True))

    def members(self, subset):
        """Names of the parameters that a subset selects."""
        with selected(self.policy.model, subset) as parameters:
            return set(parameters)

    def curves(self, subsets):
        """For each subset the cosine at each k and k†: two passes, so that no more than the ∇J_k are held."""
        inside = {subset: self.members(subset) for subset in subsets}
        apart = [s for s in subsets if any(name.startswith(FINAL_STATE) for name in inside[s])]
        together = [s for s in subsets if s not in apart]  # slices of one gradient
        found = {}
        for some in (together, *([s] for s in apart)):
            if some:
                which = some[0] if len(some) == 1 else "all"
                found |= self._pass(which, {s: inside[s] for s in some})
        return {subset: found[subset] for subset in subsets}

    def _pass(self, which, inside):
        p_N = np.array([p for p, _ in self.gradients(which)])
        along = {k: {} for k in (1, *KS)}
        for p, gradient in self.gradients(which):
            for k, total in along.items():
                weight = k * (1 - p) ** (k - 1) / len(p_N)
                for name, part in gradient.items():
                    total[name] = part * weight if name not in total else total[name].add_(part, alpha=weight)
        agreement = {subset: [] for subset in inside}
        for _, gradient in self.gradients(which):
            for subset, names in inside.items():
                agreement[subset].append(dot(gradient, along[1], names))
        found = {}
        for subset, names in inside.items():
            norm = {k: dot(total, total, names) ** 0.5 for k, total in along.items()}
            cosine = {k: dot(along[k], along[1], names) / (norm[k] * norm[1]) for k in KS}
            a_N = np.array(agreement[subset])
            signs = (float((k * (1 - p_N) ** (k - 1)) @ a_N) for k in range(1, max(KS) + 1))
            dagger = next((k for k, inner in enumerate(signs, start=1) if inner < 0), None)
            found[subset] = {"cosine": cosine, "k_dagger": dagger, "agreement": a_N.tolist()}
        return found


def dot(a, b, names):
    """⟨a, b⟩ over some parameters, in float64."""
    return sum(float(torch.sum(a[name] * b[name], dtype=torch.float64)) for name in names)


def main():
    """Parse the arguments, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/subsets"))
    parser.add_argument("--subsets", nargs="+", default=SUBSETS)
    parser.add_argument("--exact", action="store_true")
    given = parser.parse_args()
    run = Run.open(given.run)
    print("| parameters | " + " | ".join(f"cosine, k = {k}" for k in KS) + " | k† |")
    print("|---" * (len(KS) + 2) + "|")
    for subset in given.subsets:
        cells = sampled_row(scored_again(run, subset, given.out))
        print(f"| {subset} | {' | '.join(cells)} |", flush=True)
    if given.exact:
        exact = Exact(run).curves(given.subsets)
        for subset, x in exact.items():
            cells = [f"{x['cosine'][k]:+.3f}" for k in KS] + [str(x["k_dagger"])]
            print(f"| {subset}, exact | {' | '.join(cells)} |")
        (given.out / "exact.json").write_text(json.dumps(exact, indent=1))


if __name__ == "__main__":
    main()
