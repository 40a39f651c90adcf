"""Known sets from prompts to the report with SmolLM2: 20 prompts of each real file, and hand-written rows.

In two tokens SmolLM2 answers none of them, so half of what it sampled gives way to the sets' own answers; the
verifiers must tell which half. Without the files beside the checkout the real ones are reported as not run.
"""

import gzip
import json

import pyarrow as pa
import pytest

from acute.config import parse
from acute.report.page import write_page
from acute.run import Run
from acute.stages import run_until
from acute.stages.policy import policy_of
from acute.stages.retokenise import with_end
from tests.tasks.known_sets import RIGHT, ROWS
from tests.tasks.test_presets import DATA, REAL, skip_without_its_verifier, write

PROMPTS, N = 20, 4
OWN = {
    "math500": lambda row: f"\\boxed{{{row['answer']}}}",
    "gsm8k": lambda row: "#### " + row["answer"].rpartition("#### ")[2],
    "humaneval": lambda row: row["canonical_solution"],
}


def plant(run, right):
    """Put right answers in the place of each prompt's last two responses; the ids of those."""
    table, policy = run.responses(), policy_of(run.config.model)
    answers = dict(zip(run.prompts()["prompt_id"].to_pylist(), right, strict=True))
    rows, planted = table.to_pylist(), set()
    for i, row in enumerate(rows):
        if i % N >= N // 2:
            text = answers[row["prompt_id"]]
            ids = with_end(policy.tokenizer.encode(text, add_special_tokens=False), "eos", policy)
            row.update(response=text, token_ids=ids, logprob=None, finish="eos")
            planted.add(row["response_id"])
    run.write_responses(pa.Table.from_pylist(rows, table.schema))
    return planted


def from_prompts_to_report(folder, name, path, right):
    data = {
        "model": {"name": "bundled:smollm2"},
        "prompts": {"source": name, "path": str(path), "limit": PROMPTS},
        "sampling": {"n": N, "max_tokens": 2},
        "score": {"parameters": "final-norm"},
        "analyse": {"k": [1, 2]},
    }
    run = Run.create(folder / name, parse(data))
    run_until(run, "rollout")
    prompts = run.prompts().to_pylist()
    assert all("<|im_start|>user" in row["prompt"] for row in prompts)  # with the model's chat template
    planted = plant(run, right)
    run_until(run, "analyse")
    rows = run.responses().to_pylist()
    assert len(rows) == N * len(right)
    assert {row["response_id"] for row in rows if row["reward"] == 1.0} == planted
    assert all(row["reward"] == 0.0 for row in rows if row["response_id"] not in planted)
    analysis = run.analysis()
    assert (analysis["prompts"], analysis["responses"]) == (len(right), N * len(right))
    assert all(value is not None for value in analysis["conflict"]["inner"])
    assert "<h1" in write_page(run.path).read_text(encoding="utf-8")


def raw_rows(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file][:PROMPTS]


@pytest.mark.model
@pytest.mark.parametrize("name", REAL)
def test_real_rows(tmp_path, name):
    skip_without_its_verifier(name)
    path = DATA / REAL[name][0]
    if not path.exists():
        pytest.skip(f"not run: {path.name} is not at {DATA}")
    from_prompts_to_report(tmp_path, name, path, [OWN[name](row) for row in raw_rows(path)])


@pytest.mark.model
@pytest.mark.parametrize("name", ROWS)
def test_hand_written_rows(tmp_path, name):
    skip_without_its_verifier(name)
    from_prompts_to_report(tmp_path, name, write(tmp_path, ROWS[name]), RIGHT[name])
