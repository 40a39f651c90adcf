"""⟨∇J_k, ∇J_1 of held-out prompts⟩ against worlds where it is exact, and in a run folder."""

import json

import numpy as np
import pytest

from acute.config import load, parse
from acute.errors import ConfigError, InputError, NotEnoughData
from acute.measure.conflict import Measured
from acute.measure.held_out import held_out
from acute.run import Run
from acute.stages import run_until
from tests.tiny import write_run
from tests.worlds import world

KS = (1, 4)


def sides(w, n, folds, rng, held):
    """Rollouts of all prompts, the first of them held out."""
    return Measured(*w.roll(n, folds, rng), np.inf), np.arange(len(w.p_N)) < held


def truth(w, held):
    def gradient(rows, k):
        return (k * (1 - w.p_N[rows]) ** (k - 1)) @ w.grad_p_ND[rows] / len(w.p_N[rows])

    return [float(gradient(slice(held, None), k) @ gradient(slice(0, held), 1)) for k in KS]


def test_it_is_unbiased_and_its_interval_covers():
    w, rng = world(N=24, sharing=0.8), np.random.default_rng(0)
    want, values, hits, told = truth(w, 8), [], [], []
    for _ in range(400):
        found = [x.these.estimate for x in held_out(*sides(w, 64, 4, rng, 8), KS)]
        values.append([e.value for e in found])
        told.append([e.se for e in found])
        hits.append([e.lo <= t <= e.hi for e, t in zip(found, want, strict=True)])
    values = np.array(values)
    assert np.all(np.abs(values.mean(0) - want) < 4 * values.std(0) / 20)
    assert np.all(np.abs(want) > 4 * values.std(0) / 20)  # the test can tell it from 0
    assert np.all((np.mean(hits, 0) > 0.91) & (np.mean(hits, 0) < 0.99)), np.mean(hits, 0)
    ratio = np.sqrt(np.square(told).mean(0)) / values.std(0)
    assert np.all((ratio > 0.85) & (ratio < 1.3)), ratio


@pytest.mark.parametrize("sharing", [0.8, 0.98])
def test_the_population_interval_carries_the_choice_of_both_sets(sharing):
    """Where prompts share little (.8) nearly all spread is the pairs' own, and intervals are too wide."""
    big, rng = world(N=3000, sharing=sharing, seed=1), np.random.default_rng(1)
    want = truth(big, 1500)
    hits, told, values = [], [], []
    for _ in range(250):
        some = np.concatenate(
            [rng.choice(1500, 20, replace=False), 1500 + rng.choice(1500, 40, replace=False)]
        )
        w = type(big)(big.pi_NY[some], big.s_NYD[some], big.r_NY[some])
        found = [x.population.estimate for x in held_out(*sides(w, 32, 4, rng, 20), KS)]
        values.append([e.value for e in found])
        told.append([e.se for e in found])
        hits.append([e.lo <= t <= e.hi for e, t in zip(found, want, strict=True)])
    cover = np.mean(hits, 0)
    assert np.all(cover > 0.88), cover  # .92 to .96 in 500 runs: means of 20 prompts of a skewed law
    assert sharing < 0.9 or np.all(cover < 0.985), cover
    ratio = np.sqrt(np.square(told).mean(0)) / np.std(values, 0)
    assert np.all((ratio > 0.85) & (ratio < 1.3)), ratio


def test_no_population_from_a_single_prompt_and_none_above_n():
    w, rng = world(N=6), np.random.default_rng(0)
    one = held_out(*sides(w, 32, 2, rng, 1), KS)[0]
    assert one.population.estimate is None and one.these.estimate is not None
    assert held_out(*sides(w, 32, 2, rng, 3), (40,))[0].these.estimate is None


def test_the_sketch_error_is_counted():
    measured, is_held = sides(world(N=12), 64, 2, np.random.default_rng(0), 4)
    narrow = held_out(measured, is_held, (2,))[0].these.estimate
    wide = held_out(Measured(measured.n_NM, measured.c_NM, measured.sums_NMOD, 16), is_held, (2,))
    wide = wide[0].these.estimate
    assert wide.value == narrow.value and wide.se > narrow.se


@pytest.fixture(scope="module")
def scored(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("held")
    config = write_run(folder, tiny_model, n=512)
    run = Run.create(folder / "out", load(config))
    run_until(run, "analyse")
    return config, run


def with_held_out(scored, families):
    config, run = scored
    text = config.read_text().split("held_out")[0]
    config.write_text(text + f"held_out = {json.dumps(families)}\n")
    again = Run.create(run.path, load(config))
    run_until(again, "analyse")
    return again.analysis()


def test_a_family_is_held_out_of_everything_else(scored):
    whole = Run.open(scored[1].path).analysis()
    assert "held_out" not in whole and whole["prompts"] == 12
    found = with_held_out(scored, ["odd"])
    assert found["prompts"] == 6 and found["excluded"]["prompts held out (analyse.held_out)"] == 6
    assert {row["family"] for row in found["per_prompt"]} == {"even"}
    held = found["held_out"]
    assert (held["prompts"], held["k"]) == (6, [1, 2, 4])
    for inner, p in zip(held["inner"], held["p_value_negative"], strict=True):
        assert inner["lo"] < inner["value"] < inner["hi"] and 0 <= p <= 1
    other = with_held_out(scored, ["even"])["held_out"]
    assert other["inner"][0]["value"] == pytest.approx(
        held["inner"][0]["value"], rel=1e-5
    )  # k = 1: symmetric
    # all prompts are the two halves: ‖∇J_1‖² is the mean of both squares and both cross products
    halves = [
        found["conflict"]["inner"][0]["value"],
        with_held_out(scored, ["even"])["conflict"]["inner"][0]["value"],
    ]
    total = (sum(halves) + 2 * held["inner"][0]["value"]) / 4
    assert total == pytest.approx(whole["conflict"]["inner"][0]["value"], rel=1e-4)


def test_the_terminal_says_what_becomes_of_them(scored, capsys):
    from rich.console import Console

    from acute.report.numbers import show
    from acute.report.terminal import summary

    found = with_held_out(scored, ["odd"])
    Console(width=120).print(summary(found))
    said = capsys.readouterr().out
    assert "Pass@1 of 6 held-out prompts along" in said
    for inner in found["held_out"]["inner"]:
        assert show(inner, signed=True).text in said
    Console(width=120).print(summary({k: v for k, v in found.items() if k != "held_out"}))
    assert "held-out" not in capsys.readouterr().out


def test_counts_alone_have_no_gradients_to_hold_out():
    data = {"model": {"name": "unknown"}, "prompts": {"source": "arithmetic"}}
    assert parse(data).counts_only
    with pytest.raises(ConfigError, match="held_out needs gradients"):
        parse({**data, "analyse": {"held_out": ["a"]}})


def test_families_that_cannot_be_held_out(scored):
    with pytest.raises(InputError, match="no prompt has the family 'none'; families: even, odd"):
        with_held_out(scored, ["none"])
    with pytest.raises(NotEnoughData, match="none of the 0 prompts kept"):
        with_held_out(scored, ["even", "odd"])
