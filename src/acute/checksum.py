"""Checksums: what is read is what was written.

A part of a stage carries its own, sealed in with its content. Those of finished files stand in `run.json`
under `files`; a file that run.json does not know, of an older version or made by hand, is not checked.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from acute.errors import InputError

SIZE = 16  # bytes
_AGAIN = "the same source and seed make it again"
REMEDIES = {
    "prompts.parquet": f"or remove it and start acute run again: {_AGAIN}",
    "responses.parquet": f"or remove it and start acute run again: {_AGAIN}",
    "sketch.json": "or remove it and start acute score again",
    "sketch.npy": "or remove sketch.json and start acute score again",
    "sketch_exponent.npy": "or remove sketch.json and start acute score again",
    "analysis.json": "or start acute analyse again",
}


class Damaged(Exception):
    """A sealed content is not what was sealed."""


class Sealed(NamedTuple):
    """A content and what it was made of, as `seal` put them together."""

    made_of: str
    content: bytes


def digest(content: bytes) -> str:
    """The checksum of some bytes, in hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=SIZE).hexdigest()


def digest_of(path: Path) -> str:
    """The checksum of a file, never whole in memory. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=SIZE)).hexdigest()


def seal(content: bytes, made_of: str) -> bytes:
    """`content` behind a line with the checksum of all that follows; `made_of` is text without line ends."""
    if "\n" in made_of:
        raise ValueError(f"wanted one line, found {made_of!r}")
    sealed = made_of.encode() + b"\n" + content
    return digest(sealed).encode() + b"\n" + sealed


def unseal(found: bytes) -> Sealed:
    """What was sealed. Raises Damaged if it is cut, longer or changed in any bit."""
    head, _, sealed = found.partition(b"\n")
    if head.decode("latin-1") != digest(sealed):
        raise Damaged
    made_of, _, content = sealed.partition(b"\n")
    return Sealed(made_of.decode(), content)


def refuse_damaged(folder: Path, *names: str) -> None:
    """InputError if a file of a run folder is not as acute left it, with what to do.

    A file that is not there, or that run.json knows no checksum of, passes.
    """
    for name in names:
        path = folder / name
        known = _known(folder).get(name)
        if known and path.exists() and digest_of(path) not in known:
            raise InputError(
                f"{path} is not what acute wrote (its checksum differs): put it back from a copy, "
                f"{REMEDIES.get(name, 'or make it again')}; if you changed it on purpose, remove its line "
                f'under "files" in {folder / "run.json"}'
            )


def _known(folder: Path) -> dict[str, list[str]]:
    """The checksums that run.json holds now; none where there is no record."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    files = record.get("files", {}) if isinstance(record, dict) else {}
    return files if isinstance(files, dict) else {}
