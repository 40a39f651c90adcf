"""The process that runs a program of the policy. Nothing that it says is believed beyond being its answer.

It knows the program and the arguments that it is called with. Tests and expected values stay elsewhere.
"""

import builtins
import os
import sys
from types import ModuleType
from typing import Any

from acute.verify.inside.codec import Handle, Unreadable, pack, receive, send, unpack
from acute.verify.inside.limits import drop_to, limit, wait_at

MOST_ITEMS = 1_000_000  # of an iterator that the judge asks for


class _Objects:
    """The program's objects that a judge has seen, by number."""

    def __init__(self) -> None:
        self.by_number: list[Any] = []
        self.numbers: dict[int, int] = {}

    def number(self, value: Any) -> int:
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.by_number)
            self.by_number.append(value)
        return self.numbers[id(value)]

    def object(self, number: int) -> Any:
        return self.by_number[number]


def _listed(values: Any) -> list[Any]:
    found = []
    for value in values:
        found.append(value)
        if len(found) > MOST_ITEMS:
            raise Unreadable(f"wanted at most {MOST_ITEMS} items")
    return found


def _answer(request: Any, module: ModuleType, objects: _Objects) -> Any:
    """Do what is asked: name, get, set, list or call."""
    verb, operand, *more = request
    if verb == "load":
        exec(compile(operand, "<program>", "exec"), module.__dict__)
        return None
    if verb == "name":
        if operand not in module.__dict__:
            raise NameError(f"name {operand!r} is not defined")
        return Handle(objects.number(module.__dict__[operand]))
    if verb == "get":
        return getattr(operand, more[0])
    if verb == "set":
        return setattr(operand, more[0], more[1])
    if verb == "list":
        return _listed(operand)
    positional, named = more
    return operand(*positional, **named)


def _sent(objects: _Objects, value: Any) -> bytes:
    return pack(value, lambda x: x.number if type(x) is Handle else objects.number(x))


def serve(requests: int, answers: int) -> None:
    """Answer requests until they end."""
    module, objects = ModuleType("program"), _Objects()
    sys.modules["program"] = module
    send(answers, _sent(objects, ("ready", None)))
    while (content := receive(requests)) is not None:
        try:
            value = _answer(unpack(content, objects.object), module, objects)
            reply = _sent(objects, ("value", value))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the judge is told
            reply = _sent(objects, ("raised", type(error).__name__[:80], _text(error)))
        send(answers, reply)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except BaseException:  # noqa: BLE001 - an exception whose text cannot be had
        return ""


def run_as_program(path: str) -> None:
    """Run the file as a program with this process's own input and output."""
    with open(path, encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123 - pathlib is slow to import
        source = file.read()
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        exec(compile(source, "<program>", "exec"), module.__dict__)
    except MemoryError:
        os._exit(77)


def main() -> None:
    """`candidate.py GATE MODE UID SECONDS MEMORY FILE_SIZE TASKS [PATH]`."""
    gate, mode, uid, seconds, memory, file_size, tasks, *path = sys.argv[1:]
    wait_at(int(gate))
    drop_to(int(uid))
    limit(float(seconds), int(memory), int(file_size), int(tasks))
    # `site`, which sets them, is not loaded
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    if mode == "program":
        run_as_program(*path)
        return
    requests, answers = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for file in (0, 1, 2):
        os.dup2(null, file)
    os.close(null)
    serve(requests, answers)
    os._exit(0)
