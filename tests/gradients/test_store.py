"""Sketches on disk, whole and in half precision."""

import json

import numpy as np
import pytest

from acute.core.blocks import Rows
from acute.errors import InputError
from acute.gradients.store import Halved, halved, read_sketches, write_sketches
from acute.measure.conflict import Curve, Measured
from tests.worlds import world


def sums(scale=1.0, size=256):
    return (scale * np.random.default_rng(0).standard_normal((5, 2, 2, size))).astype(np.float32)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e9, 1e30])
def test_half_precision_keeps_eleven_bits_at_any_size(tmp_path, scale):
    wanted = sums(scale)
    write_sketches(tmp_path, wanted, wanted.shape, {"sketch_dtype": "float16"})
    found, _ = read_sketches(tmp_path)
    assert isinstance(found, Halved) and found.shape == wanted.shape and found.dtype == np.float32
    error = np.abs(found[0:5] - wanted)
    assert error.max() > 0
    assert (error <= 2.0**-11 * np.abs(wanted) + 2.0**-39 * scale).all()
    np.testing.assert_array_equal(Rows(found, [4, 1])[0:2], found[np.array([4, 1])])
    assert (tmp_path / "sketch.npy").stat().st_size < 0.55 * wanted.nbytes


def test_nothing_stays_nothing_and_twice_is_once():
    zero = np.zeros((1, 2, 2, 64), np.float32)
    assert not Halved(*halved(zero))[0:1].any()
    once = Halved(*halved(sums()))[0:5]
    np.testing.assert_array_equal(Halved(*halved(once))[0:5], once)


def test_single_precision_is_kept_as_it_is(tmp_path):
    wanted = sums()
    write_sketches(tmp_path, wanted, wanted.shape, {"sketch_dtype": "float32"})
    np.testing.assert_array_equal(read_sketches(tmp_path)[0], wanted)


def test_cosines_move_by_less_than_a_thousandth_of_the_sketchs_own_error():
    size, rng = 4096, np.random.default_rng(1)
    n, c, exact = world(N=12).roll(64, 2, rng)
    exact = exact @ rng.choice([-1, 1], (exact.shape[3], size)) / size**0.5
    whole, half = (
        Curve(Measured(n, c, x, size), 8) for x in (exact.astype(np.float32), Halved(*halved(exact)))
    )
    moved = [abs(whole.cosine(k).estimate.value - half.cosine(k).estimate.value) for k in (2, 4, 8)]
    assert 0 < max(moved) < 1e-3 * size**-0.5


def test_half_sketches_without_their_exponents_are_refused(tmp_path):
    write_sketches(tmp_path, sums(), sums().shape, {"sketch_dtype": "float16"})
    (tmp_path / "sketch_exponent.npy").unlink()
    with pytest.raises(InputError, match="acute score first"):
        read_sketches(tmp_path)
    assert json.loads((tmp_path / "sketch.json").read_text())["sketch_dtype"] == "float16"
