"""The verifiers of acute as a reward function of TRL."""

from collections.abc import Callable, Sequence
from typing import Any

from acute.errors import InputError
from acute.stages.verify import KINDS

Reward = Callable[..., list[float | None]]


def reward_of(tokenizer: Any, eos_ids: Sequence[int], kind: str) -> Reward:
    """A reward function that checks each response as `acute verify` does; None where the check failed.

    The data set has the columns `answer` and `verify` (null: `kind`).
    """

    def correct(completion_ids: Any, answer: Any, verify: Any, **_: Any) -> list[float | None]:
        found = []
        for ids, right, own in zip(completion_ids, answer, verify, strict=True):
            ended = bool(ids) and ids[-1] in eos_ids
            spoken = ids[:-1] if ended else ids
            text = tokenizer.decode(spoken, clean_up_tokenization_spaces=False)
            found.append(KINDS[own or kind](text, right, "eos" if ended else "length").reward)
        return found

    return correct


def check_kinds(rows: Sequence[dict[str, Any]]) -> None:
    """InputError where a prompt asks for a verifier that is not there."""
    for row in rows:
        if row.get("verify") is not None and row["verify"] not in KINDS:
            raise InputError(
                f"prompt {row['prompt_id']!r}: wanted verify = {' or '.join(KINDS)}, found {row['verify']!r}"
            )
