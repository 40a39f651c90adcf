"""Parts of a stage: read back only if they are what was written."""

import pytest

from acute.checksum import Damaged, refuse_damaged, seal, unseal
from acute.errors import InputError, OutsideError
from acute.parts import Parts
from acute.run import Run
from tests.test_run_folder import config


@pytest.fixture
def parts(tmp_path):
    return Parts(tmp_path / ".parts", "score")


def test_what_was_sealed_comes_back():
    assert unseal(seal(b"a\nb", "x")) == ("x", b"a\nb")
    with pytest.raises(ValueError, match="wanted one line"):
        seal(b"", "x\ny")


@pytest.mark.parametrize("bit", range(8))
def test_any_change_is_seen(bit):
    whole = seal(b"content", "made of")
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        with pytest.raises(Damaged):
            unseal(bytes(changed))
    for cut in range(len(whole)):
        with pytest.raises(Damaged):
            unseal(whole[:cut])
    with pytest.raises(Damaged):
        unseal(whole + b"0")


def test_a_part_of_something_else_is_not_taken(parts):
    parts.write(3, b"content", "weights a")
    assert parts.read(3, "weights a") == b"content"
    assert parts.read(3, "weights b") is None
    assert parts.read(4) is None
    assert parts.made_of(3) == "weights a"
    assert parts.indices() == [3]


def test_a_damaged_part_is_set_aside_and_said(parts, capsys):
    parts.write(0, b"first")
    parts.write(1, b"second")
    parts.path(1).write_bytes(parts.path(1).read_bytes()[:-1])
    assert parts.read(1) is None
    assert "score-000001.sealed does not match its checksum: set aside" in capsys.readouterr().err
    assert parts.set_aside() == ["score-000001.corrupt"]
    assert parts.indices() == [0]
    parts.write(1, b"second")
    assert list(parts.contents()) == [b"first", b"second"]
    parts.path(0).write_bytes(b"")
    with pytest.raises(OutsideError, match="was damaged while score ran: start the same command again"):
        list(parts.contents())


def test_a_copy_of_another_part_is_damaged(parts):
    parts.write(0, b"first")
    parts.write(1, b"second")
    parts.path(1).write_bytes(parts.path(0).read_bytes())
    assert parts.read(1) is None
    assert parts.set_aside() == ["score-000001.corrupt"]


def test_the_record_names_what_was_set_aside(tmp_path):
    run = Run.create(tmp_path / "run", config())
    run.parts("verify").write(0, b"x")
    run.parts("verify").path(0).write_bytes(b"y")
    with run.stage("verify"):
        assert run.parts("verify").read(0) is None
    assert Run.open(run.path).record["stages"]["verify"]["set_aside"] == ["verify-000000.corrupt"]


def test_a_changed_file_is_refused_with_what_to_do(tmp_path):
    run = Run.create(tmp_path / "run", config())
    run.write_analysis({"k_dagger": 1})
    refuse_damaged(run.path, "analysis.json", "sketch.npy")  # the latter is not there
    (run.path / "analysis.json").write_text('{"k_dagger": 2}')
    with pytest.raises(InputError, match=r"checksum differs.*start acute analyse again"):
        refuse_damaged(run.path, "analysis.json")
    (run.path / "run.json").unlink()
    refuse_damaged(run.path, "analysis.json")  # nothing is known of it
