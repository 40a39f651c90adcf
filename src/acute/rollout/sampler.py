"""What every sampler is asked and gives."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Sample(NamedTuple):
    """One response: its tokens (end token included), their ln-probability as sampled (nats), how it ended."""

    token_ids: tuple[int, ...]
    logprob: float
    finish: str  # eos | stop | length


@dataclass(frozen=True)
class Sampling:
    """How to draw: see `acute.config.SamplingConfig`."""

    n: int
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    rows_at_once: int = 256


class Sampler(Protocol):
    """Draws n responses to each prompt. The same (seed, name) gives the same ones, up to rounding."""

    def draw(
        self,
        prompts: Sequence[tuple[int, ...]],
        names: Sequence[str],
        on_tokens: Callable[[int], None] = ...,
    ) -> list[list[Sample]]:
        """One list a prompt (token ids); `on_tokens` is told how many tokens were just drawn."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """Tells one checkpoint from another; None where that would take loading it once more."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def names_of_streams(prompt_ids: Sequence[str]) -> list[str]:
    """The name under which each prompt's random numbers are drawn: its id, nearly always.

    The numbers are keyed by a hash of 32 bits. Of 10^5 prompts two would share them, and their responses
    would not be independent: the later one in the list takes another name.
    """
    taken: set[int] = set()
    names = []
    for prompt_id in prompt_ids:
        name, again = prompt_id, 0
        while zlib.crc32(name.encode()) in taken:
            again += 1
            name = f"{prompt_id}#{again}"
        taken.add(zlib.crc32(name.encode()))
        names.append(name)
    return names
