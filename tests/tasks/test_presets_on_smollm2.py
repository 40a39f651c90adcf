"""The real files of known sets, sampled from SmolLM2 and checked: a few short responses each."""

import pytest

from acute.config import parse
from acute.run import Run
from acute.stages import run_until
from tests.tasks.test_presets import DATA, REAL, skip_without_its_verifier


@pytest.mark.model
@pytest.mark.parametrize("name", REAL)
def test_prompts_are_answered_and_checked(tmp_path, name):
    skip_without_its_verifier(name)
    file, _ = REAL[name]
    if not (DATA / file).exists():
        pytest.skip(f"not run: {file} is not at {DATA}")
    data = {
        "model": {"name": "bundled:smollm2"},
        "prompts": {"source": name, "path": str(DATA / file), "limit": 2},
        "sampling": {"n": 4, "max_tokens": 4},
        "analyse": {"k": [1, 2]},
    }
    run = Run.create(tmp_path / name, parse(data))
    run_until(run, "verify")
    rows = run.responses().to_pylist()
    assert len(rows) == 8
    assert {row["outcome"] for row in rows} <= {"ok", "wrong_form"}
    assert all(row["reward"] in (0.0, 1.0) for row in rows)
    prompts = run.prompts().to_pylist()
    assert all("<|im_start|>user" in row["prompt"] for row in prompts)  # with the model's chat template
