"""What advantage estimators share: rewards are checked on the way in, tensors come back as tensors."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import NDArray

from acute.errors import ConfigError, InputError

Floats = NDArray[np.float64]
P = ParamSpec("P")


def advantage_estimator(
    formula: Callable[Concatenate[Floats, P], Floats],
) -> Callable[Concatenate[Any, P], Any]:
    """Let a formula on float64 arrays (…, n) take lists, arrays and torch tensors.

    A tensor comes back as a tensor of its device, and of its dtype if that is a floating one; all else as a
    float64 array. InputError where there is no group axis, or where a reward is not finite: a reward that is
    not known must be dealt with before, it is not 0.

    Not in the paper: how every estimator here takes its groups.
    """

    @wraps(formula)
    def estimator(rewards: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        torch = sys.modules.get("torch")  # a tensor can only come from a torch that is loaded
        if torch is None or not isinstance(rewards, torch.Tensor):
            return formula(_checked(rewards), *args, **kwargs)
        found = formula(_checked(rewards.detach().to("cpu", torch.float64).numpy()), *args, **kwargs)
        dtype = rewards.dtype if rewards.dtype.is_floating_point else torch.get_default_dtype()
        return torch.as_tensor(found, dtype=dtype, device=rewards.device)

    return estimator


def _checked(rewards: Any) -> Floats:
    groups = np.asarray(rewards, float)
    if groups.ndim == 0 or groups.shape[-1] == 0:
        raise InputError(f"rewards must have shape (…, n) with n of 1 or more, found {groups.shape}")
    if not np.isfinite(groups).all():
        count = int((~np.isfinite(groups)).sum())
        raise InputError(
            f"rewards must be finite numbers, found {count} that are not; leave those responses out"
        )
    return groups


def need_binary(rewards: Floats, method: str) -> None:
    """Refuse rewards other than 0 and 1, for methods that are defined on successes and failures alone.

    Reference: Rewards in {0, 1} are the paper's setting (section 2).
    """
    odd = rewards[(rewards != 0) & (rewards != 1)]
    if odd.size:
        raise InputError(f"{method} is defined for rewards 0 and 1 alone, found {odd.flat[0]:g}")


def need_k(method: str, k: int, least: int, most: int, n: int) -> None:
    """Refuse a k that the method cannot have with groups of n.

    Reference: J_k (eq. 2) has an unbiased estimate from n >= k responses (Chen et al., arXiv:2107.03374).
    """
    if not least <= k <= most:
        raise ConfigError(f"{method} with groups of {n} needs k from {least} to {most}, found {k}")


def need_n(method: str, n: int, least: int) -> None:
    """Refuse groups that are too small for the method.

    Reference: A baseline over the other n - 1 responses (RLOO, arXiv:2402.14740) needs n >= 2.
    """
    if n < least:
        raise ConfigError(f"{method} needs groups of {least} or more, found {n}")


def mean_of_others(rewards: Floats) -> Floats:
    """The mean over the other n - 1 responses of the group, shape (…, n); needs n of 2 or more.

    Reference: The baseline of RLOO, arXiv:2402.14740.
    """
    n = rewards.shape[-1]
    return np.asarray((rewards.sum(-1, keepdims=True) - rewards) / (n - 1))


def group_mean(rewards: Floats) -> Floats:
    """The mean of each group, shape (…, 1).

    Reference: The baseline of GRPO, arXiv:2402.03300.
    """
    return np.asarray(rewards.mean(-1, keepdims=True))
