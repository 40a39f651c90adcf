"""What a process does to itself before it runs a line that it was given."""

import os
import resource


def wait_at(gate: int) -> None:
    """Go on once this process is watched over; end if whoever started it is gone before."""
    if os.read(gate, 1) != b"g":
        os._exit(0)
    os.close(gate)


def drop_to(uid: int) -> None:
    """Become the user `uid` of no rights, if root: root is bound by no limit on processes."""
    if os.getuid() == 0 and uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def limit(seconds: float, memory: int, file_size: int, tasks: int) -> None:
    """CPU seconds, bytes of address space, bytes of a file, threads and processes; no core dumps."""
    whole = max(1, -int(-seconds // 1))
    for what, most in (
        (resource.RLIMIT_CPU, whole),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NPROC, tasks),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (value, value))
