"""What scoring costs beside the forward and backward that a trainer does over the same rows.

    python bench/bench_score.py [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

SmolLM2-135M, float32. Short answers: 2 prompts of about 45 tokens, 64 sampled responses of at most 8 tokens
each. Long answers: a prompt of 128 tokens, 8 different responses of 256. The plain pass puts each response
in a row of its own behind the prompt, 16 rows at once, logits on response tokens only, as TRL does.
"""

import json
import random
import sys
from importlib import resources

import numpy as np
import torch
from ratios import interleaved, ratios, record

from acute.gradients.dots import by_forward_mode, by_hooks
from acute.gradients.engines import Passes, Task, gradient_sum, one_by_one, shared
from acute.gradients.forward import Sampled, pad
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.models.render import render
from acute.rollout.hf import Sampling, sample
from acute.stages.policy import tokens_of

FOLDS, ROWS, SAMPLED = 2, 16, Sampled()


def plain(model, work):
    """Forward and backward over all rows, as a trainer does it."""
    for prompt, rows, rewards in work:
        for first in range(0, len(rows), ROWS):
            some = rows[first : first + ROWS]
            ids, mask, positions = pad([prompt + r for r in some], model.device)
            keep = ids.shape[1] - len(prompt) + 1
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                logits_to_keep=keep,
                use_cache=False,
            ).logits[:, :-1]
            logprob = logits.log_softmax(-1).gather(2, ids[:, len(prompt) :, None])[..., 0]
            weight = torch.tensor(rewards[first : first + ROWS])[:, None] * mask[:, len(prompt) :]
            (logprob * weight).sum().backward()
    model.zero_grad()


def task(prompt, rows, rewards):
    """Distinct responses with their multiplicity by fold and outcome, as the stage makes it."""
    distinct = sorted(set(rows))
    counts = np.zeros((FOLDS, 2, len(distinct)))
    for i, (row, reward) in enumerate(zip(rows, rewards, strict=True)):
        counts[i % FOLDS, int(reward), distinct.index(row)] += 1
    return Task(prompt, distinct, counts.reshape(2 * FOLDS, -1))


def short_work(policy):
    """Prompts of the quickstart: after a few words of the answer the model soon stops."""
    name = resources.files("acute.quickstart") / "override.jsonl"
    rows = [json.loads(line) for line in name.read_text().splitlines()][:1]
    texts = [render(policy.tokenizer, row["prompt"], None, row["prefill"]) for row in rows]
    prompts = [tokens_of(policy.tokenizer, text) for text in texts]
    found = sample(policy, prompts, [row["prompt_id"] for row in rows], Sampling(64, 1.0, 1.0, 8), seed=0)
    work = []
    for prompt, samples in zip(prompts, found, strict=True):
        responses = [s.token_ids for s in samples]
        common = max(set(responses), key=responses.count)  # a reward that both outcomes have
        work.append((prompt, responses, [float(response == common) for response in responses]))
    return work


def long_work(policy):
    rng = random.Random(0)
    draw = lambda count: tuple(rng.randrange(1000, 40000) for _ in range(count))  # noqa: E731
    return [(draw(128), [draw(256) for _ in range(8)], [0.0, 1.0] * 4)]


def run_shared(policy, parameters, sketch, work):
    for prompt, rows, rewards in work:
        shared(policy.model, parameters, sketch, task(prompt, rows, rewards), SAMPLED, Passes())


def run_reference(policy, parameters, sketch, work):
    for prompt, rows, rewards in work:
        one_by_one(policy.model, parameters, sketch, task(prompt, rows, rewards), SAMPLED)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    policy = load_policy("bundled:smollm2", "float32", "cpu", None)
    model, found = policy.model, {}
    with selected(model, "all") as parameters:
        sketch = Sketch(parameters.items(), 65536, 0)
        direction = {name: torch.randn_like(p).detach() for name, p in parameters.items()}
        for name, work in (("short", short_work(policy)), ("long", long_work(policy))):
            tokens = sum(len(p) * len(rows) + sum(map(len, rows)) for p, rows, _ in work)
            distinct = sum(len(set(rows)) for _, rows, _ in work)
            print(f"{name}: {tokens} tokens, {distinct} distinct responses", flush=True)
            contenders = {
                "plain forward + backward": lambda w=work: plain(model, w),
                "sketch": lambda w=work: run_shared(policy, parameters, sketch, w),
            }
            if name == "long":
                prompt, rows, rewards = work[0]
                weight = np.array(rewards) - np.mean(rewards)

                one = {n: d[None] for n, d in direction.items()}
                four = {n: d.expand(4, *d.shape).contiguous() for n, d in direction.items()}
                responses = list(rows)
                contenders |= {
                    "direction": lambda: gradient_sum(model, parameters, prompt, responses, weight, SAMPLED),
                    "dots by hooks, 1 direction": lambda: by_hooks(model, one, prompt, responses, SAMPLED),
                    "dots by hooks, 4 directions": lambda: by_hooks(model, four, prompt, responses, SAMPLED),
                    "dots by forward mode, shared": lambda: by_forward_mode(
                        model, direction, prompt, responses, SAMPLED, share=True
                    ),
                }
            found[name] = ratios(interleaved(contenders, rounds), "plain forward + backward")
            for contender, ratio in found[name].items():
                print(
                    f"  {contender:28} {ratio.median:.3f} ({ratio.smallest:.3f} to {ratio.largest:.3f})",
                    flush=True,
                )
    record("score", {name: {c: r._asdict() for c, r in rows.items()} for name, rows in found.items()})


if __name__ == "__main__":
    main()
