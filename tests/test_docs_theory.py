"""docs/theory.md names functions that exist and numbers that come out."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from acute.core.advantages.registry import ESTIMATORS
from acute.core.objectives import parse
from acute.core.profiler import profile
from acute.toy_runs import run_population, two_prompt_numbers

TEXT = (Path(__file__).parent.parent / "docs" / "theory.md").read_text()
MODULES = [
    import_module(f"acute.{name}")
    for name in (
        *(
            f"core.{x}"
            for x in ("agreement", "theory", "steps", "toy", "objectives", "reward_law", "prompt_weight")
        ),
        *(f"core.{x}" for x in ("estimators", "advantages.pass_at_k", "advantages.votes", "profiler")),
        "testing",
    )
]
NAMES = sorted(set(re.findall(r"`([A-Za-z_][A-Za-z_.0-9]*[a-z0-9])`", TEXT)))


def exists(name):
    *path, last = name.removeprefix("acute.").removeprefix("core.").split(".")
    for module in MODULES:
        found = module
        if path and path[0] == module.__name__.rpartition(".")[2]:
            path = path[1:]
        for part in (*path, last):
            found = getattr(found, part, None)
        if found is not None or module.__name__.endswith(name):
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_names_exist(name):
    known = (
        set(ESTIMATORS)
        | {"log", "logit", "arcsine", "ConfigError"}
        | {f"acute.{m}" for m in ("core", "testing")}
    )
    assert name in known or exists(name)


def test_the_table_of_objectives_can_be_parsed():
    for name in ("pass@4", "pass^4", "2-of-4", "majority@5", "log@4", "mixture@0.5,4", "power@0.5", "risk@2"):
        assert parse(name).name == name


def test_the_table_of_estimators_names_all_of_them():
    rows = TEXT[TEXT.index("| estimator | on average |") :]
    named = set(re.findall(r"`([a-z0-9-]+)`", rows))
    assert named >= {name for name in ESTIMATORS if not name.endswith("no-std") and name != "mixture-loo"}


@pytest.mark.parametrize(
    ("name", "k"),
    [
        ("pass-at-k-training", 5.8),
        ("pass-at-k-training-bootstrap", 6.9),
        ("naive-plug-in", 6.6),
        ("naive-plug-in-rloo", 6.2),
    ],
)
def test_what_the_profile_is_said_to_find(name, k):
    e = ESTIMATORS[name]
    assert profile(e.advantage, e.declared(16, 8), 16, 8).closest_k == pytest.approx(k, abs=0.05)
    assert f"{k}" in TEXT


def test_the_exact_column_of_the_two_prompt_table():
    found = two_prompt_numbers()
    exact = " ".join(row.split("|")[-2] for row in TEXT[TEXT.index("| | paper | exact |") :].splitlines()[:9])
    for name, shown in {
        "cos_features": "0.9802",
        "cos_gradients": "-0.9802",
        "p_easy": "0.8581",
        "p_hard": "0.0998",
        "kernel": "-0.0108",
        "weight_easy": "2.325e-7",
        "weight_hard": "3.884",
        "cosine": "-0.7746",
        "J1_before": "0.4789",
        "J1_after": "0.4647",
        "Jk_before": "0.8252",
        "Jk_after": "0.9532",
    }.items():
        half = 0.5 * 10.0 ** -len(shown.split("e")[0].split(".")[1]) * (1e-7 if "e-7" in shown else 1)
        assert found[name] == pytest.approx(float(shown), abs=half, rel=0)
        assert shown in exact.replace("−", "-")
    assert "k† = 2, k* = 1.24 with B, 3.84 with G²" in TEXT
    assert (found["k_dagger"], round(found["k_star_sharp"], 2), round(found["k_star_paper"], 2)) == (
        2,
        1.24,
        3.84,
    )


def test_the_population_run():
    found = run_population(5, 6000, 0.4, 0.2, 0.5, 400, seed=0).numbers
    assert "0.532 → 0.506" in TEXT and "0.754 → 0.970" in TEXT
    ends = [found[when][what] for what in ("J1", "J5") for when in ("before", "after")]
    assert np.round(ends, 3).tolist() == [0.532, 0.506, 0.754, 0.970]
    assert "sets in at k = 4 and ends at k = 71 (seed 0)" in TEXT
    assert found["before"]["sign_changes"] == [4, 71]
