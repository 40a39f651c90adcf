"""How much memory is free for a pass: on its GPU, or in main memory within the limits of control groups."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

ROOT = Path("/")


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process may still take on a device; None where the system does not tell.

    Processes that torchrun started on one machine share its main memory evenly.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    found = [free for free in (_available(), *_left_in_groups()) if free is not None]
    return min(found) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if found else None


def _number(path: Path, key: str = "") -> int | None:
    """The number in a file, or the one after `key`; None if there is none."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    words = next((line for line in lines if not key or line[:1] == [key]), [])
    number = words[1 if key else 0] if len(words) > bool(key) else ""
    return int(number) if number.isdigit() else None


def _available() -> int | None:
    kib = _number(ROOT / "proc/meminfo", "MemAvailable:")
    return None if kib is None else kib * 2**10


def _left_in_groups() -> Iterator[int]:
    """What each limit on this process leaves, of both versions of control groups; caches can be let go of."""
    try:
        groups = (ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, used, cache = "", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, used = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        within = PurePosixPath(path.lstrip("/"))
        for part in (within, *within.parents):
            group = ROOT / "sys/fs/cgroup" / base / part
            most, taken = _number(group / limit), _number(group / used)
            if most is not None and taken is not None:
                yield max(0, most - taken + (_number(group / "memory.stat", cache) or 0))
