"""Chooses the quickstart's prompts by a written rule on p alone. No rollout is drawn.

    python examples/quickstart/screen.py src/acute/quickstart

Candidates: every one-digit sum with a one-digit result; the same kind of question under the rule "+ means
multiply" (eight wordings, one-digit results that differ from the sum); the last letter of common words.
The right response is one sequence of two tokens, so p is exact.

Rule: sums with .15 ≤ p ≤ .95, ten at evenly spaced ranks of p; of the two hard families, shuffled by
seed 0, the first eight with .02 ≤ p ≤ .2.
"""

import json
import random
import sys
from pathlib import Path

from acute.gradients.exact import success_probability
from acute.gradients.forward import Sampled
from acute.models.load import load_policy
from acute.models.render import render
from acute.tasks.arithmetic import MULTIPLY, WORDS

EASY, HARD = (0.15, 0.95), (0.02, 0.2)


def row(name, family, question, prefill, answer):
    return {"prompt_id": name, "prompt": question, "prefill": prefill, "answer": answer, "family": family}


def sums():
    for a in range(1, 9):
        for b in range(1, 10 - a):
            yield row(f"sum-{a}+{b}", "sum", f"What is {a} + {b}?", f"{a} + {b} =", f" {a + b}")


def overrides():
    for number, wording in enumerate(MULTIPLY):
        for a in range(1, 10):
            for b in range(1, 10):
                if a * b <= 9 and a * b != a + b:
                    yield row(
                        f"override-{number}-{a}+{b}",
                        "plus means multiply",
                        wording.format(a=a, b=b),
                        f"{a} + {b} =",
                        f" {a * b}",
                    )


def last_letters():
    for word in WORDS:
        yield row(
            f"letter-{word}",
            "last letter",
            f'What is the last letter of the word "{word}"?',
            f'The last letter of the word {word} is "',
            f'{word[-1]}".',
        )


def with_p(policy, candidates):
    for candidate in candidates:
        text = render(policy.tokenizer, candidate["prompt"], None, candidate["prefill"])
        prompt, answer = (
            tuple(policy.tokenizer(t, add_special_tokens=False).input_ids)
            for t in (text, candidate["answer"])
        )
        if len(answer) == 2:
            yield success_probability(policy.model, prompt, answer, Sampled()), candidate


def main(folder):
    policy = load_policy("bundled:smollm2")
    easy = [pair for pair in with_p(policy, sums()) if EASY[0] <= pair[0] <= EASY[1]]
    easy.sort(key=lambda pair: pair[0])
    easy = [easy[round(i * (len(easy) - 1) / 9)] for i in range(10)]
    for name, family in (("override", overrides()), ("control", last_letters())):
        candidates = list(family)
        random.Random(0).shuffle(candidates)
        measured = list(with_p(policy, candidates))
        hard = [pair for pair in measured if HARD[0] <= pair[0] <= HARD[1]]
        print(f"{name}: {len(measured)} hard candidates, {len(hard)} with p in {HARD}", file=sys.stderr)
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for p, chosen in [*easy, *hard[:8]]:
                print(f"  {p:.3f}  {chosen['prompt_id']}", file=sys.stderr)
                file.write(json.dumps(chosen, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
