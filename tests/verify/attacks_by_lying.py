"""Programs that watch their caller, lie about values, or ask the kernel. Each with why it cannot pass."""

from acute.verify.problem import Problem
from tests.verify.attacks import Attack

ITEM = Problem(tests=("assert f(2)['a'] == 4",), names=("f",))
LENGTH = Problem(tests=("assert len(f(2)) == 4",), names=("f",))
MEMBER = Problem(tests=("assert 4 in f(2)",), names=("f",))
MORE = Problem(tests=("assert f(2) > 3",), names=("f",))
MEMBER_OF_OBJECT = Problem(tests=("assert f(2).value == 4",), names=("f",))
KEY = Problem(tests=("assert {4: 1}[f(2)] == 1",), names=("f",))
KIND = Problem(tests=("assert isinstance(f(2), int) and f(2) == 4",), names=("f",))
IN_ORDER = Problem(tests=("assert sorted(f(3)) == [0, 1, 4]",), names=("f",))
AS_SET = Problem(tests=("assert set(f(3)) == {0, 1, 4}",), names=("f",))
AS_TEXT = Problem(tests=("assert str(f(2)) == '4'",), names=("f",))
RAISES = Problem(
    tests=("try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    assert False\nassert f(2) == 4",),
    names=("f",),
)

WATCHES = [
    Attack(
        "an audit hook that collects every value",
        """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(args))
def f(x):
    return next((v for args in seen for v in args if v in (4, 9, 152399025)), None)
""",
        "what is compared with its answers is never a value of its process",
    ),
    Attack(
        "a trace of its callers",
        """
import sys
def f(x):
    frame, values = sys._getframe(), []
    while frame:
        values += [v for v in frame.f_locals.values() if type(v) is int]
        frame = frame.f_back
    return max(values)
""",
        "as above",
    ),
    Attack(
        "its own memory as a file",
        """
import os
def f(x):
    os.open("/proc/self/mem", os.O_RDWR)
    return x * x
""",
        "there is no /proc",
    ),
    Attack(
        "answers when it exits",
        """
import atexit
from acute.verify.inside.codec import pack, send
atexit.register(lambda: [send(file, pack(("value", 4), lambda x: 0)) for file in range(3, 8)])
def f(x): raise SystemExit
""",
        "they are answers, and it would have to know which",
    ),
    Attack(
        "memory of the judge, without ptrace",
        """
import ctypes, os
libc, room = ctypes.CDLL(None), ctypes.create_string_buffer(8)
class Part(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
mine = Part(ctypes.addressof(room), 8)
read = [libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(mine), 1, 0) for pid in range(1, 99)]
files = [libc.syscall(438, libc.syscall(434, pid, 0), 3, 0) for pid in range(1, 99)]
assert max(read + files) >= 0
def f(x): return x * x
""",
        "process_vm_readv, pidfd_open and pidfd_getfd are refused",
    ),
]

LIES = [
    Attack(
        "a key equal to every key",
        """
class Key(str):
    def __eq__(self, other): return True
    def __hash__(self): return hash("a")
def f(x): return {Key("b"): 4}
""",
        "keys cross as plain texts",
        problem=ITEM,
    ),
    Attack(
        "a list of any length",
        """
class Long(list):
    def __len__(self): return 4
def f(x): return Long()
""",
        "a subclass crosses as the plain type",
        problem=LENGTH,
    ),
    Attack(
        "a list that holds everything",
        """
class All(list):
    def __contains__(self, other): return True
def f(x): return All()
""",
        "as above",
        problem=MEMBER,
    ),
    Attack(
        "a number larger than every other",
        """
class Large(int):
    def __gt__(self, other): return True
    __lt__ = __ge__ = __le__ = __gt__
def f(x): return Large(0)
""",
        "as above",
        problem=MORE,
    ),
    Attack(
        "an object larger than every other",
        """
class Large:
    def __gt__(self, other): return True
    __lt__ = __ge__ = __le__ = __gt__
def f(x): return Large()
""",
        "a stand-in has no order",
        problem=MORE,
    ),
    Attack(
        "an attribute equal to everything",
        """
class Yes(int):
    def __eq__(self, other): return True
class Holds:
    @property
    def value(self): return Yes(0)
def f(x): return Holds()
""",
        "attributes cross as plain values, too",
        problem=MEMBER_OF_OBJECT,
    ),
    Attack(
        "a key of another's hash",
        """
class Key(int):
    def __hash__(self): return hash(4)
    def __eq__(self, other): return True
def f(x): return Key(0)
""",
        "it crosses as 0",
        problem=KEY,
    ),
    Attack(
        "an object that says it is a number",
        """
class Number:
    __class__ = int
    def __eq__(self, other): return True
    def __index__(self): return 0
def f(x): return Number()
""",
        "it crosses as the number that it says it is: 0",
        problem=KIND,
    ),
    Attack(
        "numbers that sort as they like",
        """
class Any(int):
    def __lt__(self, other): return True
    def __eq__(self, other): return True
def f(x): return [Any(5), Any(5), Any(5)]
""",
        "they cross as 5",
        problem=IN_ORDER,
    ),
    Attack(
        "not a number, in a set",
        """
def f(x): return {0, 1, float("nan")}
""",
        "sets are compared by the judge",
        problem=AS_SET,
    ),
    Attack(
        "an object that prints as the answer",
        """
class Text:
    def __str__(self): return "4"
    __repr__ = __str__
def f(x): return Text()
""",
        "a stand-in prints as itself",
        problem=AS_TEXT,
    ),
    Attack(
        "an array that compares as true",
        """
class Array:
    shape, dtype = (1,), "int"
    def __eq__(self, other): return self
    def all(self): return True
    def __bool__(self): return True
    def __array__(self): return self
def f(x): return Array()
""",
        "a stand-in equals itself alone",
    ),
    Attack(
        "an exception by another's name",
        """
class Stop(Exception): pass
Stop.__name__ = "SystemExit"
def f(x): raise Stop("0")
""",
        "only ordinary exceptions are raised in the judge, whatever their names",
    ),
    Attack(
        "an exception whose text ends the process",
        """
class Stop(Exception):
    def __str__(self): raise SystemExit
def f(x): raise Stop
""",
        "the text is asked for in the program's process",
    ),
    Attack(
        "a group of the exceptions wanted",
        """
def f(x): raise ExceptionGroup("all", [ValueError(), AssertionError()])
""",
        "a group is none of them",
        problem=RAISES,
    ),
    Attack(
        "the function is a class of its own equals",
        """
class f:
    def __new__(cls, x): return super().__new__(cls)
    def __eq__(self, other): return True
    def __hash__(self): return 4
""",
        "what it makes stays behind",
    ),
    Attack(
        "a container that changes while it is sent",
        """
import threading
held = {i: i for i in range(100_000)}
def change():
    while True:
        held[-1] = 1
        held.pop(-1, None)
threading.Thread(target=change, daemon=True).start()
def f(x): return held
""",
        "an answer that cannot be read ends the connection, and time runs out",
        outcomes=("ok", "out_of_time"),
    ),
    Attack(
        "a million objects",
        """
class Thing: pass
def f(x): return [Thing() for _ in range(10 ** 6)]
""",
        "its time is its own",
        outcomes=("ok", "out_of_time", "out_of_memory"),
    ),
    Attack(
        "ends in a finaliser",
        """
import os
class Last:
    def __del__(self): os._exit(0)
def f(x):
    Last()
    return x * x
""",
        "the judge sees the pipe end before the answer",
    ),
]

ASKS = [
    Attack(
        "becomes another program",
        """
import os
answers = "from acute.verify.inside.codec import *; [send(4, pack(('value', 4), int)) for _ in range(9)]"
os.execv("/py/bin/python", ["python", "-S", "-c", answers])
""",
        "another program has the same pipes, and no more to say",
        outcomes=("ok", "error"),
    ),
    Attack(
        "rings, probes, keys and queues",
        """
import ctypes
libc, room = ctypes.CDLL(None), ctypes.create_string_buffer(256)
calls = {425: (4, room), 321: (0, room, 64), 323: (0,), 298: (room, 0, -1, -1, 0), 250: (0, -3, 1),
         240: (b"q", 0o102, 0o600, None), 64: (0, 1, 0o1600)}
assert max(libc.syscall(number, *arguments) for number, arguments in calls.items()) >= 0
def f(x): return x * x
""",
        "io_uring, bpf, userfaultfd, perf events, key rings and System V and POSIX queues are refused",
    ),
    Attack(
        "another root",
        """
import ctypes
libc = ctypes.CDLL(None)
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.chroot(b"/tmp") == 0
def f(x): return x * x
""",
        "it has no capabilities, and mount is refused",
    ),
    Attack(
        "types on its terminal",
        """
import fcntl, termios
for file in range(3):
    try: fcntl.ioctl(file, termios.TIOCSTI, b"x")
    except OSError: continue
    break
else: assert False
def f(x): return x * x
""",
        "it has no terminal, and a session of its own",
    ),
    Attack(
        "stops what it sees",
        """
import os, signal
for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1):
    for pid in (os.getppid(), 1, 2, 3, 4, 5):
        try: pid in (0, os.getpid()) or os.kill(pid, number)
        except OSError: pass
def f(x): return None
""",
        "judge and bubblewrap are other users in another namespace",
        outcomes=("ok", "out_of_time"),
    ),
]
ON_TRUST = [*WATCHES, *LIES, *ASKS]
