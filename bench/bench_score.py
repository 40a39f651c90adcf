"""What scoring costs beside the forward and backward that a trainer does over the same rows.

    python bench/bench_score.py [short|long|memory] [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

SmolLM2-135M, float32. Short answers: 4 prompts of 43 tokens, 64 sampled responses of at most 8 tokens. Long
answers: a prompt of 128 tokens, 8 different responses of 256. The plain pass puts each response in a row of
its own behind the prompt, 16 rows at once, logits on response tokens only, as TRL does. Forward mode, which
takes as long as all others on long answers, has one round of its own. The score stage is everything from the
run folder's tables to its saved sketches; importing libraries and loading the model, which a process does
once, are not. Memory is the peak of a process of its own that loads the model and scores 16 responses of 128
tokens.
"""

import random
import resource
import subprocess
import sys
import tempfile
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import torch

from acute.config import ModelConfig, parse
from acute.gradients.dots import by_forward_mode, by_hooks
from acute.gradients.engines import Passes, Task, gradient_sum, shared
from acute.gradients.forward import Sampled, pad
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.run import Run
from acute.stages import run_until
from acute.stages.groups import groups_of
from acute.stages.policy import policy_of, tokens_of
from ratios import interleaved, ratios, record

SCORE = import_module("acute.stages.score")  # `acute.stages.score` is the stage itself
FOLDS, ROWS, SAMPLED = 2, 16, Sampled()
PROMPTS = 4  # of the quickstart, its first
PLAIN = "plain forward + backward"
IN_ONE_ROUND = ("dots: along 1, forward, shared",)


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


def short_run(folder: Path, prompts: int = 1) -> Run:
    """A run folder of the first prompts of the quickstart, sampled and verified."""
    lines = (resources.files("acute.quickstart") / "override.jsonl").read_text().splitlines()[:prompts]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    settings = {
        "model": {"name": "bundled:smollm2", "device": "cpu"},
        "prompts": {"source": str(folder / "prompts.jsonl")},
        "sampling": {"n": 64, "max_tokens": 8},
        "verify": {"kind": "exact"},
        "score": {"folds": FOLDS},
        "analyse": {"k": [1, 4]},
    }
    run = Run.create(folder / "run", parse(settings))
    run_until(run, "verify")
    return run


def work_of(run: Run, policy):
    """(prompt, responses, rewards) of every prompt of a run."""
    texts = dict(zip(*(run.prompts()[c].to_pylist() for c in ("prompt_id", "prompt")), strict=True))
    return [
        (
            tokens_of(policy.tokenizer, texts[group.prompt_id]),
            [row["token_ids"] for row in group.rows],
            [row["reward"] for row in group.rows],
        )
        for group in groups_of(run)
    ]


def stage_again(run: Run) -> None:
    run.record["stages"].pop("score", None)
    SCORE.score(run)


def long_work():
    rng = random.Random(0)

    def draw(count):
        return tuple(rng.randrange(1000, 40000) for _ in range(count))

    return [(draw(128), [draw(256) for _ in range(8)], [0.0, 1.0] * 4)]


def run_shared(policy, parameters, sketch, work):
    for prompt, rows, rewards in work:
        shared(policy.model, parameters, sketch, task(prompt, rows, rewards), SAMPLED, Passes())


def of_short(policy, parameters, sketch, folder):
    run = short_run(folder, PROMPTS)
    work = work_of(run, policy)
    return {
        PLAIN: lambda: plain(policy.model, work),
        "score stage": lambda: stage_again(run),
        "sketch": lambda: run_shared(policy, parameters, sketch, work),
    }


def of_long(policy, parameters, sketch, _folder):
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
    which = [name for name in ("short", "long", "memory") if name in sys.argv[1:]] or [
        "short",
        "long",
        "memory",
    ]
    rounds = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 5
    if "--peak" in sys.argv:
        print(peak_memory())
        return
    if "memory" in which:
        command = [sys.executable, __file__, "--peak"]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        print(f"peak memory of 16 responses of 128 tokens: {peak:.2f} GiB")
        record("score_memory", {"peak_memory_gib": peak})
    for name in (name for name in which if name != "memory"):
        case = {"short": of_short, "long": of_long}[name]
        policy = policy_of(ModelConfig(name="bundled:smollm2", device="cpu"))
        with selected(policy.model, "all") as parameters, tempfile.TemporaryDirectory() as folder:
            sketch = Sketch(parameters.items(), 65536, 0)
            contenders = case(policy, parameters, sketch, Path(folder))
            slow = {each: contenders.pop(each) for each in IN_ONE_ROUND if each in contenders}
            times = interleaved(contenders, rounds, warm_up=name == "short")  # long passes need none
            found = ratios(times, PLAIN)
            if slow:
                once = interleaved({PLAIN: contenders[PLAIN]} | slow, 1, warm_up=False)
                found |= {each: ratios(once, PLAIN)[each] for each in slow}
        for contender, ratio in found.items():
            print(f"{name:6}{contender:32} {ratio.median:.3f} ({ratio.smallest:.3f} to {ratio.largest:.3f})")
        record(f"score_{name}", {contender: ratio._asdict() for contender, ratio in found.items()})


if __name__ == "__main__":
    main()
