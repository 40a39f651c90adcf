"""A signed-fold sketch: a gradient of any size as D numbers whose inner products are unbiased.

Each parameter is cut into pieces of D numbers; piece r is multiplied by seeded signs, rolled by a seeded
shift and added to the sketch. Then E⟨Sx, Sy⟩ = ⟨x, y⟩ over the seed, with an error in cosines of about
1/√D. The roll matters: without it equal columns of a matrix meet in the same bucket.

The signs of one piece are a stretch of one long seeded sign vector, times a sign of the piece's own:
nothing the size of the model is kept, and folding reads the gradient once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from acute.gradients.sharded import whole


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
        self._signs = _signs(2 * size, _generator(seed, "signs"))
        for name, parameter in parameters:
            generator = _generator(seed, name)
            count = -(-parameter.numel() // size)
            shift, offset = torch.randint(0, size, (2, count), generator=generator).tolist()
            self.names.append(name)
            self._pieces.append(_Pieces(shift, offset, _signs(count, generator).tolist()))

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
    def during_backward(self, parameters: Mapping[str, nn.Parameter]) -> Iterator[Callable[[], Tensor]]:
        """Within the block each gradient is folded and dropped as soon as a backward pass has made it.

        Yields a function that returns the sketch of all gradients since it was last called, and starts anew.
        No gradient of the model's size is ever held, and folding reads it while it is still in the cache.
        `parameters` are those of this sketch, in their order.
        """
        total = _Sum(self)

        def fold_at(index: int) -> Callable[[Tensor], None]:
            def fold(parameter: Tensor) -> None:
                if parameter.grad is not None:
                    total.add(index, parameter.grad)
                parameter.grad = None

            return fold

        handles = [
            parameter.register_post_accumulate_grad_hook(fold_at(index))
            for index, parameter in enumerate(parameters.values())
        ]
        try:
            yield total.take
        finally:
            for handle in handles:
                handle.remove()


class _Sum:
    """A sketch in the making, twice as long: the rolled pieces are wrapped once, at the end."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.wide: Tensor | None = None

    def add(self, index: int, gradient: Tensor) -> None:
        """Add the gradient of one parameter."""
        sketch, pieces = self.sketch, self.sketch._pieces[index]
        flat = gradient.detach().flatten()
        flat = flat if flat.dtype == torch.float64 else flat.float()
        if sketch.scale is not None:
            flat = flat * whole(sketch.scale[sketch.names[index]]).flatten()
        if self.wide is None:
            self.wide = torch.zeros(2 * sketch.size, dtype=flat.dtype, device=flat.device)
            self.signs = sketch._signs.to(self.wide)
        for piece, shift, offset, sign in zip(
            flat.split(sketch.size), pieces.shift, pieces.offset, pieces.sign, strict=True
        ):
            length = len(piece)
            signs = self.signs.narrow(0, offset, length)
            self.wide.narrow(0, shift, length).addcmul_(piece, signs, value=sign)

    def take(self) -> Tensor:
        """The sketch of what was added since the last call."""
        wide, self.wide = self.wide, None
        if wide is None:
            return torch.zeros(self.sketch.size)
        return wide[: self.sketch.size] + wide[self.sketch.size :]
