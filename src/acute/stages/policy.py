"""The policy that the stages share."""

from typing import Any

from acute.config import UNKNOWN_MODEL, ModelConfig
from acute.errors import InputError, ModelError

_loaded: dict[tuple[ModelConfig, int], Any] = {}
_vocabularies: dict[str, Any] = {}


def policy_of(config: ModelConfig, shard_over: int = 1) -> Any:
    """The loaded `acute.models.load.Policy`; kept, as a run and its control often share one.

    With `shard_over` above 1 every rank calls this, and holds a piece of the weights.
    """
    key = config, shard_over
    if key not in _loaded:
        load = _loader(config)
        _loaded.clear()  # one model in memory at a time
        settings = config.name, config.dtype, config.device, config.adapter
        if shard_over == 1:
            _loaded[key] = load.load_policy(*settings)
        else:
            from acute.models.shard import load_sharded

            _loaded[key] = load_sharded(*settings, shard_over)
    return _loaded[key]


def vocabulary_of(config: ModelConfig) -> Any:
    """Its `acute.models.load.Vocabulary`, without the weights: a GPU's memory may be another engine's."""
    if (config, 1) in _loaded:
        return _loaded[config, 1].vocabulary
    if config.name not in _vocabularies:
        _vocabularies[config.name] = _loader(config).load_vocabulary(config.name)
    return _vocabularies[config.name]


def _loader(config: ModelConfig) -> Any:
    """The module `acute.models.load`. InputError where no model is known, ModelError without transformers."""
    if config.name == UNKNOWN_MODEL:
        raise InputError('model.name is "unknown": wanted the model that sampled, by hub id or folder')
    try:
        from transformers.utils import logging as transformers_logging

        from acute.models import load
    except ImportError as error:
        raise ModelError(f"wanted torch and transformers ({error}): pip install acute[models]") from None
    transformers_logging.disable_progress_bar()
    return load


def tokens_of(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of a rendered prompt; a chat template wrote its special tokens, a base model's come now."""
    return tuple(tokenizer(text, add_special_tokens=tokenizer.chat_template is None).input_ids)
