"""Reading a configuration: whole, or refused with every fault named."""

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from acute.config.tables import PRESET_VERIFIERS, PromptsConfig
from acute.config.whole import Config
from acute.errors import ConfigError
from acute.verify.kinds import KINDS


def with_preset_verifier(data: dict[str, Any], origin: str) -> dict[str, Any]:
    """A configuration's data with the verifier that its preset needs, where none is asked for.

    Raises ConfigError, naming `origin`, where another built-in one is.
    """
    prompts, verify = data.get("prompts"), data.get("verify")
    source = prompts.get("source") if isinstance(prompts, dict) else None
    fitting = PRESET_VERIFIERS.get(source) if isinstance(source, str) else None
    if fitting is None or not isinstance(verify, dict | None):
        return data
    asked = (verify or {}).get("kind", fitting[0])
    if asked in KINDS and asked not in fitting:
        wanted = " or ".join(fitting)
        raise ConfigError(
            f"{origin}: verify.kind: wanted {wanted} for the answers of {source}, found {asked!r}"
        )
    return {**data, "verify": {**(verify or {}), "kind": asked}}


def with_engine_tables(data: dict[str, Any]) -> dict[str, Any]:
    """A configuration's data with the tables of the engines it asks for, where all in them is left out."""
    sampling = data.get("sampling")
    backend = sampling.get("backend") if isinstance(sampling, dict) else None
    ray = data.get("ray")
    if backend == "ray" and ray is None:
        ray = {}
        data = {**data, "ray": ray}
    engine = ray.get("engine") if backend == "ray" and isinstance(ray, dict) else backend
    return {**data, "vllm": {}} if engine == "vllm" and data.get("vllm") is None else data


def faults(error: ValidationError, model: type[BaseModel]) -> str:
    """Every fault that pydantic found in a model's data, in one line."""
    return "; ".join(_fault(e, model) for e in error.errors())


def _table(annotation: Any) -> type[BaseModel]:
    """The model of a table, optional or not."""
    kinds = (annotation, *get_args(annotation))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _fault(error: Any, model: type[BaseModel]) -> str:
    """One pydantic error in one line: key, what was wanted, what was found."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        section: Any = model.model_fields
        for part in error["loc"][:-1]:
            section = _table(section[part].annotation).model_fields
        near = difflib.get_close_matches(str(error["loc"][-1]), list(section), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(section)}"
        return f"{where}: unknown key{hint}"
    if error["type"] == "missing":
        return f"{where}: wanted a value, found none"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {message}" if where else message
    message = message.replace("Input should be", "wanted", 1)
    return f"{where}: {message}, found {error['input']!r}"


def as_json(data: dict[str, Any], origin: str) -> str:
    """A configuration's data in JSON, from which models are checked.

    In that mode arrays become tuples and an integer may stand for a float; nothing else is bent. Raises
    ConfigError for numbers too long and for nesting too deep.
    """
    try:
        return json.dumps(data, default=str)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{origin}: wanted settings, found what cannot be written: {error}") from None


def parse(data: dict[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration given as a dictionary.

    Raises ConfigError, naming every fault and `origin`.
    """
    text = as_json(with_engine_tables(with_preset_verifier(data, origin)), origin)
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {faults(error, Config)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises ConfigError if it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"wanted a configuration file at {path}: {error.strerror}; correct the path, or write one as "
            f"docs/tutorial.md shows"
        ) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # also bytes that are no text, numbers too long, nesting too deep
        raise ConfigError(f"{path}: wanted TOML, found a fault: {error}") from None


def beside(path: Path, name: str) -> str:
    """A path that the configuration at `path` names, taken from its folder. ConfigError if it is none."""
    try:
        return str((path.parent / name).resolve())
    except ValueError as error:  # a null character
        raise ConfigError(f"{path}: wanted a path, found {name!r}: {error}") from None


def with_paths_from(path: Path, prompts: PromptsConfig) -> PromptsConfig:
    """The prompts' settings, relative paths from the folder of `path`; a data set's begins with a dot."""
    changes: dict[str, Any] = {}
    if prompts.source.endswith((".jsonl", ".jsonl.gz", ".parquet")):
        changes["source"] = beside(path, prompts.source)
    elif prompts.source.startswith("hf:."):
        changes["source"] = f"hf:{beside(path, prompts.source.removeprefix('hf:'))}"
    if prompts.path is not None:
        changes["path"] = beside(path, prompts.path)
    return prompts.model_copy(update=changes)


def load(path: str | Path) -> Config:
    """Read a TOML file. Relative paths (prompts, labels, control, optimiser state) are taken from its folder.

    Raises ConfigError if the file is missing, is not TOML, or says something that cannot be.
    """
    path = Path(path)
    config = parse(read_toml(path), str(path))
    changes: dict[str, Any] = {"prompts": with_paths_from(path, config.prompts)}
    if config.analyse.labels is not None:
        labels = beside(path, config.analyse.labels)
        changes["analyse"] = config.analyse.model_copy(update={"labels": labels})
    if config.control is not None:
        changes["control"] = beside(path, config.control)
    if config.score.adam_state is not None:
        state = beside(path, config.score.adam_state)
        changes["score"] = config.score.model_copy(update={"adam_state": state})
    return config.model_copy(update=changes)
