"""The finished parts of a stage: a killed run goes on after them.

Each part is written whole or not at all, with a checksum and with a word on what it was made of. One that
does not match its checksum is set aside as `*.corrupt` and said on standard error, and is not there then: the
stage makes it again.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from acute.checksum import Damaged, seal, unseal
from acute.errors import OutsideError
from acute.table import write_atomically

SEALED, CORRUPT = ".sealed", ".corrupt"


class Parts:
    """Parts of one stage, by index. `len` counts those that are there."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder, self.stage = folder, stage

    def path(self, index: int) -> Path:
        """Where a part stands."""
        return self.folder / f"{self.stage}-{index:06d}{SEALED}"

    def indices(self) -> list[int]:
        """Which parts are there, in order."""
        names = (path.stem for path in self.folder.glob(f"{self.stage}-*{SEALED}"))
        return sorted(int(name.rsplit("-", 1)[1]) for name in names)

    def __len__(self) -> int:
        return len(self.indices())

    def write(self, index: int, content: bytes, made_of: str = "") -> None:
        """Keep a part. Raises OutsideError if the system refuses."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutsideError(f"could not make {self.folder}: {error.strerror}") from error
        write_atomically(self.path(index), seal(content, f"{self.stage} {index} {made_of}"))

    def read(self, index: int, made_of: str = "") -> bytes | None:
        """A part's content; None if it is not there, was made of something else, or is damaged."""
        found = self._sound(index)
        return found[1] if found is not None and found[0] == made_of else None

    def lacking(self, made_of: Sequence[str]) -> list[int]:
        """The indices, from 0, whose part is not there as made of that."""
        return [index for index, wanted in enumerate(made_of) if self.read(index, wanted) is None]

    def made_of(self, index: int) -> str | None:
        """What a part was made of; None if it is not there or damaged."""
        found = self._sound(index)
        return None if found is None else found[0]

    def contents(self, some: Iterable[int] | None = None) -> Iterator[bytes]:
        """Some parts, or all in order, one in memory at a time. OutsideError for one damaged meanwhile."""
        for index in self.indices() if some is None else some:
            found = self._sound(index)
            if found is None:
                raise OutsideError(
                    f"{self.path(index)} was damaged while {self.stage} ran: start the same command again, "
                    f"it makes this part anew"
                )
            yield found[1]

    def clear(self) -> None:
        """Remove them all."""
        for index in self.indices():
            self.path(index).unlink(missing_ok=True)

    def set_aside(self) -> list[str]:
        """The names of the damaged parts that were found so far."""
        return sorted(path.name for path in self.folder.glob(f"{self.stage}-*{CORRUPT}"))

    def _sound(self, index: int) -> tuple[str, bytes] | None:
        path, place = self.path(index), f"{self.stage} {index} "
        try:
            made_of, content = unseal(path.read_bytes())
            if not made_of.startswith(place):  # another part's copy
                raise Damaged
            return made_of.removeprefix(place), content
        except FileNotFoundError:
            return None
        except Damaged:
            aside = path.with_suffix(CORRUPT)
            path.replace(aside)
            print(
                f"acute: {path} does not match its checksum: set aside as {aside.name}, made again",
                file=sys.stderr,
            )
            return None
