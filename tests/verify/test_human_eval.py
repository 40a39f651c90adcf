"""All of HumanEval: right solutions pass, wrong ones fail, and a plain process gives the same verdicts."""

import ast
import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acute.verify.problem import program_of, read_problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Sandbox

PATH = Path(__file__).parents[3] / "shared" / "data" / "HumanEval.jsonl.gz"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason=f"not run: the 164 problems are not at {PATH}")

WRONG = """
def {name}(*positional, _right={name}, **named):
    value = _right(*positional, **named)
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [*value, 0]
    return 0
"""


@pytest.fixture(scope="module")
def rows():
    with gzip.open(PATH, "rt") as file:
        found = [json.loads(line) for line in file]
    assert len(found) == 164
    return found


def problem_of(row):
    name = row["entry_point"]
    tests = [f"{row['test']}\ncheck({name})"]
    return read_problem(json.dumps({"tests": tests, "names": [name], "prefix": row["prompt"]}))


def verdicts(rows, program):
    """A result for each row, run on every core."""
    with Runner(Sandbox()) as runner, ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda row: runner.run(program(row), problem_of(row)), rows))


def right(row):
    return program_of(row["canonical_solution"], problem_of(row))


SWAPS = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq}
SWAPS |= {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mod: ast.Add, ast.In: ast.NotIn}


class Mutate(ast.NodeTransformer):
    """Changes the last place where a comparison, a sum or a constant stands."""

    def __init__(self):
        self.places = []

    def generic_visit(self, node):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            self.places.append((node.ops, 0))
        if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
            self.places.append((node, "op"))
        return super().generic_visit(node)

    def change(self):
        if not self.places:
            return
        holder, key = self.places[-1]
        if key == "op":
            holder.op = SWAPS[type(holder.op)]()
        else:
            holder[key] = SWAPS[type(holder[key])]()


def mutant(row):
    tree = ast.parse(right(row))
    change = Mutate()
    change.visit(tree.body[-1])
    change.change()
    return ast.unparse(tree)


def passes_plainly(row, program):
    """The verdict of program and tests in one process."""
    source = f"{program}\n{row['test']}\ncheck({row['entry_point']})"
    try:
        done = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def test_every_solution_passes(rows):
    results = verdicts(rows, right)
    assert [row["task_id"] for row, r in zip(rows, results, strict=True) if not r.passed] == []
    assert all(r.outcome == "ok" and None not in r.tests for r in results)


def test_every_wrong_program_fails(rows):
    results = verdicts(rows, lambda row: right(row) + WRONG.format(name=row["entry_point"]))
    assert [row["task_id"] for row, r in zip(rows, results, strict=True) if r.passed] == []
    assert {r.outcome for r in results} == {"ok"}


def test_small_changes_have_the_verdict_of_a_plain_process(rows):
    some = rows[::4]
    results = [r.passed for r in verdicts(some, mutant)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        plainly = list(threads.map(lambda row: passes_plainly(row, mutant(row)), some))
    assert results == plainly
    assert results.count(False) > len(some) / 2
