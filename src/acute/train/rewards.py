"""The verifiers of acute as a reward function of TRL."""

import atexit
from collections.abc import Callable, Sequence
from typing import Any

from acute.config import VerifyConfig
from acute.errors import InputError
from acute.stages.verify import settings_of
from acute.verify.item import Item
from acute.verify.kinds import KINDS, is_custom
from acute.verify.verifiers import Verifiers

Reward = Callable[..., list[float | None]]


def reward_of(tokenizer: Any, eos_ids: Sequence[int], config: VerifyConfig) -> Reward:
    """A reward function that checks each response as `acute verify` does; None where the check failed.

    The data set has the columns `answer` and `verify` (null: `config.kind`), and may have `question`,
    `prefill` and `family`. Its worker processes end with this one.
    """
    verifiers = Verifiers(settings_of(config))
    atexit.register(verifiers.close)

    def correct(completion_ids: Any, answer: Any, verify: Any, **columns: Any) -> list[float | None]:
        """As TRL calls it: 1 or 0 of each completion, None where its check failed."""
        items = []
        for row, (ids, right) in enumerate(zip(completion_ids, answer, strict=True)):
            ended = bool(ids) and ids[-1] in eos_ids
            spoken = ids[:-1] if ended else ids
            text = tokenizer.decode(spoken, clean_up_tokenization_spaces=False)
            more: dict[str, Any] = {
                name: columns[name][row] for name in ("prompt_id", "family") if name in columns
            }
            more |= {"prompt": _at(columns, "question", row), "completion_ids": list(ids)}
            prefill = _at(columns, "prefill", row) or ""
            items.append(Item(text, right, "eos" if ended else "length", prefill, more))
        kinds = [own or config.kind for own in verify]
        found: list[float | None] = [None] * len(items)
        for place, verdict in verifiers.check(kinds, items):
            found[place] = verdict.reward
        return found

    return correct


def _at(columns: dict[str, Any], name: str, row: int) -> Any:
    return columns[name][row] if name in columns else None


def check_kinds(rows: Sequence[dict[str, Any]]) -> None:
    """InputError where a prompt asks for a verifier that is not there."""
    for row in rows:
        own = row.get("verify")
        if own is not None and own not in KINDS and not is_custom(own):
            raise InputError(
                f"prompt {row['prompt_id']!r}: wanted verify = {', '.join(KINDS)} or module:function, "
                f"found {own!r}"
            )
