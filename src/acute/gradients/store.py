"""Where sketches stand: `sketch.npy` (N, M, O, D) float32 beside `sketch.json`, which says what they are."""

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.errors import InputError
from acute.table import could_not_write, write_atomically


def part_bytes(sums_MOD: NDArray[np.floating[Any]], logprob: dict[str, float]) -> bytes:
    """One prompt's sums and its responses' scorer log-probabilities, as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        sums=sums_MOD.astype(np.float32),
        response_id=np.array(list(logprob)),
        logprob=np.array(list(logprob.values())),
    )
    return buffer.getvalue()


def read_part(path: Path) -> tuple[NDArray[np.float32], dict[str, float]]:
    """What `part_bytes` wrote."""
    with np.load(path, allow_pickle=False) as part:
        names, values = part["response_id"].tolist(), part["logprob"].tolist()
        return part["sums"], dict(zip(names, values, strict=True))


def write_sketches(
    folder: Path, sums: Iterable[NDArray[np.float32]], shape: tuple[int, ...], facts: dict[str, Any]
) -> None:
    """Write sketch.npy row by row, never whole in memory, then sketch.json; both appear only when whole."""
    part = folder / ".sketch.npy.part"
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    try:
        with part.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            for row in sums:
                file.write(np.ascontiguousarray(row, "<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / "sketch.npy")
    except OSError as error:
        part.unlink(missing_ok=True)
        raise could_not_write(folder / "sketch.npy", error) from error
    write_atomically(folder / "sketch.json", json.dumps(facts, indent=1).encode())


def read_sketches(folder: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The sketches, mapped from disk, and what sketch.json says of them. Raises InputError."""
    try:
        facts = json.loads((folder / "sketch.json").read_text(encoding="utf-8"))
        sums = np.load(folder / "sketch.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} has no sketches that can be read ({error}): run acute score first"
        ) from None
    return sums, facts
