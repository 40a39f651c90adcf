"""The distribution that is sampled and scored: temperature, nucleus, and its gradient."""

import pytest
import torch

from acute.models.distribution import next_token_logprobs


def logits_of(*probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).log()


@pytest.mark.parametrize(
    ("top_p", "wanted"),
    [
        (0.05, [0, 1, 0, 0]),  # the first is always kept
        (0.5, [0, 1, 0, 0]),  # the smallest set that reaches top_p
        (0.51, [1, 1, 0, 0]),
        (0.75, [1, 1, 0, 0]),
        (0.76, [1, 1, 0, 1]),
        (0.99, [1, 1, 1, 1]),
        (1.0, [1, 1, 1, 1]),
    ],
)
def test_the_smallest_set_that_reaches_top_p_is_kept(top_p, wanted):
    found = next_token_logprobs(logits_of(0.25, 0.5, 0.0625, 0.1875), 1, top_p)
    assert (found > -torch.inf).tolist() == [bool(w) for w in wanted]


def test_what_is_kept_is_renormalised():
    found = next_token_logprobs(logits_of(0.25, 0.5, 0.0625, 0.1875), 1, 0.6).exp()
    torch.testing.assert_close(found, torch.tensor([1 / 3, 2 / 3, 0, 0], dtype=torch.float64))


def test_among_equals_the_first_are_kept():
    """Half precision makes many equal logits; the sampler and the scorer must break ties alike."""
    for shape in ((200,), (3, 200), (2, 7, 200)):
        found = next_token_logprobs(torch.zeros(shape), 1, 0.2499)
        assert (found > -torch.inf).nonzero()[:, -1].unique().tolist() == list(range(50))


def test_temperature_comes_before_the_nucleus():
    flat = next_token_logprobs(logits_of(0.6, 0.3, 0.1), 4, 0.6)
    assert (flat > -torch.inf).tolist() == [True, True, False]
    expected = torch.tensor([0.6, 0.3], dtype=torch.float64) ** 0.25
    torch.testing.assert_close(flat.exp()[:2], expected / expected.sum())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    logits = torch.randn(5, 40).to(dtype)
    found = next_token_logprobs(logits, 0.7, 1.0)
    torch.testing.assert_close(found, (logits.float() / 0.7).log_softmax(-1))
    assert next_token_logprobs(logits.double(), 0.7, 1.0).dtype == torch.float64


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (1.5, 0.5)])
def test_the_gradient_is_that_of_the_truncated_distribution(temperature, top_p):
    """∂ ln q_i / ∂ logit_j = (1[i = j] - q_j) / T within the kept set, 0 outside it."""
    torch.manual_seed(0)
    logits = torch.randn(12, dtype=torch.float64, requires_grad=True)
    found = next_token_logprobs(logits, temperature, top_p)
    q = found.detach().exp()
    for i in q.nonzero().flatten():
        (gradient,) = torch.autograd.grad(found[i], logits, retain_graph=True)
        wanted = (torch.nn.functional.one_hot(i, 12) - q) / temperature * (q > 0)
        torch.testing.assert_close(gradient, wanted)


def test_where_nothing_is_near_the_edge_finite_differences_agree():
    logits = logits_of(0.45, 0.3, 0.15, 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: next_token_logprobs(x, 0.8, 0.7)[:2], logits)
