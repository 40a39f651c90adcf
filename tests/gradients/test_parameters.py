"""Which parameters are chosen by a name, and that the model is left as it was."""

import pytest
import torch
import transformers

from acute.errors import ConfigError
from acute.gradients.forward import Sampled, response_logprob
from acute.gradients.parameters import selected
from tests.policies import policy, truly_float64


def chosen(model, which):
    with selected(model, which) as parameters:
        requiring = [name for name, p in model.named_parameters() if p.requires_grad]
        assert requiring == list(parameters)
        return set(parameters)


@pytest.mark.parametrize(
    ("name", "which", "wanted"),
    [
        ("llama-untied", "lm_head", {"lm_head.weight"}),
        ("llama-tied", "lm_head", {"model.embed_tokens.weight"}),
        ("gpt2", "lm_head", {"transformer.wte.weight"}),
        ("llama-tied", "final-norm", {"model.norm.weight"}),
        ("gpt2", "final-norm", {"transformer.ln_f.weight", "transformer.ln_f.bias"}),
        ("llama-tied", "final-state", {"final_state.shift"}),
        (
            "llama-tied",
            r"layers\.[01]\..*norm",
            {f"model.layers.{i}.{n}_layernorm.weight" for i in (0, 1) for n in ("input", "post_attention")},
        ),
    ],
)
def test_chosen_by_name(name, which, wanted):
    assert chosen(policy(name)[0], which) == wanted


@pytest.mark.parametrize("name", ["llama-tied", "gpt2", "llama-lora"])
def test_all_is_all(name):
    model, _ = policy(name)
    assert chosen(model, "all") == {n for n, _ in model.named_parameters()}


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        # Bloom has a norm before its blocks too; OPT registers its last norm before its blocks
        (transformers.BloomConfig(vocab_size=11, hidden_size=8, n_layer=2, n_head=2), "transformer.ln_f"),
        (
            transformers.OPTConfig(
                vocab_size=11,
                hidden_size=8,
                word_embed_proj_dim=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                ffn_dim=8,
            ),
            "model.decoder.final_layer_norm",
        ),
    ],
    ids=["bloom", "opt"],
)
def test_the_final_norm_is_the_one_after_the_blocks(config, wanted):
    model = transformers.AutoModelForCausalLM.from_config(config)
    assert chosen(model, "final-norm") == {f"{wanted}.weight", f"{wanted}.bias"}


def test_the_last_block_is_the_last():
    names = chosen(policy("llama-tied")[0], "last-block")
    assert len(names) == 9
    assert all(n.startswith("model.layers.2.") for n in names)


def test_lora_is_what_lora_added():
    names = chosen(policy("llama-lora")[0], "lora")
    assert len(names) == 3 * 2 * 2
    assert all("lora_" in n for n in names)


def test_an_unembeddings_bias_is_not_dropped():
    config = transformers.PhiConfig(
        vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    assert chosen(transformers.PhiForCausalLM(config), "lm_head") == {"lm_head.weight", "lm_head.bias"}


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("lora", r"'lora' matches none of this model's \d+ parameters \(such as 'model.embed_tokens"),
        ("no such", "'no such' matches none"),
        ("(", r"a regular expression, found '\('"),
    ],
)
def test_a_choice_of_nothing_is_refused(which, message):
    model, _ = policy("llama-tied")
    with pytest.raises(ConfigError, match=message), selected(model, which):
        pass


def test_a_model_without_an_unembedding_is_named():
    config = transformers.LlamaConfig(
        vocab_size=11, hidden_size=8, num_attention_heads=2, num_hidden_layers=1
    )
    model = transformers.LlamaModel(config)
    for which in ("lm_head", "final-state"):
        with pytest.raises(ConfigError, match="LlamaModel has no unembedding"), selected(model, which):
            pass


@pytest.mark.parametrize("which", ["all", "final-state", "last-block", "("])
def test_the_model_is_left_as_it_was_whatever_happens(which):
    model, _ = policy("llama-tied")
    model.model.norm.weight.requires_grad_(False)
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    ids = torch.tensor([[1, 2, 3]])
    logits = model(input_ids=ids).logits
    with pytest.raises((RuntimeError, ConfigError)), selected(model, which):
        model(input_ids=ids).logits.sum().backward()
        raise RuntimeError
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(model(input_ids=ids).logits, logits)


def test_final_state_is_the_papers_gradient():
    """Σ_t Uᵀ(e_{y_t} - π_t): the unembedding's rows, actual minus expected."""
    prompt, response = (5, 9, 3), (7, 2, 2)
    with truly_float64():
        model, _ = policy("llama-untied")
        with selected(model, "final-state") as parameters:
            response_logprob(model, prompt, response, Sampled()).backward()
            found = parameters["final_state.shift"].grad
        logits = model(input_ids=torch.tensor([prompt + response[:-1]])).logits[0, len(prompt) - 1 :]
    difference = torch.nn.functional.one_hot(torch.tensor(response), 61) - logits.softmax(-1)
    torch.testing.assert_close(found, difference.sum(0) @ model.lm_head.weight.detach())


def test_a_tied_weight_has_the_gradient_of_both_uses():
    model, _ = policy("llama-tied")
    untied, _ = policy("llama-untied")
    with torch.no_grad():
        for name, p in untied.named_parameters():
            p.copy_(model.get_parameter(name) if name != "lm_head.weight" else model.lm_head.weight)
    gradient = {}
    for m, which in ((model, "lm_head"), (untied, "lm_head|embed_tokens")):
        with selected(m, which) as parameters:
            response_logprob(m, (5, 9), (7, 2), Sampled()).backward()
            gradient[m] = sum(p.grad for p in parameters.values())
    torch.testing.assert_close(gradient[model], gradient[untied])


def test_trainable_is_what_requires_a_gradient_and_stays_so():
    model, _ = policy("llama-lora")
    with selected(model, "trainable") as parameters:
        assert parameters and all("lora_" in name for name in parameters)
    wanted = {name for name, p in model.named_parameters() if "lora_" in name}
    assert {name for name, p in model.named_parameters() if p.requires_grad} == wanted
    model.requires_grad_(False)
    with (
        pytest.raises(ConfigError, match="every parameter of this model is frozen"),
        selected(model, "trainable"),
    ):
        pass
