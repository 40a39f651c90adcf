"""Log-probabilities of many responses at once, shared or padded, against one response alone."""

import numpy as np
import pytest
import torch

from acute.gradients.forward import (
    Sampled,
    may_share,
    obeys_masks,
    pad,
    response_logprob,
    row_logprobs,
    trie_logprobs,
)
from tests.policies import ZOO, policy, truly_float64

PROMPT = (5, 9, 3, 9, 40)
RESPONSES = [(7,), (8,), (7, 2), (7, 3), (7, 2, 2), (9, 1, 4, 4, 2), (9, 1, 4, 5, 2), (11, 3), (9, 1, 4)]
SAMPLED = Sampled(0.7)
DEAF = "mistral-sliding-window"  # does not obey the mask that sharing needs


@pytest.fixture(autouse=True)
def exact():
    with truly_float64(), torch.inference_mode():
        yield


def together(model, way, responses):
    if way == "trie":
        return trie_logprobs(model, PROMPT, responses, SAMPLED)
    return row_logprobs(model, model.device, PROMPT, responses, SAMPLED, way)


@pytest.mark.parametrize("responses", [RESPONSES, RESPONSES[::-1], RESPONSES[:2], RESPONSES[-1:]], ids=len)
@pytest.mark.parametrize(
    ("name", "way"),
    [(n, w) for n in ZOO for w in ("trie", "left", "right") if (n, w) != (DEAF, "trie")],
)
def test_together_as_alone(name, way, responses):
    model, _ = policy(name)
    alone = [response_logprob(model, PROMPT, r, SAMPLED).item() for r in responses]
    np.testing.assert_allclose(together(model, way, responses), alone, rtol=0, atol=1e-10)


def test_one_response_is_fed_without_a_mask_and_several_with_one():
    """The fastest kernels of attention take none."""
    model, _ = policy("llama-tied")
    masks = []
    hook = lambda _m, _a, kw: masks.append(kw["attention_mask"])  # noqa: E731
    model.register_forward_pre_hook(hook, with_kwargs=True)
    for responses in ([RESPONSES[-1]], RESPONSES[-2:]):
        trie_logprobs(model, PROMPT, responses, SAMPLED)
    assert [mask is None for mask in masks] == [True, False]


def test_masks_are_tried_where_a_prompt_has_several_responses():
    """The longest prompt has one, and would show nothing."""
    for name, shares in (("llama-tied", True), (DEAF, False)):
        model, _ = policy(name)
        prompts = [((*PROMPT, *PROMPT), RESPONSES[-1:]), (PROMPT, RESPONSES)]
        assert may_share(model, prompts, SAMPLED) is shares
        assert not may_share(model, prompts[:1], SAMPLED)


def test_a_model_that_refuses_such_a_mask_is_told_from_one_that_obeys():
    model, _ = policy("llama-tied")
    assert obeys_masks(model, PROMPT, RESPONSES, SAMPLED)
    plain = model.forward

    def two_axes_only(*, attention_mask=None, **others):
        if attention_mask is not None and attention_mask.dim() != 2:
            raise ValueError("wanted a mask of two axes")
        return plain(attention_mask=attention_mask, **others)

    model.forward = two_axes_only
    assert not obeys_masks(model, PROMPT, RESPONSES, SAMPLED)
    # nor where responses differ in what is never fed
    assert not may_share(model, [(PROMPT, [(7, 2, 5), (7, 2, 6)])], SAMPLED)


def test_a_model_that_overlooks_the_positions_is_noticed():
    """All else as it should be: siblings in the trie then stand at different places."""
    model, _ = policy("gpt2")
    plain = model.forward

    def counts_for_itself(*, position_ids=None, **others):
        return plain(position_ids=torch.arange(position_ids.shape[1])[None], **others)

    model.forward = counts_for_itself
    assert not obeys_masks(model, PROMPT, RESPONSES, SAMPLED)


@pytest.mark.parametrize("name", ["llama-tied", "gpt2", "llama-lora"])
def test_response_logprob_is_a_distribution(name):
    model, _ = policy(name)
    total = sum(response_logprob(model, PROMPT, (t,), Sampled(1.3, 0.8)).exp() for t in range(61))
    assert total.item() == pytest.approx(1)
    # the chain rule: two tokens are one after the prompt and one after both
    two = response_logprob(model, PROMPT, (7, 2), SAMPLED)
    steps = response_logprob(model, PROMPT, (7,), SAMPLED) + response_logprob(
        model, (*PROMPT, 7), (2,), SAMPLED
    )
    torch.testing.assert_close(two, steps, rtol=0, atol=1e-10)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["llama-tied", "gpt2"])
def test_padding_on_either_side_changes_nothing(name, side):
    model, _ = policy(name)
    rows = [(5, 9, 3, 9), (0,), (11, 0)]  # token 0 is the filling too: the mask alone tells them apart
    ids, mask, positions = pad(rows, torch.device("cpu"), side)
    assert mask.sum(1).tolist() == [4, 1, 2]
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    for i, row in enumerate(rows):
        alone = model(input_ids=torch.tensor([row])).logits[0]
        torch.testing.assert_close(logits[i][mask[i] == 1], alone, rtol=0, atol=1e-10)
