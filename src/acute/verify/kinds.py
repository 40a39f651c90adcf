"""Every built-in verifier by its name, and where it is. A new one is a file beside this one and a line here.

Nothing is imported before a verifier is asked for: the configuration reads the names alone.
"""

import re
from importlib import import_module
from typing import Any

QUICK = {  # functions of (response, answer, finish) that give a Verdict
    "short": "acute.verify.short:short",
    "exact": "acute.verify.exact:exact",
    "json": "acute.verify.json:json",
}
HELD = {  # functions of `Settings` that give a Verifier, which holds processes or a cache
    "math": "acute.verify.math:with_settings",
    "code": "acute.verify.code:with_settings",
}
KINDS = (*QUICK, *HELD)
_CUSTOM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_custom(kind: str) -> bool:
    """Whether a name is "module:function", a verifier of the user."""
    return _CUSTOM.fullmatch(kind) is not None


def function_at(place: str) -> Any:
    """What stands at "module:function"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
