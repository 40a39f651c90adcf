"""Faults that happen inside a command: at its n-th touch of the run folder, or in the model itself."""

import errno
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Touch(NamedTuple):
    """What is about to happen to a file; `file` is the descriptor of one about to be synced."""

    event: str
    is_write: bool
    file: int | None = None


class Touches:
    """Counts what a command does to files of a folder, reads and writes, and calls `act` from the n-th on.

    Python's audit events come before the deed, so an exception stops it; `os.fsync` has none and is wrapped.
    `count_to` takes the number of touches at the end.
    """

    def __init__(self, folder, act, first=None, count_to=None):
        self.folder, self.act, self.first = str(folder), act, first
        self.count, self.count_to, self.busy = 0, count_to, False

    def __call__(self):
        """Begin; in the process of the command."""
        sys.addaudithook(self._heard)
        plain = os.fsync

        def fsync(file):
            if str(Path(f"/proc/self/fd/{file}").readlink()).startswith(self.folder):
                self._touched(Touch("fsync", True, file))
            plain(file)

        os.fsync = fsync

    def _heard(self, event, arguments):
        if self.busy or event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir"):
            return
        if isinstance(arguments[0], str | os.PathLike) and str(arguments[0]).startswith(self.folder):
            self._touched(Touch(event, event != "open" or bool((arguments[2] or 0) & WRITES)))

    def _touched(self, touch):
        self.count += 1
        self.busy = True
        try:
            if self.count_to is not None:
                self.count_to.write_text(str(self.count))
            if self.first is not None and self.count >= self.first:
                self.act(touch)
        finally:
            self.busy = False


def kill(touch):
    """kill -9, in the middle of a file if it is being written."""
    if touch.file is not None:
        os.ftruncate(touch.file, os.fstat(touch.file).st_size // 2)
    os.kill(os.getpid(), signal.SIGKILL)


def stop_by(number):
    """A signal from outside, once."""
    sent = []

    def act(_):
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), number)

    return act


def disk_full(touch):
    """From here on nothing more can be written; removing works."""
    if touch.is_write and touch.event not in ("os.remove", "os.listdir"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def out_of_memory(_):
    """Python's own."""
    raise MemoryError


def broken_forward(nth, change):
    """In the process of the command: `change` a model's output from its n-th forward pass on."""

    def install():
        from transformers import LlamaForCausalLM

        plain, calls = LlamaForCausalLM.forward, []

        def forward(self, *arguments, **named):
            calls.append(1)
            out = plain(self, *arguments, **named)
            return change(out) if len(calls) >= nth else out

        LlamaForCausalLM.forward = forward

    return install


def counted_forward(count_to):
    """In the process of the command: a file says how many forward passes there were so far."""
    calls = []

    def counted(out):
        calls.append(1)
        count_to.write_text(str(len(calls)))
        return out

    return broken_forward(1, counted)


def logits_with(value):
    """One row's logits hold `value` at one place."""

    def change(out):
        out.logits = out.logits.clone()
        out.logits[-1, -1, 3] = value
        return out

    return change


def gradients_of_nan(out):
    """Logits are as they should be, and their gradients NaN."""
    if out.logits.requires_grad:
        out.logits.register_hook(lambda gradient: gradient * float("nan"))
    return out


def no_memory_for_tensors(_):
    """What torch says on a processor."""
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 17179869184 bytes. Error code 12 (Cannot allocate memory)"
    )


def jumping_clock(seed):
    """In the process of the command: the time of day jumps by up to a fortnight, back too, at each look."""

    def install():
        rng, plain = random.Random(seed), time.time
        time.time = lambda: plain() + rng.uniform(-1.2e6, 1.2e6)

    return install
