"""The warden: a process beside this one that ends its sandboxes if it is killed.

A signal at the parent's death (PR_SET_PDEATHSIG, bubblewrap's --die-with-parent) cannot do it. It is set by
the child: a parent that died before is not noticed, and one that dies while bubblewrap sets up leaves one
half of it waiting for the other. The warden stands before the first sandbox does, and holds the kernel's own
handle (pidfd) of the process that it serves and of every sandbox that it was told of. Nothing in a sandbox
begins before it was told: until then acute's own code waits there at a pipe, and ends if that does.

This file is run as a script too, without acute on the path: standard library only.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading


class Warden:
    """A running warden of this process. It needs Linux 5.3 or later; raises OSError without."""

    def __init__(self) -> None:
        owner = os.pidfd_open(os.getpid())
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-B", __file__, str(owner)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[owner],
                    cwd="/",
                    start_new_session=True,  # what ends a group of processes from a terminal does not end it
                )
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(owner)

    def told(self, handle: int) -> bool:
        """Tell it of a process by its pidfd. False if the warden is gone."""
        try:
            socket.send_fds(self._socket, [b"w"], [handle])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Tell it of no more. It goes on watching over those that it knows."""
        self._socket.close()


class _Mine:
    """The warden of this process, one for all its sandboxes; a fork of this process has its own."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self.lock = threading.Lock()
        self.warden: Warden | None = None

    def watch_over(self, handle: int) -> None:
        """Have the process behind a pidfd killed when this process ends, however that comes about.

        What is told here is heard even if this process dies at once. Raises OSError where there is no warden.
        """
        with self.lock:
            if self.warden is not None and self.warden.told(handle):
                return
            if self.warden is not None:  # it was killed; those that it knew end by their limits alone
                self.warden.close()
            self.warden = Warden()
            if not self.warden.told(handle):
                raise OSError("the warden of the sandboxes does not start")


watch_over = _Mine().watch_over


def _heard(channel: socket.socket) -> tuple[list[int], bool]:
    """The handles that wait in the socket, and whether more can come."""
    handles: list[int] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            message, files, *_ = socket.recv_fds(channel, 1, 1)
            if not message:
                return handles, False
            handles += files
    return handles, True


def main(owner: int) -> None:
    """`warden.py PIDFD`: hear of processes on standard input; kill them once that of the pidfd has ended."""
    channel = socket.socket(fileno=0)
    channel.setblocking(False)
    events = select.poll()
    events.register(owner, select.POLLIN)
    events.register(channel, select.POLLIN)
    watched: set[int] = set()
    while True:
        ready = {file for file, _ in events.poll()}
        if ready & {owner, channel.fileno()}:
            handles, more = _heard(channel)
            watched.update(handles)
            for handle in handles:
                events.register(handle, select.POLLIN)
            if not more and owner not in ready:  # nothing more is told, yet those that run are still watched
                events.unregister(channel)
        if owner in ready:
            break
        for handle in ready & watched:  # ended by itself
            events.unregister(handle)
            watched.remove(handle)
            os.close(handle)
    for handle in watched:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
