"""A signed-fold sketch: a gradient of any size as D numbers whose inner products are unbiased.

Each parameter is cut into pieces of D numbers; piece r is multiplied by seeded signs, rolled by a seeded
shift and added to the sketch. Then E⟨Sx, Sy⟩ = ⟨x, y⟩ over the seed, with an error in cosines of about
1/√D. The roll matters: without it equal columns of a matrix meet in the same bucket.

The signs of one piece are a stretch of one long seeded sign vector, times a sign of the piece's own:
nothing the size of the model is kept, and folding reads the gradient once.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


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
        wide: Tensor | None = None  # twice as long: the rolled pieces are wrapped once, at the end
        for name, gradient, pieces in zip(self.names, gradients, self._pieces, strict=True):
            if gradient is None:
                continue
            flat = gradient.detach().flatten()
            flat = flat if flat.dtype == torch.float64 else flat.float()
            if self.scale is not None:
                flat = flat * self.scale[name].flatten()
            if wide is None:
                wide = torch.zeros(2 * self.size, dtype=flat.dtype, device=flat.device)
                signs = self._signs.to(wide)
            for piece, shift, offset, sign in zip(
                flat.split(self.size), pieces.shift, pieces.offset, pieces.sign, strict=True
            ):
                length = len(piece)
                wide.narrow(0, shift, length).addcmul_(piece, signs.narrow(0, offset, length), value=sign)
        if wide is None:
            return torch.zeros(self.size)
        return wide[: self.size] + wide[self.size :]
