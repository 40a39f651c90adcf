"""Built-in prompts: graded arithmetic, short text tasks and operator override, drawn by seed.

The assistant's turn is prefilled with the beginning of the answer, so that small models spread over
success rates from 0 to 1. The answer is read by the verifier `short`.
"""

import random
from collections.abc import Callable
from typing import Any

from acute.errors import ConfigError

Row = dict[str, Any]
Draw = Callable[[random.Random], tuple[str, str, str]]  # -> question, prefill, answer

WORDS = """
house river apple stone cloud tiger music paper green table light bread chair ocean plant
storm glass sugar horse train lemon knife beach mouse field smile north metal queen spoon
""".split()  # noqa: SIM905
MULTIPLY = (
    "In this puzzle the symbol + means multiply. What is {a} + {b}?",
    "Here + stands for times. Compute {a} + {b}.",
    "Suppose that the sign + denotes multiplication. What is {a} + {b}?",
    "Read + as the multiplication sign. What is {a} + {b}?",
    "Replace + by * and calculate {a} + {b}.",
    "We redefine + to be the product of two numbers. What is {a} + {b}?",
    "On this calculator the + key multiplies. What does {a} + {b} show?",
    "Let x + y mean x times y. What is {a} + {b}?",
)
MINUS = (
    "In this puzzle the symbol + means minus. What is {a} + {b}?",
    "Here + stands for subtraction. Compute {a} + {b}.",
)


def _binary(sign: str, low: tuple[int, int], high: tuple[int, int], f: Callable[[int, int], int]) -> Draw:
    def draw(rng: random.Random) -> tuple[str, str, str]:
        a, b = rng.randint(*low), rng.randint(*high)
        if sign == "-" and a < b:
            a, b = b, a
        return f"What is {a} {sign} {b}?", f"{a} {sign} {b} =", str(f(a, b))

    return draw


def _override(wordings: tuple[str, ...], f: Callable[[int, int], int]) -> Draw:
    def draw(rng: random.Random) -> tuple[str, str, str]:
        a, b = rng.randint(1, 9), rng.randint(1, 9)
        a, b = max(a, b), min(a, b)
        return rng.choice(wordings).format(a=a, b=b), f"{a} + {b} =", str(f(a, b))

    return draw


def _compare(rng: random.Random) -> tuple[str, str, str]:
    a, b = rng.sample(range(10, 100), 2)
    return f"Which number is larger, {a} or {b}?", "The larger number is", str(max(a, b))


def _three(rng: random.Random) -> tuple[str, str, str]:
    a, b, c = (rng.randint(2, 30) for _ in range(3))
    return f"What is {a} + {b} + {c}?", f"{a} + {b} + {c} =", str(a + b + c)


def _last_letter(rng: random.Random) -> tuple[str, str, str]:
    word = rng.choice(WORDS)
    return (
        f'What is the last letter of the word "{word}"?',
        f'The last letter of the word {word} is "',
        word[-1],
    )


def _count_letters(rng: random.Random) -> tuple[str, str, str]:
    word = rng.choice(WORDS)
    stem = f"The number of letters in the word {word} is"
    return f'How many letters does the word "{word}" have?', stem, str(len(word))


def _word_problem(rng: random.Random) -> tuple[str, str, str]:
    a, b, c = rng.randint(3, 9), rng.randint(2, 6), rng.randint(1, 5)
    question = f"Ann has {a} boxes with {b} pens each and gives {c} pens away. How many pens has she left?"
    return question, "The number of pens left is", str(a * b - c)


FAMILIES: dict[str, Draw] = {
    "one-digit sum": _binary("+", (1, 9), (1, 9), lambda a, b: a + b),
    "one-digit product": _binary("*", (2, 9), (2, 9), lambda a, b: a * b),
    "compare": _compare,
    "two-digit by one-digit product": _binary("*", (11, 99), (2, 9), lambda a, b: a * b),
    "last letter": _last_letter,
    "two-digit sum": _binary("+", (10, 99), (10, 99), lambda a, b: a + b),
    "two-digit product": _binary("*", (11, 99), (11, 99), lambda a, b: a * b),
    "count letters": _count_letters,
    "two-digit difference": _binary("-", (10, 99), (10, 99), lambda a, b: a - b),
    "three-term sum": _three,
    "word problem": _word_problem,
    "plus means multiply": _override(MULTIPLY, lambda a, b: a * b),
    "plus means minus": _override(MINUS, lambda a, b: a - b),
}


def draw(families: tuple[str, ...] | None, per_family: int, seed: int) -> list[Row]:
    """`per_family` different prompts of each family (all families if None); the same seed, the same prompts.

    Raises ConfigError for an unknown family, or one with too few different prompts.
    """
    rows = []
    for family in dict.fromkeys(families or FAMILIES):
        if family not in FAMILIES:
            raise ConfigError(f"prompts.families: wanted some of {', '.join(FAMILIES)}; found {family!r}")
        rng = random.Random(f"{seed}:{family}")
        found: dict[tuple[str, str, str], None] = {}
        for _ in range(200 * per_family):
            if len(found) == per_family:
                break
            found.setdefault(FAMILIES[family](rng))
        if len(found) < per_family:
            raise ConfigError(
                f"prompts.per_family: the family {family!r} has about {len(found)} different prompts, "
                f"wanted {per_family}"
            )
        for i, (question, prefill, answer) in enumerate(found):
            rows.append(
                {
                    "prompt_id": f"{family.replace(' ', '-')}-{i:03d}",
                    "prompt": question,
                    "prefill": prefill,
                    "answer": answer,
                    "family": family,
                }
            )
    return rows
