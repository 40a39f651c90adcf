"""Importers on logs that nobody would write: whatever a file holds, it is read or refused on purpose.

`ACUTE_FUZZ=100000 pytest --timeout 0 tests/integrations/test_import_fuzz.py` tries that many of each kind.
hypothesis draws the first seed of each batch, the same ones every time; a failure names its seed, and
`Odd(seed)` draws the same input again. (Batches, because its bookkeeping costs ten times what reading one
input does.)
"""

import io
import os

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.errors import AcuteError
from acute.integrations.logs import FORMATS
from acute.integrations.logs.rows import FIELDS, Asked
from acute.integrations.logs.tables import as_tables
from acute.rollout.openai import _Unusable, read_reply
from tests.integrations import odd_logs
from tests.integrations.odd_logs import Odd

EXAMPLES = int(os.environ.get("ACUTE_FUZZ", "2000"))
BATCH = 100  # inputs from one draw of hypothesis


def reads_or_refuses(form, path, odd):
    """Whether it was read; every other end than one of our errors fails the test."""
    columns = {odd.choice(FIELDS): odd.text()} if odd.random() < 0.05 else {}
    where = {odd.choice(("step", "family", "a.b")): odd.text()} if odd.random() < 0.05 else {}
    try:
        log = FORMATS[form](path, Asked(columns, where))
        found = as_tables(log, odd.choice(odd_logs.STEPS), odd.choice(odd_logs.THRESHOLDS), 2)
    except AcuteError as error:
        assert str(error)
        return False
    rewards, ids = found.responses["reward"].to_pylist(), found.responses["response_id"].to_pylist()
    assert set(rewards) <= {0.0, 1.0, None} and set(rewards) != {None}
    assert len(set(ids)) == len(ids) >= 1
    assert set(found.responses["prompt_id"].to_pylist()) == set(found.prompts["prompt_id"].to_pylist())
    return True


def fuzz(ask):
    """Ask about `EXAMPLES` inputs or a few more; how many were read."""
    read = 0

    @settings(max_examples=EXAMPLES // BATCH, deadline=None, print_blob=True, database=None, derandomize=True)
    @given(first=st.integers(0, 2**48))
    def batch(first):
        nonlocal read
        for seed in range(first, first + BATCH):
            try:
                read += ask(Odd(seed))
            except Exception as error:
                error.add_note(f"the input was drawn from Odd({seed})")
                raise

    batch()
    return read


def both_ends(ask):
    """Fuzz; some inputs must be read and some must not, else nothing was tried."""
    assert EXAMPLES // 50 <= fuzz(ask) <= EXAMPLES - EXAMPLES // 50


def write(file, content):
    """A new file: a file system may write one that is emptied and filled again out to the disk each time."""
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def as_parquet(form, odd):
    content = io.BytesIO()
    pq.write_table(odd_logs.parquet(form, odd), content, compression="none")
    return content.getvalue()


@pytest.mark.parametrize("form", list(odd_logs.SCHEMAS))
def test_json_lines(form, tmp_path):
    file = tmp_path / "samples_t_2026-01-01T00-00-00.0.jsonl"

    def ask(odd):
        write(file, odd_logs.json_lines(form, odd))
        return reads_or_refuses(form, file, odd)

    both_ends(ask)


def test_inspect(tmp_path):
    def ask(odd):
        write(tmp_path / "log.json", odd_logs.inspect_log(odd))
        return reads_or_refuses("inspect", tmp_path / "log.json", odd)

    both_ends(ask)


@pytest.mark.parametrize("form", ["trl", "jsonl"])
def test_parquet(form, tmp_path):
    def ask(odd):
        write(tmp_path / "log.parquet", as_parquet(form, odd))
        return reads_or_refuses(form, tmp_path / "log.parquet", odd)

    both_ends(ask)


def test_damaged_parquet(tmp_path):
    def ask(odd):
        write(tmp_path / "log.parquet", odd_logs.damaged(as_parquet("trl", odd), odd))
        return reads_or_refuses("trl", tmp_path / "log.parquet", odd)

    fuzz(ask)


@pytest.mark.parametrize("form", [*odd_logs.SCHEMAS, "inspect"])
def test_damaged_json(form, tmp_path):
    file = tmp_path / "damaged.jsonl"

    def ask(odd):
        whole = odd_logs.inspect_log(odd) if form == "inspect" else odd_logs.json_lines(form, odd)
        write(file, odd_logs.damaged(whole, odd))
        return reads_or_refuses(form, file, odd)

    fuzz(ask)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"[" * 100_000,
        b'{"reward": ' + b"1" * 5000 + b"}",
        b'{"prompt_id": 1e400, "reward": 1}',
        b'{"prompt_id": "a", "reward": NaN}',
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'{"prompt_id": ' + b"9" * 4000 + b', "reward": 1}',
        b'{"samples": [{"id": ' + b"9" * 4000 + b"}]}",
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "verl", "lm-eval", "counts", "inspect", "trl"])
def test_files_found_by_thinking(form, content, tmp_path):
    file = tmp_path / ("log.parquet" if form == "trl" else "log.jsonl")
    file.write_bytes(content)
    reads_or_refuses(form, file, Odd(0))


def test_replies_of_a_server():
    def ask(odd):
        reply = {"choices": odd.mostly(lambda: [odd.row(odd_logs.choice) for _ in range(odd.randrange(4))])}
        try:
            found = read_reply(reply, odd.choice(("completions", "chat")))
        except _Unusable:
            return False
        for drawn in found:
            drawn.text.encode()
            assert drawn.logprob is None or drawn.logprob <= 1e-5 * (drawn.tokens or 0)
        return bool(found)

    both_ends(ask)
