"""Log-probabilities of packed rows, with and without shared prompt states, against the plain way."""

import numpy as np
import pytest
import torch
import transformers

from acute.gradients.forward import (
    Sampled,
    entries_of_rows,
    pad,
    prefix_states,
    response_logprob,
    rows_after_prefix,
    whole_rows,
)
from acute.gradients.rows import pack
from tests.policies import ZOO, policy, truly_float64

PROMPT = (5, 9, 3, 9, 40)
RESPONSES = [(7,), (8,), (7, 2), (7, 3), (7, 2, 2), (9, 1, 4, 4, 2), (9, 1, 4, 5, 2), (11, 3), (9, 1, 4)]
SAMPLED = Sampled(0.7)


@pytest.fixture(autouse=True)
def exact():
    with truly_float64(), torch.inference_mode():
        yield


def plain(model, sampled=SAMPLED):
    return [response_logprob(model, PROMPT, r, sampled).item() for r in RESPONSES]


@pytest.mark.parametrize("rows_at_once", [1, 2, 64])
@pytest.mark.parametrize("share", [True, False], ids=["prefix-shared", "whole-rows"])
@pytest.mark.parametrize("name", ZOO)
def test_rows_agree_with_the_plain_way(name, share, rows_at_once):
    model, _ = policy(name)
    prefix = prefix_states(model, PROMPT, SAMPLED) if share else None
    packed = pack(RESPONSES)
    value_E = np.full(len(packed.token_E), np.nan)
    alone = entries_of_rows(packed, range(-1, 0))
    for e in alone:
        value_E[e] = response_logprob(model, PROMPT, (int(packed.token_E[e]),), SAMPLED)
        if prefix is not None:
            assert prefix.logprobs_V[packed.token_E[e]].item() == pytest.approx(value_E[e], abs=1e-10)
    for start in range(0, len(packed.rows), rows_at_once):
        rows = range(start, min(start + rows_at_once, len(packed.rows)))
        if prefix is None:
            found = whole_rows(model, PROMPT, packed, rows, SAMPLED)
        else:
            found = rows_after_prefix(model, packed, rows, prefix.states, prefix.length, SAMPLED)
        value_E[entries_of_rows(packed, rows)] = found
    np.testing.assert_allclose(packed.sum_entries(value_E), plain(model), rtol=0, atol=1e-10)


def test_a_prompts_states_are_used_and_not_used_up():
    model, _ = policy("llama-tied")
    prefix = prefix_states(model, PROMPT, SAMPLED)
    before = [state.clone() for state in prefix.states]
    packed, rows = pack(RESPONSES), range(0, 2)
    first, again = (rows_after_prefix(model, packed, rows, prefix.states, 5, SAMPLED) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(before, prefix.states, strict=True))


@pytest.mark.parametrize("name", ["llama-tied", "gpt2"])
def test_only_known_states_are_shared(name):
    model, _ = policy(name)
    assert len(prefix_states(model, PROMPT, SAMPLED).states) == 2 * 3
    assert prefix_states(policy("mistral-sliding-window")[0], PROMPT, SAMPLED) is None
    mamba = transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=61, hidden_size=16, num_hidden_layers=1, state_size=4)
    )
    assert prefix_states(mamba, PROMPT, SAMPLED) is None


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
