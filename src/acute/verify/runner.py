"""A program, run against tests in the sandbox.

The program's process is asked for values, or for output, and for nothing else; another process, in a sandbox
of its own, compares. Nothing that the program prints, returns, raises or exits with is a verdict.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from acute.verify.problem import Problem
from acute.verify.process import Process, SandboxError, readable
from acute.verify.sandbox import Sandbox, sealed

GRACE = 5.0  # seconds that the tests have to end once the program is dead
MOST_RESULTS = 4 << 20  # bytes
KILLED = 128 + 9  # at the hard limit of CPU time, or from outside
OUT_OF_TIME = (128 + 24, KILLED)  # SIGXCPU
OUT_OF_MEMORY = 77  # exit status of a program that ended by MemoryError


@dataclass(frozen=True)
class Result:
    """How running a program ended; each test's result in order, None where it was not reached."""

    outcome: Literal["ok", "out_of_time", "out_of_memory", "error"]
    passed: bool = False
    tests: tuple[bool | None, ...] = ()
    why: str | None = None
    unsure: bool = False
    """Whether it would look the same had somebody else, or a kernel out of memory, killed a process of it."""


class _Judge:
    """A warm judge in its sandbox: one process that forks once a program."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.broken = False
        self.socket, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = sandbox.start("judge", [], theirs.fileno(), theirs.fileno())
            except SandboxError:
                self.socket.close()
                raise
        self.socket.settimeout(60)
        try:
            ready = self.socket.recv(1)
        except OSError:
            ready = b""
        if ready != b"r":
            self.close()
            raise SandboxError("the judge did not start in its sandbox: see `acute doctor`")

    def send(self, files: list[int]) -> None:
        """Hand over one job: its file, the ends of pipes to and from the program, and one for the results."""
        socket.send_fds(self.socket, [b"j"], files)

    def close(self) -> None:
        """End it."""
        self.socket.close()
        self.process.close()


class _Files(contextlib.ExitStack):
    """File descriptors that are closed at the end of a block."""

    def own(self, file: int) -> int:
        """Close `file` at the end."""
        self.callback(os.close, file)
        return file

    def pipe(self) -> tuple[int, int]:
        """A pipe (to read, to write), both closed at the end."""
        out, into = os.pipe2(os.O_CLOEXEC)
        return self.own(out), self.own(into)


def _read_until(file: int, deadline: float, most: int) -> tuple[bytes, bool]:
    """What a pipe gives until its end, `deadline` (monotonic clock) or `most` bytes; whether it ended."""
    parts: list[bytes] = []
    while most > 0 and (left := deadline - time.monotonic()) > 0:
        if not readable(file, left):
            break
        part = os.read(file, min(most, 1 << 16))
        if not part:
            return b"".join(parts), True
        parts.append(part)
        most -= len(part)
    return b"".join(parts), False


class Runner:
    """Runs programs in `sandbox`. Threads may share one: each program gets processes of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._idle: list[_Judge] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the judges."""
        with self._lock:
            idle, self._idle = self._idle, []
        for judge in idle:
            judge.close()

    def run(self, program: str, problem: Problem) -> Result:
        """Run one program against one problem's tests. A sandbox that fails is outcome `error`.

        What a kill from outside could explain is run once more, and that stands: a program that kills itself
        gains nothing.
        """
        result = self._run(program, problem)
        return self._run(program, problem) if result.unsure else result

    def _run(self, program: str, problem: Problem) -> Result:
        try:
            if problem.cases:
                return self._run_cases(program, problem.cases)
            return self._run_tests(program, problem)
        except (SandboxError, OSError) as error:
            return Result("error", why=str(error), unsure=True)

    @contextlib.contextmanager
    def _judge(self) -> Iterator[_Judge]:
        """A judge; kept for the next program unless it is broken or the block raises."""
        judge = self._ready() or _Judge(self.sandbox)
        try:
            yield judge
        except BaseException:
            judge.close()
            raise
        if judge.broken:
            judge.close()
            return
        with self._lock:
            self._idle.append(judge)

    def _ready(self) -> _Judge | None:
        """An idle judge that still lives; those that were killed are let go."""
        while True:
            with self._lock:
                judge = self._idle.pop() if self._idle else None
            if judge is None or not judge.process.ended():
                return judge
            judge.close()

    def _run_tests(self, program: str, problem: Problem) -> Result:
        most = self.sandbox.limits
        job = {
            "code": program,
            "setup": problem.judge_setup,
            "tests": problem.tests,
            "names": problem.names,
            "seconds": 2 * most.seconds,
            "memory": 2 * most.memory,
        }
        with self._judge() as judge, _Files() as ours:
            results, results_in = os.pipe2(os.O_CLOEXEC)
            ours.own(results)
            with _Files() as theirs:
                theirs.own(results_in)
                requests, requests_in = theirs.pipe()
                answers_out, answers = theirs.pipe()
                candidate = self.sandbox.start("candidate", ["serve"], requests, answers)
                ours.callback(candidate.close)
                file = theirs.own(sealed(json.dumps(job).encode()))
                judge.send([file, requests_in, answers_out, results_in])
            told, ended = _read_until(results, time.monotonic() + most.deadline, MOST_RESULTS)
            late = not ended
            if late:
                candidate.kill()
                more, ended = _read_until(results, time.monotonic() + GRACE, MOST_RESULTS)
                told += more
                judge.broken = not ended
            judge.broken |= b'"end"' not in told  # the process that told was killed, perhaps all of them
            return _judged(told, late, candidate)

    def _run_cases(self, program: str, cases: tuple[tuple[str, str], ...]) -> Result:
        tests: list[bool | None] = []
        for stdin, expected in cases:
            result = self._run_case(program, stdin, expected)
            tests.append(result.passed)
            if result.outcome != "ok":  # time and memory are not spent again on the cases that are left
                break
        tests += [None] * (len(cases) - len(tests))
        return Result(result.outcome, all(tests), tuple(tests), result.why, result.unsure)

    def _run_case(self, program: str, stdin: str, expected: str) -> Result:
        most = self.sandbox.limits
        with _Files() as ours:
            output, output_in = os.pipe2(os.O_CLOEXEC)
            ours.own(output)
            with _Files() as theirs:
                theirs.own(output_in)
                file = theirs.own(sealed(stdin.encode("utf-8", "surrogatepass")))
                source = program.encode("utf-8", "surrogatepass")
                process = self.sandbox.start("candidate", ["program"], file, output_in, source)
                ours.callback(process.close)
            deadline = time.monotonic() + most.deadline
            written, ended = _read_until(output, deadline, most.output + 1)
            if len(written) > most.output:
                return Result("ok", why=f"wrote more than {most.output} bytes")
            status = process.exit_status(max(0.0, deadline - time.monotonic())) if ended else None
            if status is None and time.monotonic() < deadline:
                return Result("error", why="the sandbox did not start", unsure=True)
            if status is None or status in OUT_OF_TIME:
                return Result("out_of_time", why="out of time", unsure=status == KILLED)
            if status == OUT_OF_MEMORY:
                return Result("out_of_memory", why="out of memory")
            same = _lines(written.decode("utf-8", "replace")) == _lines(expected)
            return Result("ok", same and status == 0, why=f"exit status {status}" if status else None)


def _lines(text: str) -> list[str]:
    """A text without blanks at the ends of lines and without empty lines at its end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _judged(told: bytes, late: bool, candidate: Process) -> Result:
    """The result from what the judge told, line by line."""
    events = [json.loads(line) for line in told.split(b"\n")[:-1]]
    facts = {key: value for event in events for key, value in event.items()}
    results: dict[int, bool] = {e["test"]: e["passed"] for e in events if "test" in e}
    tests = tuple(results.get(i) for i in range(facts.get("tests", 0)))
    why = next((e["why"] for e in events if e.get("why")), None) or facts.get("fault")
    end = facts.get("end")
    if end == "gone" or late:
        status = candidate.exit_status(1.0)
        unsure = not late and status in (KILLED, None)
        if late or status in OUT_OF_TIME:
            return Result("out_of_time", tests=tests, why="out of time", unsure=unsure)
        return Result(
            "ok", tests=tests, why=f"the program ended its process (status {status})", unsure=unsure
        )
    if end in ("done", "load"):
        called = bool(facts.get("calls"))  # a test that never asks the program proves nothing
        passed = end == "done" and "fault" not in facts and called and bool(results) and all(results.values())
        out_of_memory = not passed and (why or "").startswith("MemoryError")
        return Result("out_of_memory" if out_of_memory else "ok", passed, tests, why)
    if end is None and facts.get("answered"):
        said = "the tests ran out of time or memory on the program's answers"
        return Result("out_of_time", tests=tests, why=said, unsure=True)
    said = f"the tests could not be run: {why or end or 'their process died'}"
    return Result("error", tests=tests, why=said, unsure=True)
