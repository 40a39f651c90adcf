"""Sampling with shared states beside transformers' `generate(num_return_sequences=n)`.

    python bench/bench_sample.py [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

SmolLM2-135M, float32, n = 64, temperature 1. Short answers: four prompts of the quickstart, at most 8 tokens.
The ratio is of tokens per CPU second, counting every response token that is kept; the two draw different
responses of one distribution, so their token counts differ a little.
"""

import json
import sys
from importlib import resources

import torch

from acute.models.load import load_policy
from acute.models.render import render
from acute.rollout.hf import Sampling, sample
from acute.stages.policy import tokens_of
from ratios import interleaved, record

N, MAX_TOKENS = 64, 8


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    policy = load_policy("bundled:smollm2", "float32", "cpu", None)
    lines = (resources.files("acute.quickstart") / "override.jsonl").read_text().splitlines()[:4]
    rows = [json.loads(line) for line in lines]
    texts = [render(policy.tokenizer, row["prompt"], None, row["prefill"]) for row in rows]
    prompts = [tokens_of(policy.tokenizer, text) for text in texts]
    drawn = {"acute": 0, "generate": 0}

    def ours() -> None:
        found = sample(policy, prompts, [r["prompt_id"] for r in rows], Sampling(N, 1.0, 1.0, MAX_TOKENS), 0)
        drawn["acute"] = sum(len(s.token_ids) for samples in found for s in samples)

    def theirs() -> None:
        drawn["generate"] = 0
        ends = torch.tensor(policy.eos_ids)
        for prompt in prompts:
            with torch.inference_mode():
                out = policy.model.generate(
                    input_ids=torch.tensor([prompt]),
                    attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                    do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                    num_return_sequences=N, max_new_tokens=MAX_TOKENS,
                    eos_token_id=list(policy.eos_ids), pad_token_id=policy.eos_ids[0],
                )[:, len(prompt) :]  # fmt: skip
            ended = torch.isin(out, ends).int().cumsum(1) - torch.isin(out, ends).int()
            drawn["generate"] += int((ended == 0).sum())  # tokens up to and including the end token

    times = interleaved({"acute": ours, "generate": theirs}, rounds)
    each = [
        (drawn["acute"] / a) / (drawn["generate"] / b)
        for a, b in zip(times["acute"], times["generate"], strict=True)
    ]
    median = sorted(each)[len(each) // 2]
    print(f"tokens: {drawn}; {median:.1f} times generate ({min(each):.1f} to {max(each):.1f}); wanted 3")
    record("sample", {"tokens": drawn, "ratio": median, "smallest": min(each), "largest": max(each)})


if __name__ == "__main__":
    main()
