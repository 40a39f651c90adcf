"""A configuration is accepted as it is meant, or refused with key, what was wanted and what was found."""

from pathlib import Path

import pytest

from acute.config import load, parse
from acute.errors import ConfigError

ROOT = Path(__file__).parent.parent
# those of `acute train` are loaded by test_architecture.py
EXAMPLES = sorted(
    p
    for folder in ("src", "examples")
    for p in (ROOT / folder).rglob("*.toml")
    if "[train]" not in p.read_text()
)
SMALLEST = '[model]\nname = "m"\n[prompts]\nsource = "arithmetic"\n'


def write(folder, text):
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder, *lines):
    """The message for the smallest configuration with lines ("section", "key = value") changed or added."""
    sections = {"": [], "model": ['name = "m"'], "prompts": ['source = "arithmetic"']}
    for section, line in lines:
        kept = [x for x in sections.get(section, []) if x.split(" = ")[0] != line.split(" = ")[0]]
        sections[section] = [*kept, line]
    text = "\n".join("\n".join([f"[{name}]" if name else "", *some]) for name, some in sections.items())
    with pytest.raises(ConfigError) as error:
        load(write(folder, text))
    assert "\n" not in str(error.value)
    assert "config.toml" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_example_loads_with_its_files(path):
    config = load(path)
    if config.prompts.source != "arithmetic":
        assert Path(config.prompts.source).exists()
    if config.control is not None:
        load(Path(config.control))


def test_there_are_examples():
    assert {"override.toml", "control.toml"} <= {path.name for path in EXAMPLES}


def test_the_smallest_has_the_contracts_defaults(tmp_path):
    config = load(write(tmp_path, SMALLEST))
    assert config.seed == 0
    assert config.model.dtype == "float32"
    assert config.sampling.model_dump() == {
        "n": 256,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_tokens": 16,
        "stop": (),
        "backend": "transformers",
        "prompts_at_once": 8,
    }
    assert config.verify.kind == "short"
    assert (config.score.parameters, config.score.engine, config.score.metric) == ("all", "sketch", "sgd")
    assert config.score.folds == 2
    assert config.analyse.k == (1, 2, 4, 8, 16, 32)
    assert (config.analyse.easy, config.analyse.hard) == (None, None)


def test_a_whole_number_may_stand_for_a_fraction_and_nothing_else_is_bent(tmp_path):
    assert load(write(tmp_path, SMALLEST + "[sampling]\ntemperature = 1\n")).sampling.temperature == 1.0


def test_labels_are_taken_from_the_files_own_folder(tmp_path):
    config = load(write(tmp_path, SMALLEST + '[analyse]\nlabels = "labels.jsonl"\n'))
    assert config.analyse.labels == str(tmp_path.resolve() / "labels.jsonl")


def test_what_is_saved_is_read_back(tmp_path):
    config = load(write(tmp_path, SMALLEST + "[analyse]\neasy = 0.9\nhard = 0.1\n"))
    assert parse(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("analyse", "false_pass = 1.0", "analyse.false_pass: wanted less than 1, found 1.0"),
        ("analyse", "false_fail = -0.1", "analyse.false_fail: wanted greater than or equal to 0"),
        ("", "seed = -1", "seed: wanted greater than or equal to 0, found -1"),
        ("", "seed = 9223372036854775808", "seed: wanted less than 9223372036854775808, found 92233"),
        ("", 'seed = "0"', "seed: wanted a valid integer, found '0'"),
        ("", "seed = true", "seed: wanted a valid integer, found True"),
        ("", "seed = 1979-05-27", "seed: wanted a valid integer, found '1979-05-27'"),
        ("model", 'name = ""', "model.name: "),
        ("model", "name = 7", "model.name: wanted a valid string, found 7"),
        ("model", 'dtype = "int8"', "model.dtype: wanted 'float32', 'bfloat16' or 'float64', found 'int8'"),
        *(
            ("score", f"tokens_at_once = {x}", f"wanted a number of tokens from 1 on, or 'auto', found {y}")
            for x, y in (("0", "0"), ("true", "True"), ('"many"', "'many'"), ("2.5", "2.5"))
        ),
        ("model", 'device = "tpu"', "model.device: wanted 'auto', 'cpu' or 'cuda', found 'tpu'"),
        ("prompts", "limit = 0", "prompts.limit: wanted greater than or equal to 1, found 0"),
        ("prompts", "families = []", "prompts.families: "),
        ("prompts", 'families = "compare"', "prompts.families: wanted a valid array, found 'compare'"),
        ("prompts", "per_family = 2.0", "prompts.per_family: wanted a valid integer, found 2.0"),
        ("sampling", 'n = "256"', "sampling.n: wanted a valid integer, found '256'"),
        ("sampling", "n = 256.0", "sampling.n: wanted a valid integer, found 256.0"),
        ("sampling", "n = true", "sampling.n: wanted a valid integer, found True"),
        ("sampling", "n = 1", "sampling.n: wanted greater than or equal to 2, found 1"),
        ("sampling", "temperature = 0", "sampling.temperature: wanted greater than 0, found 0"),
        ("sampling", "temperature = nan", "sampling.temperature: wanted"),
        ("sampling", "temperature = inf", "sampling.temperature: wanted less than or equal to 100"),
        ("sampling", "temperature = true", "sampling.temperature: wanted a valid number, found True"),
        ("sampling", "top_p = 0", "sampling.top_p: wanted greater than 0, found 0"),
        ("sampling", "top_p = 1.1", "sampling.top_p: wanted less than or equal to 1, found 1.1"),
        ("sampling", "max_tokens = 0", "sampling.max_tokens: wanted greater than or equal to 1"),
        ("sampling", 'stop = "\\n"', "sampling.stop: wanted a valid array"),
        ("sampling", 'stop = [""]', "sampling.stop.0: "),
        (
            "sampling",
            'backend = "magic"',
            "sampling.backend: wanted 'transformers', 'vllm', 'openai' or 'ray', found 'magic'",
        ),
        (
            "verify",
            'kind = "lenient"',
            "verify.kind: wanted short, exact, json, math, code or module:function, found 'lenient'",
        ),
        ("score", 'parameters = ""', "score.parameters: "),
        ("score", 'engine = "fast"', "score.engine: wanted 'sketch', 'dots' or 'reference', found 'fast'"),
        ("score", "folds = 1", "score.folds: wanted greater than or equal to 2, found 1"),
        ("score", "folds = 16", "wanted sampling.n / score.folds ≥ 2 and the largest analyse.k"),
        ("analyse", "k = []", "analyse.k: "),
        ("analyse", "k = [2, 1]", "analyse: wanted k as increasing whole numbers from 1"),
        ("analyse", "k = [1, 1]", "analyse: wanted k as increasing whole numbers from 1"),
        ("analyse", "k = [0, 1]", "analyse: wanted k as increasing whole numbers from 1"),
        ("analyse", "k = 8", "analyse.k: wanted a valid array, found 8"),
        ("analyse", "easy = 0.9", "analyse: the filter needs both easy and hard"),
        (
            "analyse",
            "k = [1, 8]\nbeyond = [8, 64]",
            "beyond as increasing whole numbers above the largest k (8)",
        ),
        ("analyse", "beyond = [64]\neasy = 0.9\nhard = 0.1", "wanted beyond without the filter"),
        ("analyse", "easy = 0.1\nhard = 0.9", "wanted hard ≤ easy"),
        ("analyse", "false_pass = 0.5\nfalse_fail = 0.5", "wanted false_pass + false_fail below 1, found"),
        (
            "analyse",
            'labels = "l.jsonl"\nfalse_fail = 0.1',
            "wanted either labels or false_pass and false_fail",
        ),
        ("analyse", "easy = 1.5\nhard = 0.1", "analyse.easy: wanted less than or equal to 1, found 1.5"),
        ("analyse", "easy = nan\nhard = 0.1", "analyse.easy: wanted"),
    ],
)
def test_an_impossible_value_is_refused(tmp_path, section, line, message):
    assert message in refused(tmp_path, (section, line))


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("sampling", "temprature = 1.0", "sampling.temprature: unknown key; did you mean 'temperature'?"),
        ("score", 'parameter = "all"', "score.parameter: unknown key; did you mean 'parameters'?"),
        ("", "sede = 1", "sede: unknown key; did you mean 'seed'?"),
        ("samplign", "n = 4", "samplign: unknown key; did you mean 'sampling'?"),
        ("verify", "zzz = 1", "verify.zzz: unknown key; known keys: kind"),
    ],
)
def test_an_unknown_key_is_named_with_a_guess(tmp_path, section, line, message):
    assert message in refused(tmp_path, (section, line))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("ray", "samplers = 2")], "[ray] is for sampling.backend = \"ray\", found 'transformers'"),
        ([("vllm", "tensor_parallel_size = 2")], "[vllm] is for sampling.backend = "),
        ([("sampling", 'backend = "ray"'), ("vllm", "tensor_parallel_size = 2")], "[vllm] is for"),
        ([("sampling", 'backend = "vllm"'), ("model", 'dtype = "float64"')], "vLLM has no float64"),
        ([("sampling", 'backend = "ray"'), ("ray", "deadline = 0")], "ray.deadline: wanted greater than 0"),
        ([("sampling", 'backend = "ray"'), ("ray", 'engine = "openai"')], "ray.engine: wanted"),
        ([("sampling", 'backend = "vllm"'), ("vllm", "tensor_parallel_size = 0")], "vllm.tensor_parallel"),
    ],
)
def test_engines_and_their_tables_go_together(tmp_path, lines, message):
    assert message in refused(tmp_path, *lines)


def test_vllm_would_raise_a_lower_temperature(tmp_path):
    text = SMALLEST + '[sampling]\nbackend = "vllm"\ntemperature = '
    with pytest.raises(ConfigError, match=r"temperature ≥ 0\.01 with vLLM"):
        load(write(tmp_path, text + "0.009"))
    assert load(write(tmp_path, text + "0.01")).sampling.temperature == 0.01


def test_an_engine_has_its_table_though_nothing_in_it_is_set(tmp_path):
    config = load(write(tmp_path, SMALLEST + '[sampling]\nbackend = "vllm"\n'))
    assert config.vllm is not None and config.vllm.tensor_parallel_size == 1 and config.ray is None
    config = load(write(tmp_path, SMALLEST + '[sampling]\nbackend = "ray"\n'))
    assert config.ray is not None and config.ray.engine == "transformers" and config.vllm is None
    config = load(write(tmp_path, SMALLEST + '[sampling]\nbackend = "ray"\n[ray]\nengine = "vllm"\n'))
    assert config.uses_vllm and config.vllm is not None
    assert parse(config.model_dump(mode="json")) == config


def test_every_fault_is_named_at_once(tmp_path):
    message = refused(tmp_path, ("sampling", "n = 1"), ("score", "fold = 2"), ("model", "name = 7"))
    assert all(part in message for part in ("sampling.n:", "score.fold:", "model.name:"))


def test_too_few_responses_a_fold_says_what_to_do(tmp_path):
    message = refused(tmp_path, ("sampling", "n = 63"))
    assert "found 63 / 2 = 31 < 32: raise sampling.n to 64, or ask for k ≤ 31" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "model: wanted a value, found none; prompts: wanted a value, found none"),
        ("model = 7\n[prompts]\nsource = 'arithmetic'", "model: wanted an object"),
        ("[model", "wanted TOML, found a fault"),
        ("[model]\nname = 'a'\nname = 'b'", "wanted TOML, found a fault"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"wanted a configuration file at .*nowhere\.toml"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match="wanted TOML"):
        load(tmp_path / "latin.toml")


def test_paths_start_at_the_files_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    text = 'control = "c.toml"\n' + SMALLEST.replace("arithmetic", "rows/p.jsonl")
    config = load(write(tmp_path, text))
    assert config.prompts.source == str(tmp_path / "rows" / "p.jsonl")
    assert config.control == str(tmp_path / "c.toml")
    assert load(write(tmp_path, SMALLEST)).prompts.source == "arithmetic"
