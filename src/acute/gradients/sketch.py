"""A signed-fold sketch: a gradient of any size as D numbers whose inner products are unbiased.

Each parameter is cut into pieces of D numbers; piece r is multiplied by seeded signs, rolled by a seeded
shift and added to the sketch. Then E⟨Sx, Sy⟩ = ⟨x, y⟩ over the seed, with an error in cosines of about
1/√D. The roll matters: without it equal columns of a matrix meet in the same bucket.

The signs of one piece are a stretch of one long seeded sign vector, times a sign of the piece's own:
nothing the size of the model is kept, and folding reads the gradient once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from acute.gradients.sharded import whole
from acute.gradients.tiles import in_tiles

BATCHED_ON = {"cuda"}  # where a kernel a piece would be mostly its launch; a CPU's caches like single pieces
BATCH = 2**22  # numbers of whole pieces that are folded at once, on the way several times over


def _generator(seed: int, label: str) -> torch.Generator:
    """A generator of its own for every (seed, label), the same on every machine."""
    digest = hashlib.blake2b(f"{seed}:{label}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)


def _signs(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (count,), generator=generator).mul_(2).sub_(1).float()


@dataclass(frozen=True)
class _Pieces:
    """Where the pieces of one parameter go: shift into the sketch, offset into the signs, own sign."""

    shift: list[int]
    offset: list[int]
    sign: list[float]
    _beside: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor, Tensor]] = field(
        default_factory=dict, init=False, compare=False
    )

    def on(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shifts, offsets and signs as tensors beside another; they travel once."""
        key = like.device, like.dtype
        if key not in self._beside:
            shift, offset = torch.tensor([self.shift, self.offset], device=like.device)
            self._beside[key] = shift, offset, torch.tensor(self.sign).to(like)
        return self._beside[key]


class Sketch:
    """The sketch of gradients over named parameters. The same names, seed and size give the same sketch.

    With `scale`, a tensor a parameter, gradients are multiplied by it first: inner products are then those of
    the metric with scale² on its diagonal.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, Tensor]],
        size: int,
        seed: int,
        scale: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.size, self.scale = size, scale
        self.names: list[str] = []
        self._pieces: list[_Pieces] = []
        self._signs = {(torch.device("cpu"), torch.float32): _signs(2 * size, _generator(seed, "signs"))}
        for name, parameter in parameters:
            generator = _generator(seed, name)
            count = -(-parameter.numel() // size)
            shift, offset = torch.randint(0, size, (2, count), generator=generator).tolist()
            self.names.append(name)
            self._pieces.append(_Pieces(shift, offset, _signs(count, generator).tolist()))

    def signs_beside(self, like: Tensor) -> Tensor:
        """The long sign vector where another tensor is, in its precision; it travels once."""
        key = like.device, like.dtype
        if key not in self._signs:
            self._signs[key] = next(iter(self._signs.values())).to(like)
        return self._signs[key]

    def fold(self, gradients: Iterable[Tensor | None]) -> Tensor:
        """Sketch of one gradient, shape (D,): one tensor a parameter, in their order; None is zero.

        float64 gradients give a float64 sketch, all others float32.
        """
        total = _Sum(self)
        for index, (_, gradient) in enumerate(zip(self.names, gradients, strict=True)):
            if gradient is not None:
                total.add(index, gradient)
        return total.take()

    @contextmanager
    def during_backward(
        self, model: nn.Module, parameters: Mapping[str, nn.Parameter]
    ) -> Iterator[Callable[[], Tensor]]:
        """Within the block each gradient is folded and dropped as soon as a backward pass has made it.

        Yields a function that returns the sketch of all gradients since it was last called, and starts anew.
        No gradient of the model's size is ever held; those of linear layers and embeddings not even whole
        (see `tiles`). `parameters` are those of this sketch, in their order; forward and backward passes
        of `model` belong inside the block.
        """
        total = _Sum(self)

        def fold_at(index: int) -> Callable[[Tensor], None]:
            def fold(parameter: Tensor) -> None:
                if parameter.grad is not None:
                    total.add(index, parameter.grad)
                parameter.grad = None

            return fold

        with ExitStack() as stack:
            for index, parameter in enumerate(parameters.values()):
                hook = parameter.register_post_accumulate_grad_hook(fold_at(index))
                stack.callback(hook.remove)
            take = {p: partial(total.add_rows, index) for index, p in enumerate(parameters.values())}
            stack.enter_context(in_tiles(model, take))
            yield total.take


class _Sum:
    """A sketch in the making, twice as long: the rolled pieces are wrapped once, at the end."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.wide: Tensor | None = None

    def _ready(self, gradient: Tensor) -> Tensor:
        """The gradient, flat and in the sketch's precision; `wide` and `signs` are there afterwards."""
        flat = gradient.detach().flatten()
        flat = flat if flat.dtype == torch.float64 else flat.float()
        if self.wide is None:
            self.wide = torch.zeros(2 * self.sketch.size, dtype=flat.dtype, device=flat.device)
            self.signs = self.sketch.signs_beside(self.wide)
        return flat

    def _scale(self, index: int) -> Tensor | None:
        return None if self.sketch.scale is None else whole(self.sketch.scale[self.sketch.names[index]])

    def add(self, index: int, gradient: Tensor) -> None:
        """Add the gradient of one parameter."""
        scale = self._scale(index)
        self._add_stretch(index, 0, self._ready(gradient if scale is None else gradient * scale))

    def add_rows(self, index: int, rows: Tensor | slice, gradient: Tensor) -> None:
        """Add a share of a matrix's gradient: that of some of its rows, each row at most once."""
        scale = self._scale(index)
        flat = self._ready(gradient if scale is None else gradient * scale[rows])
        if isinstance(rows, slice):
            self._add_stretch(index, rows.start * gradient.shape[1], flat)
        else:
            self._add_scattered(index, rows, flat)

    def _add_stretch(self, index: int, first: int, flat: Tensor) -> None:
        """Add numbers of one parameter that stand side by side, from its number `first` on."""
        assert self.wide is not None
        size, pieces, done = self.sketch.size, self.sketch._pieces[index], 0
        batch = max(1, BATCH // size) if flat.device.type in BATCHED_ON else 1
        while done < len(flat):
            r, inside = divmod(first + done, size)
            whole_pieces = min(batch, (len(flat) - done) // size)
            if inside == 0 and whole_pieces > 1:
                length = whole_pieces * size
                self._add_pieces(index, r, flat.narrow(0, done, length).view(-1, size))
                done += length
                continue
            length = min(size - inside, len(flat) - done)
            signs = self.signs.narrow(0, pieces.offset[r] + inside, length)
            here = self.wide.narrow(0, pieces.shift[r] + inside, length)
            here.addcmul_(flat.narrow(0, done, length), signs, value=pieces.sign[r])
            done += length

    def _add_pieces(self, index: int, first: int, piece_RD: Tensor) -> None:
        """Add whole pieces of one parameter, from its piece `first` on, in a few kernels and without atomics.

        Each signed piece is written twice, one copy behind the other; the window that begins `shift` before
        the second copy is the rolled piece.
        """
        assert self.wide is not None
        R, size = piece_RD.shape
        shift, offset, sign = (part[first : first + R] for part in self.sketch._pieces[index].on(self.wide))
        signs = self.signs.unfold(0, size, 1).index_select(0, offset)
        signed = signs.mul_(sign[:, None]).mul_(piece_RD)
        twice = signed[:, None].expand(R, 2, size).reshape(-1)
        start = 2 * size * torch.arange(R, device=shift.device) + size - shift
        self.wide[:size].add_(twice.unfold(0, size, 1).index_select(0, start).sum(0))

    def _add_scattered(self, index: int, rows: Tensor, flat: Tensor) -> None:
        """Add whole rows of a matrix that stand anywhere."""
        assert self.wide is not None
        shift, offset, sign = self.sketch._pieces[index].on(self.wide)
        columns = torch.arange(len(flat) // max(1, len(rows)), device=flat.device)
        at = (rows[:, None] * len(columns) + columns).flatten()
        r, inside = at // self.sketch.size, at % self.sketch.size
        value = flat * self.signs[offset[r] + inside] * sign[r]
        self.wide.index_add_(0, shift[r] + inside, value)

    def take(self) -> Tensor:
        """The sketch of what was added since the last call."""
        wide, self.wide = self.wide, None
        if wide is None:
            return torch.zeros(self.sketch.size)
        return wide[: self.sketch.size] + wide[self.sketch.size :]
