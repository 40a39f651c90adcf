"""The truth behind verdicts that err: values and intervals against worlds whose truth is exact."""

import numpy as np
import pytest

from acute.core.estimate import Estimate
from acute.core.imperfect import Rates
from acute.errors import InputError
from acute.measure.conflict import Curve, Measured
from acute.measure.imperfect import _widened, corrected, from_labels, given, imperfect_verifier
from tests.worlds import World, world

KS = [1, 2, 4, 8]


def judged(w, rates):
    """The world as a verifier shows it: every response once passed and once failed."""
    passes = np.where(w.r_NY == 1, 1 - rates.false_fail, rates.false_pass)
    return World(
        np.concatenate([w.pi_NY * passes, w.pi_NY * (1 - passes)], 1),
        np.concatenate([w.s_NYD, w.s_NYD], 1),
        np.repeat([[1, 0]], len(w.pi_NY), 0).repeat(w.r_NY.shape[1], 1).astype(float),
    )


def curve_of(w, seed, n=256):
    return Curve(Measured(*w.roll(n, 4, np.random.default_rng(seed)), np.inf), max(KS))


def signs(curve):
    """A stand-in for the verdict: the sign of the inner product at the largest k."""
    return {"answer": "conflict" if curve.with_first[-1].finite < 0 else "no conflict"}


def part(curve, verifier):
    return imperfect_verifier(curve, KS, verifier, signs)


def holds(estimate, truth):
    return estimate is not None and estimate["lo"] - 1e-9 <= truth <= estimate["hi"] + 1e-9


@pytest.fixture(scope="module")
def erring():
    """A world, the rates of its verifier, and 100 analyses of what that shows."""
    w, rates = world(N=14, sharing=0.8, seed=5), Rates(0.1, 0.15)
    shown = judged(w, rates)
    return w, rates, [part(curve_of(shown, seed), given(*rates))["corrected"] for seed in range(100)]


@pytest.mark.parametrize("index", range(len(KS)))
def test_corrected_intervals_cover_the_truth(erring, index):
    w, _, parts = erring
    k = KS[index]
    truth = {"inner": w.inner(k), "cosine": w.cosine(k), "pass_at_k": np.mean(1 - (1 - w.p_N) ** k)}
    for name, value in truth.items():
        assert np.mean([holds(p[name][index], value) for p in parts]) > 0.88, name


def test_what_the_verdicts_show_is_not_the_truth(erring):
    """So that the coverage above could fail: uncorrected pass@k misses nearly always."""
    w, rates, _ = erring
    shown = judged(w, rates)
    missed = [part(curve_of(shown, seed), given(0, 0))["corrected"] for seed in range(20)]
    truth = np.mean(1 - (1 - w.p_N) ** 8)
    assert np.mean([holds(p["pass_at_k"][3], truth) for p in missed]) < 0.2


def test_false_passes_move_no_cosine_and_no_k_dagger():
    curve = curve_of(world(N=14, sharing=0.8, seed=5), 0)
    found = [part(curve, given(alpha, 0.05))["corrected"] for alpha in (0.0, 0.2)]
    for a, b in zip(found[0]["cosine"], found[1]["cosine"], strict=True):
        assert a == pytest.approx(b)
    ends = [{name: f["k_dagger"][name] for name in ("value", "lo", "hi")} for f in found]
    assert ends[0] == ends[1]
    inner = [f["inner"][2]["value"] for f in found]
    assert inner[1] == pytest.approx(inner[0] * (0.95 / 0.75) ** 5)  # λ**-k of ∇J_4, λ**-1 of ∇J_1


def test_without_errors_the_corrected_numbers_are_those_of_the_curve():
    curve = curve_of(world(), 1)
    found = part(curve, given(0.0, 0.0))["corrected"]
    assert found["inner"] == [curve.inner(k).estimate.as_json() for k in KS]
    assert found["cosine"] == [curve.cosine(k).estimate.as_json() for k in KS]


def test_the_sweep_stops_at_what_the_prompts_allow():
    """A prompt that passes nearly always leaves no room for a verifier that fails right answers."""
    curve = curve_of(world(scale=6.0, hard=0.2), 0)
    p = curve.measured.c_N / curve.measured.n_N
    assert p.max() > 0.9
    found = part(curve, given(0.0, 0.0))
    most = found["largest_possible"]["false_fail"]
    assert 1 - p.max() < most < 1 - p.max() + 0.05
    assert found["sweep"]["false_fail"][0] == 0.0
    assert max(found["sweep"]["false_fail"]) <= most
    assert found["largest_possible"]["false_pass"] > p.min()


def test_the_first_rate_that_turns_the_verdict_is_named():
    """Verdicts of false fails: shown flat, so that what is hidden is a conflict at large k."""
    w = world(N=14, sharing=0.8, seed=2, hard=0.5, scale=3.0)
    rates = Rates(0.0, 0.2)
    curve = curve_of(judged(w, rates), 0, n=4096)
    found = part(curve, given(0.0, 0.0))
    turned = [a != signs(curve)["answer"] for a in found["sweep"]["answer"]]
    first = found["verdict_changes_at"]["false_fail"]
    assert first == (found["sweep"]["false_fail"][turned.index(True)] if any(turned) else None)
    assert found["verdict_changes_at"]["false_pass"] is None
    for rate, dagger in zip(found["sweep"]["false_fail"], found["sweep"]["k_dagger"], strict=True):
        assert dagger == first_negative_of(corrected(curve, Rates(0.0, rate)))


def first_negative_of(curve):
    return next((k for k in curve.k if curve.with_first[k - 1].finite < 0), None)


def test_labels_give_rates_with_intervals():
    passed = [True] * 3 + [False] * 27 + [True] * 38 + [False] * 2
    right = [False] * 30 + [True] * 40
    found = from_labels(passed, right)
    assert found.source == "labels"
    assert found.rates == (pytest.approx(0.1), pytest.approx(0.05))
    assert found.false_pass.lo < 0.1 < found.false_pass.hi
    never = from_labels([False] * 30 + [True] * 40, right)
    assert never.rates == (0.0, 0.0)
    assert never.false_pass.se > 0 and never.false_pass.hi > 0.05


def test_estimated_rates_widen_and_cover():
    """Each run labels 200 responses of its own; known rates at the same values would miss too often."""
    w, rates = world(N=14, sharing=0.8, seed=5), Rates(0.1, 0.15)
    truth = np.mean(1 - (1 - w.p_N) ** 8)
    hits = {"labels": 0, "taken as known": 0}
    for seed in range(50):
        rng, curve = np.random.default_rng([7, seed]), curve_of(judged(w, rates), seed)
        right = rng.random(200) < w.p_N.mean()
        passed = np.where(right, rng.random(200) >= rates.false_fail, rng.random(200) < rates.false_pass)
        labelled = from_labels(passed.tolist(), right.tolist())
        for name, verifier in (("labels", labelled), ("taken as known", given(*labelled.rates))):
            hits[name] += holds(part(curve, verifier)["corrected"]["pass_at_k"][3], truth)
    assert hits["labels"] >= 44
    assert hits["taken as known"] < hits["labels"] - 5


@pytest.mark.parametrize(
    ("passed", "right", "match"),
    [
        ([True, False], [True, True], "ones that are wrong"),
        ([True, False], [False, False], "ones that are wrong"),
        ([], [], "ones that are wrong"),
        ([False, True], [True, False], "sum below 1"),
    ],
)
def test_labels_that_tell_nothing_are_refused(passed, right, match):
    with pytest.raises(InputError, match=match):
        from_labels(passed, right)


def test_impossible_rates_are_refused():
    with pytest.raises(InputError, match="sum below 1"):
        given(0.6, 0.5)


def test_widening():
    e = Estimate(1.0, 0.3, 0.2, 1.6)
    assert _widened(e, 0.0) is e
    wide = _widened(e, 0.16)
    assert (wide.se, wide.lo, wide.hi) == (
        pytest.approx(0.5),
        pytest.approx(1 - 0.8 * 5 / 3),
        pytest.approx(2.0),
    )
    assert _widened(None, 1.0) is None
    assert _widened(Estimate(1.0, None, None, None), 1.0).se is None
    assert _widened(e, np.nan).lo is None
    exact = _widened(Estimate(1.0, 0.0, 1.0, 1.0), 0.25)
    assert exact.se == 0.5 and exact.lo == pytest.approx(1 - 0.98, abs=1e-3)
