"""Chooses prompts by a written rule on p alone. No rollout is drawn.

    python examples/quickstart/screen.py src/acute/quickstart
    python examples/quickstart/screen.py bench/mixes --easy 12 --hard 12 --mixes override control minus

Candidates: every one-digit sum with a one-digit result; the same kind of question under the rule "+ means
multiply" (eight wordings, one-digit results that differ from the sum); the last letter of common words;
for `minus`, the rule "+ means minus" (the same eight wordings, results from 0 to 9 that differ from the
sum). The right response is one sequence of two tokens, so p is exact.

Rule: sums with .15 ≤ p ≤ .95, `easy` of them at evenly spaced ranks of p; of a hard family, shuffled by
seed 0, the first `hard` with .02 ≤ p ≤ .2.
"""

import argparse
import json
import random
import sys
from itertools import islice
from pathlib import Path

from acute.gradients.exact import success_probability
from acute.gradients.forward import Sampled
from acute.models.load import load_policy
from acute.models.render import render
from acute.tasks.arithmetic import MULTIPLY, WORDS

EASY, HARD = (0.15, 0.95), (0.02, 0.2)
MINUS = (
    "In this puzzle the symbol + means minus. What is {a} + {b}?",
    "Here + stands for minus. Compute {a} + {b}.",
    "Suppose that the sign + denotes subtraction. What is {a} + {b}?",
    "Read + as the minus sign. What is {a} + {b}?",
    "Replace + by - and calculate {a} + {b}.",
    "We redefine + to be the difference of two numbers. What is {a} + {b}?",
    "On this calculator the + key subtracts. What does {a} + {b} show?",
    "Let x + y mean x minus y. What is {a} + {b}?",
)


def row(name, family, question, prefill, answer):
    return {"prompt_id": name, "prompt": question, "prefill": prefill, "answer": answer, "family": family}


def sums():
    for a in range(1, 9):
        for b in range(1, 10 - a):
            yield row(f"sum-{a}+{b}", "sum", f"What is {a} + {b}?", f"{a} + {b} =", f" {a + b}")


def redefined(name, family, wordings, result):
    """Questions under a redefined "+", with a result of one digit that is not the sum."""
    for number, wording in enumerate(wordings):
        for a in range(1, 10):
            for b in range(1, 10):
                if 0 <= result(a, b) <= 9 and result(a, b) != a + b:
                    question = wording.format(a=a, b=b)
                    yield row(
                        f"{name}-{number}-{a}+{b}", family, question, f"{a} + {b} =", f" {result(a, b)}"
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


MIXES = {  # name: candidates of its hard family
    "override": lambda: redefined("override", "plus means multiply", MULTIPLY, lambda a, b: a * b),
    "control": last_letters,
    "minus": lambda: redefined("minus", "plus means minus", MINUS, lambda a, b: a - b),
}


def with_p(policy, candidates):
    for candidate in candidates:
        text = render(policy.tokenizer, candidate["prompt"], None, candidate["prefill"])
        prompt, answer = (
            tuple(policy.tokenizer(t, add_special_tokens=False).input_ids)
            for t in (text, candidate["answer"])
        )
        if len(answer) == 2:
            yield success_probability(policy.model, prompt, answer, Sampled()), candidate


def within(pairs, bounds):
    return (pair for pair in pairs if bounds[0] <= pair[0] <= bounds[1])


def main(folder, easy_count, hard_count, mixes):
    policy = load_policy("bundled:smollm2")
    easy = sorted(within(with_p(policy, sums()), EASY), key=lambda pair: pair[0])
    easy = [easy[round(i * (len(easy) - 1) / (easy_count - 1))] for i in range(easy_count)]
    folder.mkdir(exist_ok=True)
    for name in mixes:
        candidates = list(MIXES[name]())
        random.Random(0).shuffle(candidates)
        hard = list(islice(within(with_p(policy, candidates), HARD), hard_count))
        print(f"{name}: {len(hard)} of {len(candidates)} candidates taken", file=sys.stderr)
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for p, chosen in [*easy, *hard]:
                print(f"  {p:.3f}  {chosen['prompt_id']}", file=sys.stderr)
                file.write(json.dumps(chosen, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--easy", type=int, default=10)
    options.add_argument("--hard", type=int, default=8)
    options.add_argument("--mixes", nargs="+", choices=MIXES, default=["override", "control"])
    given = options.parse_args()
    main(given.folder, given.easy, given.hard, given.mixes)
