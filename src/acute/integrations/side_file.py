"""Conflict-aware weights for a trainer that gives its advantage hook rewards alone: a JSON file beside it.

    {"scale": 1.0, "added": 0.31, "prompts": {"p07": 0.9}}

A prompt's advantages are `scale` times the objective's plus `added` times RLOO's: v(x) = scale · w + added,
as in `acute.core.mitigations.seen.Reweighting`. `prompts` gives some prompts an `added` of their own, by
the id that the trainer groups responses by. The file is read at every batch, so that what measures may
write it while the trainer runs; it is replaced as a whole.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.core.mitigations.seen import Reweighting
from acute.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """What a side file says."""

    scale: float = 1.0
    added: float = 0.0
    prompts: Mapping[str, float] = field(default_factory=dict)

    def added_to(self, keys: Sequence[str]) -> Floats:
        """`added` of each prompt, shape of keys."""
        return np.array([self.prompts.get(key, self.added) for key in keys], float)


def weights_of(v: Reweighting, keys: Sequence[str]) -> Weights:
    """A reweighting as a side file says it; a constant `added` needs no prompt keys."""
    if np.ptp(v.added_N) == 0:
        return Weights(v.scale, float(v.added_N[0]))
    return Weights(v.scale, 0.0, dict(zip(keys, v.added_N.tolist(), strict=True)))


def write_weights(path: Path, weights: Weights) -> None:
    """Write a side file, whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps({**vars(weights), "prompts": dict(weights.prompts)}), encoding="utf-8")
    part.replace(path)


def read_weights(path: Path) -> Weights:
    """Read a side file. InputError if it is missing, or says something that cannot be."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"wanted weights at {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: wanted JSON, found a fault: {error}") from None
    if not isinstance(found, dict) or set(found) - {"scale", "added", "prompts"}:
        raise InputError(f"{path}: wanted an object of scale, added and prompts, found {str(found)[:80]}")
    prompts = found.get("prompts", {})
    each = prompts.values() if isinstance(prompts, dict) else [None]
    numbers = [found.get("scale", 1.0), found.get("added", 0.0), *each]
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
        raise InputError(f"{path}: scale, added and every value of prompts must be finite numbers")
    return Weights(float(numbers[0]), float(numbers[1]), {str(k): float(v) for k, v in prompts.items()})
