"""How many tokens to put into one scoring pass: what the free memory holds, and no more than is of use."""

from typing import NamedTuple

from acute.plan import memory
from acute.plan.memory import Pass
from acute.plan.shape import Shape

USUAL = 1024  # tokens, where nothing is known
SHARE = 0.7  # of the free memory that a pass may plan with: estimates err, and others want some too
ATTENTION = 0.25  # of the products with weights that attention between all tokens of a pass may cost


class PassSize(NamedTuple):
    """Tokens of a pass, and whether its activations have to be made again."""

    tokens: int
    checkpointing: bool


def most(shape: Shape) -> int:
    """From here on a larger pass costs more than it saves.

    It saves reading the prompt again, and it costs attention: its kernels compare all tokens of a pass,
    4 · width numbers a pair and layer, and leave out afterwards what a token may not see.
    """
    return max(USUAL, int(ATTENTION * 2 * shape.body / (4 * shape.attention * shape.layers)))


def _fitting(shape: Shape, width: int, room: float, checkpointing: bool) -> int:
    """The most tokens, up to `most`, whose pass takes at most `room` bytes; 0 if not even one does."""
    fits, too_many = 0, most(shape) + 1
    while too_many - fits > 1:
        tokens = (fits + too_many) // 2
        if memory.made(shape, width, Pass(tokens, tokens), checkpointing) <= room:
            fits = tokens
        else:
            too_many = tokens
    return fits


def pass_size(shape: Shape, width: int, free: float, longest: int, checkpointing: bool = False) -> PassSize:
    """What to put into a pass, given `free` bytes beside the weights (of `width` bytes).

    `longest` are the tokens of the smallest pass there is, a prompt and its longest response. Where it does
    not fit activations are made again; where it still does not, it is tried all the same.
    """
    room = SHARE * free - shape.largest * max(width, 4)
    again = checkpointing or memory.made(shape, width, Pass(longest, longest)) > room
    return PassSize(max(1, _fitting(shape, width, room, again)), again)
