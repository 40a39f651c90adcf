"""Find an advantage estimator by name: a built-in one, module:function, verl:NAME or trl:SCALE."""

import inspect
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from acute.core.advantages.registry import ESTIMATORS, find
from acute.core.objectives import Objective, parse, pass_at_k
from acute.errors import ConfigError, InputError

Advantage = Callable[[Any, int], Any]


class Found(NamedTuple):
    """An estimator and the objective it is held against, for groups of n and a k."""

    name: str
    advantage: Advantage
    """Rewards (G, n) and k in, advantages (G, n) out."""
    objective: Objective
    ks: tuple[int, ...]
    """The k from 1 to n that can be asked of it."""


def load(name: str, n: int, k: int, objective: str | None = None) -> Found:
    """The estimator called `name`, held against `objective` (None: what a built-in declares, else pass@k).

    A user's function takes rewards (G, n), and k if it has a parameter of that name. ConfigError where it
    cannot be found, or does not admit this n and k.
    """
    target = parse(objective) if objective else None
    if name in ESTIMATORS:
        known = find(name)
        if not known.admits(n, k):
            raise ConfigError(
                f"{name} needs k of {known.least_k} or more and groups of {known.least_n(k)} or more "
                f"at k = {k}; found k = {k} and n = {n}"
            )
        ks = tuple(j for j in range(1, n + 1) if known.admits(n, j))
        return Found(name, known.advantage, target or known.declared(n, k), ks)
    head, colon, tail = name.partition(":")
    if not colon:
        find(name)  # refuses it, with all names
    if head in ("verl", "trl"):
        from acute.testing import adapters

        made = adapters.verl_estimator(tail) if head == "verl" else adapters.trl_estimator(tail)
        return Found(name, made, target or pass_at_k(k), (k,))
    function = _imported(name, head, tail)
    takes_k = "k" in _parameters(name, function)
    ks = tuple(range(1, n + 1)) if takes_k else (k,)
    return Found(name, _guarded(name, function, takes_k), target or pass_at_k(k), ks)


def _imported(name: str, module: str, attribute: str) -> Callable[..., Any]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    if not (module and attribute):
        raise ConfigError(f"wanted module:function, found {name!r}")
    try:
        with redirect_stdout(sys.stderr):
            loaded = import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: no module {error.name!r} in {here} or among what is installed in {sys.prefix}"
        ) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{name}: importing {module} raised {type(error).__name__}: {error}") from error
    found = getattr(loaded, attribute, None)
    if found is None:
        raise ConfigError(f"{name}: module {module!r} has no {attribute!r}")
    if not callable(found):
        raise ConfigError(f"{name}: wanted a function, found {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _parameters(name: str, function: Callable[..., Any]) -> Any:
    try:
        return inspect.signature(function).parameters
    except (ValueError, TypeError):
        raise ConfigError(f"{name}: wanted a function whose parameters can be read, found none") from None


def _guarded(name: str, function: Callable[..., Any], takes_k: bool) -> Advantage:
    def advantage(rewards: Any, k: int) -> Any:
        try:
            with redirect_stdout(sys.stderr):  # what it prints is no part of our answer
                return function(rewards, k=k) if takes_k else function(rewards)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{name} raised {type(error).__name__} on rewards of shape {rewards.shape}: {error}"
            ) from error

    return advantage
