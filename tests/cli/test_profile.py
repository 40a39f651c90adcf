"""`acute profile`: numbers, refusals, exit codes, time."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.core.advantages.registry import ESTIMATORS
from acute.errors import ConfigError, InputError


def run(*arguments):
    return CliRunner().invoke(app, ["profile", *arguments], catch_exceptions=True)


def as_json(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into the working folder and name its functions."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))

    return write


def test_without_names_every_built_in_estimator_is_profiled():
    command = [sys.executable, "-m", "acute", "profile", "-n", "16", "-k", "8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [x["name"] for x in json.loads(done.stdout)["estimators"]] == list(ESTIMATORS)


def test_no_torch_is_loaded():
    code = (
        "import sys; from typer.testing import CliRunner; from acute.cli.main import app; "
        "assert CliRunner().invoke(app, ['profile']).exit_code == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_json_has_every_number():
    found = as_json("pass-at-k-training", "rloo", "-n", "8", "-k", "8")
    assert (found["n"], found["k"]) == (8, 8)
    zero, rloo = found["estimators"]
    assert zero["verdict"] == "zero" and zero["closest_k"] is None and 8 in zero["zero_at_k"]
    assert rloo["weight"] == pytest.approx([1.0] * len(rloo["p"]))
    assert {"ratio", "bias", "variance", "second_moment", "signal", "length_effect"} <= rloo.keys()


def test_table_says_what_is_biased():
    done = run("maxrl-repository-pkpo", "pkpo-loo-1", "mean-centred-pkpo", "-n", "16", "-k", "4")
    assert done.exit_code == 0
    assert "biased" in done.stdout and "unbiased" in done.stdout and "× 0.75" in done.stdout


def test_a_narrow_terminal_keeps_names_verdicts_and_weights(monkeypatch, capsys):
    from rich.console import Console

    from acute.cli.profile import _table
    from acute.core.profiler import profile

    monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))
    monkeypatch.setenv("COLUMNS", "80")
    e = ESTIMATORS["pass-at-k-training-bootstrap-no-std"]
    _table([profile(e.advantage, e.declared(16, 8), 16, 8, name=e.name)])
    shown = capsys.readouterr().out
    assert "0.469" in shown and "p=0.5" in shown and "0.0293" in shown and "noise" not in shown
    assert max(len(line) for line in re.sub("\x1b.*?m", "", shown).splitlines()) <= 80


def test_another_objective():
    found = as_json("rloo", "--objective", "pass@4")["estimators"][0]
    assert (found["objective"], found["verdict"]) == ("pass@4", "biased")


def test_lengths():
    even, odd = (as_json("psr", "--length-ratio", r)["estimators"][0]["length_effect"] for r in ("1", "4"))
    assert even == pytest.approx([1.0] * len(even)) and odd[0] < 0.3


def test_a_users_function(module):
    module("mine_ok", "def centred(rewards):\n    return rewards - rewards.mean(-1, keepdims=True)\n")
    found = as_json("mine_ok:centred", "--objective", "pass@1", "-n", "4")["estimators"][0]
    assert found["verdict"] == "proportional" and found["multiple"] == pytest.approx(3 / 4)


def test_a_users_function_with_k(module):
    text = "from acute.core.advantages import pass_at_k\n\ndef mine(rewards, k):\n"
    text += "    return pass_at_k.pkpo(rewards, k)\n"
    module("mine_k", text)
    found = as_json("mine_k:mine", "-n", "6", "-k", "3")["estimators"][0]
    assert (found["objective"], found["verdict"]) == ("pass@3", "unbiased")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return rewards[:, :1]", "rewards' shape"),
        ("return rewards * float('nan')", "finite numbers"),
        ("return rewards * range(rewards.shape[1])", "order of the responses"),
        ("return rewards - rewards.mean()", "other groups"),
        ("return undefined", "raised NameError .* 'undefined'"),
        ("return rewards * 1j", "real numbers"),
        ("raise SystemExit(0)", "raised SystemExit"),
    ],
)
def test_a_wrong_function_is_refused_with_a_clear_line(module, body, message):
    name = f"mine_{abs(hash(body))}"
    module(name, f"def f(rewards):\n    {body}\n")
    done = run(f"{name}:f", "-n", "4")
    assert isinstance(done.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise done.exception


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rlo", "one of reinforce"),
        ("no_such_module:f", "no module 'no_such_module'"),
        ("math:no_such", "has no 'no_such'"),
        ("math:pi", "wanted a function, found float"),
        ("builtins:max", "parameters can be read"),
        (":f", "wanted module:function, found ':f'"),
        ("math:", "wanted module:function, found 'math:'"),
        ("verl:grpo", "needs verl"),
        ("trl:group", "needs TRL"),
        ("trl:all", "scale_rewards group"),
    ],
)
def test_names_that_lead_nowhere(name, message, monkeypatch):
    for absent in ("verl", "trl"):
        monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.setitem(sys.modules, "verl.trainer.ppo.core_algos", None)
    done = run(name)
    assert message in str(done.exception)


def test_wrong_n_and_k():
    assert "needs k of 2 or more" in str(run("pkpo-loo-1", "-k", "1").exception)
    assert "groups of 9 or more at k = 8" in str(run("pkpo-loo", "-n", "8", "-k", "8").exception)
    assert run("rloo", "-n", "0").exit_code == 2
    assert isinstance(run("rloo", "--objective", "best").exception, ConfigError)


def test_exit_code_and_one_line():
    done = subprocess.run([sys.executable, "-m", "acute", "profile", "rlo"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("acute: wanted") and done.stderr.count("\n") == 1


def test_real_rewards():
    found = as_json("pkpo-loo", "grpo", "--rewards", "0,0.5,1", "-n", "6", "-k", "3")
    assert found["rewards"] == [0, 0.5, 1]
    good, bad = found["estimators"]
    assert good["multiple"] == pytest.approx([1.0] * 6) and max(good["error"]) < 1e-9
    assert max(bad["error"]) > 0.1
    everything = run("--rewards", "0,0.5,1", "-n", "6", "-k", "3")
    assert everything.exit_code == 0
    assert "pkpo" in everything.stdout and "psr" not in everything.stdout


@pytest.mark.parametrize("rewards", ["1", "a,b", "1,1", ""])
def test_rewards_must_be_different_numbers(rewards):
    assert "two or more different numbers" in str(run("rloo", "--rewards", rewards).exception)


def test_plot(tmp_path):
    path = tmp_path / "weights.html"
    done = run("rloo", "pkpo", "--plot", str(path), "--json")
    assert json.loads(done.stdout)["estimators"] and "wrote" in done.stderr
    assert "rloo" in path.read_text() and "cdn.plot.ly" not in path.read_text()[:2000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "raised SyntaxError"),
        ("1 / 0", "raised ZeroDivisionError"),
        ("raise SystemExit(0)", "raised SystemExit"),
        ("import no_such_part", "no module 'no_such_part'"),
    ],
)
def test_a_module_that_does_not_load(module, text, message):
    name = f"broken_{abs(hash(text))}"
    module(name, text)
    assert message in str(run(f"{name}:f").exception)


def test_what_a_function_prints_is_no_part_of_the_answer(module):
    module("mine_loud", "print('loading')\ndef f(rewards):\n    print('hello')\n    return rewards\n")
    done = run("mine_loud:f", "-n", "4", "--json")
    assert json.loads(done.stdout)["estimators"][0]["name"] == "mine_loud:f"
    assert "hello" in done.stderr and "loading" in done.stderr
