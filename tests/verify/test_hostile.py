"""Strings that are meant to break the verifier: each gets a verdict, and a time-out is no "wrong"."""

import pytest

pytest.importorskip("math_verify", reason="not run: math-verify is not installed")

from acute.verify.item import Item
from acute.verify.math import MathVerifier
from acute.verify.short import short
from tests.verify.hostile import GOLDS, HOSTILE

DEADLINE_S = 0.5


def test_there_are_enough():
    assert len(set(HOSTILE)) >= 60


def test_every_hostile_string_gets_a_verdict_in_time():
    items = [
        Item(f"The final answer is \\boxed{{{text}}}.", GOLDS[i % len(GOLDS)], "eos")
        for i, text in enumerate(HOSTILE)
    ]
    verifier = MathVerifier(workers=2, timeout_s=DEADLINE_S)
    found = dict(verifier.check(items))
    pool = verifier._pool
    assert sorted(found) == list(range(len(items)))
    for place, verdict in found.items():
        assert verdict.outcome in ("ok", "wrong_form", "timeout", "error"), HOSTILE[place][:80]
        assert (verdict.reward is None) == (verdict.outcome in ("timeout", "error")), HOSTILE[place][:80]
        assert verdict.reward in (None, 0.0), HOSTILE[place][:80]
        assert (verdict.detail is not None) == (verdict.outcome in ("timeout", "error")) or (
            verdict.outcome == "wrong_form"
        )
    late = {HOSTILE[place] for place, verdict in found.items() if verdict.outcome == "timeout"}
    assert {"10^{10^{10^{10}}}", "100000000!", r"\sum_{n=1}^{\infty} n^n"} <= late
    # fit to go on; a busy machine may keep a worker waiting for so short a deadline
    assert any(pool.ask(("1", "1")).how == "ok" for _ in range(5))
    verifier.close()
    assert not pool.pids()


def test_the_same_in_the_other_verifier():
    for text in HOSTILE:
        assert short(f"The answer is {text}", "5", "eos").reward == 0.0


@pytest.mark.parametrize("gold", ["10^{10^{10^{10}}}", r"\sum_{n=1}^{\infty} n^n", r"\frac{1}{"])
def test_a_hostile_gold_answer_is_never_wrong_either(gold):
    verifier = MathVerifier(workers=1, timeout_s=DEADLINE_S)
    try:
        found = dict(verifier.decide([(gold, "5"), (gold, gold)]))
    finally:
        verifier.close()
    assert found[gold, gold] == ("ok", 1.0, gold, None)
    assert found[gold, "5"].reward is None
