"""Whatever a configuration says, it is taken as it stands or refused with a ConfigError.

A few thousand inputs here; `ACUTE_FUZZ=100000 pytest tests/test_config_fuzz.py` makes that many of each. What
was ever found to fail stands below as an example.
"""

import copy
import json
import os
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from acute.config import Config, load, parse
from acute.errors import ConfigError
from acute.train import config as training

EXAMPLES = int(os.environ.get("ACUTE_FUZZ", "1000"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 1000,  # the same inputs each time, unless new ones are sought
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WORDS = [
    "arithmetic",
    "math500",
    "gsm8k",
    "humaneval",
    "hf:a/b:test",
    "hf:",
    "reasoning-gym:gcd",
    "rows.jsonl",
    "short",
    "exact",
    "math",
    "code",
    "my.module:f",
    "none-unsafe",
    "{prompt}",
    "all",
    "pass@8",
    "\ud800",
    "\x00",
    "",
]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=12)
NUMBERS = st.integers(-3, 40) | st.integers() | st.floats() | st.sampled_from([2**63, 10**4000, 1e308, -0.0])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(TEXTS, SCALARS, max_size=2)


def sections(model):
    """Every key of a configuration, as a path."""
    paths = []
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        inner = [kind for kind in inner if issubclass(kind, BaseModel)]
        paths += [(name,), *((name, *rest) for kind in inner for rest in sections(kind))]
    return paths


RUN = {"model": {"name": "m"}, "prompts": {"source": "arithmetic"}}
TRAIN = {**RUN, "train": {"objective": "pass@2"}}
KINDS = {"run": (Config, parse, RUN), "train": (training.Training, training.parse, TRAIN)}


SECTION = st.sampled_from(["model", "prompts", "verify"])
PATHS = {
    kind: st.sampled_from(sections(model)) | st.tuples(TEXTS) | st.tuples(SECTION, TEXTS)
    for kind, (model, _, _) in KINDS.items()
}


def put(data, path, value):
    """`data` with `value` at the key `path`; what is no table on the way becomes one."""
    at = data
    for key in path[:-1]:
        if not isinstance(at.get(key), dict):
            at[key] = {}
        at = at[key]
    at[path[-1]] = value


@st.composite
def changed(draw, kind):
    """A good configuration with some keys changed, at times to what they may be, and some invented."""
    data = copy.deepcopy(KINDS[kind][2])
    for path, value in draw(st.lists(st.tuples(PATHS[kind], VALUES), max_size=5)):
        put(data, path, value)
    return data


def taken_or_refused(check, data):
    try:
        config = check(data)
    except ConfigError as error:
        assert str(error)
        return
    again = check(config.model_dump(mode="json"))
    assert again == config or "nan" in repr(config)
    json.dumps(config.model_dump(mode="json"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_base_is_good(kind):
    KINDS[kind][1](KINDS[kind][2])


@FUZZ
@given(changed("run"))
def test_a_changed_run(data):
    taken_or_refused(parse, data)


@FUZZ
@given(changed("train"))
def test_a_changed_training(data):
    taken_or_refused(training.parse, data)


def key(text):
    return json.dumps(text)


def as_toml(value):
    """A value in TOML's notation, near enough: what is not exact is a file to refuse."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(name)} = {as_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, str):
        return json.dumps(value)
    return "''" if value is None else str(value)[:4000]


FILES = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
TABLES = changed("run").map(
    lambda data: "\n".join(f"{key(name)} = {as_toml(inner)}" for name, inner in data.items()).encode(
        "utf-8", "replace"
    )
)


@FUZZ
@example(b"a = " + b"[" * 3000)
@example(b"seed = " + b"1" * 5000)
@example(b"seed = 0x" + b"f" * 5000)
@given(FILES | TABLES)
def test_any_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(content)
    for reader in (load, training.load):
        try:
            reader(path)
        except ConfigError as error:
            assert "fuzz.toml" in str(error)
