"""The stage `verify` on run folders written by hand: columns, counts, resume, and what stops it."""

import json
from importlib import import_module

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.config import parse
from acute.errors import InputError
from acute.run import Run
from acute.stages.verify import refuse_uncheckable, verify
from acute.table import PROMPTS, RESPONSES, schema_of
from acute.verify.exact import exact
from acute.verify.kinds import KINDS, QUICK, function_at
from acute.verify.settings import Settings
from acute.verify.verifiers import Verifiers

stage = import_module("acute.stages.verify")  # `acute.stages.verify` is also the function in it
needs_math = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("math_verify"),
    reason="not run: math-verify is not installed",
)
PROMPT_COLUMNS = ("prompt_id", "prompt", "question", "answer", "prefill", "family", "verify")
RESPONSE_COLUMNS = ("response_id", "prompt_id", "fold", "response", "token_ids", "logprob", "finish")


def run_of(folder, prompts, responses, **settings):
    """A run folder whose prompts and responses are these; `responses` are (prompt_id, text) in order."""
    data = {"model": {"name": "m"}, "prompts": {"source": "p.jsonl"}, "verify": {"workers": 1, **settings}}
    run = Run.create(folder, parse(data))
    rows = [{"prompt": "chat: " + row["prompt_id"], "question": row["prompt_id"], **row} for row in prompts]
    run.write_prompts(pa.Table.from_pylist(rows, schema_of(PROMPTS, PROMPT_COLUMNS)))
    drawn = [
        {
            "response_id": f"{name}/{i}",
            "prompt_id": name,
            "fold": i % 2,
            "response": text,
            "token_ids": [1, 2],
            "logprob": -1.0,
            "finish": "eos",
        }
        for i, (name, text) in enumerate(responses)
    ]
    run.write_responses(pa.Table.from_pylist(drawn, schema_of(RESPONSES, RESPONSE_COLUMNS)))
    for name in ("prompts", "rollout"):
        with run.stage(name):
            pass
    return run


PROMPTS_HERE = [
    {"prompt_id": "half", "answer": r"\frac12", "family": "fractions", "prefill": r"So \boxed{"},
    {"prompt_id": "root", "answer": r"2\sqrt{7}", "family": "roots"},
    {"prompt_id": "word", "answer": "yes", "family": None, "verify": "short"},
]
RESPONSES_HERE = [
    ("half", "0.5}"),
    ("half", "0.6}"),
    ("root", r"\boxed{\sqrt{28}}"),
    ("root", r"\boxed{10^{10^{10^{10}}}}"),
    ("root", "no answer"),
    ("root", r"\boxed{\foo}"),
    ("word", "Yes."),
    ("word", "no"),
]


def column(run, name):
    return run.responses()[name].to_pylist()


@needs_math
def test_every_end_has_its_place(tmp_path):
    run = run_of(tmp_path / "run", PROMPTS_HERE, RESPONSES_HERE, kind="math", timeout_s=3)
    verify(run)
    ends = ["ok", "ok", "ok", "timeout", "wrong_form", "wrong_form", "ok", "ok"]
    assert column(run, "outcome") == ends
    assert column(run, "reward") == [1.0, 0.0, 1.0, None, 0.0, 0.0, 1.0, 0.0]
    assert column(run, "answer_found")[3:6] == ["10^{10^{10^{10}}}", None, r"\foo"]
    assert column(run, "detail")[3] == "no answer within 3 s"
    facts = json.loads((run.path / "run.json").read_text())["stages"]["verify"]
    assert facts["outcomes"] == {"ok": 5, "timeout": 1, "wrong_form": 2}
    assert facts["outcomes_by_family"] == {
        "": {"ok": 2},
        "fractions": {"ok": 2},
        "roots": {"ok": 1, "timeout": 1, "wrong_form": 2},
    }
    assert facts["answers_found_but_not_read"] == 1
    assert facts["no_reward"] == {"timeout": {"roots": 1}}
    assert facts["verifiers"]["math"]["versions"]["antlr4-python3-runtime"]
    assert not run.parts("verify")


@needs_math
def test_done_again_it_adds_no_second_column(tmp_path):
    run = run_of(tmp_path / "run", PROMPTS_HERE, RESPONSES_HERE, kind="math", timeout_s=1)
    verify(run)
    before = run.responses()
    verify(run)
    assert run.responses().equals(before)


def of_pids(folder, responses=12, **settings):
    prompts = [{"prompt_id": "p", "answer": "4"}]
    drawn = [("p", str(i % 5)) for i in range(responses)]
    return run_of(folder, prompts, drawn, kind="tests.verify.custom_functions:plain", **settings)


def stopped_after_a_block(folder, monkeypatch):
    """A run of twelve responses, killed after the first five were checked; and sizes of all later blocks."""
    run = of_pids(folder)
    asked, real = [], stage.Verifiers.check

    def dying(self, kinds, items):
        asked.append(len(items))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, kinds, items)

    monkeypatch.setattr(stage, "BLOCK", 5)
    monkeypatch.setattr(stage.Verifiers, "check", dying)
    with pytest.raises(KeyboardInterrupt):
        verify(run)
    assert not run.done("verify")
    assert len(run.parts("verify")) == 1
    return Run.open(run.path), asked


def test_a_killed_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    run, asked = stopped_after_a_block(tmp_path / "run", monkeypatch)
    verify(run)
    assert asked == [5, 5, 5, 2]
    assert run.done("verify")
    assert not run.parts("verify")
    assert column(run, "reward") == [float(i % 5 == 4) for i in range(12)]


def test_saved_verdicts_on_other_responses_are_not_taken(tmp_path, monkeypatch):
    run, asked = stopped_after_a_block(tmp_path / "run", monkeypatch)
    table = run.responses()
    place = table.column_names.index("response")
    run.write_responses(table.set_column(place, "response", pa.array(["4"] * len(table))))
    verify(run)
    assert asked == [5, 5, 5, 5, 2]
    assert column(run, "reward") == [1.0] * 12


def test_other_settings_check_again_but_other_workers_do_not(tmp_path):
    run = of_pids(tmp_path / "run")
    verify(run)
    data = run.config.model_dump(mode="json")
    data["verify"]["workers"] = 2
    assert Run.create(run.path, parse(data)).done("verify")
    data["verify"]["timeout_s"] = 60.0
    assert not Run.create(run.path, parse(data)).done("verify")


def test_a_folder_made_before_a_setting_was_there_can_be_gone_on_with(tmp_path):
    run = of_pids(tmp_path / "run")
    verify(run)
    record = json.loads((run.path / "run.json").read_text())
    del record["config"]["verify"]["threshold"]
    (run.path / "run.json").write_text(json.dumps(record))
    data = run.config.model_dump(mode="json")
    data["analyse"]["k"] = [1, 2]
    assert Run.create(run.path, parse(data)).done("verify")


def test_errors_keep_their_message_and_have_no_reward(tmp_path):
    prompts, drawn = [{"prompt_id": "p", "answer": "4"}], [("p", "4")]
    run = run_of(tmp_path / "run", prompts, drawn, kind="tests.verify.custom_functions:raises")
    verify(run)
    assert column(run, "outcome") == ["error"]
    assert column(run, "reward") == [None]
    assert column(run, "detail") == ["KeyError: 'no 4'"]


def test_rewards_between_stop_the_command_with_what_to_do(tmp_path, monkeypatch):
    prompts, drawn = [{"prompt_id": "p", "answer": "44"}], [("p", "45"), ("p", "44")]
    name = "tests.verify.custom_functions:partial"
    run = run_of(tmp_path / "run", prompts, drawn, kind=name)
    with pytest.raises(InputError, match=r"gave the reward 0\.5: wanted 0 or 1; set verify\.threshold"):
        verify(run)
    run = run_of(tmp_path / "other", prompts, drawn, kind=name, threshold=0.9)
    monkeypatch.setattr("sys.argv", ["acute"])
    done = CliRunner().invoke(app, ["verify", str(run.path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outcomes"] == {"ok": 2}
    assert column(run, "reward") == [0.0, 1.0]
    assert column(run, "detail") == ["reward 0.5", "reward 1"]


def test_imported_responses_without_text_cannot_be_checked(tmp_path):
    run = run_of(tmp_path / "run", [{"prompt_id": "p", "answer": "4"}], [("p", None)], kind="exact")
    with pytest.raises(InputError, match="prompt 'p' has responses without text"):
        verify(run)


def table(**row):
    rows = [{"prompt_id": "p", "prompt": "?", "answer": "4", **row}]
    return pa.Table.from_pylist(rows, schema_of(PROMPTS, ("prompt_id", "prompt", "answer", "verify")))


@pytest.mark.parametrize(
    ("settings", "row", "message"),
    [
        ({"kind": "no_such_module:f"}, {}, "no module 'no_such_module' in"),
        ({"kind": "tests.verify.custom_functions:no_form"}, {}, "wanted a function of"),
        ({}, {"verify": "no_such_module:f"}, "no module 'no_such_module' in"),
        ({"kind": "math"}, {"answer": " "}, "the verifier math wanted an answer"),
    ],
)
def test_what_could_never_be_checked_is_refused_before_sampling(settings, row, message):
    config = parse({"model": {"name": "m"}, "prompts": {"source": "p"}, "verify": settings}).verify
    with pytest.raises(InputError, match=message):
        refuse_uncheckable(table(**row), config)


def test_without_math_verify_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("acute.verify.math.versions", lambda: {"math-verify": None})
    config = parse({"model": {"name": "m"}, "prompts": {"source": "p"}, "verify": {"kind": "math"}}).verify
    with pytest.raises(InputError, match=r'pip install "acute\[math\]"'):
        refuse_uncheckable(table(), config)


def test_every_verifier_is_where_its_name_says():
    assert function_at(QUICK["exact"]) is exact
    for kind in KINDS:
        with Verifiers(Settings()) as verifiers:
            assert callable(verifiers.of(kind).check)


@needs_math
def test_a_reward_function_of_trl_checks_as_the_stage_does():
    from acute.train.rewards import reward_of

    class Letters:
        """A tokenizer whose tokens are characters."""

        def decode(self, ids, clean_up_tokenization_spaces):
            del clean_up_tokenization_spaces
            return "".join(map(chr, ids))

    config = parse(
        {"model": {"name": "m"}, "prompts": {"source": "p"}, "verify": {"kind": "math", "workers": 1}}
    ).verify
    reward = reward_of(Letters(), [0], config)
    texts = ["0.5}\0", r"\boxed{\sqrt{28}}" + "\0", "yes\0", "5}\0", "The answer is 5"]
    found = reward(
        completion_ids=[list(map(ord, text)) for text in texts],
        answer=[r"\frac12", r"2\sqrt{7}", "yes", r"\frac12", "5"],
        verify=[None, None, "short", None, None],
        prefill=[r"\boxed{", None, None, r"\boxed{", None],
        question=["?"] * 5,
        family=["f"] * 5,
        prompts=["?"] * 5,
    )
    assert found == [1.0, 1.0, 1.0, 0.0, 0.0]
