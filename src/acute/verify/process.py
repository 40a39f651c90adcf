"""A process that runs in a sandbox, held by the kernel's own handle (pidfd) of it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time

from acute.errors import OutsideError
from acute.verify.warden import watch_over

PATIENCE = 60.0  # seconds in which bubblewrap has made its namespaces on the busiest machine


class SandboxError(OutsideError):
    """The sandbox cannot be had, or failed: nothing is known about the program."""


def prove_handles() -> None:
    """SandboxError where the kernel's handles of processes (pidfd) are refused: nothing could be ended."""
    try:
        handle = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(handle, 0)
        finally:
            os.close(handle)
    except (AttributeError, OSError) as error:
        raise SandboxError(
            f"code is run only where processes have handles (pidfd_open, pidfd_send_signal): Linux 5.3 or "
            f"later, and no filter of system calls that refuses them; found: {error}"
        ) from error


def readable(file: int, seconds: float) -> bool:
    """Whether there is something to read, or the end, within `seconds`; `file` has any number (poll)."""
    events = select.poll()
    events.register(file, select.POLLIN)
    return bool(events.poll(max(0.0, seconds) * 1000))


class Process:
    """A running sandbox. `kill` ends all that is in it; without walls, what is still of its process group."""

    def __init__(self, process: subprocess.Popen[bytes], status: int | None) -> None:
        """Raises SandboxError if it did not start, or OSError; nothing is left of it then."""
        self.process, self._status = process, status
        self._walled = status is not None
        self._told = b""
        try:
            self._first = os.pidfd_open(self._first_process())
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # so early the first process is still of this group
            process.wait()
            if self._status is not None:
                os.close(self._status)
            raise

    def _first_process(self) -> int:
        """The first process of the namespace: with it all others die, then bubblewrap ends."""
        if not self._walled:
            return self.process.pid
        end = time.monotonic() + PATIENCE
        while (first := self._fact("child-pid")) is None:
            left = end - time.monotonic()
            if self._status is None or not readable(self._status, left):
                raise SandboxError("bubblewrap did not start: see `acute doctor`")
        return first

    def open_gate(self, gate: int) -> None:
        """Let it begin. From here on it ends with this process, whatever happens. Raises OSError."""
        watch_over(self._first)
        os.write(gate, b"g")

    def _read_status(self) -> None:
        """What bubblewrap itself has said so far; the program has no way to that pipe."""
        while self._status is not None:
            try:
                part = os.read(self._status, 4096)
            except BlockingIOError:
                return
            if not part:
                os.close(self._status)
                self._status = None
            self._told += part

    def _fact(self, key: str) -> int | None:
        self._read_status()
        for line in self._told.splitlines():
            with contextlib.suppress(ValueError):
                found = json.loads(line).get(key)
                if found is not None:
                    return int(found)
        return None

    def kill(self) -> None:
        """End everything in the sandbox, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            if self._walled:
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            elif self.process.returncode is None:  # not reaped: its id still names its group
                os.killpg(self.process.pid, signal.SIGKILL)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()

    def ended(self) -> bool:
        """Whether its first process has ended."""
        return readable(self._first, 0)

    def close(self) -> None:
        """Kill what still runs and let go of every file."""
        self.kill()
        self._read_status()
        if self._status is not None:
            os.close(self._status)
            self._status = None
        os.close(self._first)

    def exit_status(self, seconds: float) -> int | None:
        """The program's exit status, 128 + n for signal n; None if it was killed from here or never began."""
        if not self._walled:
            if not readable(self._first, seconds):
                return None
            self.kill()  # what it started; it has ended itself, and its status stays
            code = self.process.wait()
            return 128 - code if code < 0 else code
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self._fact("exit-code")
