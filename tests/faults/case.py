"""One fault: a command broken by it, what it must say then, the same command again, and the comparison."""

import random
import shutil
import signal
import time
from dataclasses import dataclass, field

from tests.faults import inject
from tests.faults.compare import Difference, difference, difference_of_trainings
from tests.faults.process import orphans, start
from tests.faults.world import after, before, command_of, small_parts

CLEAN_END_S = 30  # a signal must end a command by then on a busy machine; on a free one it takes a moment


@dataclass
class Case:
    """A seeded fault in one stage of a world."""

    world: object
    stage: str
    kind: str
    seed: int
    faults: list = field(default_factory=list)
    what: str = ""
    struck: bool = True
    state: str | None = None

    def __post_init__(self):
        self.rng = random.Random(f"{self.kind} {self.stage} {self.seed}")
        self.folder = self.world.base / "cases" / f"{self.kind}-{self.stage}-{self.seed}".replace(" ", "-")
        self.logs = self.folder.with_suffix(".logs")
        state = self.state or before(self.stage)
        self.folder.parent.mkdir(exist_ok=True)
        if state is not None:
            self.world.copy(state, self.folder)

    # -- running ------------------------------------------------------------------------------------

    @property
    def command(self):
        """The command of the stage."""
        return command_of(self.stage, self.world, self.folder)

    def start(self, fault=None, environment=None, arguments=None):
        """The command on its way, `fault` in it."""
        return start(arguments or self.command, self.logs, after(small_parts, fault), environment)

    def at_a_touch(self, act, nth=None):
        """A fault at some touch of the folder, drawn unless given."""
        nth = nth or self.rng.randint(1, self.world.touches[self.stage])
        self.what = self.what or f"touch {nth} of {self.world.touches[self.stage]}"
        return inject.Touches(self.folder, act, nth)

    def broken(self, fault):
        """The command to its end with a fault in it."""
        return self.start(fault).wait()

    def struck_by(self, ended):
        """Whether the fault came before the command had ended by itself."""
        self.struck = ended.code != 0
        return self.struck

    def must(self, kept, promise):
        """Note a promise that was not kept."""
        if not kept:
            self.faults.append(promise)

    def ended_as_promised(self, ended, code, *words):
        """An exit code, one line of ours at the end, no traceback, and nothing left running."""
        self.must(ended.code == code, f"exit code {ended.code}, not {code}: {ended.last[:200]}")
        self.must("Traceback" not in ended.err, f"a traceback: {ended.last[:200]}")
        if code not in (0, -signal.SIGKILL):
            self.must(ended.last.startswith("acute: "), f"not our line: {ended.last[:200]}")
        for word in words:
            self.must(word in " ".join(ended.err.split()), f"did not say {word!r}: {ended.last[:200]}")
        self.nothing_left()

    def nothing_left(self, patience_s=15.0):
        """No process of the case runs on for longer than that."""
        if left := orphans(patience_s):
            self.must(False, f"left running: {left[0]}")

    # -- the end ------------------------------------------------------------------------------------

    def go_on(self, *words, command=None):
        """The same command again, to its end."""
        ended = self.start(arguments=command).wait()
        self.ended_as_promised(ended, 0, *words)
        return ended

    def compared(self, wanted=None):
        """What differs from the unbroken run once all that follows is done too."""
        if self.stage == "train":
            return difference_of_trainings(self.folder, self.world.states["train"])
        if wanted is None:
            wanted = self.world.states.get("report", self.world.states.get("verify"))
        if (wanted / "analysis.json").exists():
            ended = self.start(arguments=["analyse", self.folder]).wait()
            self.must(ended.code == 0, f"acute analyse ended with {ended.code}: {ended.last[:200]}")
        try:
            return difference(self.folder, wanted)
        except (OSError, ValueError, KeyError) as error:
            return Difference(lost=1, where=f"not readable: {error}")

    def wait_until(self, reached, running):
        """Look often until `reached`, or the command has ended."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not reached():
            if not alive(running):
                return False
            time.sleep(0.002)
        return True

    def parts(self, stage=None):
        """The finished parts that are there."""
        return sorted((self.folder / ".parts").glob(f"{stage or self.stage}-*.sealed"))

    def kept_apart(self):
        """Remove what the case has written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def alive(command):
    """Whether a command still runs."""
    import os

    return os.waitid(os.P_PID, command.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
