"""Signals end a command with one line, whatever it is doing."""

import signal
import subprocess
import sys
import time

import pytest

BEGIN = """
import hashlib, os, sys, time
from acute.cli import stopping
stopping.GRACE_S = 0.3
stopping.listen()
stopping.resume_with("acute run --out DIR")
print("ready", flush=True)
"""
IN_PYTHON = "time.sleep(60)"
IN_C = "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**8)"  # no step of Python for a minute
CATCHES_ALL = """
try:
    time.sleep(60)
except BaseException:  # a library that lets nothing pass
    time.sleep(60)
"""


# a shell's background job, CI's perhaps, hands down that it ignores SIGINT
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def ended(body, number, before=HEARS):
    """The exit code, standard error and seconds of a script that gets a signal at work."""
    script = subprocess.Popen(
        [sys.executable, "-c", before + BEGIN + body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdout.readline() == "ready\n"
    time.sleep(0.5)  # until it is at work
    began = time.monotonic()
    script.send_signal(number)
    _, err = script.communicate(timeout=60)
    return script.returncode, err, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("body", [IN_C, CATCHES_ALL])
def test_what_does_not_hear_is_ended_after_a_while(number, body):
    code, err, seconds = ended(body, number)
    assert code == 128 + number
    assert err == (
        f"acute: stopped by {number.name}, nothing finished is lost; to go on: acute run --out DIR\n"
    )
    assert seconds < 20


def test_python_gets_an_exception_that_no_library_takes_for_an_error():
    code, err, _ = ended(IN_PYTHON, signal.SIGTERM)
    assert code == 1 and "acute.cli.stopping.Stopped: stopped by SIGTERM" in err


def test_an_ignored_signal_stays_ignored():
    before = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    code, _, _ = ended("sys.stdin.read(); sys.exit(7)", signal.SIGINT, before)  # ends once it was sent
    assert code == 7


def test_the_end_of_a_forked_child_is_not_taken_for_ours():
    body = """
if (child := os.fork()) == 0:
    time.sleep(60)
import signal
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
time.sleep(1)
sys.exit(7)
"""
    assert ended(body, 0)[0] == 7
