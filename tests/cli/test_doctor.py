"""`acute doctor` says whether programs can be run safely here, and what to do where they cannot."""

import json
import sys

import pytest
from typer.testing import CliRunner

from acute.cli import doctor as command
from acute.cli.main import app
from acute.verify import sandbox
from acute.versions import installed_versions


def doctor():
    done = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_the_sandbox_is_attacked():
    found = doctor()["sandbox"]
    assert found["works"] is True
    assert found["a verdict cannot be forged"] == "holds"
    assert "DOES NOT HOLD" not in found.values()


def test_engines_that_are_there():
    found = doctor()
    assert found["ray"] == {"installed": True, "works": True}
    assert found["versions"]["ray"] == installed_versions(also=("ray",))["ray"]
    assert found["vllm"]["installed"] is (found["versions"]["vllm"] is not None)


FAILS = {"installed": True, "works": False}


@pytest.mark.parametrize(
    ("version", "gpus", "said"),
    [
        (None, ["a"], {"installed": False, "hint": "pip install acute[vllm], on a machine with a GPU"}),
        (
            "0.32.0",
            ["a"],
            {"installed": True, "works": False, "hint": "wanted version 0.22 to 0.31, found 0.32.0"},
        ),
        ("0.31.0", [], {"installed": True, "works": False, "hint": "torch sees no GPU here"}),
        ("0.31.0", ["a"], {"installed": True, "works": True}),
    ],
)
def test_whether_vllm_works(monkeypatch, version, gpus, said):
    monkeypatch.setattr("acute.versions.installed_versions", lambda also: dict.fromkeys(also, version))
    monkeypatch.setattr(command, "_torch", lambda: {"gpus": gpus})
    assert command._vllm() == said


def test_ray_that_is_missing_or_old(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "__version__", "2.9.3")
    assert "wanted Ray 2.60 or later, found 2.9.3" in command._ray()["hint"]
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install acute[ray]" in command._ray()["hint"]


def test_where_there_is_none_it_says_what_to_do(monkeypatch):
    sandbox._variant.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    found = doctor()["sandbox"]
    sandbox._variant.cache_clear()
    assert found["works"] is False
    assert "apt-get install bubblewrap" in found["hint"]
