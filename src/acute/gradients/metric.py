"""The metric that AdamW's step sees: ⟨P g, h⟩ with P = 1 / (√v̂ + ε), v̂ its second moments so far.

To first order a step η P ∇J_k changes J_1 by η ⟨P ∇J_k, ∇J_1⟩; conflict under AdamW is that product below 0.
Gradients are multiplied by √P before they are sketched, and every inner product is then the metric's own.
Momentum, weight decay and clipping are left out.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from torch import Tensor, nn

from acute.errors import InputError
from acute.gradients.sharded import like, whole

EPSILON = 1e-8  # where the file names none: AdamW's default
Moments = dict[str, Tensor]
Second = Callable[[str], Tensor | None]  # v̂ of a parameter by its name, None where there is none


def digest_of(path: str) -> str:
    """A hash of an optimiser state's bytes. Raises InputError if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()
    except OSError as error:
        raise InputError(f"score.adam_state: could not read {path}: {error.strerror}") from None


def adam_scale(path: str, model: Any, parameters: Mapping[str, nn.Parameter]) -> Moments:
    """√P of each selected parameter, in float32 on its device: what its gradient is multiplied by.

    It is sharded where the parameter is; whole second moments are held for one parameter at a time.

    `path` is a torch file with the state_dict of Adam or AdamW, or a safetensors file that holds v̂ by
    parameter name. A number whose second moment is 0 has never had a gradient: its P is 0, not 1/ε. Raises
    InputError, naming it, for a parameter without second moments or with some of another shape.
    """
    second, epsilon = _read_named(path) if path.endswith(".safetensors") else _read_state(path, model)
    scale = {}
    for name, parameter in parameters.items():
        v = second(name)
        if v is None:
            raise InputError(
                f"{path} has no second moments of {name!r}: choose score.parameters among those it trained"
            )
        v = v.to(parameter.device, torch.float32)
        if v.shape != parameter.shape:
            raise InputError(
                f"{path}: second moments of {name!r} have shape {tuple(v.shape)}, wanted "
                f"{tuple(parameter.shape)}: is it the state of this model?"
            )
        if not (torch.isfinite(v).all() and (v >= 0).all()):
            raise InputError(f"{path}: second moments of {name!r} are not all finite and ≥ 0")
        scale[name] = like(torch.where(v > 0, (v.sqrt() + epsilon).rsqrt(), 0.0), parameter)
    return scale


def without_moments(scale: Moments) -> int:
    """How many numbers have P = 0."""
    return sum(int(whole((part == 0).sum())) for part in scale.values())


def _read_named(path: str) -> tuple[Second, float]:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="pt")
        names, facts = set(file.keys()), file.metadata() or {}
        return lambda name: file.get_tensor(name) if name in names else None, float(facts.get("eps", EPSILON))
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"score.adam_state: could not read {path}: {error}") from None


def _read_state(path: str, model: Any) -> tuple[Second, float]:
    """v̂ = v / (1 - β2^steps) by parameter name, and ε, from an optimiser's state_dict.

    Of a file of torch's present format only what is asked for is read.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
        state, groups = saved["state"], saved["param_groups"]
        found: dict[str, tuple[Tensor, float]] = {}
        epsilons = set()
        for name, key, group in _named(path, model, groups):
            epsilons.add(float(group["eps"]))
            if key in state:
                steps = float(state[key]["step"])
                found[name] = state[key]["exp_avg_sq"].detach(), 1 - group["betas"][1] ** steps
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (unpickling raises anything)
        raise InputError(
            f"score.adam_state: wanted the state_dict of Adam or AdamW in {path}, found a fault: "
            f"{type(error).__name__}: {error}"
        ) from None
    if len(epsilons) != 1:
        raise InputError(f"{path}: wanted one eps in all parameter groups, found {sorted(epsilons)}")
    return lambda name: found[name][0].float() / found[name][1] if name in found else None, epsilons.pop()


def _named(path: str, model: Any, groups: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    """(parameter name, key in the state, group) of every parameter that the optimiser holds.

    Names stand in the file (FSDP's keys, torch's `param_names`), or follow from the order: all trainable
    parameters in one group, or the two groups of transformers' Trainer, with and without weight decay.
    """
    names = [str(name) for name, _ in model.named_parameters()]
    if any("param_names" in group or isinstance(key, str) for group in groups for key in group["params"][:1]):
        for group in groups:
            for key, name in zip(group["params"], group.get("param_names", group["params"]), strict=True):
                yield str(name), key, group
        return
    keys = [key for group in groups for key in group["params"]]
    order = names
    if len(groups) == 2:
        from transformers import Trainer

        decayed = set(Trainer.get_decay_parameter_names(None, model))
        order = [n for n in names if n in decayed] + [n for n in names if n not in decayed]
        sizes = [len(decayed & set(names)), len(names) - len(decayed & set(names))]
        if [len(group["params"]) for group in groups] != sizes:
            order = []
    if len(groups) > 2 or len(keys) != len(order):
        raise InputError(
            f"{path}: cannot tell which of its {len(keys)} parameters is which of the model's {len(names)}: "
            f"make the optimiser from model.named_parameters(), so that the state holds names, or write a "
            f"safetensors file of second moments by name"
        )
    of_key = {key: group for group in groups for key in group["params"]}
    for name, key in zip(order, keys, strict=True):
        yield name, key, of_key[key]
