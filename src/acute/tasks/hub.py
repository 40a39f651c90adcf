"""Rows of Hugging Face data sets: from the hub, its cache, or a local folder."""

from pathlib import Path
from typing import Any

from acute.errors import ConfigError, InputError, OutsideError

Row = dict[str, Any]


def hub_rows(name: str, subset: str | None, split: str | None) -> list[Row]:
    """The rows of one split; without a name for it, of the only one there is.

    Raises ConfigError where the split or subset is not there or has to be chosen, InputError where there is
    no such data set, OutsideError without the package `datasets` or where the hub cannot be reached.
    """
    try:
        import datasets
    except ImportError as error:
        raise OutsideError(f"wanted the package datasets ({error}): pip install acute[tasks]") from None
    datasets.disable_progress_bars()
    try:
        found = _loaded(datasets, name, subset)
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
        raise InputError(f"wanted the data set {name}, found none: {_line(error)}") from None
    except ConnectionError as error:
        raise OutsideError(
            f"the data set {name} is not in the cache, and the hub cannot be reached (unset HF_HUB_OFFLINE "
            f"where it is set, or name a local folder, hf:./folder): {error}"
        ) from None
    except ValueError as error:
        raise ConfigError(f"prompts.subset of {name}: {_line(error)}") from None
    except (OSError, datasets.exceptions.DatasetsError) as error:
        raise OutsideError(f"could not read the data set {name}: {_line(error)}") from None
    if not isinstance(found, dict):
        if split is not None:
            raise ConfigError(f"prompts.source: {name} is one split, wanted no name of one, found {split!r}")
        return list(found)
    chosen = split or (next(iter(found)) if len(found) == 1 else None)
    if chosen not in found:
        splits = " or ".join(f"hf:{name}:{known}" for known in found)
        raise ConfigError(
            f"prompts.source: wanted {splits}, found {'no split' if split is None else repr(split)}"
        )
    return list(found[chosen])


def _loaded(datasets: Any, name: str, subset: str | None) -> Any:
    folder = Path(name)
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        return datasets.load_from_disk(name)  # as save_to_disk leaves it
    return datasets.load_dataset(name, subset)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
