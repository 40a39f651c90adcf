"""Settings of TRL's trainer under which the advantages given are the gradient ascended; the rest is refused.

One prompt's update is Σ_i A_i ∇ log π(y_i) up to a factor that all prompts of a batch share. What breaks that
bends w(p): a length that divides each row, tokens that are left out, a sampler that is not the scored policy.
"""

from typing import Any

from acute.errors import ConfigError

# name: (values that are allowed, why others are not)
ALLOWED: dict[str, tuple[tuple[Any, ...], str]] = {
    "loss_type": (
        ("dapo", "dr_grpo", "luspo", "cispo", "vespo"),
        "it divides every response, or micro-batch, by its own length, which bends w(p) where length goes "
        "with difficulty",
    ),
    "mask_truncated_completions": ((False,), "it takes responses out of a group that was already counted"),
    "top_entropy_quantile": ((1.0,), "it drops tokens, so that the step is no longer along ∇ log π"),
    "off_policy_mask_threshold": ((None,), "it drops responses by their advantage"),
    "multi_objective_aggregation": (
        ("sum_then_normalize",),
        "it divides each reward by its spread before they are added, so that no 0/1 reward is left",
    ),
    "top_p": ((1, 1.0, None), "responses come from a truncated policy and the loss scores the whole one"),
    "top_k": ((0, None, -1), "responses come from a truncated policy and the loss scores the whole one"),
    "min_p": ((None, 0, 0.0), "responses come from a truncated policy and the loss scores the whole one"),
    "repetition_penalty": ((1, 1.0), "responses come from a policy that the loss does not score"),
    "generation_kwargs": ((None, {}), "it can change the sampled policy, which the loss does not know"),
}


def check_settings(args: Any) -> None:
    """Refuse settings of a `GRPOConfig` that bend the prompt weight. One ConfigError names them all.

    `scale_rewards` is neither refused nor used: it belongs to advantages that are replaced.
    """
    faults = [
        f"{name}: wanted {' or '.join(map(repr, allowed))}, found {value!r}: {why}"
        for name, (allowed, why) in ALLOWED.items()
        if (value := getattr(args, name)) not in allowed
    ]
    if faults:
        raise ConfigError("; ".join(faults))


def check_measurable(distributed_type: str) -> None:
    """Refuse to measure where no process holds whole parameters. ConfigError."""
    if distributed_type in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        raise ConfigError(
            f"measure_every: wanted whole parameters on every process (one process, or DDP), found "
            f"{distributed_type}: set measure_every = 0, or measure checkpoints with acute run"
        )
