"""Gradients handed on in tiles are autograd's own, and no use of a weight is lost."""

import pytest
import torch
from torch import nn

from acute.gradients import tiles
from acute.gradients.sketch import Sketch
from acute.gradients.tiles import in_tiles

IDS = torch.tensor([[3, 1, 3, 0], [5, 5, 2, 0]])


class Tied(nn.Module):
    """An embedding that is the unembedding too, a layer with a bias, and a weight used outside its module."""

    def __init__(self, padding=None):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 30, padding_idx=padding)
        self.up, self.norm = nn.Linear(30, 64), nn.LayerNorm(64)
        self.down, self.head = nn.Linear(64, 30), nn.Linear(30, 11, bias=False)
        self.head.weight = self.embed.weight
        self.double()

    def forward(self, ids):
        hidden = self.down(torch.tanh(self.norm(self.up(self.embed(ids)))))
        return self.head(hidden) + nn.functional.linear(hidden, self.embed.weight) ** 2


def gradients(model):
    model.zero_grad()
    (model(IDS) * torch.arange(11)).sin().sum().backward()
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 100)


@pytest.mark.parametrize("padding", [None, 5])
def test_tiles_and_what_arrives_as_ever_add_up_to_the_gradient(padding):
    model = Tied(padding)
    wanted = gradients(model)
    taken = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    shares = dict.fromkeys(taken, 0)

    def on_rows(name):
        def take(rows, gradient):
            assert gradient.numel() <= 100 or not isinstance(rows, slice)
            taken[name][rows] += gradient
            shares[name] += 1

        return take

    with in_tiles(model, {p: on_rows(name) for name, p in model.named_parameters()}):
        left = gradients(model)
    assert shares["up.weight"] == 22  # 64 rows, three to a tile
    assert shares["embed.weight"] == 4 + 1  # the unembedding's tiles, the embedding's rows
    assert shares["norm.weight"] == shares["up.bias"] == 0
    assert left["up.weight"] is None
    for name, whole in wanted.items():
        found = taken[name] + (0 if left[name] is None else left[name])
        torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [16, 64, 1000])  # rows lie across pieces, or all in one
@pytest.mark.parametrize("scaled", [False, True])
def test_a_sketch_made_of_tiles_is_the_sketch_of_the_gradient(size, scaled):
    model = Tied()
    own = dict(model.named_parameters())
    scale = {name: torch.rand_like(p) for name, p in own.items()} if scaled else None
    sketch = Sketch(own.items(), size, 3, scale)
    wanted = sketch.fold(gradients(model).values())
    with sketch.during_backward(model, own) as folded:
        gradients(model)
        once = folded()
        gradients(model)
        torch.testing.assert_close(folded(), once, rtol=0, atol=0)
    torch.testing.assert_close(once, wanted, rtol=1e-10, atol=1e-10)


def test_frozen_weights_and_forwards_of_their_own_are_left_alone():
    model = Tied()
    plain = nn.Linear.forward
    model.up.forward = lambda x: plain(model.up, x)
    with in_tiles(model, {model.up.weight: pytest.fail, model.norm.weight: pytest.fail}):
        assert "forward" not in vars(model.down)
        gradients(model)
    assert "forward" in vars(model.up)
    assert model.up.weight.grad is not None


def test_after_the_block_modules_are_as_they_were_even_after_an_error():
    model = Tied()
    with pytest.raises(ZeroDivisionError), in_tiles(model, {model.up.weight: lambda *_: 1 / 0}):
        gradients(model)
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_token_that_is_fed_often_is_summed_in_float32():
    """1,001 times 2⁻⁹, which bfloat16 does not hold."""
    embed, found = nn.Embedding(3, 4).bfloat16(), []
    with in_tiles(embed, {embed.weight: lambda _, gradient: found.append(gradient)}):
        (embed(torch.ones(1001, dtype=torch.long)) * 2**-9).sum().backward()
    assert found[0].dtype == torch.float32
    torch.testing.assert_close(found[0], torch.full((1, 4), 1001 * 2**-9))


def test_under_autocast_autograd_does_it():
    """There a layer computes in another type than its weight's."""
    model = Tied().float()
    with in_tiles(model, {model.up.weight: pytest.fail}), torch.autocast("cpu", torch.bfloat16):
        gradients(model)
    assert model.up.weight.grad is not None
