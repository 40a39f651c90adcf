"""The policy that the stages share."""

from typing import Any

from acute.config import UNKNOWN_MODEL, ModelConfig
from acute.errors import InputError, ModelError

_loaded: dict[tuple[ModelConfig, int], Any] = {}


def policy_of(config: ModelConfig, shard_over: int = 1) -> Any:
    """The loaded `acute.models.load.Policy`; kept, as a run and its control often share one.

    With `shard_over` above 1 every rank calls this, and holds a piece of the weights.
    """
    if config.name == UNKNOWN_MODEL:
        raise InputError('model.name is "unknown": wanted the model that sampled, by hub id or folder')
    key = config, shard_over
    if key not in _loaded:
        try:
            from transformers.utils import logging as transformers_logging

            from acute.models.load import load_policy
        except ImportError as error:
            raise ModelError(f"wanted torch and transformers ({error}): pip install acute[models]") from None
        transformers_logging.disable_progress_bar()
        _loaded.clear()  # one model in memory at a time
        settings = config.name, config.dtype, config.device, config.adapter
        if shard_over == 1:
            _loaded[key] = load_policy(*settings)
        else:
            from acute.models.shard import load_sharded

            _loaded[key] = load_sharded(*settings, shard_over)
    return _loaded[key]


def tokens_of(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a rendered prompt; a chat template wrote its special tokens, a base model's come now."""
    return tuple(tokenizer(text, add_special_tokens=tokenizer.chat_template is None).input_ids)
