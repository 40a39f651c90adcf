"""The distribution over next tokens: the same for the sampler and for the scorer.

∇p is exact only for the distribution that the responses were drawn from, so temperature and nucleus
are part of the scored log-probability, not of the sampler alone.
"""

import torch
from torch import Tensor


def next_token_logprobs(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """ln of the sampled distribution, in float32 or finer, shape as `logits` (…, V).

    Logits are divided by `temperature`; then the smallest set of tokens whose probability reaches
    `top_p` is kept and renormalised (the rest is -inf). The kept set is held fixed when
    differentiating: it is piecewise constant in the parameters.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    # dividing by 1 would cost two more tables of the vocabulary, one of them on the way back
    logprobs = (logits if temperature == 1 else logits / temperature).log_softmax(-1)
    if top_p >= 1:
        return logprobs
    # stable: among equals the first tokens are kept, whatever the shape of the batch
    ordered, order = logprobs.detach().sort(dim=-1, descending=True, stable=True)
    before = ordered.exp().cumsum(-1) - ordered.exp()  # mass of the tokens ahead: the first is always kept
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logprobs.masked_fill(dropped, -torch.inf).log_softmax(-1)
