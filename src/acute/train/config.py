"""The configuration of `acute train`: one TOML file, refused as a whole where anything in it cannot be."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from acute.config import (
    ModelConfig,
    PromptsConfig,
    Section,
    VerifyConfig,
    as_json,
    faults,
    read_toml,
    with_paths_from,
    with_preset_verifier,
)
from acute.errors import ConfigError
from acute.train.options import Options


class TrainSampling(Section):
    """How responses are drawn: from the policy itself, since a truncated one is not what the loss scores."""

    n: int = Field(16, ge=2, description="responses a prompt in each step")
    temperature: float = Field(1.0, gt=0, le=100, description="logits are divided by it, in the loss too")
    max_tokens: int = Field(16, ge=1, description="a response that reaches it is cut off")


class TrainConfig(Options):
    """Objective, mitigation, measurement (as `PassKTrainer` has them) and the steps themselves."""

    steps: int = Field(100, ge=1, description="optimiser steps")
    learning_rate: float = Field(1e-6, gt=0, description="of the optimiser, constant unless schedule says so")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd without momentum")
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="of the learning rate")
    max_grad_norm: float = Field(1.0, ge=0, description="longer gradients are cut to it; 0: never")
    prompts_per_step: int = Field(8, ge=1, description="prompts in each step, n responses each")
    micro_batch: int = Field(16, ge=1, description="responses in one forward and backward pass, a process")
    lora_rank: int = Field(
        0, ge=0, description="train a LoRA adapter of this rank on all linear maps; 0: the model"
    )
    save_every: int = Field(
        10, ge=1, description="steps between checkpoints; a killed run goes on from the last"
    )
    evaluate_every: int = Field(
        0, ge=0, description="steps between evaluations of pass@1 and pass@k on all prompts; 0: never"
    )
    evaluate_n: int = Field(
        0,
        ge=0,
        description="responses a prompt in each evaluation; 0: exact, where the answer is one sequence",
    )
    report_to: tuple[str, ...] = Field((), description="loggers of TRL, such as tensorboard")


class Training(Section):
    """One training, from prompts to the last checkpoint."""

    seed: int = Field(0, ge=0, lt=2**32, description="seeds sampling, order of prompts, adapter")
    model: ModelConfig
    prompts: PromptsConfig
    sampling: TrainSampling = TrainSampling()
    verify: VerifyConfig = VerifyConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _whole_batches(self) -> "Training":
        batch = self.train.prompts_per_step * self.sampling.n
        if batch % self.train.micro_batch:
            raise ValueError(
                f"wanted train.prompts_per_step · sampling.n to be a multiple of train.micro_batch, found "
                f"{self.train.prompts_per_step} · {self.sampling.n} = {batch} and {self.train.micro_batch}"
            )
        if self.train.evaluate_every and not self.train.evaluate_n and self.verify.kind != "exact":
            raise ValueError(
                "train.evaluate_every: exact evaluation needs verify.kind = 'exact', "
                f"found {self.verify.kind!r}: set train.evaluate_n, to sample"
            )
        if self.train.evaluate_n and not self.train.evaluate_every:
            raise ValueError("train.evaluate_n has no meaning without train.evaluate_every: leave it out")
        return self


def parse(data: dict[str, Any], origin: str = "configuration") -> Training:
    """Check a configuration given as a dictionary. ConfigError names every fault and `origin`."""
    text = as_json(with_preset_verifier(data, origin), origin)
    try:
        return Training.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {faults(error, Training)}") from None


def load(path: str | Path) -> Training:
    """Read a TOML file; a relative prompt file is taken from the file's own folder.

    ConfigError if the file is missing, is not TOML, or says something that cannot be.
    """
    path = Path(path)
    config = parse(read_toml(path), str(path))
    return config.model_copy(update={"prompts": with_paths_from(path, config.prompts)})
