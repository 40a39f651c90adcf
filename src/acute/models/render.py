"""From a prompt as the source states it to the text that the model continues."""

from typing import Any

from jinja2 import TemplateError

from acute.errors import InputError

Message = dict[str, str]


def render(tokenizer: Any, prompt: str | None, messages: list[Message] | None, prefill: str | None) -> str:
    """The text that the model continues: chat template, open assistant turn, prefill.

    A plain `prompt` is the user's message of a model with a chat template, and the text itself of a
    base model. Raises InputError if messages are given to a model without a chat template.
    """
    if tokenizer.chat_template is None:
        if messages is not None:
            raise InputError("the prompts have messages, but this model has no chat template: give `prompt`")
        return f"{prompt}{prefill or ''}"
    if messages is None:
        messages = [{"role": "user", "content": prompt or ""}]
    try:
        text: str = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise InputError(f"the model's chat template refuses the messages {messages!r}: {error}") from None
    return text + (prefill or "")
