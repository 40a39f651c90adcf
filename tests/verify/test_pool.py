"""Whatever a worker does, its question gets an end, the others their answers, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from acute.errors import InputError, OutsideError
from acute.verify import pool as pool_module
from acute.verify.pool import Pool

TASK = "tests.verify.pool_tasks:misbehave"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def pool():
    with Pool(TASK, workers=2, timeout_s=20, memory_mb=256) as made:
        yield made
    assert not made.pids()


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids, within_s=20):
    """Whether all of these processes end; waits for them."""
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def said(pool):
    """A worker that is fit answers so."""
    return pool.ask(["say", "hello"]) == ("ok", "said hello", None)


def fit(pool):
    """The same for a short deadline, which a busy machine that keeps a worker waiting lets pass."""
    return any(said(pool) for _ in range(5))


def test_answers(pool):
    assert said(pool)
    assert pool.ask(["length", "é\ud800\n\x00" * 10**5]) == ("ok", 4 * 10**5, None)


def test_all_workers_are_started_together(pool):
    pool.start()
    assert len(pool.pids()) == 2


def test_setup_reaches_the_worker():
    with Pool(TASK, ["told "], workers=1) as pool:
        assert pool.ask(["say", "so"]).value == "told so"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (["raise", "no"], "ValueError: no"),
        (["raise", "x" * 10**6], "ValueError: " + "x" * 488),
        (["bad error", None], "BadError: "),
        (["sys.exit", 0], "SystemExit: 0"),
        (["no plain value", None], "no plain value: TypeError: Object of type object is not JSON"),
        (["memory", 2000], "MemoryError"),
        (["os._exit", 0], "the worker process died: ended with status 0"),
        (["os._exit", 3], "the worker process died: ended with status 3"),
        (["kill -9", None], "the worker process died: killed by SIGKILL"),
        (["segfault", None], "the worker process died: killed by SIGSEGV"),
        (["garbage", "?\n"], "the worker process died: it answered what is no JSON"),
        (["garbage", "[" * 10**5 + "\n"], "the worker process died: it answered what is no JSON"),
        (["garbage", "[1]\n"], "the worker process died: it answered what is no JSON object"),
        (
            ["garbage", '{"number": 9, "how": "ok"}\n'],
            "the worker process died: it answered what was not asked",
        ),
        (["garbage", "x" * (2**20 + 1)], "the worker process died: it answered more than 1,048,576 bytes"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else value[0],
)
def test_a_failure_is_an_error_with_its_reason(pool, question, message):
    how, value, found = pool.ask(question)
    assert (how, value) == ("error", None)
    assert found.startswith(message)
    assert said(pool)


def test_what_is_printed_is_no_answer(pool):
    assert pool.ask(["print", None]) == ("ok", "printed", None)
    assert said(pool)


@pytest.mark.parametrize("what", ["sleep", "hang in C", "swallow"])
def test_a_question_past_its_deadline_is_a_timeout(what):
    with Pool(TASK, workers=1, timeout_s=0.5) as pool:
        assert fit(pool)
        before = pool.pids()
        assert pool.ask([what, 60]) == ("timeout", None, "no answer within 0.5 s")
        assert gone(before)
        assert fit(pool)
        assert len(pool.pids()) == 1 and pool.pids() != before


def test_a_worker_that_is_killed_from_outside_is_replaced(pool):
    assert said(pool)
    for pid in pool.pids():
        os.kill(pid, signal.SIGKILL)
    ends = [pool.ask(["say", "x"]).how for _ in range(3)]
    assert ends[-1] == "ok"


def test_a_question_whose_worker_is_killed_once_is_asked_again(tmp_path):
    with Pool(TASK, workers=1) as pool:
        assert pool.ask(["kill -9 once", str(tmp_path / "seen")]).value == "survived"
        assert pool.ask(["kill -9", None]).message == "the worker process died: killed by SIGKILL"


def test_a_worker_killed_at_its_start_is_started_again(monkeypatch):
    started, real = [], pool_module._Worker.start

    def start(worker):
        if not started:
            started.append(worker)
            os.kill(worker.pid, signal.SIGKILL)
        real(worker)

    monkeypatch.setattr(pool_module._Worker, "start", start)
    with Pool(TASK, workers=1) as pool:
        assert said(pool)


def test_workers_that_never_survive_their_start_stop_the_work(monkeypatch):
    real = pool_module._Worker.start

    def start(worker):
        os.kill(worker.pid, signal.SIGKILL)
        real(worker)

    monkeypatch.setattr(pool_module._Worker, "start", start)
    with Pool(TASK, workers=1) as pool, pytest.raises(OutsideError, match="died at its start: killed by SIG"):
        said(pool)


def test_memory_within_the_limit_is_given(pool):
    assert pool.ask(["memory", 100]).value == 100 * 2**20


def test_what_a_worker_started_ends_with_it(pool):
    seconds = "61.375"
    assert pool.ask(["children", seconds]).message == "the worker process died: ended with status 3"
    assert len(pool.pids()) == 0
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]
    assert gone(left, 5)


def test_results_come_under_their_keys_in_any_order(pool):
    questions = {i: ["sleep", 0.4] if i == 0 else ["say", str(i)] for i in range(40)}
    found = list(pool.map(questions.items()))
    assert [key for key, _ in found] != sorted(questions)
    assert {key: done.value for key, done in found} == {0: "woke"} | {i: f"said {i}" for i in range(1, 40)}


def test_failures_among_many_cost_themselves_alone(pool):
    bad = {3: ["os._exit", 1], 7: ["kill -9", None], 11: ["raise", "x"], 15: ["memory", 2000]}
    found = dict(pool.map((i, bad.get(i, ["say", str(i)])) for i in range(30)))
    assert {i for i, done in found.items() if done.how == "error"} == set(bad)
    assert all(found[i].value == f"said {i}" for i in set(range(30)) - set(bad))


def test_few_questions_are_taken_ahead(pool):
    taken = []

    def questions():
        for i in range(1000):
            taken.append(i)
            yield i, ["say", "x"]

    answers = pool.map(questions())
    next(answers)
    assert len(taken) <= 4 * pool.workers
    answers.close()
    assert not pool.pids()
    assert said(pool)


def test_threads_may_ask_at_once(pool):
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: pool.ask(["say", str(i)])})) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {i: done.value for i, done in found.items()} == {i: f"said {i}" for i in range(8)}


def test_a_worker_serves_many_questions(pool):
    assert len({pool.ask(["pid", None]).value for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        ("tests.verify.pool_tasks:cannot_be_made", InputError, "KeyError: 'no such verifier'"),
        ("tests.verify.pool_tasks:not_there", InputError, "has no attribute 'not_there'"),
        ("no_such_module:f", InputError, "No module named 'no_such_module'"),
        ("tests.verify.pool_tasks:dies_at_start", OutsideError, "died at its start: ended with status 7"),
        ("tests.verify.pool_tasks:never_ready", OutsideError, "was not ready after 0.5 s"),
    ],
)
def test_a_task_that_cannot_be_made_is_refused(task, error, message):
    with Pool(task, workers=1, start_s=0.5 if "never" in task else 60) as pool:
        with pytest.raises(error, match=message):
            pool.ask(1)
        with pytest.raises(error, match=message):
            list(pool.map([(1, 1), (2, 2)]))
        assert not pool.pids()


def test_prints_at_the_start_are_harmless():
    with Pool("tests.verify.pool_tasks:prints_at_start", workers=1) as pool:
        assert pool.ask([1, None, "é"]).value == [1, None, "é"]


def test_close_ends_what_is_waited_for():
    pool = Pool(TASK, workers=1, timeout_s=60)
    assert said(pool)
    pids, found = pool.pids(), []
    thread = threading.Thread(target=lambda: found.append(pool.ask(["sleep", 60])))
    thread.start()
    time.sleep(0.2)
    pool.close()
    thread.join(10)
    assert found[0].how == "error"
    assert gone(pids)
    with pytest.raises(OutsideError, match="stopped"):
        pool.ask(["say", "x"])


SCRIPT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from acute.verify import pool as pool_module
from acute.verify.pool import Pool
pool = Pool("tests.verify.pool_tasks:misbehave", workers=2, timeout_s=float(sys.argv[2]))
pool.ask(["say", "x"])
print(*pool.pids(), flush=True)
with pool:
    for _ in pool.map((i, [sys.argv[1], 60]) for i in range(9)):
        pass
"""


@pytest.mark.parametrize("what", ["sleep", "hang in C"])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_asking_process_ends(what, by, tmp_path):
    """Ctrl-C is cleaned up; after a kill the workers see their questions end, or their own alarm rings."""
    (tmp_path / "script.py").write_text(SCRIPT)
    path = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    asking = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), what, "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    first = [int(pid) for pid in asking.stdout.readline().split()]
    assert first and all(map(alive, first))
    time.sleep(1)
    workers = [p.pid for p in psutil.Process(asking.pid).children(recursive=True)]
    asking.send_signal(by)
    asking.wait(20)
    assert gone(set(first) | set(workers))


def test_a_script_needs_no_main_guard():
    """Nothing of the asking script is run again in a worker."""
    code = f"from acute.verify.pool import Pool; pool = Pool({TASK!r}, workers=2); "
    code += "print(pool.ask(['say', 'once']).value); pool.close()"
    path = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert (done.stdout, done.stderr) == ("said once\n", "")
