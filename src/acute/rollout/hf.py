"""Sampling with transformers: every prompt is run once, every distinct beginning of a response once.

A *state* is a beginning that one or more rows share. After each step rows that drew the same token stay
one state, so n short answers cost little more than their distinct ones; rows that end leave the batch.
"""

import copy
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acute.errors import ModelError, NotFiniteError
from acute.models.distribution import next_token_logprobs
from acute.models.load import Policy
from acute.rollout.sampler import Sample, Sampling
from acute.table import response_id


@dataclass
class _State:
    """A beginning that `rows` of prompt `prompt` share."""

    prompt: int
    rows: NDArray[np.int64]
    tokens: tuple[int, ...]
    logprob: float


@dataclass
class _Batch:
    """States and what continues them: next-token log-probabilities, cache, attention mask."""

    states: list[_State]
    logprobs: NDArray[np.float64]  # (states, V)
    cache: Any
    mask: Tensor  # (states, tokens so far)


def uniforms(seed: int, prompt_id: str, n: int, steps: int) -> NDArray[np.float64]:
    """The random numbers of one prompt, (n, steps): the same wherever and beside whatever it is sampled."""
    return np.random.default_rng([seed, zlib.crc32(prompt_id.encode())]).random((n, steps))


def _draw(logprob_V: NDArray[np.float64], uniform_R: NDArray[np.float64]) -> NDArray[np.intp]:
    """One token a uniform number, by inverting the cumulative distribution; shape (R,)."""
    cumulative = np.exp(logprob_V).cumsum()
    if np.isnan(cumulative[-1]):
        raise NotFiniteError(
            "the model gives no probabilities for the next token (NaN): wanted finite logits; "
            "are its weights whole? Half precision may overflow: try model.dtype = float32",
            0,
        )
    # u < 1, so u · total < total even after rounding, and tokens of probability 0 are stepped over
    return np.asarray(np.searchsorted(cumulative, uniform_R * cumulative[-1], side="right"))


class _Sampler:
    """One batch of prompts; `finished[prompt][row]` fills up."""

    def __init__(
        self,
        policy: Policy,
        prompt_ids: Sequence[str],
        sampling: Sampling,
        on_tokens: Callable[[int], None],
    ) -> None:
        self.policy, self.prompt_ids, self.sampling, self.on_tokens = policy, prompt_ids, sampling, on_tokens
        self.finished: list[list[Sample | None]] = []

    def _logprobs(self, logits: Tensor) -> NDArray[np.float64]:
        found = next_token_logprobs(logits[:, -1], self.sampling.temperature, self.sampling.top_p)
        return np.asarray(found.double().cpu().numpy())

    def prefill(self, prompts: Sequence[tuple[int, ...]]) -> _Batch:
        """Run every prompt once, padded on the left (told by the mask, never by a token id)."""
        width = max(map(len, prompts))
        device = self.policy.device
        ids = torch.zeros(len(prompts), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :] = torch.tensor(prompt, device=device)
            mask[i, width - len(prompt) :] = 1
        out = self.policy.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        )
        if (cache := out.get("past_key_values")) is None:
            raise ModelError(
                f"{type(self.policy.model).__name__} gives no past_key_values: wanted a model that keeps "
                f"attention states, as sampling goes on from them"
            )
        rows = np.arange(self.sampling.n)
        states = [_State(i, rows, (), 0.0) for i in range(len(prompts))]
        self.finished = [[None] * self.sampling.n for _ in prompts]
        return _Batch(states, self._logprobs(out.logits), cache, mask)

    def _ending(self, tokens: tuple[int, ...]) -> str | None:
        if tokens[-1] in self.policy.eos_ids:
            return "eos"
        if self.sampling.stop:
            text = self.policy.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
            if any(stop in text for stop in self.sampling.stop):
                return "stop"
        return "length" if len(tokens) == self.sampling.max_tokens else None

    def advance(
        self, batch: _Batch, uniform: Sequence[NDArray[np.float64]]
    ) -> tuple[list[_State], list[int]]:
        """Draw a token for every row; returns the states that go on and the batch index each comes from."""
        going, parents = [], []
        for parent, (state, logprob_V) in enumerate(zip(batch.states, batch.logprobs, strict=True)):
            try:
                drawn = _draw(logprob_V, uniform[state.prompt][state.rows, len(state.tokens)])
            except NotFiniteError as error:
                name = self.prompt_ids[state.prompt]
                raise ModelError(
                    f"rollout, response {response_id(name, int(state.rows[0]))!r} of prompt {name!r}, token "
                    f"{len(state.tokens) + 1}: {error}"
                ) from error
            self.on_tokens(len(drawn))
            for token in np.unique(drawn):
                rows = state.rows[drawn == token]
                tokens = (*state.tokens, int(token))
                logprob = state.logprob + float(logprob_V[token])
                if (ending := self._ending(tokens)) is None:
                    going.append(_State(state.prompt, rows, tokens, logprob))
                    parents.append(parent)
                for row in rows if ending else ():
                    self.finished[state.prompt][row] = Sample(tokens, logprob, ending or "")
        return going, parents

    def step(self, batch: _Batch, states: list[_State], parents: list[int]) -> _Batch:
        """Feed each state's last token; the cache rows are copied from the parents'."""
        device = self.policy.device
        index = torch.tensor(parents, device=device)
        cache = batch.cache
        cache.batch_select_indices(index)
        mask = torch.cat([batch.mask[index], batch.mask.new_ones(len(states), 1)], 1)
        out = self.policy.model(
            input_ids=torch.tensor([[state.tokens[-1]] for state in states], device=device),
            attention_mask=mask,
            position_ids=mask.sum(1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
        )
        return _Batch(states, self._logprobs(out.logits), out.past_key_values, mask)


def _split(states: list[_State], parents: list[int], size: int) -> list[tuple[list[_State], list[int]]]:
    return [(states[i : i + size], parents[i : i + size]) for i in range(0, len(states), size)]


def sample(
    policy: Policy,
    prompts: Sequence[tuple[int, ...]],
    prompt_ids: Sequence[str],
    sampling: Sampling,
    seed: int,
    on_tokens: Callable[[int], None] = lambda _: None,
) -> list[list[Sample]]:
    """Draw `sampling.n` responses to each prompt (token ids); one list a prompt.

    The same (seed, prompt_id) gives the same responses whatever else is in the batch, up to rounding of
    the model itself. `on_tokens` is told how many tokens were just drawn.
    """
    with torch.inference_mode():
        return _sample(_Sampler(policy, prompt_ids, sampling, on_tokens), prompts, seed)


def _sample(sampler: _Sampler, prompts: Sequence[tuple[int, ...]], seed: int) -> list[list[Sample]]:
    sampling = sampler.sampling
    uniform = [uniforms(seed, name, sampling.n, sampling.max_tokens) for name in sampler.prompt_ids]
    waiting = [sampler.prefill(prompts)]
    while waiting:  # depth first: at most rows_at_once states are alive at each length
        batch = waiting.pop()
        states, parents = sampler.advance(batch, uniform)
        parts = _split(states, parents, sampling.rows_at_once)
        for i, (some, their_parents) in enumerate(parts):
            last = i == len(parts) - 1
            cache = batch.cache if last else copy.deepcopy(batch.cache)
            waiting.append(
                sampler.step(_Batch(batch.states, batch.logprobs, cache, batch.mask), some, their_parents)
            )
    return [[s for s in samples if s is not None] for samples in sampler.finished]


class PolicySampler:
    """A loaded policy as a `Sampler`."""

    def __init__(self, policy: Policy, sampling: Sampling, seed: int) -> None:
        self._policy, self._sampling, self._seed = policy, sampling, seed

    def draw(
        self,
        prompts: Sequence[tuple[int, ...]],
        names: Sequence[str],
        on_tokens: Callable[[int], None] = lambda _: None,
    ) -> list[list[Sample]]:
        """See `sample`."""
        return sample(self._policy, prompts, names, self._sampling, self._seed, on_tokens)

    @property
    def fingerprint(self) -> str:
        """Of the policy's weights."""
        return self._policy.fingerprint

    def close(self) -> None:
        """The policy is its owner's."""
