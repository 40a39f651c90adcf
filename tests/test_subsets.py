"""examples/subsets.py on a tiny model: the same responses, and exact curves that are those of the kernel."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from examples.subsets import KS, Exact, sampled_row, scored_again

from acute.config import load
from acute.gradients.exact import exact_inner, exact_kernel
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.run import Run
from acute.stages import run_until
from tests.tiny import write_run


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("subsets")
    config = load(write_run(folder, tiny_model, n=128))
    analyse = config.analyse.model_copy(update={"k": (1, *KS)})
    found = Run.create(folder / "out", config.model_copy(update={"analyse": analyse}))
    run_until(found, "analyse")
    return found


def test_the_same_responses_are_scored_again(run, tmp_path):
    before = (run.path / "run.json").read_bytes()
    found = scored_again(run, "final-norm", tmp_path)
    again = Run.open(tmp_path / "final-norm")
    assert found["parameters"] == "final-norm" and again.config.score.parameters == "final-norm"
    for column in ("response_id", "token_ids", "reward"):
        here, there = (pq.read_table(r.path / "responses.parquet")[column].to_pylist() for r in (run, again))
        assert here == there
    assert np.load(again.path / "sketch.npy").shape == np.load(run.path / "sketch.npy").shape
    assert not np.array_equal(np.load(again.path / "sketch.npy"), np.load(run.path / "sketch.npy"))
    assert (run.path / "run.json").read_bytes() == before
    assert scored_again(run, "final-norm", tmp_path) == found  # what is there is not done again
    assert scored_again(run, "all", tmp_path) == run.analysis()
    assert len(sampled_row(found)) == len(KS) + 1


def test_exact_curves_are_those_of_the_kernel_of_each_subset(run):
    exact = Exact(run)
    found = exact.curves(("all", "final-state", "last-block"))
    for subset, curve in found.items():
        with selected(exact.policy.model, subset) as parameters:
            p, kernel = exact_kernel(
                exact.policy.model, parameters, *zip(*exact.pairs, strict=True), Sampled()
            )
        for k in KS:
            assert curve["cosine"][k] == pytest.approx(exact_inner(p, kernel, k)[1], abs=1e-4)
        np.testing.assert_allclose(curve["agreement"], kernel.mean(1), rtol=1e-3, atol=1e-6 * kernel.max())
        signs = [exact_inner(p, kernel, k)[0] < 0 for k in range(1, max(KS) + 1)]
        assert curve["k_dagger"] == (signs.index(True) + 1 if any(signs) else None)
    assert exact.curves(("last-block",))["last-block"]["cosine"] == pytest.approx(
        found["last-block"]["cosine"], abs=1e-5
    )
