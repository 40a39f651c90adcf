"""Tokens of texts whose sampler did not tell them: the text tokenised again, and what that may get wrong."""

from collections import Counter
from typing import Any


def tokens_again(
    text: str, finish: str | None, policy: Any, max_tokens: int, said: Counter[str]
) -> tuple[list[int], str]:
    """Token ids of a response's text, its end token included, and how it ended.

    Where it is not known how it ended, it ended by itself unless it has `max_tokens` tokens. `said` counts
    what `notes` then says.
    """
    ids = list(policy.tokenizer(text, add_special_tokens=False).input_ids)
    said["again"] += 1
    if policy.tokenizer.decode(ids, clean_up_tokenization_spaces=False) != text:
        said["other text"] += 1
    if finish is None:
        said["end"] += 1
        finish = "length" if len(ids) >= max_tokens else "eos"
    return with_end(ids, finish, policy), finish


def with_end(ids: list[int], finish: str, policy: Any) -> list[int]:
    """Token ids with the end token that a finished response has, though its text does not show it."""
    ended = bool(ids) and ids[-1] in policy.eos_ids
    if (finish == "eos" or not ids) and policy.eos_ids and not ended:
        own = policy.tokenizer.eos_token_id
        return [*ids, policy.eos_ids[0] if own is None else own]
    return ids


def notes(said: Counter[str], responses: int) -> dict[str, str]:
    """What is said of responses tokenised again, by topic."""
    found = {}
    if said["again"]:
        found["tokens"] = (
            f"{said['again']} of {responses} responses were tokenised again from their text; where a sampler "
            f"had split a text otherwise, the probability scored is not that of the tokens drawn"
        )
    if said["other text"]:
        found["texts"] = f"{said['other text']} responses do not come back from their tokens as they were"
    if said["end"]:
        found["ends"] = (
            f"{said['end']} responses do not say how they ended: those shorter than max_tokens are scored "
            f"with the end token"
        )
    return found
