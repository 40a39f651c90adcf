"""Policies for sampling: a model of the zoo with a stand-in tokenizer, and what a test asks of them."""

from contextlib import contextmanager

import torch

from acute.models.load import Policy
from tests.policies import policy


class LetterTokenizer:
    """Token i is the i-th letter; enough for stop texts."""

    chat_template = None

    def decode(self, ids, **_):
        return "".join(chr(ord("A") + int(i)) for i in ids)


def sampling_policy(name="llama-tied", eos=(2,)):
    """A policy of the zoo in float64, ready for `acute.rollout.hf.sample`."""
    model, _ = policy(name)
    return Policy(model, LetterTokenizer(), tuple(eos), torch.device("cpu"))


def narrowed(policy, vocabulary):
    """The same policy with every token from `vocabulary` on made impossible."""
    ban = torch.zeros(policy.model.config.vocab_size, dtype=torch.float64)
    ban[vocabulary:] = -torch.inf

    def mask(_module, _args, _kwargs, out):
        out.logits = out.logits + ban
        return out

    policy.model.register_forward_hook(mask, with_kwargs=True)
    return policy


@contextmanager
def counted_calls(model):
    """Within the block, the shape of every input that the model is run on, in order."""
    shapes = []
    hook = model.register_forward_pre_hook(
        lambda _m, _a, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        yield shapes
    finally:
        hook.remove()
