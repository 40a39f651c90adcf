"""Programs that try to pass without solving the problem. Each with the reason why it cannot.

The problem: `f(x)` is the square of x (`PROBLEM`). None of these programs computes it.
"""

from typing import NamedTuple

from acute.verify.problem import Problem

PROBLEM = Problem(tests=("assert f(2) == 4\nassert f(3) == 9", "assert f(12345) == 152399025"), names=("f",))
# loops over the program's answers: an answer that ends the loop early must not pass
LOOPING = Problem(
    tests=("for got, right in zip(map(f, [2, 3]), [4, 9]):\n    assert got == right\nassert len([0])",),
    names=("f",),
)
TRUTH = Problem(tests=("assert f(2)",), names=("f",))
CLOSE = Problem(tests=("import math\nassert math.isclose(f(2), 4)",), names=("f",))
ROUND_TRIP = Problem(tests=("assert f(f(2)) == 16",), names=("f",))
IN_PLACE = Problem(tests=("x = [3, 1]\nassert f(x) == sorted(x)",), names=("f",))


class Attack(NamedTuple):
    """What is run, why it fails, and the outcomes that it may have. No outcome has a reward of 1."""

    name: str
    program: str
    reason: str
    outcomes: tuple[str, ...] = ("ok",)
    problem: Problem = PROBLEM


ENDS = [
    Attack(
        "exit at once",
        """
import os; os._exit(0)
""",
        "an exit status is no verdict; without answers no test passes",
    ),
    Attack(
        "sys.exit at once",
        """
import sys; sys.exit(0)
""",
        "the judge hears that loading raised SystemExit",
    ),
    Attack(
        "exit when called",
        """
import os
def f(x): os._exit(0)
""",
        "the judge sees the pipe end: Gone, by no `except` hidden",
    ),
    Attack(
        "SystemExit when called",
        """
def f(x): raise SystemExit(0)
""",
        "it is an exception of the program, not of the judge",
    ),
    Attack(
        "KeyboardInterrupt",
        """
def f(x): raise KeyboardInterrupt
""",
        "only ordinary exceptions are raised in the judge",
    ),
    Attack(
        "exit hooks",
        """
import atexit, os
atexit.register(os._exit, 0)
def f(x): raise SystemExit
""",
        "as above",
    ),
    Attack(
        "SIGKILL to itself",
        """
import os, signal
def f(x): os.kill(os.getpid(), signal.SIGKILL)
""",
        "as above",
        outcomes=("ok", "out_of_time"),
    ),
    Attack(
        "StopIteration ends the loop of the tests",
        """
def f(x): raise StopIteration
""",
        "StopIteration is not raised in the judge by its own name, and an unfinished test text is a failure",
        problem=LOOPING,
    ),
    Attack(
        "AssertionError",
        """
def f(x): raise AssertionError
""",
        "a test that raises has failed",
    ),
]

SAYS = [
    Attack(
        "prints that it passed",
        """
print('OK'); print('1 passed')
def f(x):
    return None
""",
        "its output is not read",
    ),
    Attack(
        "writes verdicts to every file descriptor",
        """
try:
    import os
    for line in (b'{"tests": 2}', b'{"test": 0, "passed": true}', b'{"test": 1, "passed": true}',
                 b'{"end": "done", "why": null, "calls": 3}'):
        for file in range(64):
            try: os.write(file, line + b"\\n")
            except OSError: pass
except BaseException:
    pass
def f(x):
    return None
""",
        "results go from judge to parent by a pipe that the program does not have",
    ),
    Attack(
        "answers before it is asked",
        """
from acute.verify.inside.codec import pack, send
for answer in (None, 4, 9, 152399025):
    for file in range(3, 8):
        try: send(file, pack(('value', answer), lambda x: 0))
        except OSError: pass
def f(x):
    return None
""",
        "they are answers, no more: they would have to be right, for tests that it does not know",
    ),
    Attack(
        "a message of a terabyte",
        """
try:
    import os
    os.write(4, b'\\xff' * 64)
    os.write(3, b'\\xff' * 64)
except BaseException:
    pass
def f(x):
    return None
""",
        "the length of a message is bounded before it is read",
    ),
    Attack(
        "a message of no known form",
        """
try:
    import os
    for i in (3, 4, 5): os.write(i, b'\\0\\0\\0\\3zzz')
except BaseException:
    pass
def f(x):
    return None
""",
        "what cannot be read ends the connection",
    ),
    Attack(
        "closes every file",
        """
import os
os.closerange(0, 64)
def f(x):
    return None
""",
        "the judge sees the pipe end",
    ),
]

PRETENDS = [
    Attack(
        "an object equal to everything",
        """
class Yes(object):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def f(x): return Yes()
""",
        "objects stay behind; a stand-in equals itself alone",
    ),
    Attack(
        "an integer equal to everything",
        """
class Yes(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def f(x): return Yes(0)
""",
        "a subclass crosses as the plain type: 0",
    ),
    Attack(
        "a text equal to everything",
        """
class Yes(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def f(x): return Yes('4')
""",
        "as above: '4'",
    ),
    Attack(
        "a list equal to everything",
        """
class Yes(list):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def f(x): return Yes([4])
""",
        "as above: [4]",
    ),
    Attack(
        "an object that is always true",
        """
class Yes:
    pass
def f(x): return Yes()
""",
        "a stand-in has no truth value",
        problem=TRUTH,
    ),
    Attack(
        "not a number",
        """
def f(x): return float('nan')
""",
        "comparison is the judge's own",
    ),
    Attack(
        "a mock",
        """
from unittest.mock import ANY
def f(x): return ANY
""",
        "a stand-in equals itself alone",
    ),
    Attack(
        "code in a pickle",
        """
class P:
    def __reduce__(self): return (eval, ('4',))
def f(x): return P()
""",
        "nothing is pickled",
    ),
    Attack(
        "edits its argument to fit",
        """
def f(x):
    x.clear()
    return x
""",
        "arguments are copies",
        problem=IN_PLACE,
    ),
    Attack(
        "a list that holds itself",
        """
def f(x):
    a = []
    a.append(a)
    return a
""",
        "depth is bounded",
    ),
    Attack(
        "an answer too large",
        """
def f(x): return 'a' * (17 << 20)
""",
        "the size of a message is bounded",
    ),
    Attack(
        "an answer just too deep to be sent back",
        """
def f(x):
    value = 0
    for _ in range(99): value = [value]
    return value
""",
        "what the tests cannot do with a program's answers is its failure, no fault of theirs",
        problem=ROUND_TRIP,
    ),
    Attack(
        "an answer just too large to be sent back",
        """
def f(x): return 'a' * ((16 << 20) - 25)
""",
        "as above",
        problem=ROUND_TRIP,
    ),
    Attack(
        "an integer of a million digits",
        """
def f(x): return 1 << 3_000_000
""",
        "integers cross as bytes: no time is lost, and it is wrong",
    ),
]

PATCHES = [
    Attack(
        "own `check`, own names of the judge",
        """
def check(candidate): pass
__acute_check__ = print
def f(x):
    return None
""",
        "tests stand in the judge's own names",
    ),
    Attack(
        "patches Python",
        """
import builtins
builtins.AssertionError = builtins.Exception = type('E', (BaseException,), {})
builtins.bool = builtins.isinstance = lambda *a: True
builtins.compile = builtins.exec = print
def f(x):
    return None
""",
        "the tests run in another process",
    ),
    Attack(
        "patches its own runner",
        """
import sys
runner = sys.modules['acute.verify.inside.candidate']
runner.pack = lambda *a: b'T'
runner._answer = lambda *a: True
def f(x):
    return None
""",
        "the runner is believed nothing but answers",
    ),
    Attack(
        "a stand-in for modules of the tests",
        """
import sys, types
fake = types.ModuleType('math')
fake.isclose = lambda *a, **k: True
sys.modules['math'] = fake
def f(x): return 0.0
""",
        "modules of the tests are loaded in the judge",
        problem=CLOSE,
    ),
    Attack(
        "frames and garbage",
        """
import gc, sys
frame, found = sys._getframe(), []
while frame:
    found += [*frame.f_code.co_consts, *frame.f_locals.values()]
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, (list, tuple)): found += thing
    if isinstance(thing, dict): found += thing.values()
texts = [value for value in found if isinstance(value, str)]
def f(x):
    assert int("152399025") in found or any("".join(["assert", " f("]) in text for text in texts)
    return x * x
""",
        "the tests were never in this process",
    ),
]

ON_THE_JUDGE = [*ENDS, *SAYS, *PRETENDS, *PATCHES]
