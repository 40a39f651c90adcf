"""Exact pass@k while training, where the right answer is one sequence of tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from acute.errors import ConfigError
from acute.gradients.exact import success_probability
from acute.gradients.forward import Sampled
from acute.gradients.trie import Tokens
from acute.train.measure import undisturbed
from acute.train.state import append_log, cut_log

FILE = "evaluation.jsonl"


def answers_of(tokenizer: Any, answers: Sequence[str], max_tokens: int) -> list[Tokens]:
    """The one right response to each prompt. ConfigError where an answer is not just `max_tokens` long: then
    other sequences may spell it, and p is not the probability of one."""
    found = [tuple(tokenizer(answer, add_special_tokens=False).input_ids) for answer in answers]
    for answer, tokens in zip(answers, found, strict=True):
        if len(tokens) != max_tokens:
            raise ConfigError(
                f"train.evaluate_every: exact evaluation needs answers of sampling.max_tokens = {max_tokens} "
                f"tokens, found {answer!r} with {len(tokens)}: set evaluate_every = 0"
            )
    return found


def exact_success(
    p_N: Sequence[float], families: Sequence[str | None], ks: Sequence[int]
) -> dict[str, float]:
    """pass@k of these prompts for each k, and of each family, from their exact p; no sampling, no error."""
    p = np.asarray(p_N)
    found = {}
    for name in ("", *sorted({f for f in families if f is not None})):
        member = np.array([not name or f == name for f in families])
        for k in ks:
            key = f"pass@{k}/{name}" if name else f"pass@{k}"
            found[key] = float((1 - (1 - p[member]) ** k).mean())
    return found


class Evaluate(TrainerCallback):
    """Writes exact pass@k of all prompts at the start and every `every` steps, on the first process."""

    def __init__(
        self,
        folder: Path,
        prompts: Sequence[Tokens],
        answers: Sequence[Tokens],
        families: Sequence[str | None],
        temperature: float,
        ks: Sequence[int],
        every: int,
    ) -> None:
        self.folder, self.prompts, self.answers, self.families = folder, prompts, answers, families
        self.sampled, self.ks, self.every = Sampled(temperature), ks, every

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """The start, or what is kept of an earlier process's rows."""
        del args, control
        if not state.is_world_process_zero:
            return
        cut_log(self.folder, state.global_step + 1, FILE)
        if state.global_step == 0:
            self._write(0, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """After an optimiser step."""
        del args, control
        if state.is_world_process_zero and state.global_step % self.every == 0:
            self._write(state.global_step, model)

    def _write(self, step: int, model: Any) -> None:
        with undisturbed(model):
            p = [
                success_probability(model, prompt, answer, self.sampled)
                for prompt, answer in zip(self.prompts, self.answers, strict=True)
            ]
        append_log(self.folder, {"step": step} | exact_success(p, self.families, self.ks), FILE)
