"""From a prompt row to the tokens that the model continues."""

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from acute.errors import InputError
from acute.models.render import render
from acute.stages.policy import tokens_of

CHAT = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[a]{% endif %}"
)


def tokenizer(chat_template=None):
    """A character tokenizer that begins every text with <s>, as Llama's and Gemma's do."""
    vocabulary = {c: i for i, c in enumerate(["<s>", *"[]abcdefghijklmnopqrstuvwxyz"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="z"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", chat_template=chat_template)


def test_a_base_model_continues_the_text_itself():
    assert render(tokenizer(), "ab", None, "c") == "abc"
    assert render(tokenizer(), "ab", None, None) == "ab"


def test_a_chat_model_continues_its_own_turn():
    assert render(tokenizer(CHAT), "hi", None, "yes") == "[user]hi[a]yes"
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert render(tokenizer(CHAT), None, messages, None) == "[system]s[user]u[a]"


def test_messages_need_a_chat_template():
    with pytest.raises(InputError, match="no chat template"):
        render(tokenizer(), None, [{"role": "user", "content": "u"}], None)


def test_a_base_models_prompt_begins_with_its_first_token_and_a_chat_has_it_from_the_template():
    base, chat = tokenizer(), tokenizer("<s>" + CHAT)
    assert tokens_of(base, render(base, "ab", None, None)) == (0, 3, 4)
    assert tokens_of(chat, render(chat, "ab", None, None)).count(0) == 1
