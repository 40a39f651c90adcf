"""A configuration as TOML, so that the run can be started again from the page alone."""

import json
import re
from typing import Any

from acute.report.numbers import Json

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml(config: Json) -> str:
    """`config` as TOML, without the keys that are null (TOML has none)."""
    return "\n".join(_table(config, ())).strip() + "\n"


def _table(table: Json, path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items() if value is not None]
    if path and (lines or not table):
        lines.insert(0, f"\n[{'.'.join(map(_key, path))}]")
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's but for DEL, which TOML wants escaped, and surrogate pairs, kept as text here
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value if item is not None)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    return json.dumps(value)
