"""Gold answers, other spellings of them, ten systematic corruptions each, and responses around them."""

import json
import re
from pathlib import Path

DATA = Path(__file__).parents[3] / "shared" / "data"  # beside the checkout, where there is one
HAND = [
    "0",
    "42",
    "-17",
    "2,048",
    "10,\\!080",
    "0.15",
    ".35625",
    "\\frac{14}{3}",
    "-\\frac{35}{9}",
    "\\frac43",
    "\\frac 59",
    "1\\frac{4}{5}",
    "\\dfrac{17}{50}",
    "3\\sqrt{13}",
    "\\frac{\\sqrt{3}}{3}",
    "11\\sqrt2",
    "18+2\\pi",
    "\\frac{20000}{\\pi}",
    "6 - 5i",
    "2k+2",
    "x^3+3x-6",
    "(a+5)(b+2)",
    "p - q",
    "\\cot x",
    "x=5",
    "y = 2x + 3",
    "5x - 7y + 11z + 4 = 0",
    "90^\\circ",
    "35\\%",
    "\\$18.90",
    "864 \\mbox{ inches}^2",
    "5.4 \\text{ cents}",
    "\\text{Evelyn}",
    "\\text{even}",
    "\\text{(C)}",
    "1,-2",
    "3, 5, 7",
    "1 \\pm \\sqrt{19}",
    "\\{1\\pm\\sqrt{5},-2\\}",
    "(6,31,-1)",
    "\\left( 3, \\frac{\\pi}{2} \\right)",
    "(3,4]",
    "(-\\infty, 2) \\cup (3, \\infty)",
    "x \\in [-2,7]",
    "\\begin{pmatrix} -1/3 \\\\ 2/3 \\\\ 5/3 \\end{pmatrix}",
    "\\begin{pmatrix} -1 & 0 \\\\ 0 & -1 \\end{pmatrix}",
    "52_8",
    "4210_{5}",
]


def math500():
    """The gold answers of MATH-500, or None where the file is not there."""
    path = DATA / "math500_test.jsonl"
    if not path.exists():
        return None
    return [json.loads(line)["answer"] for line in path.read_text().splitlines()]


def gsm8k():
    """The worked answers of GSM8K, each ending in "#### N", or None where the file is not there."""
    path = DATA / "gsm8k_test.jsonl"
    if not path.exists():
        return None
    return [json.loads(line)["answer"] for line in path.read_text().splitlines()]


def variants(gold):
    """The same answer in other spellings of LaTeX."""
    sized = (
        gold
        if "\\left" in gold
        else re.sub(r"(?<!\\)([(\[])", r"\\left\1", re.sub(r"(?<!\\)([)\]])", r"\\right\1", gold))
    )
    spellings = [
        gold,
        f" {gold} ",
        f"${gold}$",
        f"$$ {gold} $$",
        f"\\( {gold} \\)",
        f"\\[{gold}\\]",
        f"{gold}.",
        f"${gold}$.",
        f"\\boxed{{{gold}}}",
        f"{{{gold}}}",
        f"\\displaystyle {gold}",
        gold.replace("\\frac", "\\dfrac").replace("\\ddfrac", "\\dfrac"),
        gold.replace("\\dfrac", "\\frac").replace("\\frac", "\\tfrac"),
        gold.replace("\\left", "").replace("\\right", ""),
        sized,
        gold.replace("+", " + ").replace("-", " - ") if "\\text" not in gold else gold,
        gold.replace("^2", "^{2}").replace("^\\circ", "^{\\circ}"),
        re.sub(r"_(\d)", r"_{\1}", gold),
        gold.replace("\\text", "\\mathrm").replace("\\mbox", "\\text"),
        re.sub(r"\\sqrt(\d)", r"\\sqrt{\1}", gold),
    ]
    if "\\!" not in gold:
        spellings.append(gold.replace(",", ",\\,") if "," in gold and not re.search(r"\d,\d", gold) else gold)
    if "\\text" not in gold and "\\mbox" not in gold and "\\cot x" not in gold and "\\in" not in gold:
        spellings.append(re.sub(r"(?<=[^a-zA-Z]) (?=\S)|(?<=\S) (?=[^a-zA-Z])", "", gold))
    return list(dict.fromkeys(spellings))


def _other_digit(found):
    return str((int(found[0]) + 1) % 10)


def _words(inside):
    if found := re.fullmatch(r"\(?([A-Z])\)?", inside):
        return [f"({letter})" for letter in "ABCDEFGHIJK" if letter != found[1]][:10]
    return [
        inside[:-1],
        inside[1:],
        inside[::-1],
        f"not {inside}",
        f"{inside} or else",
        f"{inside}s",
        f"{inside} 2",
        inside * 2,
        "5",
        "x",
    ]


def corruptions(gold, others):
    """Ten answers that are not `gold`; `others` are gold answers of other problems."""
    if found := re.fullmatch(r"\\text\{(.*)\}", gold):
        return _words(found[1])
    digits = re.sub(r"\D", "", gold)
    other = next(o for o in others if re.sub(r"\D", "", o) != digits)
    first = re.sub(r"\d", _other_digit, gold, count=1) if digits else f"({gold})-7"
    last = re.sub(r"(\d)(?=\D*$)", _other_digit, gold) if digits else f"({gold})^3+11"
    return [
        "1" if gold == "0" else f"-({gold})",
        "2" if gold == "0" else f"2({gold})",
        "3" if gold == "0" else f"\\frac{{{gold}}}{{3}}",
        "4" if gold == "0" else f"\\pi({gold})",
        f"{gold}+1",
        f"({gold})^2+5",
        f"{gold}, 77",
        first,
        last,
        other,
    ]


STATEMENTS = [
    "We compute step by step.\nThus the answer is \\boxed{{{0}}}.",
    "So $x = 3$ and then $\\boxed{{{0}}}$",
    "Final Answer: The final answer is ${0}$. I hope it is correct.",
    "First 12, then 7.\n\nThe answer is: ${0}$",
    "12 + 7 = 19\n#### {0}",
]


def responses(gold, others, rng, n):
    """n responses as a model may give them: half right, some of them rewritten, a few without an answer."""
    same, wrong = variants(gold), corruptions(gold, others)
    near = [str(rng.randint(-50, 200)) for _ in range(6)] + [
        f"\\frac{{{rng.randint(1, 9)}}}{{7}}" for _ in range(3)
    ]
    rewritten = [f"\\frac{{2({gold})}}{{2}}", f"0+({gold})"]
    made = []
    for _ in range(n):
        kind = rng.random()
        if kind < 0.45:
            answer = rng.choice(same[:4])
        elif kind < 0.5:
            answer = rng.choice(rewritten)
        elif kind < 0.6:
            answer = rng.choice(wrong)
        elif kind < 0.93:
            answer = rng.choice([*near, rng.choice(others)])
        else:
            made.append("I do not know how to go on. 12 + 7 = 19.")
            continue
        made.append(rng.choice(STATEMENTS).format(answer))
    return made
