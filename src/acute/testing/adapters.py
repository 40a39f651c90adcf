"""Advantage code of installed trainers as estimators to profile: verl's registry, TRL's trainer."""

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.errors import ConfigError, InputError, OutsideError

Floats = NDArray[np.float64]
TRL_SCALES = ("group", "batch", "none")


def verl_estimator(name: str, **settings: Any) -> Callable[[Any, int], Floats]:
    """The advantages of an estimator registered with verl, own ones included: rewards (G, n) in, (G, n) out.

    Responses are one token long. `settings` is its algorithm configuration. OutsideError where verl is not
    installed, ConfigError for a name that is not registered, InputError for what it needs and cannot get.
    """
    try:
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
    except ImportError as error:
        raise OutsideError(
            f"verl:{name} needs verl in this environment: pip install 'acute[verl]'"
        ) from error
    if name not in ADV_ESTIMATOR_REGISTRY:
        raise ConfigError(f"verl has {', '.join(sorted(ADV_ESTIMATOR_REGISTRY))}; found {name!r}")
    import torch

    function = ADV_ESTIMATOR_REGISTRY[name]

    def advantage(rewards: Any, _k: int) -> Floats:
        """As of one token a response; InputError where verl's function wants more than rewards."""
        groups, n = rewards.shape
        token_rewards = torch.as_tensor(np.asarray(rewards)).reshape(-1, 1)
        try:
            answer, _ = function(
                token_level_rewards=token_rewards,
                response_mask=torch.ones_like(token_rewards),
                index=np.repeat(np.arange(groups).astype(str), n),
                config=dict(settings),
            )
        except (TypeError, AttributeError, KeyError, AssertionError, ValueError) as error:
            raise InputError(f"verl:{name} cannot be asked with rewards of groups alone: {error}") from error
        return np.asarray(answer.reshape(groups, n).double().numpy())

    return advantage


def trl_estimator(scale_rewards: str) -> Callable[[Any, int], Floats]:
    """The advantages that the installed TRL's `GRPOTrainer` computes at this `scale_rewards`.

    Its own code runs: TRL has no function for them, so a trainer with a tiny random model generates one token
    a response, and the rewards to ask about are put in where it would compute them. OutsideError where TRL
    is not installed, ConfigError for another scale.
    """
    if scale_rewards not in TRL_SCALES:
        raise ConfigError(f"trl has scale_rewards {', '.join(TRL_SCALES)}; found {scale_rewards!r}")
    try:
        from trl import GRPOTrainer
    except ImportError as error:
        raise OutsideError("trl:… needs TRL in this environment: pip install 'acute[train]'") from error
    import torch

    class Asked(GRPOTrainer):
        """A trainer whose rewards are given."""

        given: Any = None

        def _calculate_rewards(self, *_: Any) -> Any:
            return self.given

    folder = TemporaryDirectory(prefix="acute-trl-")
    trainer = _tiny_trainer(Asked, scale_rewards, folder.name)
    trainer.folder = folder  # goes when the trainer goes

    def advantage(rewards: Any, _k: int) -> Floats:
        flat = torch.as_tensor(np.asarray(rewards), dtype=torch.float64)
        trainer.num_generations = flat.shape[-1]
        trainer.given = flat.reshape(-1, 1)
        trainer.model.train()
        out = trainer._generate_and_score_completions([{"prompt": "a"} for _ in range(flat.numel())])
        return np.asarray(out["advantages"].double().numpy().reshape(flat.shape))

    return advantage


def _tiny_trainer(kind: type[Any], scale_rewards: str, folder: str) -> Any:
    """A trainer of this class with a one-layer model of random weights and a vocabulary of three."""
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl import GRPOConfig

    words = Tokenizer(WordLevel({"a": 0, "b": 1, "<e>": 2}, unk_token="b"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<e>", pad_token="<e>")
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=3, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=2, eos_token_id=2)
    )
    settings = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=1,
        scale_rewards=scale_rewards,
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )
    return kind(
        model=model,
        args=settings,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 2),
    )
