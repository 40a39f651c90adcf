"""The process that a `Pool` asks: it makes its task once, then answers one question at a time.

Questions come as a JSON line on one pipe, answers go as a JSON line on another; standard input and output
lead nowhere, so what a task prints is lost and cannot be taken for an answer. When the questions end, or
their writer dies, so does this process: a thread watches the pipe, and where the task holds the
interpreter, an alarm of the kernel ends it soon after its deadline.
"""

import json
import os
import queue
import resource
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from acute.errors import AcuteError

LONG = 500  # characters of a message that are kept
GRACE_S = 2.0  # after the parent's deadline, this process ends by itself


def _named(target: str) -> Callable[..., Any]:
    module, _, attribute = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


def _limit_memory(megabytes: int) -> None:
    """Allow so much address space beyond what is in use now (imported libraries may map gigabytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the error of a user's function, which may fail at anything
        text = ""
    said_for_users = isinstance(error, AcuteError)  # its kind tells them nothing
    return (text if said_for_users else f"{type(error).__name__}: {text}")[:LONG]


def _answer(task: Callable[[Any], Any], question: Any) -> dict[str, Any]:
    try:
        return {"how": "ok", "value": task(question)}
    except MemoryError:
        return {"how": "error", "message": "MemoryError: out of memory", "last": True}
    except BaseException as error:  # noqa: BLE001 - whatever ends a task, sys.exit too, is its answer
        return {"how": "error", "message": _said(error)}


def _line(answer: dict[str, Any]) -> bytes:
    try:
        return json.dumps(answer).encode() + b"\n"
    except Exception as error:  # noqa: BLE001 - what a task returned may fail at anything
        answer = {"number": answer["number"], "how": "error", "message": f"no plain value: {_said(error)}"}
        return json.dumps(answer).encode() + b"\n"


def _write(channel: int, line: bytes) -> None:
    while line:
        line = line[os.write(channel, line) :]


def _questions(channel: int) -> "queue.SimpleQueue[Any]":
    """The questions as they come. Their end is the end of this process, whatever it is doing."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(channel, "rb") as lines:
            for line in lines:
                waiting.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return waiting


def main(questions: int, answers: int) -> None:
    """Answer questions from one file descriptor on another, until they end. The first sets things up."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    for channel in (questions, answers):
        os.set_inheritable(channel, False)
    waiting = _questions(questions)
    setup = waiting.get()
    try:
        task = _named(setup["task"])(*setup["setup"])
        _limit_memory(setup["memory_mb"])
    except BaseException as error:  # noqa: BLE001 - the parent says why it cannot start
        _write(answers, _line({"how": "error", "message": _said(error)}))
        os._exit(1)
    _write(answers, _line({"how": "ready"}))
    while True:
        number, question = waiting.get()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, setup["timeout_s"] + GRACE_S)
        answer = _answer(task, question)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, _line({"number": number, **answer}))
        if answer.get("last"):
            os._exit(0)
