"""No attack passes, and none leaves a process, a file or a connection behind."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from acute.verify.problem import Problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Limits, Sandbox
from tests.verify.attacks import ATTACKS, PROBLEM

SQUARE = "def f(x):\n    return x * x\n"


@pytest.fixture(scope="module")
def runner():
    with Runner(Sandbox(limits=Limits(seconds=1))) as runner:
        yield runner


def programs_alive():
    """Processes of this machine that run a program of a sandbox."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and b"inside.candidate" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def test_there_are_enough():
    assert len(ATTACKS) >= 25
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(len(attack.reason) > 5 for attack in ATTACKS)


def test_the_honest_program_passes(runner):
    result = runner.run(SQUARE, PROBLEM)
    assert (result.outcome, result.passed, result.tests) == ("ok", True, (True, True, True))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_does_not_pass_and_leaves_nothing(runner, attack):
    before = set(os.listdir("/tmp")), set(os.listdir("/proc/self/fd"))
    result = runner.run(attack.program, attack.problem)
    assert not result.passed
    assert result.outcome in attack.outcomes, result
    assert not programs_alive()
    assert set(os.listdir("/proc/self/fd")) == before[1]
    assert runner.run(SQUARE, PROBLEM).passed  # what runs next is not harmed
