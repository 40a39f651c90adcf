"""Groups of responses as the measurement takes them, out of a trainer's rows."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acute.errors import OutsideError
from acute.gradients.engines import Task

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One response of the trainer's batch. A reward that is not known is NaN."""

    key: str
    family: str | None
    prompt: Tokens
    response: Tokens
    reward: float


@dataclass(frozen=True)
class Rolled:
    """One prompt's responses with a known reward."""

    key: str
    family: str | None
    prompt: Tokens
    responses: tuple[Tokens, ...]
    rewards: tuple[float, ...]

    @property
    def has_signal(self) -> bool:
        """Whether rewards differ; if not, every centred advantage is 0."""
        return len(set(self.rewards)) > 1

    def counts(self, folds: int) -> tuple[list[int], list[int]]:
        """(n, c) of each fold; response j is in fold j % folds."""
        parts = [self.rewards[m::folds] for m in range(folds)]
        return [len(part) for part in parts], [int(sum(part)) for part in parts]

    def task(self, folds: int) -> Task:
        """What the gradient engines take: multiplicities of the distinct responses by fold and outcome."""
        distinct = sorted(set(self.responses))
        at = {response: u for u, response in enumerate(distinct)}
        counts = np.zeros((folds, 2, len(distinct)))
        for j, (response, reward) in enumerate(zip(self.responses, self.rewards, strict=True)):
            counts[j % folds, int(reward), at[response]] += 1
        return Task(self.prompt, distinct, counts.reshape(2 * folds, -1))


def key_of(example: dict[str, Any]) -> str:
    """The prompt's `prompt_id` where the data set has one, else a hash of the prompt itself."""
    if example.get("prompt_id") is not None:
        return str(example["prompt_id"])
    text = json.dumps(example["prompt"], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def family_of(example: dict[str, Any]) -> str | None:
    """The prompt's `family` where the data set has one."""
    return None if example.get("family") is None else str(example["family"])


def grouped(rows: Sequence[Row], size: int) -> list[Rolled]:
    """Consecutive groups of `size` rows, one prompt each; rows without a known reward are left out.

    OutsideError where a group holds two prompts: then the trainer no longer orders rows prompt by prompt.
    """
    found = []
    for start in range(0, len(rows), size):
        group = rows[start : start + size]
        if len({row.key for row in group}) != 1 or len(group) != size:
            raise OutsideError(
                f"wanted {size} consecutive responses of one prompt from the trainer, found prompts "
                f"{sorted({row.key for row in group})}: this version of TRL orders its rows in another way"
            )
        known = [row for row in group if np.isfinite(row.reward)]
        found.append(
            Rolled(
                group[0].key,
                group[0].family,
                group[0].prompt,
                tuple(row.response for row in known),
                tuple(row.reward for row in known),
            )
        )
    return found
