"""Tasks that misbehave, for the workers of a pool."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def misbehave(prefix="said "):
    """A task that does what it is told to."""

    def task(question):
        what, argument = question
        if what == "say":
            return prefix + argument
        if what == "length":
            return len(argument)
        if what == "print":
            print('{"number": 1, "how": "ok", "value": "forged"}', flush=True)
            sys.stderr.write("noise")
            os.write(1, b"more noise\n")
            return "printed"
        if what == "raise":
            raise ValueError(argument)
        if what == "bad error":
            raise BadError
        if what == "sys.exit":
            sys.exit(argument)
        if what == "os._exit":
            os._exit(argument)
        if what == "kill -9 once":
            if Path(argument).exists():
                return "survived"
            Path(argument).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "kill -9":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "segfault":
            ctypes.string_at(1)
        if what == "sleep":
            time.sleep(argument)
            return "woke"
        if what == "hang in C":  # holds the interpreter: no signal handler, no thread gets a turn
            return str(3 ** (3**20))[:1]
        if what == "memory":
            return len(bytearray(argument * 2**20))
        if what == "no plain value":
            return object()
        if what == "garbage":
            for channel in range(3, 1000):  # a long session holds many
                try:
                    os.write(channel, argument.encode())
                except OSError:
                    continue
            time.sleep(60)
        if what == "children":
            subprocess.Popen(["sleep", argument])
            if os.fork() == 0:
                time.sleep(float(argument))
            os._exit(3)
        if what == "swallow":
            while True:
                try:
                    time.sleep(60)
                except BaseException:  # noqa: BLE001
                    continue
        if what == "pid":
            return os.getpid()
        raise AssertionError(what)

    return task


class BadError(Exception):
    """An error that cannot even be printed."""

    def __str__(self):
        raise RuntimeError


def cannot_be_made():
    """A maker that fails."""
    raise KeyError("no such verifier")


def dies_at_start():
    """A maker that takes its process down."""
    os._exit(7)


def never_ready():
    """A maker that takes too long."""
    time.sleep(60)


def prints_at_start():
    """A maker that prints first."""
    print("hello")
    return lambda question: question
