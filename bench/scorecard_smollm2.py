"""Steps really taken on SmolLM2, against what `acute predict` says of them from a sampled run's table.

    python bench/scorecard_smollm2.py steps runs/quickstart     # a quarter of an hour, 8 GB
    python bench/scorecard_smollm2.py compare runs/quickstart   # seconds

`steps` takes every step of a mix, objective and length along the exact gradient over all parameters (the
right answers are one sequence of two tokens, so p and ∇p are exact) and writes p of every prompt before and
after. Each gradient is computed once; the lengths along it need forward passes alone. `compare` needs no
model: it predicts the same steps from the sampled responses of the run and its control, and counts what came
true. The three mixes are the run's, its control's, and both together; those overlap, and all lengths of one
objective rest on the same responses, so the cases are not independent.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from acute.core.objectives import parse
from acute.gradients.exact import success_gradient, success_probability
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.store import read_sketches
from acute.measure.analyse import select
from acute.measure.conflict import Measured
from acute.measure.counting import ALSO_COUNTED, COUNTED, count
from acute.measure.predict import predict
from acute.models.load import load_policy
from acute.run import Run

OBJECTIVES = ("pass@1", "pass@4", "pass@16", "pass@32", "mixture@0.2,16", "log@16")
LENGTHS = (0.001, 0.003, 0.01, 0.03)
KS = (1, 4, 16, 32)
MIXES = {"override": ("",), "control": ("control",), "both": ("", "control")}


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
    pairs = zip(a, b, strict=True)
    return sum(torch.sum(x.detach() * y.detach(), dtype=torch.float64).item() for x, y in pairs)


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


def runs_of(folder, mix):
    """The run folders that a mix is made of."""
    return [Run.open(folder / name) for name in MIXES[mix]]


def take_steps(folder, out):
    """Every mix of the run and its control; written after each, so that a killed run keeps what it has."""
    found = json.loads(out.read_text()) if out.exists() else {}
    policy = load_policy(Run.open(folder).config.model.name)
    with selected(policy.model, "all") as parameters:
        for name in MIXES:
            if name not in found:
                mix = Mix(policy.tokenizer, runs_of(folder, name))
                found[name] = step_through(mix, policy.model, parameters, OBJECTIVES, LENGTHS)
                out.write_text(json.dumps(found, indent=1))


def measured_of(runs, ids):
    """Counts and sketches of some prompts, from the folders that hold them."""
    parts, order = [], []
    for run in runs:
        sums, facts = read_sketches(run.path)
        counts = count(run.response_batches((*COUNTED, *ALSO_COUNTED)))
        some = select(counts, sums, facts["prompt_ids"], max(KS))
        order += some.prompt_ids
        parts.append(some.measured)
    rows = [order.index(name) for name in ids]
    n, c, sums = (
        np.concatenate([getattr(m, field)[:] for m in parts])[rows] for field in ("n_NM", "c_NM", "sums_NMOD")
    )
    return Measured(n, c, sums, sums.shape[3])


def cases_of(mix, exact, measured):
    """One row a step and k: what was predicted, the exact first order, and what happened."""
    p = np.array(exact["p"])
    for step in exact["steps"]:
        name, length, after = step["objective"], step["length"], np.array(step["p"])
        found = predict(measured, parse(name).advantages, KS, length=length)
        slope = np.array(exact["slopes"][name]) * length / step["norm"]
        for x in found.changes:
            yield {
                "mix": mix,
                "objective": name,
                "length": length,
                "k": x.k,
                "happened": float(np.mean((1 - p) ** x.k - (1 - after) ** x.k)),
                "exact": float(np.mean(x.k * (1 - p) ** (x.k - 1) * slope)),
                "predicted": x,
                "moved": found.log_odds_moved,
            }


def inside(estimate, value):
    """Whether a 95 % interval holds a value."""
    return estimate.lo <= value <= estimate.hi


def claims(estimate):
    """+1 or -1 where the interval excludes 0, else 0."""
    return int(estimate.lo > 0) - int(estimate.hi < 0)


def row(cases):
    """One line of the scorecard."""
    first = [c["predicted"].first_order for c in cases]
    curved = [c["predicted"].curved for c in cases]
    happened, exact = (np.array([c[key] for c in cases]) for key in ("happened", "exact"))
    claim = np.array([claims(e) for e in first])
    bent = np.array([claims(e) for e in curved])
    alarms = claim < 0
    holds = np.array([c["predicted"].holds for c in cases])
    within = np.array([inside(e, t) for e, t in zip(first, happened, strict=True)])

    def rms(values):
        return float(np.sqrt(np.mean(np.square(values))))

    return {
        "cases": len(cases),
        "log-odds moved (median)": float(np.median([c["moved"] for c in cases])),
        "covers the exact slope": float(np.mean([inside(e, t) for e, t in zip(first, exact, strict=True)])),
        "covers what happened": float(within.mean()),
        "curved covers it": float(np.mean([inside(e, t) for e, t in zip(curved, happened, strict=True)])),
        "signs claimed": int((claim != 0).sum()),
        "of them wrong": int((claim * happened < 0).sum()),
        "falls claimed": int(alarms.sum()),
        "false alarms": int((alarms & (happened > 0)).sum()),
        "falls missed": int(((claim > 0) & (happened < 0)).sum()),
        "signs claimed, curved": int((bent != 0).sum()),
        "of them wrong, curved": int((bent * happened < 0).sum()),
        "first order said to hold": int(holds.sum()),
        "covered then": float(within[holds].mean()) if holds.any() else None,
        "covered else": float(within[~holds].mean()) if (~holds).any() else None,
        "rms change": rms(happened),
        "rms error": rms([e.value - t for e, t in zip(first, happened, strict=True)]),
        "rms error, exact slope": rms(exact - happened),
        "rms error, curved": rms([e.value - t for e, t in zip(curved, happened, strict=True)]),
    }


def compare(folder, steps):
    """Print the scorecard by step length, and the errors by k at each length."""
    taken = json.loads(steps.read_text())
    cases = [
        case
        for mix, exact in taken.items()
        for case in cases_of(mix, exact, measured_of(runs_of(folder, mix), exact["prompt_id"]))
    ]
    rows = {length: row([c for c in cases if c["length"] == length]) for length in LENGTHS}
    print("| step length | " + " | ".join(map(str, LENGTHS)) + " |\n" + "|---" * (1 + len(LENGTHS)) + "|")
    for name in rows[LENGTHS[0]]:
        print(f"| {name} | {' | '.join(shown(found[name]) for found in rows.values())} |")
    names = ("covers what happened", "curved covers it", "rms change", "rms error", "rms error, curved")
    print("\n| step length | k | " + " | ".join(names) + " |\n" + "|---" * (2 + len(names)) + "|")
    for length in LENGTHS:
        for k in KS:
            found = row([c for c in cases if (c["length"], c["k"]) == (length, k)])
            print(f"| {length} | {k} | {' | '.join(shown(found[name]) for name in names)} |")


def shown(value):
    """A number as the tables print it."""
    return "-" if value is None else f"{value:.2g}" if isinstance(value, float) else str(value)


def main():
    """Parse the arguments and do one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("steps", "compare"))
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=Path, default=Path("runs/scorecard.json"), help="where steps stand")
    given = parser.parse_args()
    (take_steps if given.what == "steps" else compare)(given.run, given.steps)


if __name__ == "__main__":
    main()
