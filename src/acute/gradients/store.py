"""Where sketches stand: `sketch.npy` (N, M, O, D) beside `sketch.json`, which says what they are.

In half precision each sketch is divided by a power of two, kept in `sketch_exponent.npy` (N, M, O): sums of
gradients may be of any size, and float16 ends at 65,504.
"""

import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.checksum import digest, digest_of, refuse_damaged
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


def read_part(content: bytes) -> tuple[NDArray[np.float32], dict[str, float]]:
    """What `part_bytes` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as part:
        names, values = part["response_id"].tolist(), part["logprob"].tolist()
        return part["sums"], dict(zip(names, values, strict=True))


class Halved:
    """Sketches that stand in half precision; `rows[index]` gives some of them in float32.

    >>> sums = np.array([[[[3e6, -1.0]]]], np.float32)
    >>> Halved(*halved(sums))[0:1].tolist()
    [[[[3000000.0, 0.0]]]]
    """

    dtype = np.dtype(np.float32)

    def __init__(self, half: NDArray[np.float16], exponent: NDArray[np.int16]) -> None:
        self.half, self.exponent, self.shape = half, exponent, half.shape

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """The rows asked for, copied into memory."""
        whole = self.half[key].astype(np.float32)
        return np.asarray(np.ldexp(whole, self.exponent[key][..., None]))


def halved(sums: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float16], NDArray[np.int16]]:
    """Sketches (…, D) as numbers below 2^15 in half precision, and the exponents (…) taken out of them."""
    largest = np.abs(sums).max(-1)
    exponent = np.where(largest > 0, np.frexp(largest)[1] - 15, 0).astype(np.int16)
    return np.ldexp(sums, -exponent[..., None]).astype(np.float16), exponent


def _forget(name: str, checksum: str) -> None:
    """Take no note of a checksum."""


def write_sketches(
    folder: Path,
    sums: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    facts: dict[str, Any],
    expect: Callable[[str, str], None] = _forget,
) -> None:
    """Write sketch.npy row by row, never whole in memory, then sketch.json; both appear only when whole.

    In half precision if the facts say `sketch_dtype` float16. `expect` is told each file's name and checksum
    before it appears.
    """
    half = facts.get("sketch_dtype") == "float16"
    exponents = np.zeros(shape[:3], np.int16)
    part = folder / ".sketch.npy.part"
    kind = "<f2" if half else "<f4"
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    try:
        with part.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            for i, row in enumerate(sums):
                kept: NDArray[Any] = row
                if half:
                    kept, exponents[i] = halved(row)
                file.write(np.ascontiguousarray(kept, kind).tobytes())
            file.flush()
            os.fsync(file.fileno())
        expect("sketch.npy", digest_of(part))
        part.replace(folder / "sketch.npy")
    except OSError as error:
        part.unlink(missing_ok=True)
        raise could_not_write(folder / "sketch.npy", error) from error
    if half:
        buffer = io.BytesIO()
        np.save(buffer, exponents)
        expect("sketch_exponent.npy", digest(buffer.getvalue()))
        write_atomically(folder / "sketch_exponent.npy", buffer.getvalue())
    said = json.dumps(facts, indent=1).encode()
    expect("sketch.json", digest(said))
    write_atomically(folder / "sketch.json", said)


def read_sketches(folder: Path) -> tuple[NDArray[np.float32] | Halved, dict[str, Any]]:
    """The sketches, mapped from disk, and what sketch.json says of them. Raises InputError."""
    refuse_damaged(folder, "sketch.json", "sketch.npy", "sketch_exponent.npy")
    try:
        facts = json.loads((folder / "sketch.json").read_text(encoding="utf-8"))
        sums = np.load(folder / "sketch.npy", mmap_mode="r", allow_pickle=False)
        if sums.dtype == np.float16:
            exponent = np.load(folder / "sketch_exponent.npy", allow_pickle=False)
            return Halved(sums, exponent), facts
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} has no sketches that can be read ({error}): run acute score first"
        ) from None
    return sums, facts
