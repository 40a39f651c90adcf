"""Verdicts kept from run to run: only those that would come out the same."""

import sqlite3

import pytest

from acute.verify.cache import VerdictCache, default_path
from acute.verify.verdict import Verdict

RIGHT = Verdict("ok", 1.0, "x")


def kept(path, versions="1"):
    """What another process would find of the pair (a, x)."""
    cache = VerdictCache(path, versions)
    found = cache.find([("a", "x")]).get(("a", "x"))
    cache.close()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "verdicts.sqlite"


def put(path, verdict, pair=("a", "x"), versions="1"):
    cache = VerdictCache(path, versions)
    cache.put(pair, verdict)
    assert cache.find([pair]) == {pair: verdict}
    cache.close()


def test_a_verdict_is_found_again(path):
    assert kept(path) is None
    put(path, RIGHT)
    assert kept(path) == RIGHT


def test_not_under_other_versions(path):
    put(path, RIGHT)
    assert kept(path, "2") is None


def test_time_outs_and_errors_are_not_kept(path):
    for outcome in ("timeout", "error"):
        put(path, Verdict(outcome, None, "x", "why"))
        assert kept(path) is None


def test_pairs_are_not_mixed_up(path):
    put(path, RIGHT, ("ab", "c"))
    cache = VerdictCache(path, "1")
    assert cache.find([("a", "bc"), ("ab", "c")]) == {("ab", "c"): Verdict("ok", 1.0, "c")}
    cache.close()


def test_many_pairs_at_once(path):
    pairs = [(str(i), "x") for i in range(1700)]
    cache = VerdictCache(path, "1")
    for pair in pairs[::2]:
        cache.put(pair, RIGHT)
    cache.close()
    cache = VerdictCache(path, "1")
    assert set(cache.find(pairs)) == set(pairs[::2])
    cache.close()


def test_any_text_can_be_part_of_a_pair(path):
    put(path, Verdict("wrong_form", 0.0, "\ud800\x00"), ("é", "\ud800\x00"))


def test_two_processes_may_share_it(path):
    one, other = VerdictCache(path, "1"), VerdictCache(path, "1")
    one.put(("a", "x"), RIGHT)
    other.put(("b", "x"), RIGHT)
    one.save()
    other.save()
    assert other.find([("a", "x")]) == {("a", "x"): RIGHT}
    one.close()
    other.close()


@pytest.mark.parametrize("content", [b"no database", b"", b"SQLite format 3\x00" + b"\xff" * 200])
def test_a_broken_file_stops_nothing(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    cache = VerdictCache(path, "1")
    cache.put(("a", "x"), RIGHT)
    assert cache.find([("a", "x")]) == {("a", "x"): RIGHT}
    cache.close()
    assert bool(cache.why_not) == bool(content)


def test_a_forged_row_is_no_verdict(path):
    put(path, RIGHT)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE verdicts SET reward = 7")
    assert kept(path) is None


def test_no_folder_no_cache(tmp_path):
    (tmp_path / "file").write_text("")
    cache = VerdictCache(tmp_path / "file" / "verdicts.sqlite", "1")
    cache.put(("a", "x"), RIGHT)
    assert cache.find([("a", "x")]) == {("a", "x"): RIGHT}
    assert "Error" in cache.why_not


def test_where_it_stands(monkeypatch, tmp_path):
    monkeypatch.setenv("ACUTE_CACHE", str(tmp_path))
    assert default_path() == tmp_path / "verdicts.sqlite"
    monkeypatch.delenv("ACUTE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "acute" / "verdicts.sqlite"
