"""Known problem sets: hand-written rows always; the real files where they stand beside the checkout."""

import json
import random
from pathlib import Path

import pytest

from acute.config import PRESET_VERIFIERS, parse
from acute.errors import ConfigError, InputError, OutsideError, TableError
from acute.stages.verify import kinds_of, settings_of
from acute.table import PROMPTS, schema_of
from acute.tasks.presets import PRESETS, NoAnswer, last_boxed
from acute.tasks.source import Source, prompt_rows
from acute.verify.item import Item
from acute.verify.verifiers import Verifiers
from tests.tasks.known_sets import GSM8K, HUMANEVAL, MBPP, RIGHT, ROWS, WRONG

DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = {
    "math500": ("math500_test.jsonl", 500),
    "gsm8k": ("gsm8k_test.jsonl", 1319),
    "humaneval": ("HumanEval.jsonl.gz", 164),
}


def write(folder, rows):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows_of(name, path, chat=True, **more):
    return prompt_rows(Source(name, path=path, **more), 0, chat)


def configuration(name, **verify):
    data = {"model": {"name": "x"}, "prompts": {"source": name}}
    return parse({**data, "verify": verify} if verify else data)


def judged(name, answers, responses):
    """Outcome and reward of a response to each answer, by the preset's own verifier."""
    config = configuration(name).verify
    items = [Item(text, answer, "eos") for text, answer in zip(responses, answers, strict=True)]
    with Verifiers(settings_of(config)._replace(cache=None)) as verifiers:
        found = dict(verifiers.check([config.kind] * len(items), items))
    return [found[i].reward for i in range(len(items))]


@pytest.mark.parametrize("name", PRESETS)
def test_hand_written_rows(tmp_path, name):
    rows = rows_of(name, write(tmp_path, ROWS[name]))
    assert len(rows) == len(ROWS[name]) == len({row["prompt_id"] for row in rows})
    answers = [row["answer"] for row in rows]
    assert judged(name, answers, RIGHT[name]) == [1.0] * len(rows)
    assert judged(name, answers, WRONG[name]) == [0.0] * len(rows)


def test_what_rows_become(tmp_path):
    first, second = rows_of("gsm8k", write(tmp_path, GSM8K))
    assert (first["prompt_id"], first["answer"], second["answer"]) == ("gsm8k-00000", "1003", "-7")
    (row,) = rows_of("humaneval", write(tmp_path, HUMANEVAL), chat=False)
    assert row["prompt"] == HUMANEVAL[0]["prompt"]  # a base model goes on from the signature
    assert json.loads(row["answer"])["names"] == ["quadruple"]
    shadow, pair = rows_of("mbpp", write(tmp_path, MBPP))
    assert json.loads(shadow["answer"])["names"] == ["sum"]  # also where Python has that name
    assert json.loads(pair["answer"])["names"] == ["Pair", "larger"]
    assert json.loads(pair["answer"])["setup"] == "import math"


def test_templates_fit_the_model(tmp_path):
    path = write(tmp_path, GSM8K)
    chat, plain = rows_of("gsm8k", path)[0]["prompt"], rows_of("gsm8k", path, chat=False)[0]["prompt"]
    assert chat.startswith("Ann has") and "#### N" in chat
    assert plain.startswith("Question: Ann") and plain.endswith("\nAnswer:")
    own = rows_of("gsm8k", path, template="<{prompt}> \\boxed{}", prefix="Q: 1+1?\nA: 2\n\n")[1]["prompt"]
    assert own == "Q: 1+1?\nA: 2\n\n<Bob owes 7. What has he?> \\boxed{}"


@pytest.mark.parametrize(
    ("name", "row", "fault"),
    [
        ("gsm8k", {"question": "?"}, "row 0: wanted the field 'answer' of the preset gsm8k, found question"),
        ("gsm8k", {"question": "?", "answer": "7"}, "wanted an answer that ends in ####"),
        ("gsm8k", {"question": "?", "answer": "####  "}, "wanted an answer that ends in ####"),
        (
            "math",
            {"problem": "?", "level": "1", "type": "a", "solution": "7"},
            "wanted a solution with its answer",
        ),
        ("math500", 7, "row 0: no row of the preset math500"),
        ("mbpp", {**MBPP[0], "code": "def"}, "wanted Python in 'code'"),
        ("mbpp", {**MBPP[0], "code": "x = 1"}, "wanted tests that call what 'code' defines"),
        ("mbpp", {**MBPP[0], "test_list": ["assert ("]}, "no row of the preset mbpp"),
        ("mbpp", {**MBPP[0], "test_list": None}, "no row of the preset mbpp"),
    ],
)
def test_a_row_of_another_form_is_named(tmp_path, name, row, fault):
    with pytest.raises(TableError) as error:
        rows_of(name, write(tmp_path, [row]))
    assert fault in str(error.value)
    assert "rows.jsonl" in str(error.value)


def test_the_last_box():
    assert last_boxed(r"\boxed{1} or \boxed{\frac{1}{2}}.") == r"\frac{1}{2}"
    assert last_boxed(r"\fbox{ 3 }") == "3"
    assert last_boxed(r"\boxed 4") == "4"
    with pytest.raises(NoAnswer):
        last_boxed(r"\boxed{1")


@pytest.mark.parametrize("name", PRESETS)
def test_the_verifier_comes_with_the_preset(name):
    fitting = PRESET_VERIFIERS[name]
    assert configuration(name).verify.kind == fitting[0]
    assert configuration(name, kind=fitting[-1]).verify.kind == fitting[-1]
    assert configuration(name, kind="my.module:score").verify.kind == "my.module:score"
    assert configuration(name, timeout_s=1.0).verify.kind == fitting[0]
    with pytest.raises(ConfigError, match=f"verify.kind: wanted .* for the answers of {name}, found 'exact'"):
        configuration(name, kind="exact")


def test_every_preset_is_known_to_the_configuration():
    assert set(PRESETS) == set(PRESET_VERIFIERS)


def test_without_a_file_and_without_the_hub_it_is_said(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises((OutsideError, InputError), match="openai/gsm8k"):
        rows_of("gsm8k", None)


@pytest.mark.parametrize("name", REAL)
def test_the_real_file(name):
    file, count = REAL[name]
    if not (DATA / file).exists():
        pytest.skip(f"not run: {file} is not at {DATA}")
    rows = rows_of(name, str(DATA / file))
    assert len(rows) == count
    import pyarrow as pa

    table = pa.Table.from_pylist(rows, schema_of(PROMPTS, ("prompt_id", "prompt", "answer", "verify")))
    assert len(kinds_of(table, configuration(name).verify.kind)) == count  # none that could never be right


def test_right_answers_of_gsm8k_are_right():
    if not (DATA / "gsm8k_test.jsonl").exists():
        pytest.skip(f"not run: gsm8k_test.jsonl is not at {DATA}")
    rows = rows_of("gsm8k", str(DATA / "gsm8k_test.jsonl"))
    solutions = [json.loads(line)["answer"] for line in (DATA / "gsm8k_test.jsonl").read_text().splitlines()]
    assert set(judged("gsm8k", [row["answer"] for row in rows], solutions)) == {1.0}
    others = random.Random(0).sample(solutions, len(solutions))
    wrong = [
        own.rpartition("#### ")[2] != other.rpartition("#### ")[2]
        for own, other in zip(solutions, others, strict=True)
    ]
    found = judged("gsm8k", [row["answer"] for row in rows], others)
    assert [reward == 0.0 for reward in found] == wrong
