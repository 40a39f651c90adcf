"""Log-probabilities of responses under a model, ready to be differentiated.

Three ways to the same numbers: `trie_logprobs` feeds prompt and trie once, as one sequence in which every
token sees the prompt and its own ancestors; `row_logprobs` feeds a padded row a response, prompt
included, for any architecture; `response_logprob` feeds one response alone.

Suffixes name axes: U responses.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from acute.gradients.trie import Tokens, Trie, build, new_nodes
from acute.models.distribution import next_token_logprobs


@dataclass(frozen=True)
class Sampled:
    """The distribution that the responses were drawn from; the same one is scored."""

    temperature: float = 1.0
    top_p: float = 1.0

    def logprobs(self, logits: Tensor) -> Tensor:
        """ln of the sampled distribution over next tokens; shape as `logits`."""
        return next_token_logprobs(logits, self.temperature, self.top_p)


def pad(rows: Sequence[Tokens], device: torch.device, side: str = "right") -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, attention mask and position ids of rows of unequal length, each (rows, tokens).

    Padding is told by the mask alone, never by a token id: the pad token is often the end token.
    """
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        where = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[i, where] = torch.tensor(row, device=device)
        mask[i, where] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return ids, mask, positions


def _last(logits: Tensor, kept: int) -> Tensor:
    """The last `kept` positions. Even a slice of them all would copy the table on the way back."""
    return logits if logits.shape[1] == kept else logits[:, -kept:]


def _mask(model: Any, before: int, trie: Trie) -> Tensor:
    """What attention scores are masked with, (1, 1, tokens, tokens): tokens see the prompt and ancestors."""
    size = before + len(trie.token_T)
    may_see = torch.ones(size, size, dtype=torch.bool).tril()
    may_see[before:, before:] = torch.from_numpy(trie.may_see())
    mask = torch.zeros(1, 1, size, size, dtype=model.dtype, device=model.device)
    return mask.masked_fill_(~may_see.to(model.device), torch.finfo(model.dtype).min)


def trie_logprobs(
    model: Any,
    prompt: Tokens,
    responses: Sequence[Tokens],
    sampled: Sampled,
    call: Callable[..., Any] | None = None,
) -> Tensor:
    """ln π of each distinct response, shape (U,), prompt and shared beginnings computed once.

    The model must obey a mask of its caller's and given positions in every layer; `obeys_masks` tells. A
    single response needs none, and goes the way of the fastest attention kernels. `call` takes the model's
    place in the forward pass.
    """
    trie, before, device = build(responses), len(prompt), model.device
    kept = len(trie.token_T) + 1  # the prompt's last token and every node
    out = (call or model)(
        input_ids=torch.tensor([[*prompt, *trie.token_T.tolist()]], device=device),
        attention_mask=_mask(model, before, trie) if len(responses) > 1 else None,
        position_ids=torch.tensor([[*range(before), *(before + trie.depth_T).tolist()]], device=device),
        use_cache=False,
        logits_to_keep=kept,
    )
    entries = sampled.logprobs(_last(out.logits, kept).squeeze(0))[
        torch.from_numpy(trie.node_E + 1).to(device), torch.from_numpy(trie.token_E).to(device)
    ]
    response, entry = (torch.from_numpy(axis).to(device) for axis in (trie.response_P, trie.entry_P))
    return entries.new_zeros(len(responses)).index_add(0, response, entries[entry])


def row_logprobs(
    call: Callable[..., Any],
    device: torch.device,
    prompt: Tokens,
    responses: Sequence[Tokens],
    sampled: Sampled,
    side: str = "right",
) -> Tensor:
    """ln π of each response, shape (U,), one row each; `call` is the model or takes its place."""
    rows = [prompt + response[:-1] for response in responses]
    ids, mask, positions = pad(rows, device, side)
    kept = max(map(len, responses))  # logits where a response token is predicted, none on the prompt
    logits = call(
        input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=kept
    ).logits
    row, at, token = [], [], []
    for u, response in enumerate(responses):
        first = kept - len(response) if side == "left" else 0
        for j, t in enumerate(response):
            row.append(u)
            at.append(first + j)
            token.append(t)
    logits = _last(logits, kept)
    logits = logits.flatten(0, 1) if len(row) == len(rows) * kept else logits[row, at]
    picked = sampled.logprobs(logits).gather(1, torch.tensor(token, device=device)[:, None])[:, 0]
    return picked.new_zeros(len(rows)).index_add(0, torch.tensor(row, device=device), picked)


def response_logprob(model: Any, prompt: Tokens, response: Tokens, sampled: Sampled) -> Tensor:
    """ln π(response | prompt) the plain way: one row, no padding, nothing shared; a scalar."""
    ids = torch.tensor([prompt + response[:-1]], device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(response)).logits[0, -len(response) :]
    target = torch.tensor(response, device=model.device)
    return sampled.logprobs(logits).gather(1, target[:, None]).sum()


def may_share(model: Any, prompts: Iterable[tuple[Tokens, Sequence[Tokens]]], sampled: Sampled) -> bool:
    """Whether `trie_logprobs` is right for this model, tried on the longest prompt and its longest response.

    `prompts` are pairs of a prompt and its distinct responses; where none has two there is nothing to share.
    Models with sliding windows or recurrent states may ignore the mask, and show it only where text is long.
    """
    several = (pair for pair in prompts if len(pair[1]) > 1)  # one response alone needs no mask
    found = max(several, key=lambda pair: len(pair[0]) + max(map(len, pair[1])), default=None)
    if found is None:
        return False
    prompt, responses = found
    longest = max(responses, key=len)
    others = (other for other in responses if other != longest)
    least_alike = max(others, key=lambda other: new_nodes(other, longest))
    return obeys_masks(model, prompt, [least_alike, longest], sampled)


def obeys_masks(model: Any, prompt: Tokens, responses: Sequence[Tokens], sampled: Sampled) -> bool:
    """Whether `trie_logprobs` gives the last of these responses, behind the others, what it has alone."""
    with torch.no_grad():  # not inference_mode: FSDP's tensors of a first pass last
        plain = row_logprobs(model, model.device, prompt, responses[-1:], sampled)[0]
        try:
            shared = trie_logprobs(model, prompt, responses, sampled)[-1]
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False  # it does not take such a mask at all
    # rounding of a low-precision model is no disobedience; a wrong mask is off by far more
    allowed = {torch.bfloat16: 0.3, torch.float16: 0.1}.get(model.dtype, 1e-3)
    return bool((shared - plain).abs() <= allowed)
