"""Programs are right or wrong, out of time, out of memory, or not known; and nothing is run without walls."""

import errno
import json
import os
import resource
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acute.errors import OutsideError
from acute.verify import proof
from acute.verify import sandbox as module
from acute.verify.code import CodeVerifier
from acute.verify.inside import codec, judge
from acute.verify.item import Item
from acute.verify.pool import Pool
from acute.verify.problem import Problem
from acute.verify.process import SandboxError
from acute.verify.runner import Runner
from acute.verify.sandbox import Limits, Sandbox, sealed
from acute.verify.seccomp import call_filter

SQUARE = Problem(tests=("assert f(2) == 4", "assert f(3) == 9\nassert f(4) == 16"), names=("f",))
ECHO = Problem(cases=(("a b\n", "a b\n"), ("", ""), ("é\n\n", "é")))


@pytest.fixture(scope="module", params=["bubblewrap", "none-unsafe"])
def runner(request):
    with Runner(Sandbox(request.param, Limits(seconds=1, memory=256 << 20))) as runner:
        yield runner


def of(runner, program, *tests, names=("f",), setup=""):
    return runner.run(program, Problem(tests=tests, names=names, setup=setup))


@pytest.mark.parametrize(
    ("program", "outcome", "tests"),
    [
        ("def f(x): return x * x", "ok", (True, True, True)),
        ("def f(x): return {2: 4, 3: 9}.get(x)", "ok", (True, True, False)),
        ("def f(x): return x + 2", "ok", (True, False, False)),
        ("def f(x): raise ValueError", "ok", (False, False, False)),
        ("def f(): return 4", "ok", (False, False, False)),
        ("def g(x): return x * x", "ok", (False, False, False)),
        ("def f(x) return x", "ok", (None, None, None)),
        ("raise ValueError('at once')", "ok", (None, None, None)),
        ("while True: pass", "out_of_time", (None, None, None)),
        ("def f(x):\n    while x == 3: pass\n    return x * x", "out_of_time", (True, None, None)),
        ("import time\ndef f(x): time.sleep(99)", "out_of_time", (None, None, None)),
        ("def f(x): return bytearray(1 << 30)", "out_of_memory", (False, False, False)),
        ("x = bytearray(1 << 30)", "out_of_memory", (None, None, None)),
        ("import os\ndef f(x): os._exit(0)", "ok", (None, None, None)),
        ("import ctypes\ndef f(x): ctypes.string_at(0)", "ok", (None, None, None)),
    ],
)
def test_outcomes(runner, program, outcome, tests):
    result = runner.run(program, SQUARE)
    assert (result.outcome, result.tests) == (outcome, tests), result
    assert result.passed == (tests == (True, True, True))
    assert result.passed or result.why or False in tests


@pytest.mark.parametrize(
    ("program", "passed", "outcome"),
    [
        ("import sys\nsys.stdout.write(sys.stdin.read())", True, "ok"),
        ("print(open(0).read())", True, "ok"),
        ("import sys\nfor line in sys.stdin: print(line, end='')\nexit()", True, "ok"),
        ("print(input())", False, "ok"),
        ("print('a b')", False, "ok"),
        ("import sys\nsys.stdout.write(sys.stdin.read())\nsys.exit(3)", False, "ok"),
        (
            "import sys\nsys.stdout.write(sys.stdin.read())\nsys.stdout.flush()\nimport os\nos.abort()",
            False,
            "ok",
        ),
        ("while True: pass", False, "out_of_time"),
        ("import os, time\nos.close(1)\ntime.sleep(99)", False, "out_of_time"),
        ("while True: print('a' * 10000)", False, "ok"),
        ("x = bytearray(1 << 30)", False, "out_of_memory"),
        ("if __name__ == '__main__':\n    import sys\n    print(sys.stdin.read())", True, "ok"),
    ],
)
def test_whole_programs(runner, program, passed, outcome):
    result = runner.run(program, ECHO)
    assert (result.passed, result.outcome) == (passed, outcome), result
    assert len(result.tests) == 3


def test_threads_are_allowed(runner):
    program = (
        "import threading, sys\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\nfound = []\n"
        "def deep(n): return n and 1 + deep(n - 1)\n"
        "def f(x):\n    t = threading.Thread(target=lambda: found.append(deep(20000)))\n"
        "    t.start(); t.join()\n    return found[-1]"
    )
    assert of(runner, program, "assert f(0) == 20000").passed


def test_values_of_every_kind_cross(runner):
    same = "def f(x): return x"
    for value in (
        "None",
        "True",
        "-7",
        "10**5000",
        "1.5",
        "1j",
        "'é\\ud800'",
        "b'x'",
        "[1, (2,), {3}]",
        "range(3)",
    ):
        assert of(runner, same, f"assert f({value}) == {value} and type(f({value})) is type({value})").passed
    assert of(runner, "def f(n): yield from range(n)", "assert list(f(3)) == [0, 1, 2]").passed
    assert of(runner, "from collections import Counter as f", "assert f('aab') == {'a': 2, 'b': 1}").passed


def test_objects_of_the_program_can_be_used(runner):
    program = "class Pair:\n    def __init__(self, a): self.a = a\ndef f(p): return p.a + 1"
    tests = ("p = Pair(3)\nassert p.a == 3\np.a = 5\nassert f(p) == 6\nassert p == p and p != Pair(5)",)
    assert of(runner, program, *tests, names=("f", "Pair")).passed


def test_errors_of_the_program_have_their_names(runner):
    tests = ("try:\n    f(0)\n    assert False\nexcept ZeroDivisionError:\n    pass",)
    assert of(runner, "def f(x): return 1 / x", *tests).passed
    assert not of(runner, "def f(x): return 1", *tests).passed
    assert not of(runner, "class ZeroDivisionError(Exception): pass\ndef f(x): raise KeyError", *tests).passed


def test_each_assertion_is_a_result(runner):
    tests = (
        "def check(g):\n    for i in range(3):\n        assert g(i) == i\n    assert g(9) == 9\ncheck(f)",
        "f(1)",
    )
    assert of(runner, "def f(x): return min(x, 2)", *tests).tests == (True, False, True)
    assert of(runner, "def f(x): return x % 2", *tests).tests == (False, False, True)


def test_a_test_that_never_asks_proves_nothing(runner):
    result = of(runner, "def f(x): return 0", "if False:\n    f(1)\nassert True")
    assert (result.passed, result.outcome) == (False, "ok")


@pytest.mark.parametrize(
    ("tests", "setup", "why"),
    [
        (("assert f(1)",), "raise ValueError('no')", "ValueError: no"),
        (("assert f(lambda x: x)",), "", "wanted plain data as arguments, found a function"),
    ],
)
def test_tests_that_cannot_be_run_are_no_wrong_answer(runner, tests, setup, why):
    result = of(runner, "def f(x): return True", *tests, setup=setup)
    assert result.outcome == "error"
    assert why in result.why


def test_answers_that_the_tests_choke_on_cost_the_program(runner):
    program = "def f(x): return 10 ** 9"
    result = of(runner, program, "assert sum(range(10 * f(1))) == 0")
    assert (result.outcome, result.passed) == ("out_of_time", False)
    assert runner.run("def f(x): return x * x", SQUARE).passed  # with a new judge


def test_the_setup_is_not_shown_to_the_program(runner):
    program = "def f(x): return 'SECRET' in globals()"
    assert of(runner, program, "assert SECRET == 1 and f(1) is False", setup="SECRET = 1").passed


def test_many_at_once(runner):
    with ThreadPoolExecutor(4) as threads:
        results = list(
            threads.map(
                lambda i: of(runner, f"def f(x): return x + {i}", f"assert f(1) == {i + 1}"), range(20)
            )
        )
    assert all(result.passed for result in results)


def test_the_verifier(monkeypatch):
    verifier = CodeVerifier(limits=Limits(seconds=1))
    answer = json.dumps({"tests": ["assert f(2) == 4"], "names": ["f"]})
    texts = ["def f(x): return 4", "", "def f(x): return 5", "def f(x): return 4", "while True: pass"]
    runs = []
    monkeypatch.setattr(Runner, "run", lambda *a, run=Runner.run: runs.append(a) or run(*a))
    items = [Item(text, answer, "eos") for text in texts]
    verdicts = dict(verifier.check(items))
    found = [(verdicts[i].outcome, verdicts[i].reward) for i in range(5)]
    assert found == [("ok", 1.0), ("wrong_form", 0.0), ("ok", 0.0), ("ok", 1.0), ("out_of_time", 0.0)]
    assert len(runs) == 3  # the same response to the same problem is run once
    assert verdicts[2].detail == "0 of 1 tests passed"
    assert verdicts[4].detail == "0 of 1 tests passed: out of time"
    assert (
        dict(verifier.check([Item("x): return 4", answer, "eos", "def f(")]))[0].reward == 1.0
    )  # with its prefill
    assert verifier.facts()["sandbox"]["kind"] == "bubblewrap"
    verifier.close()


def test_a_sandbox_that_fails_gives_no_reward(monkeypatch):
    def no_process(*_, **__):
        raise SandboxError("no process")

    verifier = CodeVerifier()
    verifier.ready()
    monkeypatch.setattr(Sandbox, "start", no_process)
    answer = json.dumps({"tests": ["assert f(2) == 4"], "names": ["f"]})
    verdict = dict(verifier.check([Item("def f(x): return 4", answer, "eos")]))[0]
    assert (verdict.outcome, verdict.reward) == ("error", None)
    assert "no process" in verdict.detail
    verifier.close()


@pytest.fixture
def _fresh():
    """No memory of how bubblewrap works here, before and after."""
    module._variant.cache_clear()
    yield
    module._variant.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_without_bubblewrap_nothing_is_run(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match=r"apt-get install bubblewrap.*none-unsafe") as error:
        CodeVerifier().ready()
    assert isinstance(error.value, OutsideError)
    assert error.value.exit_code == 4


@pytest.mark.parametrize("kind", ["bubblewrap", "none-unsafe"])
def test_without_handles_of_processes_nothing_is_run(monkeypatch, kind):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refused)
    with pytest.raises(SandboxError, match=r"pidfd_open.*Linux 5\.3 or later.*Operation not permitted"):
        CodeVerifier(kind).ready()
    monkeypatch.delattr(os, "pidfd_open")  # a Python built for older kernels
    with pytest.raises(SandboxError, match=r"Linux 5\.3 or later"):
        CodeVerifier(kind).ready()


@pytest.mark.parametrize("kind", ["bubblewrap", "none-unsafe"])
def test_what_the_system_refuses_at_a_start_is_a_fault_of_the_sandbox(monkeypatch, kind):
    sandbox = Sandbox(kind)

    def no_files(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    before = set(Path("/proc/self/fd").iterdir())
    for where in ("memfd_create", "pidfd_open"):
        with monkeypatch.context() as patch, Path(os.devnull).open("r+b") as null:
            patch.setattr(os, where, no_files)
            with pytest.raises(SandboxError, match=r"could not start the sandbox.*Too many open files"):
                sandbox.start("candidate", ["program"], null.fileno(), null.fileno(), b"")
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_files_of_any_number(runner):
    """A server that holds many connections has no low number left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = 1100
    if hard != resource.RLIM_INFINITY and hard < many + 100:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 100), hard))
    held = []
    try:
        while not held or held[-1] < many:
            held.append(os.open(os.devnull, os.O_RDONLY))
        assert runner.run("def f(x): return x * x", SQUARE).passed
        assert runner.run("print(input())", Problem(cases=(("a\n", "a\n"),))).passed
        with Pool("tests.verify.pool_tasks:misbehave", workers=1, timeout_s=20) as pool:
            assert pool.ask(["say", "hello"]).how == "ok"
    finally:
        for file in held:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_fresh")
def test_without_namespaces_nothing_is_run(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'No permissions to create a new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r"does not work here.*No permissions to create.*none-unsafe"):
        CodeVerifier().ready()
    assert CodeVerifier("none-unsafe").ready() is None


def test_what_doctor_shows():
    held = proof.prove()
    assert len(held) == 10
    assert all(held.values()), held


def test_doctor_would_show_a_breach(monkeypatch):
    """Where there are no walls the attacks succeed, and it is said."""
    unsafe = Sandbox("none-unsafe", Limits(seconds=1, memory=512 << 20))
    reach = {claim: attack for claim, attack in proof.ATTACKS.items() if claim.endswith("out of reach")}
    monkeypatch.setattr(proof, "ATTACKS", reach)  # the others would do harm
    monkeypatch.setattr(proof, "Sandbox", lambda **_: unsafe)
    assert proof.prove() == {"a right program passes": True} | dict.fromkeys(reach, False)


def test_sealed_files_cannot_be_written():
    file = sealed(b"abc")
    with pytest.raises(PermissionError):
        os.write(file, b"x")
    os.close(file)


def test_the_filter_of_system_calls():
    strict, mild = call_filter(False, "x86_64"), call_filter(True, "x86_64")
    assert len(strict) % 8 == 0 and len(strict) > len(mild)
    assert call_filter(False, "aarch64") != strict
    assert call_filter(False, "s390x") is None


def test_numbered_assertions():
    tests, count = judge.numbered(
        ["assert 1\nassert 2", "print(3)", "try:\n    assert 4\nexcept ValueError:\n    pass"]
    )
    assert count == 4
    assert [(test.first, test.asserts) for test in tests] == [(0, True), (2, False), (3, False)]


def test_a_program_that_never_began_is_told():
    ours, theirs = socket.socketpair()
    theirs.close()
    connection = judge.Connection(ours.fileno(), ours.fileno(), lambda **_: None)
    assert not connection.ready()
    ours.close()


@pytest.mark.parametrize(("request_", "heard"), [(("call", 1), True), (("load", ""), False)])
def test_an_answer_is_told_of_before_it_is_read(monkeypatch, request_, heard):
    """Reading may cost the judge its time: that is then the program's failure, and no fault of the tests."""

    def never_ends(*_):
        raise KeyboardInterrupt

    ours, theirs = socket.socketpair()
    told = []
    connection = judge.Connection(ours.fileno(), ours.fileno(), lambda **event: told.append(event))
    codec.send(theirs.fileno(), codec.pack(("value", None), lambda _: 0))
    monkeypatch.setattr(judge, "unpack", never_ends)
    with ours, theirs, pytest.raises(KeyboardInterrupt):
        connection.ask(*request_)
    assert told == [{"answered": True}] * heard


def test_nothing_large_is_read_as_the_news_that_a_program_is_loaded():
    ours, theirs = socket.socketpair()
    connection = judge.Connection(ours.fileno(), ours.fileno(), lambda **_: None)
    codec.send(theirs.fileno(), codec.pack(("value", [0] * 5000), lambda _: 0))
    with ours, theirs, pytest.raises(judge.Gone, match="at most 4096 bytes"):
        connection.ask("load", "")


def test_a_program_too_large_to_be_sent_is_wrong(runner):
    result = of(runner, "def f(x): return True\n#" + "a" * codec.MOST_BYTES, "assert f(1)")
    assert (result.outcome, result.passed) == ("ok", False)


def test_arguments_too_large_from_the_start_are_a_fault_of_the_tests(runner):
    result = of(runner, "def f(x): return True", f"assert f('a' * {codec.MOST_BYTES})")
    assert result.outcome == "error"
