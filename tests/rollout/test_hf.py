"""Sampling: from the right distribution, with the right log-probability, the same in any batch."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
import transformers
from scipy.stats import chisquare

from acute.errors import ModelError
from acute.gradients.forward import Sampled, response_logprob
from acute.models.load import Policy
from acute.rollout.hf import Sampling, _draw, sample, uniforms
from tests.policies import truly_float64
from tests.sampling import LetterTokenizer, counted_calls, narrowed, sampling_policy

PROMPTS = [(5, 9, 3, 9, 40), (7,), (11, 30, 8)]
NAMES = ["a", "b", "c"]
POLICIES = ["llama-tied", "qwen-tied-biases", "gpt2-dropout-present", "llama-lora", "mistral-sliding-window"]
PLAIN = Sampling(n=40, temperature=1.0, top_p=1.0, max_tokens=4)


@pytest.fixture(autouse=True)
def float64():
    with truly_float64():
        yield


def assert_same_samples(found, wanted):
    """The same tokens and endings, and log-probabilities equal up to rounding."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert [(s.token_ids, s.finish) for s in ours] == [(s.token_ids, s.finish) for s in theirs]
        np.testing.assert_allclose([s.logprob for s in ours], [s.logprob for s in theirs], atol=1e-10)


@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.7, 0.9), (1.6, 0.5)], ids=str)
@pytest.mark.parametrize("rows_at_once", [3, 256])
@pytest.mark.parametrize("name", POLICIES)
def test_logprob_is_the_scorers(name, rows_at_once, settings):
    policy = sampling_policy(name)
    sampling = Sampling(12, *settings, max_tokens=4, rows_at_once=rows_at_once)
    for prompt, samples in zip(PROMPTS, sample(policy, PROMPTS, NAMES, sampling, 0), strict=True):
        assert len(samples) == 12
        for s in set(samples):
            wanted = response_logprob(policy.model, prompt, s.token_ids, Sampled(*settings)).item()
            assert s.logprob == pytest.approx(wanted, abs=1e-10)


def by_hand(policy, prompt, uniform, settings):
    """A response drawn the plain way: the whole text run again for every token."""
    tokens = ()
    while len(tokens) < len(uniform) and tokens[-1:] != (2,):
        logits = policy.model(input_ids=torch.tensor([prompt + tokens])).logits[0, -1]
        probability = Sampled(*settings).logprobs(logits).exp().detach().numpy()
        tokens += (int((probability.cumsum() < uniform[len(tokens)]).sum()),)
    return tokens


@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.7, 0.9)], ids=str)
@pytest.mark.parametrize("name", ["llama-untied", "gpt2"])
def test_every_row_is_drawn_by_its_own_random_numbers(name, settings):
    policy = sampling_policy(name)
    found = sample(policy, PROMPTS, NAMES, Sampling(12, *settings, max_tokens=3), 0)
    for prompt, prompt_id, samples in zip(PROMPTS, NAMES, found, strict=True):
        wanted = [by_hand(policy, prompt, row, settings) for row in uniforms(0, prompt_id, 12, 3)]
        assert [s.token_ids for s in samples] == wanted


@pytest.mark.parametrize("probability", [(0, 0.5, 0, 0.5, 0), (0.5, 0, 0.5)])
def test_a_token_without_probability_is_never_drawn(probability):
    uniform = np.array([0, 0.5 - 2**-54, 0.5, 0.5 + 2**-53, 1 - 2**-53])  # of [0, 1)
    with np.errstate(divide="ignore"):
        drawn = _draw(np.log(np.array(probability)), uniform)
    assert set(drawn) == set(np.flatnonzero(probability))


@pytest.mark.parametrize("name", ["llama-untied", "gpt2"])
def test_what_else_is_in_the_batch_changes_nothing(name):
    policy = sampling_policy(name)
    together = sample(policy, PROMPTS, NAMES, PLAIN, 0)
    alone = [sample(policy, [p], [n], PLAIN, 0)[0] for p, n in zip(PROMPTS, NAMES, strict=True)]
    backwards = sample(policy, PROMPTS[::-1], NAMES[::-1], PLAIN, 0)[::-1]
    assert len({s.token_ids for s in together[0]}) > 20
    assert_same_samples(together, alone)
    assert_same_samples(together, backwards)


@pytest.mark.parametrize("rows_at_once", [1, 7])
def test_splitting_changes_nothing(rows_at_once):
    policy = sampling_policy()
    split = Sampling(40, 1.0, 1.0, 4, rows_at_once=rows_at_once)
    assert_same_samples(sample(policy, PROMPTS, NAMES, split, 0), sample(policy, PROMPTS, NAMES, PLAIN, 0))


def test_a_seed_and_a_prompt_make_the_responses():
    policy = sampling_policy()

    def drawn(seed, name):
        return sample(policy, PROMPTS[:1], [name], PLAIN, seed)

    assert drawn(0, "a") == drawn(0, "a")
    assert drawn(0, "a") != drawn(1, "a")
    assert drawn(0, "a") != drawn(0, "b")


def test_more_responses_keep_the_first_ones_random_numbers():
    np.testing.assert_array_equal(uniforms(0, "a", 10, 3), uniforms(0, "a", 20, 3)[:10])


def exact_world(policy, prompt, settings):
    """Probability of every response of a world with three tokens, of which 2 ends it, and length 2."""
    responses = [(2,), *((a, b) for a, b in product(range(2), range(3)))]
    return {r: response_logprob(policy.model, prompt, r, Sampled(*settings)).exp().item() for r in responses}


@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.6, 1.0), (1.0, 0.8)], ids=str)
def test_frequencies_are_the_exact_probabilities(settings):
    policy, prompt, n = narrowed(sampling_policy(), 3), PROMPTS[0], 20_000
    exact = exact_world(policy, prompt, settings)
    assert sum(exact.values()) == pytest.approx(1)
    (samples,) = sample(policy, [prompt], ["a"], Sampling(n, *settings, max_tokens=2), 0)
    counts = Counter(s.token_ids for s in samples)
    assert set(counts) <= {r for r, p in exact.items() if p > 0}

    def p_value(probabilities):
        possible = [r for r, p in probabilities.items() if p > 0]
        expected = np.array([probabilities[r] for r in possible])
        return chisquare([counts[r] for r in possible], n * expected / expected.sum()).pvalue

    assert p_value(exact) > 0.01
    wrong = exact_world(policy, prompt, (settings[0] * 1.2, settings[1]))
    assert p_value(wrong) < 1e-4  # the test would see a temperature that is off by a fifth


def test_eos_stop_and_length_are_told_apart():
    policy = narrowed(sampling_policy(), 4)  # A, B, C = end, D
    sampling = Sampling(200, 1.0, 1.0, max_tokens=5, stop=("BD", "DD"))
    (samples,) = sample(policy, PROMPTS[:1], ["a"], sampling, 0)
    assert {s.finish for s in samples} == {"eos", "stop", "length"}
    for s in samples:
        text = policy.tokenizer.decode(s.token_ids)
        ends_in_stop = text.endswith(("BD", "DD"))
        assert (s.finish == "eos") == (text[-1] == "C")
        assert (s.finish == "stop") == ends_in_stop
        assert s.finish != "length" or len(text) == 5
        assert not any(part in text[:-1] for part in ("C", "BD", "DD"))  # none went on past its end


def test_a_stop_text_is_looked_for_in_the_text_that_is_stored():
    """Decoders may tidy blanks ("b ." to "b."); the stored text is not tidied, nor is this one."""
    policy = narrowed(sampling_policy(), 2)

    class Tidy(LetterTokenizer):
        def decode(self, ids, clean_up_tokenization_spaces=True, **_):
            text = super().decode(ids)
            return text.replace("AB", "C") if clean_up_tokenization_spaces else text

    tidy = Policy(policy.model, Tidy(), (), policy.device)
    (samples,) = sample(tidy, PROMPTS[:1], ["a"], Sampling(50, 1.0, 1.0, max_tokens=4, stop=("AB",)), 0)
    assert {s.finish for s in samples if s.token_ids[-2:] == (0, 1)} == {"stop"}


def test_an_end_token_at_the_last_place_is_an_end():
    policy = narrowed(sampling_policy(), 3)
    (samples,) = sample(policy, PROMPTS[:1], ["a"], Sampling(100, 1.0, 1.0, max_tokens=1), 0)
    assert {(s.token_ids[-1] == 2, s.finish) for s in samples} == {(True, "eos"), (False, "length")}


def test_a_pad_token_that_is_the_end_token_changes_nothing():
    apart, same = sampling_policy(), sampling_policy()
    same.model.config.pad_token_id = same.model.generation_config.pad_token_id = 2
    with_end_in_prompt = [(5, 2, 9), (2,), (2, 2, 2, 7)]
    assert_same_samples(
        sample(same, with_end_in_prompt, NAMES, PLAIN, 0), sample(apart, with_end_in_prompt, NAMES, PLAIN, 0)
    )


def test_a_model_without_probabilities_is_refused():
    policy = sampling_policy()
    with torch.no_grad():
        policy.model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match="no probabilities"):
        sample(policy, PROMPTS, NAMES, PLAIN, 0)


def test_a_model_without_attention_states_is_named():
    config = transformers.MambaConfig(vocab_size=61, hidden_size=16, num_hidden_layers=1, state_size=4)
    model = transformers.MambaForCausalLM(config).eval()
    with pytest.raises(ModelError, match="MambaForCausalLM gives no past_key_values"):
        sample(Policy(model, LetterTokenizer(), (2,), torch.device("cpu")), PROMPTS, NAMES, PLAIN, 0)


def test_every_prompt_is_run_once_and_every_beginning_once():
    policy = narrowed(sampling_policy(eos=()), 3)
    told = []
    with counted_calls(policy.model) as shapes:
        samples = sample(policy, PROMPTS, NAMES, Sampling(500, 1.0, 1.0, max_tokens=3), 0, told.append)
    beginnings = [len({(i, s.token_ids[:j]) for i, some in enumerate(samples) for s in some}) for j in (1, 2)]
    assert shapes == [(3, 5), *((count, 1) for count in beginnings)]
    assert beginnings[1] <= 3 * 3**2 < 500
    assert sum(told) == 3 * 500 * 3
