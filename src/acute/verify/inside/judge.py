"""The process that runs the tests of a problem against a program that runs elsewhere.

The tests call the program's functions over a pipe and compare what comes back, as plain data of this process.
One warm process forks once a program: nothing that one leaves behind meets the next.
"""

import ast
import builtins
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from acute.verify.inside.codec import Unreadable, pack, receive, send, unpack
from acute.verify.inside.limits import drop_to, limit, wait_at

MARK = "__acute_check__"
SHORT = 4096  # bytes of an answer that says no more than that the program is loaded, or has a name
# what a program may raise here by name; StopIteration would end a loop of the tests in silence
RAISABLE = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, StopIteration | StopAsyncIteration | UnicodeError | BaseExceptionGroup)
}


class Gone(BaseException):
    """The program cannot answer any more. No `except Exception` of a test hides it."""


class TestsFault(BaseException):
    """The tests ask for what cannot be done here. No fault of the program."""


class ProgramError(Exception):
    """An exception of the program that is none of Python's own, or what its own answers make impossible."""


class Connection:
    """Questions to the program, one at a time."""

    def __init__(self, requests: int, answers: int, tell: Callable[..., None]) -> None:
        self.requests, self.answers, self.tell = requests, answers, tell
        self.remotes: dict[int, Remote] = {}
        self.gone: str | None = None
        self.heard = False  # whether it has answered anything but that it is loaded
        self.calls = 0

    def ready(self) -> bool:
        """Whether the program's process stands, asked before it has read a line of the program."""
        try:
            content = receive(self.answers)
            return content is not None and unpack(content, self.remote) == ("ready", None)
        except (Unreadable, OSError):
            return False

    def remote(self, number: int) -> "Remote":
        """What stands here for the program's object of this number."""
        return self.remotes.setdefault(number, Remote(self, number))

    def ask(self, *request: Any) -> Any:
        """The program's answer. Raises what the program raised, or Gone."""
        if self.gone:
            raise Gone(self.gone)
        content = self._packed(request)
        try:
            send(self.requests, content)
            reply = receive(self.answers)
        except (OSError, Unreadable) as error:
            raise self._lost(str(error)) from None
        if reply is None:
            raise self._lost("the program ended")
        if request[0] not in ("load", "name"):
            self._heard()  # before it is read, which may cost all time and memory that there is
        elif len(reply) > SHORT:
            raise self._lost(f"wanted an answer of at most {SHORT} bytes, found {len(reply)}")
        try:
            kind, *rest = unpack(reply, self.remote)
            self.calls += request[0] == "call"
            if kind == "value" and len(rest) == 1:
                return rest[0]
            name, text = rest if kind == "raised" else (None, None)
        except (Unreadable, TypeError, ValueError) as error:
            raise self._lost(f"no answer that can be read: {error}") from None
        if not (type(name) is str and type(text) is str):
            raise self._lost("no answer that can be read")
        raise RAISABLE[name](text) if name in RAISABLE else ProgramError(f"{name}: {text}")

    def _packed(self, request: Any) -> bytes:
        """A question as bytes. What the program's own answers made too large or too deep is its failure."""
        try:
            return pack(request, _number)
        except Unreadable as error:
            if self.heard or request[0] == "load":
                raise ProgramError(f"wanted what can be sent, found {error}") from None
            raise TestsFault(f"arguments that cannot be sent to a program: {error}") from None

    def _heard(self) -> None:
        if not self.heard:
            self.heard = True
            self.tell(answered=True)

    def _lost(self, why: str) -> Gone:
        self.gone = why
        return Gone(why)


def _number(value: Any) -> int:
    if type(value) is Remote:
        return int(object.__getattribute__(value, "_number"))
    raise TestsFault(f"wanted plain data as arguments, found a {type(value).__name__}")


class Remote:
    """An object of the program. Equal to itself alone: the program has no word in any comparison."""

    __slots__ = ("_connection", "_number")

    def __init__(self, connection: Connection, number: int) -> None:
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_number", number)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        connection = object.__getattribute__(self, "_connection")
        return connection.ask("call", self, positional, named)

    def __getattr__(self, name: str) -> Any:
        return object.__getattribute__(self, "_connection").ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "_connection").ask("set", self, name, value)

    def __iter__(self) -> Any:
        found = object.__getattribute__(self, "_connection").ask("list", self)
        if type(found) is not list:
            raise TypeError("an object of the program that is no iterable")
        return iter(found)

    def __bool__(self) -> bool:
        raise TypeError("an object of the program is neither true nor false")


class Undefined:
    """A name that the tests need and the program does not define: using it fails."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NameError(f"the program does not define {self._name!r}")


class _Numbered(ast.NodeTransformer):
    """Each assertion reports for itself; one that a `try` of the tests guards is left as it is."""

    def __init__(self, first: int) -> None:
        self.next = first

    def visit_Try(self, node: ast.Try) -> ast.AST:
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        number, self.next = self.next, self.next + 1
        told = ast.parse(
            f"try:\n {MARK}({number}, None)\n"
            f"except {MARK}.kind as {MARK}e:\n {MARK}({number}, False, {MARK}e)"
        )
        attempt = told.body[0]
        assert isinstance(attempt, ast.Try) and isinstance(attempt.body[0], ast.Expr)
        assert isinstance(attempt.body[0].value, ast.Call)
        attempt.body[0].value.args[1] = node.test
        return ast.copy_location(attempt, node)


class Check:
    """Called by a numbered assertion with its value, or with what evaluating it raised."""

    kind = Exception

    def __init__(self, tell: Callable[..., None]) -> None:
        self.tell = tell
        self.known: dict[int, bool] = {}

    def __call__(self, number: int, value: Any, error: Exception | None = None) -> None:
        passed = bool(value)
        if self.known.get(number, True) and self.known.get(number) != passed:  # in a loop: the first failure
            self.known[number] = passed
            self.tell(test=number, passed=passed, why=None if error is None else _short(error))


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


class Test(NamedTuple):
    """One text of tests: its code, its first number, and whether it holds assertions that report."""

    code: Any
    first: int
    asserts: bool


def numbered(sources: list[str]) -> tuple[list[Test], int]:
    """The tests ready to run, and how many results they have: one an assertion, or one for a text without."""
    tests, count = [], 0
    for source in sources:
        transformer = _Numbered(count)
        tree = ast.fix_missing_locations(transformer.visit(ast.parse(source)))
        asserts = transformer.next > count
        tests.append(Test(compile(tree, "<tests>", "exec"), count, asserts))
        count = max(transformer.next, count + 1)
    return tests, count


def run_tests(job: dict[str, Any], connection: Connection, tell: Callable[..., None]) -> None:
    """Run every test of a job; `tell` hears of each result."""
    tests, count = numbered(job["tests"])
    tell(tests=count)
    if not connection.ready():
        return tell(end="no program")
    try:
        connection.ask("load", job["code"])
    except Exception as error:  # noqa: BLE001 - the program's, whatever it is
        return tell(end="load", why=_short(error))
    space: dict[str, Any] = {"__name__": "tests"}
    exec(compile(job["setup"], "<setup>", "exec"), space)
    for name in job["names"]:
        try:
            space[name] = connection.ask("name", name)
        except Exception:  # noqa: BLE001 - not defined: the tests find out when they use it
            space[name] = Undefined(name)
    space[MARK] = check = Check(tell)
    for test in tests:
        try:
            exec(test.code, space)
            if not test.asserts:
                check(test.first, True)
        except Exception as error:  # noqa: BLE001 - a test that fails, by whatever
            if test.asserts:
                tell(fault=_short(error))
            else:
                check(test.first, False, error)
        if connection.gone:
            break
    tell(end="gone" if connection.gone else "done", why=connection.gone, calls=connection.calls)


def _child(job_file: int, requests: int, answers: int, results: int) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for file in (0, 1, 2):
        os.dup2(null, file)

    def tell(**event: Any) -> None:
        os.write(results, json.dumps(event).encode() + b"\n")

    with open(job_file, encoding="utf-8") as stream:
        job = json.load(stream)
    limit(job["seconds"], job["memory"], 1 << 20, 64)
    connection = Connection(requests, answers, tell)
    try:
        run_tests(job, connection, tell)
    except Gone as error:
        tell(end="gone", why=str(error), calls=connection.calls)
    except BaseException as error:  # noqa: BLE001 - setup that fails, memory that runs out
        tell(end="tests", why=_short(error), calls=connection.calls)


def main() -> None:
    """`judge.py GATE UID`: a program and its tests for every message on standard input, until it ends."""
    gate, uid = map(int, sys.argv[1:])
    wait_at(gate)
    drop_to(uid)
    parent = socket.socket(fileno=0)
    parent.sendall(b"r")
    while True:
        message, files, *_ = socket.recv_fds(parent, 1, 4)
        if not message:
            return
        if os.fork() == 0:
            try:
                parent.detach()
                _child(*files)
            finally:
                os._exit(0)
        for file in files:
            os.close(file)
        os.wait()
