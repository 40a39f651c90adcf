"""The tables of docs/statistics.md on verifiers that err, from exact p and agreement of the quickstart.

    python docs/figures/imperfect.py

No rollout and no model: exact-override.json stands beside this script (examples/quickstart/exact.py made it).
"""

import json
from pathlib import Path

import numpy as np

from acute.core.imperfect import Rates, seen, weight_in_training
from acute.core.products import first_negative

KS = (1, 2, 4, 8, 16, 32)
FAR = 200  # how far k† is looked for


def shown_too_much(p, k, rates):
    """Pass@k of the verdicts less true pass@k."""
    return (1 - (1 - seen(p, rates)) ** k) - (1 - (1 - p) ** k)


def main():
    exact = json.loads((Path(__file__).parent / "exact-override.json").read_text())
    names = list(exact["prompts"])
    p, a = (np.array([exact["prompts"][n][field] for n in names]) for field in ("p", "agreement"))
    hard = np.array([not n.startswith("sum") for n in names])

    print("pass@k that a false-pass rate of .02 shows beyond the truth\n")
    print("| true p | " + " | ".join(f"k = {k}" for k in KS) + " |")
    print("|--:|" + "--:|" * len(KS))
    for at in (0.0, 0.01, 0.05, 0.2, 0.5):
        row = [f"{float(shown_too_much(np.array(at), k, Rates(0.02, 0.0))):+.3f}" for k in KS]
        print(f"| {at:g} | " + " | ".join(row) + " |")

    print("\nwhat training on the verdicts does to true pass@1 (override mix, exact)\n")
    print("| verifier | k† | ⟨∇J_k of the verdicts, ∇J_1⟩ at k = 8 | k = 32 |")
    print("|---|--:|--:|--:|")
    cases = {
        "no errors": Rates(),
        "passes 5 % of wrong responses": Rates(0.05, 0.0),
        "passes 20 % of wrong responses": Rates(0.2, 0.0),
        "fails 2 % of right responses": Rates(0.0, 0.02),
        "fails 10 % of right responses": Rates(0.0, 0.1),
        "fails 30 % of right responses": Rates(0.0, 0.3),
        "passes 5 % of wrong responses to the hard family alone": Rates(np.where(hard, 0.05, 0.0), 0.0),
        "passes 20 % of wrong responses to the hard family alone": Rates(np.where(hard, 0.2, 0.0), 0.0),
    }
    for name, rates in cases.items():
        inner = [float(np.mean(weight_in_training(p, k, rates) * a)) for k in range(1, FAR + 1)]
        dagger = first_negative(range(1, FAR + 1), inner)
        print(f"| {name} | {dagger or f'none up to {FAR}'} | {inner[7]:+.2f} | {inner[31]:+.2f} |")


if __name__ == "__main__":
    main()
