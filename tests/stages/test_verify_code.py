"""Programs through the stage `verify`: columns, counts, once killed, and refusal without walls."""

import json
from importlib import import_module

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.config import parse
from acute.errors import OutsideError
from acute.stages.verify import settings_of, verify
from acute.verify import sandbox
from acute.verify.sandbox import Sandbox
from acute.verify.verifiers import Verifiers
from tests.stages.test_verify_stage import run_of
from tests.tiny import write_run

ADD = json.dumps({"tests": ["assert f(1, 2) == 3", "assert f(2, 2) == 4"], "names": ["f"]})
TWICE = json.dumps({"cases": [{"stdin": "2", "stdout": "4"}]})
PROMPTS = [
    {"prompt_id": "add", "answer": ADD, "family": "functions", "prefill": "```python\n"},
    {"prompt_id": "twice", "answer": TWICE, "family": "programs"},
    {"prompt_id": "word", "answer": "yes", "family": None, "verify": "short"},
]
RESPONSES = [
    ("add", "def f(a, b):\n    return a + b\n```"),
    ("add", "def f(a, b):\n    return a * b\n```"),
    ("add", "def f(a, b):\n    while True: pass\n```"),
    ("twice", "print(2 * int(input()))"),
    ("twice", "print(5)"),
    ("twice", ""),
    ("word", "yes"),
]


def test_programs_are_run(tmp_path):
    run = run_of(tmp_path / "run", PROMPTS, RESPONSES, kind="code", timeout_s=1.0)
    verify(run)
    rows = run.responses().to_pylist()
    assert [(row["outcome"], row["reward"]) for row in rows] == [
        ("ok", 1.0),
        ("ok", 0.0),
        ("timeout", 0.0),
        ("ok", 1.0),
        ("ok", 0.0),
        ("wrong_form", 0.0),
        ("ok", 1.0),
    ]
    assert rows[1]["detail"] == "1 of 2 tests passed"
    facts = run.record["stages"]["verify"]
    assert facts["outcomes_by_family"]["functions"] == {"ok": 2, "timeout": 1}
    assert facts["verifiers"]["code"]["sandbox"]["kind"] == "bubblewrap"


def test_a_killed_stage_goes_on(tmp_path, monkeypatch):
    run = run_of(tmp_path / "run", PROMPTS, RESPONSES[:2] + RESPONSES[3:], kind="code")
    # `acute.stages.verify` is also the function in it
    monkeypatch.setattr(import_module("acute.stages.verify"), "BLOCK", 2)
    start, asked = Sandbox.start, []

    def twice_only(self, role, *rest):
        asked.append(role)
        if asked.count("candidate") == 3:
            raise KeyboardInterrupt
        return start(self, role, *rest)

    with monkeypatch.context() as some, pytest.raises(KeyboardInterrupt):
        some.setattr(Sandbox, "start", twice_only)
        verify(run)
    counted = []
    monkeypatch.setattr(
        Sandbox, "start", lambda self, role, *rest: counted.append(role) or start(self, role, *rest)
    )
    verify(run)
    assert counted.count("candidate") == 2  # those of the first block are not run again
    assert run.responses()["reward"].to_pylist() == [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]


def test_settings_reach_the_sandbox():
    data = {"model": {"name": "m"}, "prompts": {"source": "p.jsonl"}}
    config = parse(
        {**data, "verify": {"kind": "code", "sandbox": "none-unsafe", "memory_mb": 64, "workers": 3}}
    )
    verifier = Verifiers(settings_of(config.verify)).of("code")
    assert (verifier.kind, verifier.limits.memory, verifier.workers) == ("none-unsafe", 64 << 20, 3)


def test_without_walls_nothing_is_even_sampled(tmp_path, tiny_model, monkeypatch):
    path = write_run(tmp_path, tiny_model)
    path.write_text(path.read_text().replace('kind = "exact"', 'kind = "code"'))
    rows = [{"prompt_id": "a", "prompt": "1+1=", "answer": ADD}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sandbox._variant.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    done = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    sandbox._variant.cache_clear()
    assert isinstance(done.exception, OutsideError)
    assert done.exception.exit_code == 4
    assert "apt-get install bubblewrap" in str(done.exception)
    assert not (tmp_path / "out" / "responses.parquet").exists()
