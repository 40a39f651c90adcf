"""The sketch: unbiased, error about 1/√D, linear, and the same wherever it is made."""

from dataclasses import replace

import pytest
import torch

from acute.gradients import sketch as module
from acute.gradients.sketch import Sketch

SHAPES = {"embed": (11, 30), "bias": (7,), "up": (64, 5), "norm": (64,), "one": (1,)}


def parameters(shapes=SHAPES):
    return [(name, torch.zeros(shape, dtype=torch.float64)) for name, shape in shapes.items()]


def gradients(seed, shapes=SHAPES):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes.values()]


def inner(a, b):
    return sum(float((x * y).sum()) for x, y in zip(a, b, strict=True))


def errors_of_inner_products(x, y, size, seeds, shapes=SHAPES, roll=True):
    """⟨Sx, Sy⟩ - ⟨x, y⟩ for many seeds, relative to ‖x‖‖y‖."""
    found = []
    for seed in range(seeds):
        sketch = Sketch(parameters(shapes), size, seed)
        if not roll:
            sketch._pieces = [replace(p, shift=[0] * len(p.shift)) for p in sketch._pieces]
        found.append(float(sketch.fold(x) @ sketch.fold(y)) - inner(x, y))
    return torch.tensor(found) / (inner(x, x) * inner(y, y)) ** 0.5


@pytest.mark.parametrize("size", [16, 64, 1000])  # cut in many pieces, in some, and in none
def test_inner_products_are_unbiased(size):
    x, y = gradients(0), gradients(1)
    for a, b in ((x, y), (x, x)):
        errors = errors_of_inner_products(a, b, size, seeds=600)
        assert abs(errors.mean()) < 4 * errors.std() / 600**0.5


def test_a_gradient_without_signs_of_its_own_is_no_worse():
    """All ones, in 200 pieces: without the signs, of pieces or of places, products would add up."""
    shapes = {"a": (200, 64)}
    x = [torch.ones(200, 64, dtype=torch.float64)]
    errors = errors_of_inner_products(x, x, 64, 600, shapes)
    assert abs(errors.mean()) < 4 * errors.std() / 600**0.5
    assert errors.square().mean().sqrt() * 8 < 2  # √2 for a product with itself


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_the_error_is_about_one_over_the_root_of_the_size(size):
    shapes = {"a": (100, 64), "b": (50, 128)}
    x, y = gradients(0, shapes), gradients(1, shapes)
    rms = errors_of_inner_products(x, y, size, 200, shapes).square().mean().sqrt()
    assert 0.7 < rms * size**0.5 < 1.3


def test_equal_columns_keep_that_error_and_would_not_without_the_roll():
    """A gradient that stands in one column, as of a bias-like input: its numbers are `size` apart."""
    shapes = {"a": (200, 64)}
    x, y = gradients(0, shapes), gradients(1, shapes)
    for matrix in (x[0], y[0]):
        matrix[:, 1:] = 0
    rolled = errors_of_inner_products(x, y, 64, 200, shapes).square().mean().sqrt()
    stacked = errors_of_inner_products(x, y, 64, 200, shapes, roll=False).square().mean().sqrt()
    assert rolled * 8 < 1.5
    assert stacked > 4 * rolled


def test_the_same_seed_gives_the_same_sketch_and_another_seed_another():
    first, again, other = (Sketch(parameters(), 64, seed).fold(gradients(0)) for seed in (3, 3, 4))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("size", [8, 25])
@pytest.mark.parametrize("batch", [60, 10**6], ids=["some at once", "all at once"])
def test_pieces_at_once_are_the_pieces_one_by_one(size, batch, monkeypatch):
    """As on a GPU: whole gradients, and tiles that begin and end within a piece."""
    x, single = gradients(0), Sketch(parameters(), size, 3)
    wanted = single.fold(x)
    monkeypatch.setattr(module, "BATCHED_ON", {"cpu"})
    monkeypatch.setattr(module, "BATCH", batch)
    pieces, add = [], module._Sum._add_pieces
    monkeypatch.setattr(
        module._Sum, "_add_pieces", lambda *given: pieces.append(len(given[3])) or add(*given)
    )
    torch.testing.assert_close(single.fold(x), wanted, rtol=1e-12, atol=1e-12)
    assert max(pieces) == min(batch // size, 330 // size)
    tiles = module._Sum(single)
    for index, gradient in enumerate(x):
        if gradient.dim() == 1:
            tiles.add(index, gradient)
            continue
        for first in range(0, len(gradient), 3):
            tiles.add_rows(index, slice(first, first + 3), gradient[first : first + 3])
    torch.testing.assert_close(tiles.take(), wanted, rtol=1e-12, atol=1e-12)


def test_each_parameter_has_a_place_of_its_own():
    """Order, and what else is sketched, do not matter: subsets add up, and compare across runs."""
    values = dict(zip(SHAPES, gradients(0), strict=True))

    def sketched(names):
        return Sketch([(n, values[n]) for n in names], 64, 3).fold([values[n] for n in names])

    names = list(SHAPES)
    torch.testing.assert_close(sketched(names), sketched(names[::-1]))
    torch.testing.assert_close(sketched(names), sketched(names[:2]) + sketched(names[2:]))


def test_linear():
    sketch = Sketch(parameters(), 64, 3)
    x, y = gradients(0), gradients(1)
    both = sketch.fold([2 * a - 3 * b for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(both, 2 * sketch.fold(x) - 3 * sketch.fold(y))


def test_no_gradient_is_zero():
    sketch = Sketch(parameters(), 64, 3)
    x = gradients(0)
    without = [None, *x[1:]]
    torch.testing.assert_close(sketch.fold(without), sketch.fold([torch.zeros_like(x[0]), *x[1:]]))
    assert sketch.fold([None] * len(x)).tolist() == [0.0] * 64


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_precision(given, kept):
    x = [g.to(given) for g in gradients(0)]
    found = Sketch(parameters(), 64, 3).fold(x)
    assert found.dtype == kept
    exact = Sketch(parameters(), 64, 3).fold([g.double() for g in x])
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_a_wrong_number_of_gradients_is_refused():
    with pytest.raises(ValueError, match="zip"):
        Sketch(parameters(), 64, 3).fold(gradients(0)[:-1])


def two_uses(values, parameters):
    """A scalar whose gradient is `values`; the first parameter is used twice, the last not at all."""
    pairs = list(zip(values, parameters.values(), strict=True))[:-1]
    return sum((v * p).sum() for v, p in pairs) + (pairs[0][0] * pairs[0][1]).sum()


def leaves():
    return {name: torch.nn.Parameter(value) for name, value in parameters()}


def test_folding_during_backward_is_folding_after_it():
    values, own = gradients(0), leaves()
    sketch = Sketch(own.items(), 64, 3)
    with sketch.during_backward(torch.nn.Module(), own) as folded:
        two_uses(values, own).backward()
        assert all(parameter.grad is None for parameter in own.values())
        found = folded()
    wanted = sketch.fold([2 * values[0], *values[1:-1], None])
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_each_call_starts_anew_and_passes_in_between_add_up():
    values, own = gradients(0), leaves()
    sketch = Sketch(own.items(), 64, 3)
    with sketch.during_backward(torch.nn.Module(), own) as folded:
        two_uses(values, own).backward()
        once = folded()
        two_uses(values, own).backward()
        two_uses(values, own).backward()
        torch.testing.assert_close(folded(), 2 * once, rtol=1e-12, atol=1e-12)
        assert folded().tolist() == [0.0] * 64


def test_after_the_block_gradients_are_kept_again():
    values, own = gradients(0), leaves()
    sketch = Sketch(own.items(), 64, 3)
    with sketch.during_backward(torch.nn.Module(), own):
        pass
    two_uses(values, own).backward()
    torch.testing.assert_close(own["embed"].grad, 2 * values[0])


def test_scaled_gradients_are_scaled_during_backward_too():
    values, own = gradients(0), leaves()
    scale = dict(zip(own, gradients(5), strict=True))
    sketch = Sketch(own.items(), 64, 3, scale)
    with sketch.during_backward(torch.nn.Module(), own) as folded:
        two_uses(values, own).backward()
        found = folded()
    wanted = sketch.fold([2 * values[0], *values[1:-1], None])
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
