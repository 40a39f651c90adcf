"""What every command does with errors: one line for people, one JSON object for programs."""

import json
import subprocess
import sys

import pytest


def acute(*arguments, **options):
    command = [sys.executable, "-m", "acute", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["profile", "rlo"], 2, "wanted module:function or one of"),
        (["report", "nowhere"], 2, "wanted a run folder at nowhere"),
        (["gate", "--nonsense"], 2, "wrong arguments"),
        (["toy", "two-prompt", "--step", "nan"], 2, "--step must be a finite number, found nan"),
        (["toy", "population", "--separation", "inf"], 2, "--separation must be a finite number"),
    ],
)
def test_an_error_is_one_json_object_too(arguments, code, message, tmp_path):
    done = acute(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == code
    found = json.loads(done.stdout)
    assert found["exit_code"] == code and message in found["error"]
    assert done.stderr and "Traceback" not in done.stderr
    plain = acute(*arguments, cwd=tmp_path)
    assert plain.returncode == code and plain.stdout == ""


def test_an_answer_no_is_no_error(tmp_path):
    rows = "\n".join(json.dumps({"id": i, "n": 8, "c": i % 9}) for i in range(30))
    (tmp_path / "a.jsonl").write_text(rows)
    done = acute("gate", "a.jsonl", "a.jsonl", "--json", cwd=tmp_path)
    assert done.returncode in (1, 3) and json.loads(done.stdout)["exit_code"] == done.returncode
