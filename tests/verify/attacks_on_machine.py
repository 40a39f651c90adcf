"""Programs that read or harm what is not theirs. Each with the reason why it cannot."""

from tests.verify.attacks import Attack

READS = [
    Attack(
        "tests on the disk",
        """
import os
hit = []
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("usr", "lib", "lib64", "py", "dev", "proc", "sys")]
    for name in names:
        with open(os.path.join(folder, name), errors="replace") as file:
            hit += ["assert" + " f(" in file.read()]
def f(x):
    assert any(hit)
    return x * x
""",
        "no file of the sandbox holds them",
    ),
    Attack(
        "other processes",
        """
import os
processes = os.listdir('/proc')
def f(x): return x * x
""",
        "there is no /proc",
    ),
    Attack(
        "memory of other processes",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
done = [libc.ptrace(16, pid, 0, 0) for pid in range(1, 200)]
assert any(d == 0 for d in done)
def f(x): return x * x
""",
        "ptrace is refused, and there is nobody to trace",
    ),
    Attack(
        "files of the machine",
        """
import os
places = ("/etc/passwd", "/etc/shadow", "/root", "/home", "/work", "/var", "/proc/self", "/sys")
assert any(map(os.path.exists, places))
def f(x): return x * x
""",
        "the root folder holds Python's library and C libraries alone",
    ),
    Attack(
        "the environment",
        """
import os
ours = {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "PYTHONPATH"}
assert set(os.environ) - ours
def f(x): return x * x
""",
        "the environment is made anew",
    ),
    Attack(
        "inherited files",
        """
import os, stat
kinds = []
for file in range(64):
    try: kinds.append(os.fstat(file).st_mode)
    except OSError: pass
pipes = sum(map(stat.S_ISFIFO, kinds))
assert (pipes, len(kinds) - pipes) != (2, 3)
def f(x): return x * x
""",
        "it has /dev/null three times and its two pipes",
    ),
]

HARM = [
    Attack(
        "endless loop",
        """
def f(x):
    while True: pass
""",
        "CPU time is limited",
        outcomes=("timeout",),
    ),
    Attack(
        "sleeps",
        """
import time
def f(x): time.sleep(1000)
""",
        "the parent keeps a deadline",
        outcomes=("timeout",),
    ),
    Attack(
        "deaf to signals",
        """
import signal
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
def f(x):
    while True: pass
""",
        "SIGKILL cannot be ignored",
        outcomes=("timeout",),
    ),
    Attack(
        "raises its own limits",
        """
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))
    while True: pass
except BaseException:
    pass
def f(x):
    return None
""",
        "hard limits only go down",
        outcomes=("timeout", "ok"),
    ),
    Attack(
        "memory",
        """
def f(x): return len(bytearray(8 << 30))
""",
        "the address space is limited",
        outcomes=("memory",),
    ),
    Attack(
        "memory at load",
        """
data = [bytearray(1 << 20) for _ in range(10 ** 6)]
def f(x):
    return None
""",
        "the address space is limited",
        outcomes=("memory",),
    ),
    Attack(
        "processes",
        """
import os
n = 0
try:
    while n < 10000:
        if os.fork() == 0:
            while True: pass
        n += 1
except OSError: pass
assert n
def f(x): return x * x
""",
        "fork is refused",
    ),
    Attack(
        "processes by other calls",
        """
import ctypes, os, subprocess
libc = ctypes.CDLL(None)
n = libc.syscall(435, ctypes.create_string_buffer(88), 88) > 0 or libc.vfork() > 0
for start in (subprocess.run, lambda command: os.posix_spawn(command[0], command, {})):
    try: n += start(["/py/bin/python", "-V"]) is not None
    except OSError: pass
assert n
def f(x): return x * x
""",
        "clone without CLONE_THREAD is refused, and clone3 altogether",
    ),
    Attack(
        "threads",
        """
import threading, time
threading.stack_size(32768)
n = 0
try:
    for n in range(5000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except RuntimeError: pass
assert n > 40
def f(x): return x * x
""",
        "the number of tasks is limited, for root too: the program runs as a user of its own",
    ),
    Attack(
        "memory outside the address space",
        """
import ctypes, os
libc = ctypes.CDLL(None)
n = 0
for i in range(1000):
    n += libc.shmget(0, 64 << 20, 0o1600) >= 0
try: n += os.memfd_create('x') > 0
except OSError: pass
assert n
def f(x): return x * x
""",
        "System V memory and memfd are refused",
    ),
    Attack(
        "a full disk",
        """
import os
try:
    for n in range(1000):
        with open(f"/tmp/{n}", "wb") as file: file.write(bytes(1 << 20))
except OSError:
    pass
assert sum(entry.stat().st_size for entry in os.scandir("/tmp")) > 17 << 20
def f(x): return x * x
""",
        "16 MiB of scratch space in memory",
    ),
    Attack(
        "files elsewhere",
        """
n = 0
for folder in ("", "/usr/lib", "/py/lib", "/code", "/dev", "/dev/shm", "/var/tmp", "/home"):
    try: n += open(folder + "/x", "w") is not None
    except OSError: pass
assert n
def f(x): return x * x
""",
        "everything but /tmp is read-only",
    ),
    Attack(
        "kills what it sees",
        """
import os, signal
for pid in (-1, os.getppid(), 1):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
def f(x):
    return None
""",
        "it sees its own namespace alone",
        outcomes=("ok", "timeout"),
    ),
    Attack(
        "root in a namespace of its own",
        """
import ctypes
libc = ctypes.CDLL(None)
assert libc.unshare(0x10000000) == 0 or libc.unshare(0x00020000) == 0
def f(x): return x * x
""",
        "unshare is refused",
    ),
    Attack(
        "root by its user",
        """
import os
done = os.getuid() == 0
for uid in (0, 1, 1000):
    try: done = os.setresuid(uid, uid, uid) is None
    except OSError: pass
assert done
def f(x): return x * x
""",
        "it is nobody and has no capabilities",
    ),
    Attack(
        "sockets",
        """
import socket
n = 0
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    try: n += socket.socket(family) is not None
    except OSError: pass
assert n
def f(x): return x * x
""",
        "socket is refused, and the network namespace is empty",
    ),
]
