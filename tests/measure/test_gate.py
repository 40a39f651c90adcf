"""The gate: right answers, rarely wrong ones, and refusals that say what to do."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from acute.core.estimators import pass_at_k
from acute.errors import ConfigError, InputError, NotEnoughData
from acute.measure.gate import Answered, Known, Pairs, Rule, chance_unseen, change, decide, prompts_needed

ROOT = Path(__file__).parent.parent.parent


def world(seed=0, N=200, n=32, shift=0.0, lift=0.0, slices=None):
    """Counts of prompts with p ~ Beta(.4, .8); the candidate's p moves by shift, and by lift where hard."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 0.8, N)
    q = np.clip(p + shift + lift * (1 - p) ** 7, 0, 1)
    full = np.full(N, float(n))
    base, candidate = (Answered(full, rng.binomial(n, x).astype(float)) for x in (p, q))
    names = [None] * N if slices is None else [slices[i % len(slices)] for i in range(N)]
    return Pairs([f"p{i}" for i in range(N)], base, candidate, names)


def test_the_three_answers():
    assert decide(world(lift=0.1), Rule()).answer == "promote"
    worse = decide(world(shift=-0.08), Rule())
    assert worse.answer == "do not promote"
    assert any("down by more than 2 points: at most -" in r for r in worse.reasons)
    unsure = decide(world(N=30, n=8, lift=0.02), Rule())
    assert unsure.answer == "cannot tell"
    assert unsure.reasons


def test_pass_at_1_alone_is_not_enough_and_neither_is_pass_at_k():
    """Easy prompts up, hard ones down, and the other way round: one condition each fails."""
    rng = np.random.default_rng(0)
    p = np.repeat([0.02, 0.5], 200)
    full = np.full(400, 64.0)
    base = Answered(full, rng.binomial(64, p).astype(float))

    def against(q):
        candidate = Answered(full, rng.binomial(64, np.repeat(q, 200)).astype(float))
        return decide(Pairs(list(map(str, range(400))), base, candidate, [None] * 400), Rule())

    sharper = against([0.002, 0.9])
    assert sharper.answer == "do not promote" and sharper.changes[0].lower > 0
    assert [r.split()[0] for r in sharper.reasons] == ["pass@8"]
    broader = against([0.1, 0.3])
    assert broader.answer == "do not promote" and broader.changes[1].lower > 0
    assert [r.split()[0] for r in broader.reasons] == ["pass@1"]


def test_changes_are_paired_and_clustered_by_prompt():
    pairs = world(lift=0.05)
    for k, wanted in ((1, -0.02), (8, 0.0)):
        found = change(pairs, k, wanted, Rule())
        x, y = (pass_at_k(*side, k) for side in (pairs.base, pairs.candidate))
        assert (found.base, found.candidate) == pytest.approx((x.mean(), y.mean()))
        assert found.mean.value == pytest.approx((y - x).mean())
        assert found.mean.se == pytest.approx(stats.sem(y - x))
        student = stats.ttest_1samp(y - x, wanted, alternative="greater")
        assert found.p_holds >= student.pvalue  # never more sure than Student's t
        assert found.p_holds == pytest.approx(student.pvalue, rel=0.6)


def test_unequal_n_is_unbiased():
    """Base answered 16 times, candidate 64: the mean of the change over many draws is the truth."""
    rng = np.random.default_rng(1)
    p, q = rng.beta(0.4, 0.8, (2, 300))
    truth = ((1 - p) ** 8 - (1 - q) ** 8).mean()
    found = []
    for _ in range(200):
        base = Answered(np.full(300, 16.0), rng.binomial(16, p).astype(float))
        candidate = Answered(np.full(300, 64.0), rng.binomial(64, q).astype(float))
        pairs = Pairs(list(map(str, range(300))), base, candidate, [None] * 300)
        found.append(change(pairs, 8, 0.0, Rule()).mean.value)
    assert np.mean(found) == pytest.approx(truth, abs=4 * stats.sem(found))


def test_these_prompts_have_the_errors_of_the_rollouts():
    """Drawn again and again for the same prompts, the change varies as its standard error says."""
    rng = np.random.default_rng(2)
    p = rng.beta(0.4, 0.8, 100)
    q = np.clip(p + rng.normal(0, 0.2, 100), 0, 1)
    rule, full = Rule(these_prompts=True), np.full(100, 32.0)
    for k in (1, 8):
        values, errors = [], []
        for _ in range(400):
            sides = [Answered(full, rng.binomial(32, x).astype(float)) for x in (p, q)]
            found = change(Pairs(list(map(str, range(100))), *sides, [None] * 100), k, 0.0, rule).mean
            values.append(found.value)
            assert found.value == pytest.approx((pass_at_k(*sides[1], k) - pass_at_k(*sides[0], k)).mean())
            errors.append(found.se)
        assert np.std(values) == pytest.approx(np.mean(errors), rel=0.1)
        drawn = change(Pairs(list(map(str, range(100))), *sides, [None] * 100), k, 0.0, Rule()).mean
        assert drawn.se > 1.5 * errors[-1]  # prompts moved by 0.2: their choice costs more


def test_looks_divide_the_level():
    once, ten = Rule(), Rule(looks=10)
    assert ten.level == pytest.approx(once.level / 10)
    pairs = world(lift=0.1)
    a, b = (decide(pairs, rule).changes[0] for rule in (once, ten))
    assert b.lower < a.lower and b.upper > a.upper and a.p_holds == b.p_holds


def test_without_any_difference_it_cannot_tell():
    pairs = world()
    same = decide(pairs._replace(candidate=pairs.base), Rule())
    assert same.answer == "cannot tell"
    assert same.changes[0].lower == pytest.approx(0.05 ** (1 / 200) - 1)


def test_slices_show_who_is_hurt():
    good, bad = world(0, lift=0.1, slices=["easy"]), world(1, shift=-0.1, slices=["hard"])
    sides = (
        Answered(*(np.concatenate(x) for x in zip(a, b, strict=True)))
        for a, b in ((good.base, bad.base), (good.candidate, bad.candidate))
    )
    ids = [f"p{i}" for i in range(400)]
    pairs = Pairs(ids, *sides, [*good.slice_N, *bad.slice_N])
    found = {s.name: s for s in decide(pairs, Rule()).slices}
    assert found["easy"].answer == "promote" and found["hard"].answer == "do not promote"
    assert found["hard"].p_fails[0] == pytest.approx(2 * found["hard"].changes[0].p_fails)  # Holm, 2 slices
    assert found["easy"].prompts == found["hard"].prompts == 200


def test_one_slice_of_all_is_the_whole():
    for pairs in (world(slices=["all"]), world(lift=0.1, slices=["all"]), world(shift=-0.1, slices=["all"])):
        found = decide(pairs, Rule())
        (only,) = found.slices
        assert only.answer == found.answer and only.changes == found.changes
        assert only.p_promote == pytest.approx(max(c.p_holds for c in found.changes))
        assert only.p_fails == pytest.approx(tuple(c.p_fails for c in found.changes))


def test_slices_are_adjusted_for_their_number():
    """Two slices with the same counts: Holm doubles every p-value, up to 1."""
    pairs = world(seed=8, N=40, lift=0.06)
    twice = (Answered(*(np.tile(x, 2) for x in side)) for side in (pairs.base, pairs.candidate))
    both = Pairs([f"p{i}" for i in range(80)], *twice, ["a"] * 40 + ["b"] * 40)
    single = decide(pairs._replace(slice_N=["a"] * 40), Rule()).slices[0]
    for s in decide(both, Rule()).slices:
        assert s.p_promote == pytest.approx(min(1, 2 * single.p_promote))
        assert s.p_fails == pytest.approx(tuple(min(1, 2 * p) for p in single.p_fails))
        assert s.changes == single.changes  # the bounds are each slice's own


def test_every_slice_asks_pass_at_1_of_each():
    loose = Rule(margin=0.1)
    pairs = world(lift=0.1, slices=["a", "b", "c"])
    assert decide(pairs, loose).answer == "promote"
    assert decide(pairs, loose._replace(every_slice=True)).answer == "promote"
    few = pairs._replace(slice_N=["rare"] + ["a"] * 199)
    unsure = decide(few, loose._replace(every_slice=True))
    assert unsure.answer == "cannot tell"
    assert unsure.reasons == ["pass@1 of slice 'rare' may be down by more than 10 points"]
    rng, full = np.random.default_rng(7), np.full(240, 64.0)
    p = np.full(240, 0.1)
    q = np.where(np.arange(240) < 40, 0.02, 0.2)
    base, candidate = (Answered(full, rng.binomial(64, x).astype(float)) for x in (p, q))
    hurt = Pairs([f"p{i}" for i in range(240)], base, candidate, ["a"] * 40 + ["b"] * 200)
    assert decide(hurt, Rule()).answer == "promote"
    found = decide(hurt, Rule(every_slice=True))
    assert found.answer == "do not promote"
    assert found.reasons == ["pass@1 of slice 'a' is down by more than 2 points"]


def test_chance_unseen_is_that_of_drawing_none():
    lost = np.random.default_rng(6).random((20_000, 60)) < 0.02
    assert chance_unseen(60, Rule()) == pytest.approx((~lost.any(1)).mean(), abs=0.015)
    assert chance_unseen(60, Rule(these_prompts=True)) == 0


def test_prompts_needed_shrinks_with_the_margin():
    found = decide(world(N=50, lift=0.06), Rule())
    needed = prompts_needed(found, Rule())
    assert needed is not None and needed > 50
    wide = decide(world(N=50, lift=0.06), Rule(margin=0.2))
    assert prompts_needed(wide, Rule(margin=0.2)) <= needed
    assert prompts_needed(decide(world(shift=-0.08), Rule()), Rule()) is None


def test_prompts_needed_is_what_gives_that_power():
    first = decide(world(seed=5, N=4000, lift=0.03), Rule())
    needed = prompts_needed(first, Rule())
    said = [decide(world(seed=i, N=needed, lift=0.03), Rule()).answer for i in range(400)]
    assert said.count("promote") / 400 == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(k=1), "k must be 2 or more"),
        (Rule(margin=2), "margin must be in"),
        (Rule(alpha=0.7), "alpha must lie between"),
        (Rule(looks=0), "looks must be 1 or more"),
        (Rule(every_slice=True), "every_slice wants prompts with a slice"),
    ],
)
def test_impossible_rules_are_refused(rule, words):
    with pytest.raises(ConfigError, match=words):
        decide(world(), rule)


def test_too_few_responses_are_refused():
    pairs = world(n=8)
    assert decide(pairs, Rule(k=8))
    with pytest.raises(
        InputError, match=r"at least 9 .* for k = 9, found fewer for 200 prompts of the base: 'p0'"
    ):
        decide(pairs, Rule(k=9))
    with pytest.raises(InputError, match=r"at least 9 .* for k = 8"):
        decide(pairs, Rule(k=8, these_prompts=True))
    pairs.candidate.n_N[7] = 40
    short = pairs._replace(candidate=Answered(np.where(np.arange(200) == 7, 3.0, 8.0), np.zeros(200)))
    with pytest.raises(InputError, match=r"1 prompts of the candidate: 'p7' \(n = 3\)\."):
        decide(short, Rule(k=8))
    with pytest.raises(NotEnoughData, match="found none"):
        decide(Pairs([], Answered(np.zeros(0), np.zeros(0)), Answered(np.zeros(0), np.zeros(0)), []), Rule())


def test_agrees_with_passk_inference():
    """Numbers of passk-inference 0.3.1 on these counts (bench/gate_peer.py makes them)."""
    pairs = world(seed=11, N=120, n=32, lift=0.05)
    theirs = json.loads((ROOT / "tests" / "measure" / "passk_inference.json").read_text())
    for k in (1, 8):
        ours, other = change(pairs, k, 0.0, Rule()), theirs[str(k)]
        assert ours.base == pytest.approx(other["base_pass_at_k"], abs=1e-12)
        assert ours.candidate == pytest.approx(other["rl_pass_at_k"], abs=1e-12)
        assert ours.mean.value == pytest.approx(other["mean"], abs=1e-12)
        assert ours.mean.se == pytest.approx(other["se"], abs=1e-12)
        # their two-sided 90 % band at one k: same ends but for t, Hall's correction and their simulation
        assert ours.lower == pytest.approx(other["lower"], abs=0.15 * other["se"])
        assert ours.upper == pytest.approx(other["upper"], abs=0.15 * other["se"])


@pytest.fixture(scope="module")
def measured():
    """The benchmark itself, 250 pairs a row."""
    script = [sys.executable, str(ROOT / "bench" / "gate_error_rates.py"), "--pairs", "250", "--json"]
    done = subprocess.run([*script, "--part", "error", "power"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_rarely_promotes_at_the_boundaries(measured):
    """5 % and three standard errors of 250 pairs is 9.1 %; pooled over rows it is 6.1 %."""
    rates = [row["promote"] for row in measured["error"]]
    assert len(rates) >= 14 and max(rates) < 0.091
    assert 0.03 < np.mean(rates) < 0.061


def test_promotes_what_is_good(measured):
    power = {row["world"]: row["promote"] for row in measured["power"]}
    assert min(power[name] for name in ("least change", "same ranks", "log-odds")) > 0.82


def test_ten_looks_are_as_rare_as_one():
    """Ten checkpoints with fresh responses on the same prompts, pass@1 down by exactly the margin."""
    rng, wrong, naive, count = np.random.default_rng(4), 0, 0, 300
    for _ in range(count):
        p = 0.03 + 0.97 * rng.beta(0.4, 0.8, 200)
        moved = 0.05 * (1 - p) ** 7
        q = p + moved - moved.mean() - 0.02
        q, full = np.clip(q, 0, 1), np.full(200, 32.0)
        p = p + (q - p).mean() + 0.02  # what clipping took: the change is -0.02 exactly
        p_values = []
        base = Answered(full, rng.binomial(32, np.clip(p, 0, 1)).astype(float))
        for _ in range(10):
            candidate = Answered(full, rng.binomial(32, q).astype(float))
            pairs = Pairs(list(map(str, range(200))), base, candidate, [None] * 200)
            p_values.append(change(pairs, 1, -0.02, Rule()).p_holds)
        wrong += min(p_values) <= Rule(looks=10).level
        naive += min(p_values) <= Rule().level
    assert wrong / count < 0.088
    assert naive / count > 0.15


def exact_pairs(change, N=40):
    p = np.random.default_rng(0).uniform(0.2, 0.6, N)
    return Pairs([str(i) for i in range(N)], Known(p), Known(p + change), [None] * N)


def test_between_exact_evaluations_of_these_prompts_nothing_is_uncertain():
    rule = Rule(k=4, these_prompts=True)
    found = decide(exact_pairs(np.linspace(-0.01, 0.03, 40)), rule)
    one, many = found.changes
    assert found.answer == "promote" and [one.lower, one.upper] == pytest.approx([0.01] * 2)
    assert many.candidate - many.base == pytest.approx(many.mean.value) and many.p_holds == 0.0
    assert decide(exact_pairs(0.0), rule).answer == "do not promote"  # pass@k is not up
    assert decide(exact_pairs(-0.021), rule).answer == "do not promote"
    assert decide(exact_pairs(-0.019), rule).changes[0].p_holds == 0.0  # within the margin, for certain


def test_exact_evaluations_still_say_only_so_much_about_other_prompts():
    changes = np.random.default_rng(1).normal(0.01, 0.1, 40)
    found = decide(exact_pairs(changes), Rule(k=4))
    mean = found.changes[0].mean
    assert mean.se == pytest.approx(changes.std(ddof=1) / 40**0.5) and mean.df == 39


def test_an_exact_side_adds_no_noise():
    p, n = np.linspace(0.2, 0.8, 40), np.full(40, 64.0)
    sampled = Answered(n, np.random.default_rng(2).binomial(64, p).astype(float))
    ids = [str(i) for i in range(40)]
    rule = Rule(k=4, these_prompts=True)
    mixed = decide(Pairs(ids, Known(p), sampled, [None] * 40), rule).changes[0].mean
    both = decide(Pairs(ids, sampled, sampled, [None] * 40), rule).changes[0].mean
    assert both.se == pytest.approx(mixed.se * 2**0.5) and both.df == pytest.approx(2 * mixed.df)
    assert decide(Pairs(ids, Known(p), sampled, ["a"] * 40), rule).slices[0].changes[0].mean == mixed
