"""Dots without per-response gradients, against one backward a response."""

import pytest
import torch
import transformers

from acute.errors import ModelError
from acute.gradients import dots
from acute.gradients.dots import by_forward_mode, by_hooks
from acute.gradients.forward import Sampled, obeys_masks, response_logprob
from acute.gradients.parameters import selected
from tests.gradients.test_engines import PROMPT, RESPONSES
from tests.policies import LLAMA, ZOO, policy, truly_float64

SAMPLED = Sampled(0.8)


def stacked(directions):
    return {name: torch.stack([d[name] for d in directions]) for name in directions[0]}


def reference(model, parameters, direction):
    found = []
    for response in RESPONSES:
        logprob = response_logprob(model, PROMPT, response, SAMPLED)
        gradients = torch.autograd.grad(logprob, list(parameters.values()), allow_unused=True)
        found.append(
            sum(
                (g * direction[name]).sum()
                for name, g in zip(parameters, gradients, strict=True)
                if g is not None
            )
        )
    return torch.stack(found)


@pytest.mark.parametrize("engine", ["hooks", "hooks-left", "forward", "forward-shared"])
@pytest.mark.parametrize("name", ZOO)
def test_agrees_with_one_backward_a_response(name, engine):
    model, which = policy(name)
    with truly_float64(), selected(model, which) as parameters:
        direction = {n: torch.randn_like(p).detach() for n, p in parameters.items()}
        wanted = reference(model, parameters, direction)
        if engine.startswith("forward"):
            share = engine == "forward-shared" and obeys_masks(model, PROMPT, RESPONSES, SAMPLED)
            found = by_forward_mode(model, direction, PROMPT, RESPONSES, SAMPLED, share)
        else:
            side = "left" if engine == "hooks-left" else "right"
            found = by_hooks(model, stacked([direction]), PROMPT, RESPONSES, SAMPLED, side)[0]
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10 * float(wanted.abs().max()))


@pytest.mark.parametrize("memory_bound", [0, 10**9], ids=["by gradients of rows", "by changes of outputs"])
@pytest.mark.parametrize("name", ZOO)
def test_several_directions_in_one_pass_are_each_alone(name, memory_bound, monkeypatch):
    monkeypatch.setattr(dots, "MEMORY_BOUND", memory_bound)
    monkeypatch.setattr(dots, "BLOCK", 100)  # a weight's gradient in several blocks
    model, which = policy(name)
    with truly_float64(), selected(model, which) as parameters:
        several = [{n: torch.randn_like(p).detach() for n, p in parameters.items()} for _ in range(3)]
        found = by_hooks(model, stacked(several), PROMPT, RESPONSES, SAMPLED)
        for along, direction in zip(found, several, strict=True):
            wanted = reference(model, parameters, direction)
            torch.testing.assert_close(along, wanted, rtol=1e-10, atol=1e-10 * float(wanted.abs().max()))


@pytest.mark.parametrize("tokens", [(), (5,), (2, 3)], ids=str)
def test_the_two_ways_of_a_linear_layer_are_one(tokens):
    x, grad = torch.randn(4, *tokens, 7).double(), torch.randn(4, *tokens, 3).double()
    weight, bias = torch.randn(2, 3, 7).double(), torch.randn(2, 3).double()
    first = dots._linear_forward(x, grad, weight)
    torch.testing.assert_close(dots._linear_gradients(x, grad, weight), first)
    torch.testing.assert_close(
        dots._linear(x, grad, weight, bias) - first,
        torch.einsum("ko,uto->ku", bias, grad.reshape(4, -1, 3)),
    )


def test_in_bfloat16_modules_add_up_in_float32():
    """0.2 % off beside the same weights in float32; 1.1 % where the sum over modules is bfloat16 too."""
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=61, **LLAMA)).bfloat16().eval()
    along = {n: (torch.randn_like(p) + 0.3).detach()[None] for n, p in model.named_parameters()}
    with selected(model, "all"):
        low = by_hooks(model, along, PROMPT, RESPONSES, SAMPLED)
    with selected(model.float(), "all"):
        high = by_hooks(model, {n: d.float() for n, d in along.items()}, PROMPT, RESPONSES, SAMPLED)
    assert low.dtype == torch.float32
    assert (low - high).norm() < 0.006 * high.norm()


def test_no_logits_are_made_where_the_prompt_is_read():
    model, _ = policy("llama-tied")
    made = []
    model.lm_head.register_forward_hook(lambda *args: made.append(args[2].shape[1]))
    with truly_float64(), selected(model, "all") as parameters:
        along = stacked([{n: torch.randn_like(p).detach() for n, p in parameters.items()}])
        by_hooks(model, along, PROMPT, RESPONSES, SAMPLED)
        by_hooks(model, along, PROMPT, RESPONSES, SAMPLED, "left")
    assert made == [max(map(len, RESPONSES))] * 2


class Folded(torch.nn.Module):
    """Flattens rows and tokens, as mixtures of experts do: no axis of rows is left."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.scale = inner, torch.nn.Parameter(torch.ones(16, dtype=torch.float64))

    def forward(self, hidden):
        return self.inner(hidden)


class Rows(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(16, dtype=torch.float64))

    def forward(self, flat):
        return flat * self.scale


class Flattened(Folded):
    def __init__(self, inner):
        super().__init__(inner)
        del self.scale
        self.rows = Rows()

    def forward(self, hidden):
        return self.rows(self.inner(hidden).flatten(0, 1)).view_as(hidden)


def test_a_module_without_an_axis_of_rows_fails_with_its_name():
    model, _ = policy("llama-tied")
    model.model.layers[1].mlp = Flattened(model.model.layers[1].mlp)
    direction = {n: torch.randn_like(p) for n, p in model.named_parameters()}
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.rows"):
        by_hooks(model, stacked([direction]), PROMPT, RESPONSES, SAMPLED)
    assert all(p.requires_grad for p in model.parameters())


def test_parameters_used_outside_their_module_fail_with_its_name():
    model, _ = policy("llama-tied")
    mlp = model.model.layers[1].mlp
    mlp.forward = lambda x: mlp.down_proj(torch.nn.functional.linear(x, mlp.up_proj.weight))
    direction = {"model.layers.1.mlp.up_proj.weight": torch.randn(24, 16, dtype=torch.float64)}
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj"):
        by_hooks(model, stacked([direction]), PROMPT, RESPONSES, SAMPLED)
