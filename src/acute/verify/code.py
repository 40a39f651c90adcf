"""The verifier `code`: the response's program passes every test."""

from acute.verify.problem import NoProblem, program_of, read_problem
from acute.verify.runner import Result, Runner
from acute.verify.verdict import Verdict


class Code:
    """Checks responses by running them with `runner`."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def __call__(self, response: str, answer: str, finish: str) -> Verdict:
        """Reward 1 if every test of the problem that `answer` states passes.

        No program in the response: outcome `wrong_form`, reward 0. A program that runs out of time or memory:
        outcome `timeout` or `memory`, reward 0. A sandbox or tests that fail: outcome `error`, no reward.
        """
        del finish  # a program that was cut off fails by itself
        problem = read_problem(answer)
        program = program_of(response, problem)
        if program is None:
            return Verdict("wrong_form", 0.0, None)
        result = self.runner.run(program, problem)
        reward = None if result.outcome == "error" else float(result.passed)
        return Verdict(result.outcome, reward, program, _detail(result))


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
