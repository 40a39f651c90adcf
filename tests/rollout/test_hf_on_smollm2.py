"""On the bundled model: how often an answer is sampled is how probable it is."""

import json
from pathlib import Path

import pytest

from acute.gradients.exact import success_probability
from acute.gradients.forward import Sampled
from acute.models.load import load_policy
from acute.models.render import render
from acute.rollout.hf import Sampling, sample
from acute.stages.policy import tokens_of

PROMPTS = Path(__file__).parents[2] / "src" / "acute" / "quickstart" / "override.jsonl"


@pytest.mark.model
def test_answers_are_sampled_as_often_as_they_are_probable():
    policy, n = load_policy("bundled:smollm2", device="cpu"), 4096
    rows = [json.loads(line) for line in PROMPTS.read_text().splitlines()]
    rows = [rows[0], rows[-1]]  # a plain sum and a hard prompt
    prompts = [
        tokens_of(policy.tokenizer, render(policy.tokenizer, r["prompt"], None, r["prefill"])) for r in rows
    ]
    answers = [tuple(policy.tokenizer(r["answer"], add_special_tokens=False).input_ids) for r in rows]
    drawn = sample(policy, prompts, [r["prompt_id"] for r in rows], Sampling(n, 1.0, 1.0, 2), seed=0)
    for prompt, answer, samples in zip(prompts, answers, drawn, strict=True):
        p = success_probability(policy.model, prompt, answer, Sampled())
        share = sum(s.token_ids == answer for s in samples) / n
        assert 0.01 < p < 0.99
        assert abs(share - p) < 3.5 * (p * (1 - p) / n) ** 0.5
