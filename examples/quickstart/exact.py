"""The exact curve of a mix whose right answers are single token sequences: no sampling, no error.

    python examples/quickstart/exact.py src/acute/quickstart/override.jsonl

Prints one JSON object: p and agreement of every prompt, ⟨∇J_k, ∇J_1⟩ and the cosine for each k. Holds
one gradient a prompt in memory (10 GB for 18 prompts).
"""

import json
import sys
from pathlib import Path

from acute.gradients.exact import exact_inner, exact_kernel
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.models.load import load_policy
from acute.models.render import render
from acute.tasks.files import read_prompts

KS = (1, 2, 4, 8, 16, 32)


def main(path):
    rows = read_prompts(path)
    policy = load_policy("bundled:smollm2")
    texts = [render(policy.tokenizer, row["prompt"], None, row["prefill"]) for row in rows]
    tokens = [tuple(policy.tokenizer(t, add_special_tokens=False).input_ids) for t in texts]
    answers = [tuple(policy.tokenizer(r["answer"], add_special_tokens=False).input_ids) for r in rows]
    with selected(policy.model, "all") as parameters:
        p, kernel = exact_kernel(policy.model, parameters, tokens, answers, Sampled())
    curve = {k: exact_inner(p, kernel, k) for k in range(1, max(KS) + 1)}
    found = {
        "prompts": {
            r["prompt_id"]: {"p": float(a), "agreement": float(b)}
            for r, a, b in zip(rows, p, kernel.mean(1), strict=True)
        },
        "inner": {k: curve[k][0] for k in KS},
        "cosine": {k: curve[k][1] for k in KS},
        "k_dagger": next((k for k, (inner, _) in curve.items() if inner < 0), None),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
