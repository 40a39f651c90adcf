"""Log-probabilities of packed responses, with the prompt's states computed once where the model allows.

Suffixes name axes: R rows, T tokens of a row, E entries (see `rows`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from acute.gradients.rows import Packed, Tokens
from acute.models.distribution import next_token_logprobs


@dataclass(frozen=True)
class Sampled:
    """The distribution that the responses were drawn from; the same one is scored."""

    temperature: float = 1.0
    top_p: float = 1.0

    def logprobs(self, logits: Tensor) -> Tensor:
        """ln of the sampled distribution over next tokens; shape as `logits`."""
        return next_token_logprobs(logits, self.temperature, self.top_p)


def pad(rows: Sequence[Tokens], device: torch.device, side: str = "right") -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, attention mask and position ids of rows of unequal length, each (R, T).

    Padding is told by the mask alone, never by a token id: the pad token is often the end token.
    """
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        where = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[i, where] = torch.tensor(row, device=device)
        mask[i, where] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return ids, mask, positions


@dataclass(frozen=True)
class Prefix:
    """A prompt's attention states (keys and values, layer by layer) and its next-token log-probabilities."""

    states: list[Tensor]
    logprobs_V: Tensor
    length: int


def prefix_states(model: Any, prompt: Tokens, sampled: Sampled) -> Prefix | None:
    """Run the prompt once. None where the architecture keeps other states than keys and values."""
    ids, mask, positions = pad([prompt], model.device)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
    cache = getattr(out, "past_key_values", None)
    if not isinstance(cache, DynamicCache) or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    states = [state for layer in cache.layers for state in (layer.keys, layer.values)]
    return Prefix(states, sampled.logprobs(out.logits[0, -1]), len(prompt))


def entries_of_rows(packed: Packed, rows: range) -> NDArray[np.int64]:
    """Indices of the entries that stand in these rows; row -1 is the prompt itself."""
    return np.flatnonzero((packed.row_E >= rows.start) & (packed.row_E < rows.stop))


def _pick(logprobs_RTV: Tensor, packed: Packed, rows: range, before: int) -> Tensor:
    """The rows' entries; token j of a response is predicted at row position before + j - 1."""
    entries = entries_of_rows(packed, rows)
    where = (packed.row_E - rows.start, packed.position_E + before - 1, packed.token_E)
    return logprobs_RTV[tuple(torch.from_numpy(axis[entries]) for axis in where)]


def rows_after_prefix(
    model: Any, packed: Packed, rows: range, states: list[Tensor], length: int, sampled: Sampled
) -> Tensor:
    """Log-probabilities of the entries in `rows`, continuing from a prompt's states; shape (entries,)."""
    ids, mask, positions = pad([packed.rows[i] for i in rows], model.device)
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(zip(states[::2], states[1::2], strict=True)):
        cache.update(keys.expand(len(rows), -1, -1, -1), values.expand(len(rows), -1, -1, -1), layer)
    whole = torch.cat([mask.new_ones(len(rows), length), mask], 1)
    out = model(
        input_ids=ids,
        attention_mask=whole,
        position_ids=positions + length,
        past_key_values=cache,
        use_cache=True,
    )
    return _pick(sampled.logprobs(out.logits), packed, rows, 0)


def whole_rows(model: Any, prompt: Tokens, packed: Packed, rows: range, sampled: Sampled) -> Tensor:
    """As `rows_after_prefix`, with the prompt run again in every row: for any architecture."""
    ids, mask, positions = pad([prompt + packed.rows[i] for i in rows], model.device)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
    return _pick(sampled.logprobs(out.logits), packed, rows, len(prompt))


def response_logprob(model: Any, prompt: Tokens, response: Tokens, sampled: Sampled) -> Tensor:
    """ln π(response | prompt) the plain way: one row, no padding, nothing shared; a scalar."""
    ids = torch.tensor([prompt + response[:-1]], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :]
    target = torch.tensor(response, device=model.device)
    return sampled.logprobs(logits).gather(1, target[:, None]).sum()
