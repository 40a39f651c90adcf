"""acute: does optimising pass@k turn against pass@1, from which k, and which prompts do it?

`import acute` loads neither torch nor the analysis libraries; names below are fetched on first use.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {  # name: module that holds it
    "AcuteError": "acute.errors",
    "Config": "acute.config",
    "Run": "acute.run",
    "figures": "acute.report.paper",
    "load": "acute.config",
    "parse": "acute.config",
    "run_until": "acute.stages",
}
__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'acute' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
