"""Known problem sets: where they are, how a row becomes a prompt, and with which text around it.

A preset reads the file `prompts.path`, or the Hugging Face hub. The verifier of each is in `acute.config`.
"""

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from acute.errors import TableError

Row = dict[str, Any]


@dataclass(frozen=True)
class Preset:
    """One problem set."""

    hub: str
    subset: str | None
    row: Callable[[Row, int], Row]  # of the set's own row and its place; raises KeyError, NoAnswer
    chat: str  # the user's message; {prompt} is the question
    plain: str  # what a model without a chat template goes on from


class NoAnswer(ValueError):
    """A row whose answer cannot be read."""


def last_boxed(solution: str) -> str:
    """What the last \\boxed{…} of a solution holds, braces balanced. Raises NoAnswer."""
    found = list(re.finditer(r"\\(?:boxed|fbox)\s*\{", solution))
    if found:
        depth = 1
        for at in range(found[-1].end(), len(solution)):
            depth += {"{": 1, "}": -1}.get(solution[at], 0)
            if not depth:
                return solution[found[-1].end() : at].strip()
    if bare := re.findall(r"\\boxed\s+([^\s{])", solution):
        return str(bare[-1])
    raise NoAnswer(r"wanted a solution with its answer in \boxed{}")


def _math500(row: Row, place: int) -> Row:
    del place
    return {
        "prompt_id": str(row["unique_id"]),
        "prompt": row["problem"],
        "answer": row["answer"],
        "family": row["subject"],
        "level": str(row["level"]),
    }


def _math(row: Row, place: int) -> Row:
    return {
        "prompt_id": f"math-{place:05d}",
        "prompt": row["problem"],
        "answer": last_boxed(row["solution"]),
        "family": row["type"],
        "level": str(row["level"]).removeprefix("Level "),
    }


def _gsm8k(row: Row, place: int) -> Row:
    _, mark, answer = row["answer"].rpartition("####")
    if not mark or not answer.strip():
        raise NoAnswer("wanted an answer that ends in #### and a number")
    return {
        "prompt_id": f"gsm8k-{place:05d}",
        "prompt": row["question"],
        "answer": answer.strip().replace(",", ""),
    }


def _humaneval(row: Row, place: int) -> Row:
    del place
    name = row["entry_point"]
    problem = {"tests": [f"{row['test']}\ncheck({name})"], "names": [name], "prefix": row["prompt"]}
    return {"prompt_id": row["task_id"], "prompt": row["prompt"], "answer": json.dumps(problem)}


def _defined(code: str) -> list[str]:
    """Names of the functions and classes at the top of a reference solution."""
    try:
        body = ast.parse(code.replace("\r\n", "\n").expandtabs(4)).body
    except SyntaxError as error:
        raise NoAnswer(f"wanted Python in 'code': {error}") from None
    return [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def _mbpp(row: Row, place: int) -> Row:
    del place
    tests = list(row["test_list"])
    used = {node.id for test in tests for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Name)}
    names = [name for name in _defined(row["code"]) if name in used]
    if not names:
        raise NoAnswer("wanted tests that call what 'code' defines")
    setup = [*(row.get("test_imports") or []), row.get("test_setup_code") or ""]
    problem = {"tests": tests, "names": names, "setup": "\n".join(filter(None, setup))}
    question = row["text"] if row.get("text") is not None else row["prompt"]
    shown = "\n".join(tests)
    return {
        "prompt_id": f"mbpp-{row['task_id']}",
        "prompt": f"{question}\nThe code must pass these tests:\n{shown}",
        "answer": json.dumps(problem),
    }


BOXED = "{prompt}\n\nReason step by step, and give the final answer as \\boxed{}."
MATH = {"chat": BOXED, "plain": "Problem: {prompt}\nSolution:"}
PRESETS = {
    "math500": Preset("HuggingFaceH4/MATH-500", None, _math500, **MATH),
    "math": Preset("DigitalLearningGmbH/MATH-lighteval", None, _math, **MATH),
    "gsm8k": Preset(
        "openai/gsm8k",
        "main",
        _gsm8k,
        chat="{prompt}\n\nReason step by step, and end with a line `#### N`, where N is the answer.",
        plain="Question: {prompt}\nAnswer:",
    ),
    "humaneval": Preset(
        "openai/openai_humaneval",
        None,
        _humaneval,
        chat="Write this Python function. Answer with the whole function in one ```python block.\n\n"
        "```python\n{prompt}```",
        plain="{prompt}",
    ),
    "mbpp": Preset(
        "google-research-datasets/mbpp",
        "full",
        _mbpp,
        chat="{prompt}\n\nAnswer with the Python code in one ```python block.",
        plain='"""\n{prompt}\n"""\n',
    ),
}


def preset_rows(name: str, rows: list[Row], origin: str) -> list[Row]:
    """Prompt rows of a preset from the set's own rows.

    Raises TableError, naming `origin` and the row, where one does not have the form of the set.
    """
    made = []
    for place, row in enumerate(rows):
        try:
            made.append(PRESETS[name].row(row, place))
        except KeyError as error:
            fault = (
                f"wanted the field {error.args[0]!r} of the preset {name}, found {', '.join(map(str, row))}"
            )
            raise TableError(f"{origin} row {place}: {fault}") from None
        except (NoAnswer, SyntaxError, TypeError, AttributeError) as error:
            raise TableError(f"{origin} row {place}: no row of the preset {name}: {error}") from None
    return made
