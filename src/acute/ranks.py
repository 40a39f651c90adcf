"""The processes that torchrun started, as the stages see them; a lone process is rank 0 of 1.

Prompts are split over ranks by cost. What each rank measures it writes as parts of the run folder, which
all ranks share; only small things travel between them.
"""

import heapq
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from acute.errors import InputError, OutsideError

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = timedelta(days=30)  # a rank may wait for another as long as that one lives: torchrun ends the rest


@dataclass(frozen=True)
class Ranks:
    """This process among those of one job."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process keeps the books."""
        return self.rank == 0

    def share(self, cost: Sequence[float]) -> list[int]:
        """The indices that are this rank's, in order: the costliest first to whoever has least so far.

        Every index belongs to exactly one rank, the same on every rank.
        """
        load = [(0.0, rank) for rank in range(self.size)]
        mine = []
        for index in sorted(range(len(cost)), key=lambda i: (-cost[i], i)):
            total, rank = heapq.heappop(load)
            heapq.heappush(load, (total + cost[index], rank))
            if rank == self.rank:
                mine.append(index)
        return sorted(mine)

    def told(self, by_first: Any) -> Any:
        """What rank 0 says, on every rank."""
        return self.gathered(by_first)[0]

    def merged(self, facts: dict[Any, Any]) -> dict[Any, Any]:
        """The facts of all ranks in one dictionary, on every rank."""
        return {key: value for some in self.gathered(facts) for key, value in some.items()}

    def gathered(self, fact: Any) -> list[Any]:
        """What each rank says, in order, on every rank; each goes on once all have spoken."""
        return [fact] if self.size == 1 else self._exchanged(fact)

    def sum(self, tensors: Iterable["Tensor"]) -> None:
        """Replace each tensor by its sum over the ranks."""
        if self.size > 1:
            import torch.distributed as dist

            with others_there():
                for tensor in tensors:
                    dist.all_reduce(tensor)

    def _exchanged(self, fact: Any) -> list[Any]:
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        with others_there():
            dist.all_gather_object(found, fact)
        return found


@contextmanager
def others_there() -> Iterator[None]:
    """OutsideError where another rank is gone: gloo says so in a RuntimeError, NCCL in a DistError."""
    try:
        yield
    except RuntimeError as error:
        import torch.distributed as dist

        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise  # what went wrong is this rank's own
        raise OutsideError(
            f"another rank has ended (its own words say why); what is measured is kept, start the same "
            f"command again: {str(error).splitlines()[0][:120]}"
        ) from error


ALONE = Ranks()


def _connected() -> Ranks | None:
    """The ranks that are connected already, if any are."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return None
    return Ranks(dist.get_rank(), dist.get_world_size())


@contextmanager
def launched() -> Iterator[Ranks]:
    """The ranks of this job, connected for the length of the block (gloo, and NCCL beside it on GPUs).

    Those that a launcher has connected already (Ray Train) are taken, and left, as they are.
    """
    if "torch" in sys.modules and (found := _connected()) is not None:
        yield found
        return
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if size == 1:
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Ranks(rank, size)
    finally:
        dist.destroy_process_group()


def refuse_ranks(command: str) -> None:
    """InputError if torchrun started this command, which is made for one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            f"acute {command} is one process: wanted it without torchrun (acute score and acute train share "
            f"their work over ranks)"
        )
