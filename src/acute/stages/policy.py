"""The policy that the stages share."""

from typing import Any

from acute.config import UNKNOWN_MODEL, ModelConfig
from acute.errors import InputError, ModelError

_loaded: dict[ModelConfig, Any] = {}


def policy_of(config: ModelConfig) -> Any:
    """The loaded `acute.models.load.Policy`; kept, as a run and its control often share one."""
    if config.name == UNKNOWN_MODEL:
        raise InputError('model.name is "unknown": wanted the model that sampled, by hub id or folder')
    if config not in _loaded:
        try:
            from transformers.utils import logging as transformers_logging

            from acute.models.load import load_policy
        except ImportError as error:
            raise ModelError(f"wanted torch and transformers ({error}): pip install acute[models]") from None
        transformers_logging.disable_progress_bar()
        _loaded.clear()  # one model in memory at a time
        _loaded[config] = load_policy(config.name, config.dtype, config.device, config.adapter)
    return _loaded[config]


def tokens_of(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a rendered prompt; a chat template wrote its special tokens, a base model's come now."""
    return tuple(tokenizer(text, add_special_tokens=tokenizer.chat_template is None).input_ids)
