"""What scoring costs beside the forward and backward that a trainer does over the same rows.

    python bench/bench_score.py [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

SmolLM2-135M, float32. Short answers: a prompt of 43 tokens, 64 sampled responses of at most 8 tokens. Long
answers: a prompt of 128 tokens, 8 different responses of 256. The plain pass puts each response in a row of
its own behind the prompt, 16 rows at once, logits on response tokens only, as TRL does.
"""

import json
import random
import resource
import subprocess
import sys
from importlib import resources

import numpy as np
import torch

from acute.gradients.dots import by_forward_mode, by_hooks
from acute.gradients.engines import Passes, Task, gradient_sum, shared
from acute.gradients.forward import Sampled, pad
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.models.render import render
from acute.rollout.hf import Sampling, sample
from acute.stages.policy import tokens_of
from ratios import interleaved, ratios, record

FOLDS, ROWS, SAMPLED = 2, 16, Sampled()
PLAIN = "plain forward + backward"


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


def long_work():
    rng = random.Random(0)

    def draw(count):
        return tuple(rng.randrange(1000, 40000) for _ in range(count))

    return [(draw(128), [draw(256) for _ in range(8)], [0.0, 1.0] * 4)]


def run_shared(policy, parameters, sketch, work):
    for prompt, rows, rewards in work:
        shared(policy.model, parameters, sketch, task(prompt, rows, rewards), SAMPLED, Passes())


def of_short(policy, parameters, sketch):
    work = short_work(policy)
    return {
        PLAIN: lambda: plain(policy.model, work),
        "sketch": lambda: run_shared(policy, parameters, sketch, work),
    }


def of_long(policy, parameters, sketch):
    model, work = policy.model, long_work()
    ((prompt, rows, rewards),) = work
    weight = np.array(rewards) - np.mean(rewards)
    one = {name: torch.randn_like(p).detach()[None] for name, p in parameters.items()}
    four = {name: d.expand(4, *d.shape[1:]).contiguous() for name, d in one.items()}
    flat = {name: d[0] for name, d in one.items()}
    return {
        PLAIN: lambda: plain(model, work),
        "sketch": lambda: run_shared(policy, parameters, sketch, work),
        "dots: direction": lambda: gradient_sum(model, parameters, prompt, rows, weight, SAMPLED),
        "dots: along 1 by hooks": lambda: by_hooks(model, one, prompt, rows, SAMPLED),
        "dots: along 4 by hooks": lambda: by_hooks(model, four, prompt, rows, SAMPLED),
        "dots: along 1, forward, shared": lambda: by_forward_mode(
            model, flat, prompt, rows, SAMPLED, share=True
        ),
    }


def peak_memory() -> float:
    """GiB that scoring takes at most, model included: 16 different responses, 2,048 tokens in one pass."""
    rng = random.Random(1)
    prompt, *rows = (tuple(rng.randrange(1000, 40000) for _ in range(count)) for count in (16, *[112] * 16))
    policy = load_policy("bundled:smollm2", "float32", "cpu", None)
    with selected(policy.model, "all") as parameters:
        sketch = Sketch(parameters.items(), 65536, 0)
        shared(
            policy.model, parameters, sketch, task(prompt, rows, [0.0, 1.0] * 8), SAMPLED, Passes(tokens=2048)
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    if sys.argv[1:] == ["--memory"]:
        print(peak_memory())
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    policy = load_policy("bundled:smollm2", "float32", "cpu", None)
    found = {}
    with selected(policy.model, "all") as parameters:
        sketch = Sketch(parameters.items(), 65536, 0)
        for name, case in (("short", of_short), ("long", of_long)):
            found[name] = ratios(interleaved(case(policy, parameters, sketch), rounds), PLAIN)
            for contender, ratio in found[name].items():
                print(
                    f"{name:6}{contender:32} {ratio.median:.3f} ({ratio.smallest:.3f} to {ratio.largest:.3f})"
                )
    done = subprocess.run([sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True)
    memory = float(done.stdout.split()[-1])
    print(f"peak memory of 16 responses in one pass of 2,048 tokens: {memory:.2f} GiB")
    rows = {name: {c: r._asdict() for c, r in each.items()} for name, each in found.items()}
    record("score", {**rows, "peak_memory_gib": memory})


if __name__ == "__main__":
    main()
