"""SIGINT (Ctrl-C) and SIGTERM end a command within seconds, whatever it is doing, with one line.

The main thread gets `Stopped` where it stands, so that files are closed and workers ended. Python delivers a
signal only between two steps of its own: where one forward pass takes minutes, or a rank waits for one that
is gone, a thread ends the process after `GRACE_S` seconds, and at once at the second signal. That loses
nothing: every file is written whole or not at all, and workers end with the process that started them.
"""

import os
import select
import signal
import sys
import threading
from types import FrameType

GRACE_S = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_resume = "start the same command again"
_raised = False


class Stopped(BaseException):
    """A signal has asked this command to end. The exit code is 128 + its number: 130 or 143."""

    def __init__(self, number: int) -> None:
        super().__init__(said(number))
        self.exit_code = 128 + number


def said(number: int) -> str:
    """What is told of the end."""
    return f"stopped by {signal.Signals(number).name}, nothing finished is lost; to go on: {_resume}"


def resume_with(command: str) -> None:
    """Name the command that goes on where this one is stopped."""
    global _resume
    _resume = command


def listen() -> None:
    """Deal with both signals from now on; one that is ignored (nohup, a shell's &) stays so."""
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    if not heard or signal.getsignal(heard[0]) is _stop:
        return
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in heard:
        signal.signal(number, _stop)
    # or the end of a forked worker would be taken for this process's
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_leave)
    threading.Thread(target=_watch, args=(told,), daemon=True, name="acute-stopping").start()


def _hold() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _leave() -> None:
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)
    _let_go()


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    global _raised
    if not _raised:  # while this one unwinds, the watching thread takes the next
        _raised = True
        raise Stopped(number)


def _watch(told: int) -> None:
    """The system writes a signal's number here when it comes, whatever the main thread does."""
    while (number := os.read(told, 1)[0]) not in SIGNALS:
        pass
    select.select([told], [], [], GRACE_S)
    if os.environ.get("RANK", "0") == "0":
        print(f"acute: {said(number)}", file=sys.stderr, flush=True)
    os._exit(128 + number)
