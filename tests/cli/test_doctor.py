"""`acute doctor` says whether programs can be run safely here, and what to do where they cannot."""

import json

from typer.testing import CliRunner

from acute.cli.main import app
from acute.verify import sandbox


def doctor():
    done = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_the_sandbox_is_attacked():
    found = doctor()["sandbox"]
    assert found["works"] is True
    assert found["a verdict cannot be forged"] == "holds"
    assert "DOES NOT HOLD" not in found.values()


def test_where_there_is_none_it_says_what_to_do(monkeypatch):
    sandbox._variant.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    found = doctor()["sandbox"]
    sandbox._variant.cache_clear()
    assert found["works"] is False
    assert "apt-get install bubblewrap" in found["hint"]
