"""Commands of acute in forked processes, with a fault built in; forks share what this process has imported.

The forking process must never run a model: a fork would inherit half of torch's threads.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HUNG_S = 180  # a command that takes longer has hung
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """What a killed command leaves running becomes a child of this process, and can be seen."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans(patience_s=15.0):
    """What still runs below this process; it is given a while to end by itself, then killed."""
    deadline = time.monotonic() + patience_s
    while True:
        while True:  # reap what has ended
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        left = psutil.Process().children(recursive=True)
        if not left:
            return []
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    names = []
    for process in left:
        try:
            names.append(" ".join(process.cmdline())[:80] or process.name())
            process.kill()
        except psutil.NoSuchProcess:
            pass
    return names


@dataclass
class Ended:
    """How a command ended: exit code (negative: killed by that signal), what it said, how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def last(self):
        """The last line on standard error."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


@dataclass
class Command:
    """A command on its way."""

    pid: int
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self):
        """Wait for its end; one that hangs is killed, and its code is None."""
        code = None
        while time.monotonic() - self.began < HUNG_S:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.005)
        seconds = time.monotonic() - self.began
        if code is None:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        # one that is ended before it has begun has said nothing
        paths = [self.folder / f"{self.pid}.{name}" for name in ("out", "err")]
        out, err = (path.read_text() if path.exists() else "" for path in paths)
        return Ended(code, out, err, seconds)

    def send(self, number):
        """Send a signal, if it still runs."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(self.pid, number)

    def workers(self):
        """The processes it has started."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def start(arguments, logs, fault=None, environment=None):
    """Run `acute ARGUMENTS` in a fork, `fault()` first; standard output and error go to files in `logs`."""
    return _forked(logs, environment, lambda: _acute(arguments, fault))


def launch(command, logs, environment=None):
    """Run another program, its path first, as `start` runs acute."""
    return _forked(logs, environment, lambda: os.execv(command[0], command))


def _forked(logs, environment, work):
    logs.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return Command(pid, logs)
    code = 99
    try:  # whatever comes, also in the last moment, must not unwind the stack of the process forked from
        code = _exit_code(logs, environment, work)
    except BaseException as late:  # noqa: BLE001
        code = getattr(late, "exit_code", 1)
    finally:
        os._exit(code)


def _exit_code(logs, environment, work):
    """The exit code of a command, in its own process."""
    code = 0
    try:
        os.setsid()
        # in the background of a shell SIGINT is ignored, here and in forks
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name, number in (("out", 1), ("err", 2)):
            file = os.open(logs / f"{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        os.environ.update(environment or {})
        work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:  # noqa: BLE001 - told as the interpreter would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _acute(arguments, fault):
    """The command line of acute, in its own process."""
    sys.argv = ["acute", *map(str, arguments)]
    if fault is not None:
        fault()
    from acute.__main__ import main

    main()
