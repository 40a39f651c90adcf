"""Second moments for score.metric = "adam" where no optimiser state was kept: from another run's gradients.

    python examples/second_moments.py runs/other-seed --out v.safetensors --batch 16

What Adam's v̂ would settle at if every step took `--batch` prompts of the run, each with all its responses,
along the objective's gradient: E[ĝ²]/B + (1 - 1/B) ∇J², number by number. Take a run with another seed than
the one that is measured: from the same responses the metric and what is measured in it are coupled, and
⟨∇J_k, ∇J_1⟩ comes out too small (bench/adam_coupling.py).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from acute.gradients.engines import gradient_sum
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.progress import tracked
from acute.run import Run
from acute.stages.groups import groups_of
from acute.stages.policy import policy_of, tokens_of
from acute.stages.predict import advantage_of


def weights(group, advantage):
    """What each distinct response's gradient is multiplied by: advantages over n, equal ones together."""
    at = {response: u for u, response in enumerate(group.distinct)}
    n, c = len(group.rows), sum(row["reward"] for row in group.rows)
    success, failure = (float(x) for x in advantage(n, c))
    weight_U = np.zeros(len(group.distinct))
    for row in group.rows:
        weight_U[at[row["token_ids"]]] += (success if row["reward"] else failure) / n
    return weight_U


def second_moments(run, objective, batch):
    """v̂ by parameter name. Prompts that were never or always right add nothing."""
    advantage, _ = advantage_of(objective, group=16)
    policy, config = policy_of(run.config.model), run.config
    texts = dict(zip(*(run.prompts()[c].to_pylist() for c in ("prompt_id", "prompt")), strict=True))
    sampled = Sampled(config.sampling.temperature, config.sampling.top_p)
    groups = groups_of(run)
    with (
        selected(policy.model, config.score.parameters) as parameters,
        tracked("moments", len(groups)) as tracker,
    ):
        mean = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
        square = {name: torch.zeros_like(total) for name, total in mean.items()}
        for group in groups:
            if group.has_signal:
                prompt = tokens_of(policy.tokenizer, texts[group.prompt_id])
                gradients = gradient_sum(
                    policy.model, parameters, prompt, group.distinct, weights(group, advantage), sampled
                )
                for name, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        mean[name].add_(gradient.float(), alpha=1 / len(groups))
                        square[name].addcmul_(gradient.float(), gradient.float(), value=1 / len(groups))
            tracker.advance()
    for name, v in square.items():
        of_mean = mean[name].square_().mul_(len(groups)).sub_(v).div_(max(len(groups) - 1, 1)).clamp_(min=0)
        v.div_(batch).add_(of_mean, alpha=1 - 1 / batch)
    return square


def main():
    """Parse the arguments, differentiate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--objective", default="pass@1", help="what is trained, as acute predict names it")
    parser.add_argument("--batch", type=int, default=16, help="prompts a step")
    given = parser.parse_args()
    found = second_moments(Run.open(given.run), given.objective, given.batch)
    save_file(found, given.out, metadata={"eps": "1e-8"})
    print(f"wrote {given.out}: {sum(v.numel() for v in found.values())} numbers")


if __name__ == "__main__":
    main()
