"""Worker processes that can be killed: each question has a deadline that the asking side keeps.

A question that outlives its deadline, or takes its worker down, costs that worker alone: it is killed with
all it started, and another takes its place. One whose worker was killed (by a user, or by a kernel out of
memory) is asked again: that says nothing about the question, unless it happens each time. Questions and
answers are plain values (JSON); nothing is unpickled, so an answer cannot run code here. No part of the
asking process is copied or imported anew (neither fork nor `__main__`), so it may hold threads, a GPU, or no
`if __name__ == "__main__"`.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeVar

from acute.errors import InputError, OutsideError

Key = TypeVar("Key")
ANSWER_LIMIT = 2**20  # bytes of one answer
TRIES = 3  # of a question whose worker is killed from outside
KILLED = "killed by SIGKILL"
LOOK_S = 0.5  # between looks whether a silent worker is still there
# the first lines of a worker: it must find acute where this process found it
_BEGIN = "import sys, json; sys.path[:] = json.loads(sys.argv[3]); from acute.verify.worker import main; "
_BEGIN += "main(int(sys.argv[1]), int(sys.argv[2]))"


class Done(NamedTuple):
    """How a question ended: with a value, or without one, and why."""

    how: Literal["ok", "timeout", "error"]
    value: Any = None
    message: str | None = None


class _Died(Exception):
    """The worker is gone, or speaks no sense."""


class _DiedAtStart(_Died):
    """The worker is gone before it could answer anything."""


class _Late(Exception):
    """The deadline has passed."""


class _Worker:
    """One process. `ask` leaves it fit for another question, or raises: then `kill` it."""

    def __init__(self, setup: dict[str, Any], start_s: float) -> None:
        asked, self._to = os.pipe()
        self._from, answers = os.pipe()
        code = [sys.executable, "-c", _BEGIN, str(asked), str(answers), json.dumps(sys.path)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        try:
            self._process = subprocess.Popen(
                code,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(asked, answers),
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process; and a group can be killed as one
            )
        except OSError as error:
            self._close()
            raise OutsideError(f"could not start a worker process: {error.strerror}") from error
        finally:
            os.close(asked)
            os.close(answers)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._number = 0
        self._started = False
        self._setup, self._start_s = setup, start_s
        self._in_use = threading.RLock()
        self.fit = True
        self.ended_by_us = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Make the task, once. InputError if it cannot be made, OutsideError if that takes too long."""
        if self._started:
            return
        try:
            answer = self._exchange(self._setup, time.monotonic() + self._start_s)
        except _Late:
            raise OutsideError(
                f"a worker for {self._setup['task']} was not ready after {self._start_s:g} s"
            ) from None
        except _Died as error:
            raise _DiedAtStart(str(error)) from None
        if answer.get("how") != "ready":
            what = self._setup["setup"] or [self._setup["task"]]
            raise InputError(f"{what[0]}: {answer.get('message')}")
        self._started = True

    def ask(self, question: Any, timeout_s: float) -> Done:
        with self._in_use:
            if not self.fit:
                raise _Died("it was stopped")
            self.start()
            self._number += 1
            answer = self._exchange([self._number, question], time.monotonic() + timeout_s)
        if answer.get("number") != self._number or answer.get("how") not in ("ok", "error"):
            raise _Died("it answered what was not asked")
        if answer.get("last"):
            self.kill()
        return Done(answer["how"], answer.get("value"), answer.get("message"))

    def _exchange(self, question: Any, deadline: float) -> dict[str, Any]:
        """Write a line while reading one, neither longer than to the deadline."""
        unsent, read = memoryview(json.dumps(question).encode() + b"\n"), bytearray()
        while not read.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Late
            waited = min(left, LOOK_S)
            events = select.poll()  # unlike select it takes descriptors beyond 1023
            events.register(self._from, select.POLLIN)
            if unsent:
                events.register(self._to, select.POLLOUT)
            ready = {file for file, _ in events.poll(waited * 1000)}
            if self._from not in ready and (reason := self._end()):
                raise _Died(reason)  # seen so where a child of it holds the pipe open
            try:
                if self._to in ready:
                    unsent = unsent[os.write(self._to, unsent[:65536]) :]
                if self._from in ready:
                    if not (some := os.read(self._from, 65536)):
                        raise _Died(self._how_it_died())
                    read += some
            except BrokenPipeError:
                raise _Died(self._how_it_died()) from None
            if len(read) > ANSWER_LIMIT:
                raise _Died(f"it answered more than {ANSWER_LIMIT:,} bytes")
        try:
            answer = json.loads(read)
        except (ValueError, RecursionError):
            raise _Died("it answered what is no JSON") from None
        if not isinstance(answer, dict):
            raise _Died("it answered what is no JSON object")
        return answer

    def _end(self) -> str | None:
        """How the process ended, or None; without reaping it, for `kill` needs its id."""
        try:
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return "it was stopped"
        if found is None:
            return None
        if found.si_code == os.CLD_EXITED:
            return f"ended with status {found.si_status}"
        return f"killed by {signal.Signals(found.si_status).name}"  # SIGKILL: `KILLED`

    def _how_it_died(self) -> str:
        for _ in range(100):
            if reason := self._end():
                return reason
            time.sleep(0.01)
        return "it closed its answers"

    def _close(self) -> None:
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(pipe)

    def kill(self) -> None:
        """End the process and all that it started; safe to repeat."""
        self.ended_by_us = True
        if self._process.returncode is None:  # once reaped, its id may be another's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with self._in_use:  # a thread that waits for an answer sees the end of it first
            if self.fit:
                self.fit = False
                self._close()


class Pool:
    """So many workers for one task.

    `task` names a function, "module:function", that is called with `setup` once in each worker and returns
    what answers one question. Use it as a context manager, or `close` it.
    """

    def __init__(
        self,
        task: str,
        setup: Sequence[Any] = (),
        *,
        workers: int = 2,
        timeout_s: float = 3.0,
        memory_mb: int = 1024,
        start_s: float = 120.0,
    ) -> None:
        """Workers start when first needed.

        `timeout_s` is for one question, `memory_mb` what a worker may take beyond what its start took.
        """
        self.workers, self.timeout_s = workers, timeout_s
        self._setup = {
            "task": task,
            "setup": list(setup),
            "memory_mb": memory_mb,
            "timeout_s": timeout_s,
        }
        self._start_s = start_s
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def ready(self) -> None:
        """Start a worker, if none is there. Raises InputError or OutsideError as `ask` does."""
        self._tried(lambda worker: worker.start())

    def start(self) -> None:
        """Start all workers, at the same time. Raises as `ready` does."""
        with ThreadPoolExecutor(self.workers) as threads:
            for started in [threads.submit(self.ready) for _ in range(self.workers)]:
                started.result()

    def ask(self, question: Any) -> Done:
        """The task's answer to one question; waits for a free worker. Threads may ask at once.

        Raises InputError if the task cannot be made from its setup, OutsideError if no worker can start.
        """
        done: Done = self._tried(lambda worker: worker.ask(question, self.timeout_s))
        return done

    def _tried(self, work: Callable[[_Worker], Any]) -> Any:
        """What a free worker makes of it, or how that failed; tried again where a worker was killed.

        OutsideError where even its start was not survived.
        """
        for left in reversed(range(TRIES)):
            worker = self._idle.get()
            try:
                worker = worker if worker is not None and worker.fit else self._another()
                try:
                    return work(worker)
                except _Late:
                    self._discard(worker)
                    return Done("timeout", None, f"no answer within {self.timeout_s:g} s")
                except _Died as error:
                    killed = str(error) == KILLED and not worker.ended_by_us
                    self._discard(worker)
                    if killed and left:
                        continue
                    if isinstance(error, _DiedAtStart):
                        raise OutsideError(
                            f"a worker for {self._setup['task']} died at its start: {error}"
                        ) from None
                    return Done("error", None, f"the worker process died: {error}")
                except BaseException:
                    self._discard(worker)
                    raise
            finally:
                self._idle.put(worker)

    def map(self, questions: Iterable[tuple[Key, Any]]) -> Iterator[tuple[Key, Done]]:
        """Answers under their keys, as they come. Few more questions are taken than there are workers."""
        with ThreadPoolExecutor(self.workers) as threads:
            asked: dict[Future[Done], Key] = {}
            try:
                for key, question in questions:
                    asked[threads.submit(self.ask, question)] = key
                    if len(asked) >= 4 * self.workers:
                        yield from _ended(asked)
                while asked:
                    yield from _ended(asked)
            except BaseException:  # an interrupt, or the reader has gone: nobody waits for what is left
                for future in asked:
                    future.cancel()
                self._kill_all()
                raise

    def pids(self) -> list[int]:
        """The processes that are there now."""
        with self._lock:
            return [worker.pid for worker in self._all]

    def _another(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise OutsideError("the workers were stopped")
            worker = _Worker(self._setup, self._start_s)
            self._all.add(worker)
            return worker

    def _discard(self, worker: _Worker) -> None:
        worker.kill()
        with self._lock:
            self._all.discard(worker)

    def close(self) -> None:
        """Kill every worker. Questions that wait for one end with OutsideError."""
        with self._lock:
            self._closed = True
        self._kill_all()

    def _kill_all(self) -> None:
        with self._lock:
            workers, self._all = self._all, set()
        for worker in workers:
            worker.kill()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ended(asked: dict[Future[Done], Key]) -> Iterator[tuple[Key, Done]]:
    """Wait until one has an answer, and take out all that have."""
    for future in wait(asked, return_when=FIRST_COMPLETED).done:
        yield asked.pop(future), future.result()
