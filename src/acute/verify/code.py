"""The verifier `code`: the response's program passes every test of its problem."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from acute.verify.item import Item
from acute.verify.problem import NoProblem, program_of, read_problem
from acute.verify.runner import Result, Runner
from acute.verify.sandbox import USUAL, Kind, Limits, Sandbox, facts
from acute.verify.settings import Settings
from acute.verify.verdict import Verdict


class CodeVerifier:
    """Checks responses by running their programs, as many at once as there are cores."""

    def __init__(self, kind: Kind = "bubblewrap", limits: Limits = USUAL, workers: int | None = None) -> None:
        self.kind, self.limits = kind, limits
        self.workers = workers or len(os.sched_getaffinity(0))
        self._runner: Runner | None = None

    def ready(self) -> None:
        """Prove that a sandbox can be had here. Raises SandboxError."""
        if self._runner is None:
            self._runner = Runner(Sandbox(self.kind, self.limits))

    def start(self) -> None:
        """Start the sandbox. Raises SandboxError."""
        self.ready()

    def check(self, items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts as they come, each with the place of its item. What is the same is run once.

        Reward 1 if every test passes. No program in the response: outcome `wrong_form`, reward 0. A program
        that uses up its time or memory: `out_of_time` or `out_of_memory`, reward 0, as that is its own doing.
        A sandbox that fails, or tests that do: `error`, no reward.
        """
        self.ready()
        places: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault((item.prefill + item.response, item.answer), []).append(place)
        with ThreadPoolExecutor(self.workers) as threads:
            running: dict[Future[Verdict], list[int]] = {
                threads.submit(self._verdict, *pair): theirs for pair, theirs in places.items()
            }
            try:
                for future in as_completed(running):
                    verdict = future.result()
                    yield from ((place, verdict) for place in running[future])
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _verdict(self, text: str, answer: str) -> Verdict:
        assert self._runner is not None
        problem = read_problem(answer)
        program = program_of(text, problem)
        if program is None:
            return Verdict("wrong_form", 0.0, None, "no program")
        result = self._runner.run(program, problem)
        reward = None if result.outcome == "error" else float(result.passed)
        return Verdict(result.outcome, reward, program, _detail(result))

    def facts(self) -> dict[str, Any]:
        """How programs are run here."""
        return {"sandbox": self.kind if self._runner is None else facts(self._runner.sandbox)}

    def close(self) -> None:
        """End the judges."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def _detail(result: Result) -> str:
    """How many tests passed, and why one did not."""
    right = sum(test is True for test in result.tests)
    counted = f"{right} of {len(result.tests)} tests passed" if result.tests else "no test was reached"
    return f"{counted}: {result.why}" if result.why else counted


def fault_of(answer: str) -> str | None:
    """Why an answer states no programming problem, or None."""
    try:
        read_problem(answer)
    except NoProblem as error:
        return str(error)
    return None


def with_settings(asked: Settings) -> CodeVerifier:
    """The verifier as `[verify]` asks for it."""
    limits = Limits(seconds=asked.timeout_s, memory=asked.memory_mb << 20)
    return CodeVerifier(asked.sandbox, limits, asked.processes)
