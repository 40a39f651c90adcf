"""pass@1…k of all prompts while training: exact where the right answer is one sequence, else sampled.

A row of evaluation.jsonl holds pass@k of all prompts and of each family, the 95 % intervals of sampled ones
(about these prompts: rollouts are their only noise), and each prompt's p or counts, which `acute gate` takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback

from acute.config import VerifyConfig
from acute.errors import ConfigError
from acute.gradients.exact import success_probability
from acute.gradients.forward import Sampled
from acute.gradients.trie import Tokens
from acute.measure.success import pass_at_k_of_these
from acute.models.load import Policy
from acute.rollout.hf import sample
from acute.rollout.sampler import Sampling
from acute.train.measure import undisturbed
from acute.train.rewards import reward_of
from acute.train.state import EVALUATION_FILE, append_log, cut_log

Floats = NDArray[np.float64]
AT_ONCE = 16  # prompts in one batch of sampling


@dataclass(frozen=True)
class Asked:
    """The prompts of an evaluation, as the model sees them."""

    ids: Sequence[str]
    tokens: Sequence[Tokens]
    answers: Sequence[str]
    families: Sequence[str | None]
    checked_by: Sequence[dict[str, Any]]
    """What a reward function gets of each prompt: verify, question, prefill, …"""

    def groups(self) -> list[tuple[str, NDArray[np.bool_]]]:
        """("", all prompts), then ("/FAMILY", its prompts) for each family."""
        named = [(f"/{f}", f) for f in sorted({f for f in self.families if f is not None})]
        member = [(suffix, np.array([g == f for g in self.families])) for suffix, f in named]
        return [("", np.ones(len(self.ids), bool)), *member]


Evaluation = Callable[[Any, int], dict[str, Any]]
"""Model and step to a row."""


def answers_of(tokenizer: Any, answers: Sequence[str], max_tokens: int) -> list[Tokens]:
    """The one right response to each prompt. ConfigError where an answer is not just `max_tokens` long: then
    other sequences may spell it, and p is not the probability of one."""
    found = [tuple(tokenizer(answer, add_special_tokens=False).input_ids) for answer in answers]
    for answer, tokens in zip(answers, found, strict=True):
        if len(tokens) != max_tokens:
            raise ConfigError(
                f"train.evaluate_every: exact evaluation needs answers of sampling.max_tokens = {max_tokens} "
                f"tokens, found {answer!r} with {len(tokens)}: set train.evaluate_n, to sample"
            )
    return found


def exact_row(p_N: Floats, asked: Asked, ks: Sequence[int]) -> dict[str, Any]:
    """pass@k of these prompts for each k, and of each family, from their exact p; no sampling, no error."""
    row: dict[str, Any] = {
        f"pass@{k}{suffix}": float((1 - (1 - p_N[member]) ** k).mean())
        for suffix, member in asked.groups()
        for k in ks
    }
    prompts = zip(asked.ids, p_N, asked.families, strict=True)
    return row | {"prompts": {name: {"p": float(p), "family": family} for name, p, family in prompts}}


def sampled_row(rewards: Sequence[Sequence[float | None]], asked: Asked, ks: Sequence[int]) -> dict[str, Any]:
    """The same from rewards of each prompt's responses, with intervals; None is a check that failed.

    A k that a prompt has too few responses for is null, and so is an interval that cannot be had.
    """
    known = [[r for r in some if r is not None] for some in rewards]
    n_N, c_N = (np.array([f(some) for some in known], float) for f in (len, sum))
    row: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for suffix, member in asked.groups():
        for k in ks:
            found = pass_at_k_of_these(n_N[member], c_N[member], k)
            row[f"pass@{k}{suffix}"] = None if found is None else found.value
            intervals[f"pass@{k}{suffix}"] = None if found is None else found.as_json()
    prompts = {
        name: {"n": len(some), "c": int(sum(some)), "family": family, "no_reward": len(every) - len(some)}
        for name, some, every, family in zip(asked.ids, known, rewards, asked.families, strict=True)
    }
    return row | {"intervals": intervals, "prompts": prompts}


def exactly(asked: Asked, answers: Sequence[Tokens], temperature: float, ks: Sequence[int]) -> Evaluation:
    """p of every prompt from one forward pass."""

    def evaluate(model: Any, step: int) -> dict[str, Any]:
        del step
        pairs = zip(asked.tokens, answers, strict=True)
        p = [success_probability(model, prompt, answer, Sampled(temperature)) for prompt, answer in pairs]
        return exact_row(np.array(p), asked, ks)

    return evaluate


def by_sampling(
    asked: Asked, policy: Policy, verify: VerifyConfig, sampling: Sampling, seed: int, ks: Sequence[int]
) -> Evaluation:
    """Responses to every prompt, other ones at each step, and their rewards."""
    reward = reward_of(policy.tokenizer, policy.eos_ids, verify)

    def evaluate(model: Any, step: int) -> dict[str, Any]:
        """Responses of `model`, by a seed that differs with the step."""
        now = Policy(model, policy.tokenizer, policy.eos_ids, policy.device)
        drawn = [
            some
            for i in range(0, len(asked.ids), AT_ONCE)
            for some in sample(
                now, asked.tokens[i : i + AT_ONCE], asked.ids[i : i + AT_ONCE], sampling, seed + step
            )
        ]
        rewards = [
            reward(
                [s.token_ids for s in some],
                [answer] * len(some),
                **{name: [value] * len(some) for name, value in columns.items()},
            )
            for some, answer, columns in zip(drawn, asked.answers, asked.checked_by, strict=True)
        ]
        return sampled_row(rewards, asked, ks)

    return evaluate


class Evaluate(TrainerCallback):
    """Writes an evaluation at the start and every `every` steps, on the first process."""

    def __init__(self, folder: Path, evaluation: Evaluation, every: int) -> None:
        self.folder, self.evaluation, self.every = folder, evaluation, every

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """The start, or what is kept of an earlier process's rows."""
        del args, control
        if not state.is_world_process_zero:
            return
        # the row of step 0 is written below; that of a checkpoint's step was, before the checkpoint
        cut_log(self.folder, state.global_step + 1 if state.global_step else 0, EVALUATION_FILE)
        if state.global_step == 0:
            self._write(0, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """After an optimiser step."""
        del args, control
        if state.is_world_process_zero and state.global_step % self.every == 0:
            self._write(state.global_step, model)

    def _write(self, step: int, model: Any) -> None:
        with undisturbed(model):
            row = self.evaluation(model, step)
        append_log(self.folder, {"step": step} | row, EVALUATION_FILE)
