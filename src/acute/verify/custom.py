"""Verifiers of the user, "module:function", called in worker processes.

Three forms are known by the names of their parameters, and work unchanged:

* TRL: `f(prompts, completions, **columns) -> list[float | None]`, called with lists of one;
* verl: `compute_score(data_source, solution_str, ground_truth, extra_info=None) -> float | {"score": float}`;
* plain: `f(response, answer) -> float | bool`, and any other column by its name.
"""

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from acute.errors import InputError
from acute.verify.item import Item
from acute.verify.pool import Done, Pool
from acute.verify.settings import Settings
from acute.verify.verdict import Verdict

Columns = Mapping[str, Any]
GOLD = ("answer", "solution", "ground_truth")  # names that functions know the gold answer by
LOGGERS = ("log_extra", "log_metric")  # of TRL: nothing to log to here
FORMS = "(completions, …), (solution_str, ground_truth, …) or (response, …)"


def make(name: str, conversational: bool) -> Callable[[Columns], float | None]:
    """In a worker: what gives the reward of one response, from its columns.

    Raises InputError where a module is not found, else what the import raises.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as `python -m` does
    module, _, attribute = name.partition(":")
    try:
        function = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None:  # raised by hand, with advice of its own
            raise
        raise InputError(
            f"no module {error.name!r} in {here} or among what is installed in {sys.prefix}"
        ) from None
    if not callable(function):
        raise TypeError(f"wanted a function, found {type(function).__name__}")
    parameters = inspect.signature(function).parameters
    if "completions" in parameters:
        call = _trl(function, parameters, conversational)
    elif {"solution_str", "ground_truth"} <= set(parameters):
        call = _verl(function, parameters)
    elif "response" in parameters:
        call = _plain(function, parameters)
    else:
        raise TypeError(f"wanted a function of {FORMS}, found ({', '.join(parameters)})")
    return lambda columns: _number(call(columns))


def _chosen(parameters: Mapping[str, inspect.Parameter], columns: Columns) -> dict[str, Any]:
    """The arguments that a function takes, all columns where it takes any. TypeError where one is lacking."""
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(columns)
    lacking = [n for n, p in parameters.items() if p.default is p.empty and n not in columns]
    if lacking:
        raise TypeError(f"it needs {', '.join(lacking)}; there are {', '.join(sorted(columns))}")
    return {name: columns[name] for name in parameters if name in columns}


def _trl(function: Any, parameters: Any, conversational: bool) -> Callable[[Columns], Any]:
    def call(columns: Columns) -> Any:
        said: list[Any] = [columns["response"]]
        asked: list[Any] = [columns.get("prompt")]
        if conversational:
            said = [[{"role": "assistant", "content": columns["response"]}]]
            asked = [[{"role": "user", "content": columns.get("prompt")}]]
        lists = {key: [value] for key, value in columns.items() if key not in ("prompt", "response")}
        lists["completions"] = said
        if "prompt" in columns:
            lists["prompts"] = asked
        found = function(**_chosen(parameters, {**lists, **dict.fromkeys(LOGGERS, _nothing)}))
        if inspect.iscoroutine(found):
            found = asyncio.run(found)
        if len(found) != 1:
            raise ValueError(f"wanted one reward for one completion, found {len(found)}")
        return found[0]

    return call


def _nothing(*_: Any) -> None:
    """Stands for TRL's loggers."""


def _verl(function: Any, parameters: Any) -> Callable[[Columns], Any]:
    def call(columns: Columns) -> Any:
        given = {
            "data_source": columns.get("family") or "",
            "solution_str": columns["response"],
            "ground_truth": columns["answer"],
            "extra_info": dict(columns),
        }
        found = function(**{name: given[name] for name in given if name in parameters})
        return found["score"] if isinstance(found, dict) else found

    return call


def _plain(function: Any, parameters: Any) -> Callable[[Columns], Any]:
    return lambda columns: function(**_chosen(parameters, columns))


def _number(found: Any) -> float | None:
    """A reward as a number; None is "none". Takes what has float(), such as bool and tensors of one."""
    if found is None:
        return None
    reward = float(found)
    if not isfinite(reward):
        raise ValueError(f"wanted a finite reward, found {reward}")
    return reward


class CustomVerifier:
    """Checks many responses with a function of the user."""

    def __init__(
        self,
        name: str,
        *,
        threshold: float | None = None,
        conversational: bool = False,
        workers: int = 2,
        timeout_s: float = 5.0,
        memory_mb: int = 1024,
    ) -> None:
        self._name, self._threshold = name, threshold
        self._pool = Pool(
            "acute.verify.custom:make",
            [name, conversational],
            workers=workers,
            timeout_s=timeout_s,
            memory_mb=memory_mb,
        )

    def ready(self) -> None:
        """InputError where the function cannot be imported or is of no known form."""
        self._pool.ready()

    def start(self) -> None:
        """Start the workers. Raises as `ready` does."""
        self._pool.start()

    def check(self, items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts as they come, each with the place of its item. InputError for rewards not 0 or 1."""
        questions = ((place, self._columns(item)) for place, item in enumerate(items))
        for place, done in self._pool.map(questions):
            yield place, self._verdict(done)

    def _columns(self, item: Item) -> dict[str, Any]:
        gold = dict.fromkeys(GOLD, item.answer)
        return {**item.columns, **gold, "response": item.response, "finish": item.finish}

    def _verdict(self, done: Done) -> Verdict:
        if done.how == "timeout":
            return Verdict("timeout", None, None, done.message)
        if done.how == "error":
            return Verdict("error", None, None, done.message)
        if done.value is None:
            return Verdict("error", None, None, "the function gave no reward (None)")
        if self._threshold is not None:
            return Verdict("ok", float(done.value >= self._threshold), None, f"reward {done.value:g}")
        if done.value not in (0.0, 1.0):
            raise InputError(
                f"{self._name} gave the reward {done.value:g}: wanted 0 or 1; set verify.threshold to count "
                f"rewards from there on as right"
            )
        return Verdict("ok", done.value, None)

    def facts(self) -> dict[str, Any]:
        """Nothing more is known of a user's function."""
        return {}

    def close(self) -> None:
        """End the workers."""
        self._pool.close()


def with_settings(name: str, asked: Settings) -> CustomVerifier:
    """The user's function as `[verify]` asks for it."""
    return CustomVerifier(
        name,
        threshold=asked.threshold,
        conversational=asked.conversational,
        workers=asked.processes,
        timeout_s=asked.timeout_s,
        memory_mb=asked.memory_mb,
    )
