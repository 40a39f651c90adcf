"""The kinds of fault. Each takes a case, breaks it, checks what is promised, and goes on."""

import os
import random
import shutil
import signal
import subprocess
import time

from tests.faults import inject
from tests.faults.compare import Difference
from tests.faults.process import orphans


def kill_at_a_touch(case):
    """kill -9 at a moment chosen by counting what is done to the folder, in the middle of a write too."""
    ended = case.broken(case.at_a_touch(inject.kill))
    if case.struck_by(ended):
        case.ended_as_promised(ended, -signal.SIGKILL)
    case.go_on()
    return case.compared(_end_of(case))


def _end_of(case):
    return case.world.states["import"] if case.stage == "import" else None


def kill_at_a_moment(case):
    """kill -9 after a time drawn at random."""
    command = case.start()
    delay = case.rng.random() * case.world.seconds[case.stage]
    case.what = f"after {delay:.2f} s"
    time.sleep(delay)
    return killed_now(case, command)


def killed_now(case, command, patience_s=15.0):
    """kill -9 on a command on its way, if it has not just ended; then it goes on."""
    command.send(signal.SIGKILL)
    ended = command.wait()
    case.struck_by(ended)
    case.must(ended.code in (0, -signal.SIGKILL), f"exit code {ended.code}")
    case.nothing_left(patience_s)
    case.go_on()
    return case.compared(_end_of(case))


def stopped(case):
    """SIGTERM or SIGINT: an end within seconds, with 143 or 130, a word on how to go on, no traceback."""
    number = case.rng.choice((signal.SIGTERM, signal.SIGINT))
    case.what = f"{number.name} at "
    touch = case.rng.randint(1, case.world.touches[case.stage] * 3 // 4)
    case.what += f"touch {touch}"
    ended = case.broken(case.at_a_touch(inject.stop_by(number), touch))
    if case.struck_by(ended):
        case.ended_as_promised(ended, 128 + number, f"stopped by {number.name}", "to go on:")
    case.go_on()
    return case.compared(_end_of(case))


# -- what is on the disk ----------------------------------------------------------------------------


def _damage(path, rng):
    """Change a file as a bad disk or a careless program may; returns how."""
    whole = path.read_bytes()
    how = rng.choice(("a bit", "a bit", "cut", "empty", "zeros at the end"))
    if how == "a bit":
        at = rng.randrange(len(whole))
        changed = whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :]
        how = f"bit in byte {at}"
    elif how == "cut":
        changed = whole[: rng.randrange(1, len(whole))]
    elif how == "empty":
        changed = b""
    else:
        some = min(64, len(whole) // 2)
        changed = whole[:-some] + bytes(some)
        if changed == whole:
            changed = whole[:-1]
    path.write_bytes(changed)
    return how


def damaged_part(case):
    """A part changed between a kill and the resume, or replaced by a copy of another."""
    command = case.start()
    wanted = case.rng.randint(2, 3)
    case.wait_until(lambda: len(case.parts()) >= wanted, command)
    command.send(signal.SIGKILL)
    command.wait()
    case.nothing_left()
    parts = case.parts()
    if not parts:
        case.what, case.struck = "ended before a part could be damaged", False
    elif case.rng.random() < 0.25 and len(parts) > 1:
        shutil.copy(parts[0], parts[1])
        case.what = f"{parts[1].name} is a copy of {parts[0].name}"
    else:
        part = case.rng.choice(parts)
        case.what = f"{part.name}: {_damage(part, case.rng)}"
    case.go_on(*["set aside as"] if parts else [])
    if parts:
        record = (case.folder / "run.json").read_text()
        case.must(".corrupt" in record, "run.json does not say what was set aside")
    return case.compared()


REMEDY = {  # file: (what uses it, what to do as the error says)
    "prompts.parquet": ("verify", "prompts.parquet"),
    "responses.parquet": ("verify", "responses.parquet"),
    "sketch.npy": ("analyse", "sketch.json"),
    "sketch.json": ("analyse", "sketch.json"),
    "analysis.json": ("report", "analysis.json"),
}


def damaged_file(case, name):
    """A finished table, sketch or analysis is changed: refused with what to do, which mends it."""
    path, case.rng = case.folder / name, random.Random(f"{name} {case.seed}")
    case.what = f"{name}: {_damage(path, case.rng)}"
    ended = case.broken(None)
    if ended.code == 0:
        case.must(False, f"{name} was used though it was damaged")
        return case.compared()
    case.ended_as_promised(ended, 2, "is not what acute wrote", "put it back from a copy")
    if name == "analysis.json":
        case.go_on(command=["analyse", case.folder])
    else:
        (case.folder / REMEDY[name][1]).unlink()
        case.go_on(command=["run", "--out", case.folder])
    return case.compared()


def disk_full(case):
    """From a drawn touch on every write fails with ENOSPC; then there is room again."""
    ended = case.broken(case.at_a_touch(inject.disk_full))
    if case.struck_by(ended):
        case.ended_as_promised(ended, 4, "No space left on device")
    case.go_on()
    return case.compared(_end_of(case))


def small_disk(case):
    """A real file system of a drawn size (root alone may mount one), made larger afterwards."""
    shutil.rmtree(case.folder, ignore_errors=True)
    case.folder.mkdir()
    pages = case.rng.randint(4, 60)
    case.what = f"{pages * 4} KiB"
    mount = ["mount", "-t", "tmpfs", "-o", f"size={pages * 4}k", "tmpfs", str(case.folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        case.what, case.struck = "not mounted: wanted root", False
        return Difference()
    try:
        run = ["run", case.world.config, "--out", case.folder]
        ended = case.start(arguments=run).wait()
        if case.struck_by(ended):
            case.ended_as_promised(ended, 4, "No space left on device")
        subprocess.run(["mount", "-o", "remount,size=64m", str(case.folder)], check=True)
        case.go_on(command=run)
        return case.compared()
    finally:
        orphans(0)
        subprocess.run(["umount", "-l", str(case.folder)], check=False)


def file_limit(case):
    """The system refuses files beyond a drawn size (RLIMIT_FSIZE)."""
    import resource

    limit = case.rng.choice((512, 2048, 6000))
    case.what = f"files of at most {limit} bytes"

    def fault():
        # the log of the command itself is such a file too, hence this little
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = case.broken(fault)
    if case.struck_by(ended):
        case.ended_as_promised(ended, 4, "File too large")
    case.go_on()
    return case.compared()


# -- memory, numbers, model -------------------------------------------------------------------------


def out_of_memory(case):
    """MemoryError at a drawn touch."""
    ended = case.broken(case.at_a_touch(inject.out_of_memory))
    if case.struck_by(ended):
        case.ended_as_promised(ended, 4)
    case.go_on()
    return case.compared(_end_of(case))


def no_memory_for_tensors(case):
    """torch finds no memory from a drawn forward pass on."""
    nth = case.rng.randint(1, case.world.passes[case.stage])
    case.what = f"forward pass {nth}"
    ended = case.broken(inject.broken_forward(nth, inject.no_memory_for_tensors))
    if case.struck_by(ended):
        case.ended_as_promised(ended, 4, "memory")
    case.go_on()
    return case.compared()


def not_finite(case, change, what):
    """Logits or gradients that are no numbers: refused, naming stage, prompt and response."""
    nth = case.rng.randint(1, case.world.passes[case.stage])
    case.what = f"{what} from forward pass {nth} on"
    ended = case.broken(inject.broken_forward(nth, change))
    case.ended_as_promised(ended, 4, case.stage, "prompt 'p", "response 'p")
    case.go_on()
    return case.compared()


def other_model(case):
    """The weights change in the middle of a stage: refused; with the former ones it goes on."""
    if case.stage == "rollout":
        command = case.start()
        case.wait_until(lambda: case.parts(), command)
        command.send(signal.SIGKILL)
        command.wait()
        case.nothing_left()
    weights = case.world.model / "model.safetensors"
    former = weights.read_bytes()
    changed = bytearray(former)
    for at in range(len(changed) // 2, len(changed), 4):  # the half of all numbers, by a sign
        changed[at + 3] ^= 0x80
    weights.write_bytes(bytes(changed))
    try:
        ended = case.broken(None)
        case.ended_as_promised(ended, 2, "now holds")
    finally:
        weights.write_bytes(former)
    case.go_on()
    return case.compared()


# -- other processes --------------------------------------------------------------------------------


def killed_worker(case):
    """A process that verifies (a worker, a sandbox, a judge in it) is killed; the command itself goes on."""
    command = case.start()
    delay = case.rng.random() * 0.8 * case.world.seconds[case.stage]
    time.sleep(delay)
    workers = []
    case.wait_until(lambda: workers.extend(command.workers()) or workers, command)
    case.what, case.struck = f"after {delay:.2f} s: none was there", bool(workers)
    if workers:
        victim = case.rng.choice(workers)
        try:
            case.what = f"after {delay:.2f} s: {' '.join(['python', *victim.cmdline()[1:]])[:40]}"
            victim.kill()
        except Exception as error:  # noqa: BLE001 - it may end at any moment
            case.what += f" ({type(error).__name__})"
    case.ended_as_promised(command.wait(), 0)
    return case.compared()


def two_at_once(case):
    """Commands started together on one folder: one works, the others say so and change nothing."""
    commands = [case.start() for _ in range(3)]
    case.what = "three together"
    ends = [command.wait() for command in commands]
    case.nothing_left()
    codes = sorted(end.code for end in ends)
    case.must(0 in codes and set(codes) <= {0, 2}, f"exit codes {codes}")
    refused = [end for end in ends if end.code == 2]
    for end in refused:
        case.must("another process" in end.last, f"said {end.last[:200]}")
    case.go_on()
    return case.compared()


def late_comer(case):
    """A second command comes while the first one works."""
    first = case.start()
    case.wait_until(lambda: case.parts(), first)
    second = case.start()
    end, late = first.wait(), second.wait()
    case.what = f"the second one ended with {late.code}"
    case.must(late.code in (0, 2), f"exit code {late.code}: {late.last[:200]}")
    if late.code == 2:
        case.must("another process works on" in late.last, f"said {late.last[:200]}")
    case.ended_as_promised(end, 0)
    return case.compared()


def jumping_clock(case):
    """The time of day jumps, and the files get random dates between a kill and the resume."""
    jump = inject.jumping_clock(case.seed)
    touches = case.at_a_touch(inject.kill)

    def fault():
        jump()
        touches()

    case.struck_by(case.broken(fault))
    case.nothing_left()
    for path in case.folder.rglob("*"):
        when = case.rng.uniform(0, 2e9)
        os.utime(path, (when, when))
    began = time.monotonic()
    ended = case.start(jump).wait()
    case.ended_as_promised(ended, 0)
    import json

    seconds = json.loads((case.folder / "run.json").read_text())["stages"][case.stage]["seconds"]
    case.must(0 <= seconds <= time.monotonic() - began + 1, f"the stage took {seconds} s by its own word")
    return case.compared()


# -- ranks ------------------------------------------------------------------------------------------


def _ranks(case, size, faults=()):
    """`acute score` on ranks, ended as torchrun ends them: when one fails the others get SIGTERM."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    commands = [
        case.start(dict(faults).get(rank), {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(size)
    ]
    return commands


def _end_ranks(commands):
    """Wait for ranks; returns how each ended."""
    from tests.faults.case import alive

    waiting, ends = dict(enumerate(commands)), {}
    while waiting:
        for rank in [rank for rank, command in waiting.items() if not alive(command)]:
            ends[rank] = waiting.pop(rank).wait()
            if ends[rank].code != 0:
                for command in waiting.values():
                    command.send(signal.SIGTERM)
        time.sleep(0.01)
        if waiting and time.monotonic() - commands[0].began > 170:
            for command in waiting.values():
                command.send(signal.SIGKILL)
    return [ends[rank] for rank in range(len(commands))]


def killed_rank(case):
    """kill -9 on one rank at a drawn touch; the job goes on with another number of ranks."""
    size, victim = case.rng.choice(((2, 0), (2, 1), (3, 2), (2, 1)))
    nth = case.rng.randint(1, case.world.touches["score"] // size)
    case.what = f"rank {victim} of {size}, touch {nth}"
    fault = case.at_a_touch(inject.kill, nth)
    began = time.monotonic()
    ends = _end_ranks(_ranks(case, size, {victim: fault}.items()))
    seconds = time.monotonic() - began
    if case.struck_by(ends[victim]):
        for end in (end for rank, end in enumerate(ends) if rank != victim):
            ways = (0, 4, 143, -signal.SIGTERM)  # the last: before it had begun to listen
            case.must(end.code in ways, f"another rank ended with {end.code}: {end.last[:200]}")
            case.must("Traceback" not in end.err, f"another rank's traceback: {end.last[:200]}")
    case.must(seconds < 120, f"the job ended after {seconds:.0f} s")
    case.nothing_left()
    again = case.rng.choice((1, 2))
    case.what += f", then {again}"
    if again == 1:
        case.go_on()
    else:
        ends = _end_ranks(_ranks(case, again))
        codes = [end.code for end in ends]
        case.must(codes == [0] * again, f"resumed ranks ended with {codes}: {ends[0].last[:200]}")
        case.nothing_left()
    return case.compared()


def damaged_part_of_ranks(case):
    """A part is damaged between two jobs of ranks."""
    first = case.start(case.at_a_touch(inject.kill, case.world.touches["score"] // 2))
    first.wait()
    parts = case.parts()
    part = case.rng.choice(parts)
    case.what = f"{part.name}: {_damage(part, case.rng)}"
    ends = _end_ranks(_ranks(case, 2))
    codes = [end.code for end in ends]
    case.must(codes == [0, 0], f"ranks ended with {codes}: {ends[0].last[:200]}")
    case.must(any("set aside" in end.err for end in ends), "no rank said that it was set aside")
    case.must(".corrupt" in (case.folder / "run.json").read_text(), "run.json does not say it")
    case.nothing_left()
    return case.compared()
