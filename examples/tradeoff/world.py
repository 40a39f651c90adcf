"""A model and prompts with one right answer each, as one packed sequence: exact p, exact gradients, exact a.

All prompts and answers go through the model in one pass. They share their common beginning, and every token
sees its own ancestors only (`acute.gradients.trie`). Then the gradient of Σ weight(x) p(x) / N is one
backward pass for any prompt weights, and a(x) = ⟨∇p(x), d⟩ of all prompts one pass in forward mode.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from acute.core.estimators import Floats
from acute.gradients.parameters import selected
from acute.gradients.trie import build
from acute.models.load import load_policy
from acute.models.render import render
from acute.tasks.files import read_prompts

Gradient = list[Tensor]


def fast_float32() -> str:
    """Let torch take the faster of its float32 matrix products, if it rounds as float32 does here.

    On some processors "medium" means another library with the same precision, on others bfloat16.
    """
    a, b = torch.randn(64, 512), torch.randn(512, 64)
    torch.set_float32_matmul_precision("medium")
    exact = a.double() @ b.double()
    if ((a @ b).double() - exact).norm() > 2e-6 * exact.norm():
        torch.set_float32_matmul_precision("highest")
    return torch.get_float32_matmul_precision()


def dot(a: Gradient, b: Gradient) -> float:
    """Inner product of two gradients, summed in float64."""
    return sum(float((x * y).sum(dtype=torch.float64)) for x, y in zip(a, b, strict=True))


class Packed:
    """Sequences after a common beginning as one masked sequence, ready for the model."""

    def __init__(self, sequences: list[tuple[int, ...]], predicted: list[int]) -> None:
        """`predicted`: how many tokens at the end of each sequence are scored."""
        self.before = 0
        while len({s[self.before] for s in sequences}) == 1:
            self.before += 1
        trie = build([s[self.before :] for s in sequences])
        before, size = self.before, self.before + len(trie.token_T)
        may_see = torch.ones(size, size, dtype=torch.bool).tril()
        may_see[before:, before:] = torch.from_numpy(trie.may_see())
        mask = torch.zeros(1, 1, size, size).masked_fill_(~may_see, torch.finfo(torch.float32).min)
        entries = [trie.entry_P[trie.response_P == i][-m:] for i, m in enumerate(predicted)]
        flat = np.concatenate(entries)
        depth = before + trie.depth_T
        self.inputs = {
            "input_ids": torch.tensor([[*sequences[0][:before], *trie.token_T.tolist()]]),
            "attention_mask": mask,
            "position_ids": torch.tensor([[*range(before), *depth.tolist()]]),
            "logits_to_keep": torch.from_numpy(before + trie.node_E[flat]),
            "use_cache": False,
        }
        self.target = torch.from_numpy(trie.token_E[flat])
        self.owner = torch.from_numpy(np.repeat(np.arange(len(sequences)), [len(e) for e in entries]))
        self.count = len(sequences)

    def logprobs(self, logits: Tensor) -> Tensor:
        """ln π of the scored tokens of each sequence, float64."""
        entries = logits[0].log_softmax(-1).gather(1, self.target[:, None])[:, 0]
        return entries.new_zeros(self.count).index_add(0, self.owner, entries).double()


class World:
    """The policy at its current weights on one mix of prompts. N prompts."""

    def __init__(self, prompts: Path, model: str = "bundled:smollm2", which: str = "all") -> None:
        self.policy = load_policy(model, device="cpu")
        tokenizer = self.policy.tokenizer
        self.rows = read_prompts(prompts)
        texts = [render(tokenizer, row["prompt"], None, row.get("prefill")) for row in self.rows]
        self.prompts = [tuple(tokenizer(t, add_special_tokens=False).input_ids) for t in texts]
        self.answers = [tuple(tokenizer(r["answer"], add_special_tokens=False).input_ids) for r in self.rows]
        self.families = [row.get("family") for row in self.rows]
        self.pack()
        self._selection = selected(self.policy.model, which)
        self.parameters = self._selection.__enter__()
        self.start = [p.detach().clone() for p in self.parameters.values()]

    def pack(self) -> None:
        """Prepare the pass over all prompts and their answers."""
        joined = [p + a for p, a in zip(self.prompts, self.answers, strict=True)]
        self.packed = Packed(joined, [len(a) for a in self.answers])

    def reset(self) -> None:
        """Back to the weights that were loaded."""
        with torch.no_grad():
            torch._foreach_copy_(list(self.parameters.values()), self.start)

    def success(self) -> Tensor:
        """p(x), shape (N,), float64, with its graph."""
        out = self.policy.model(**self.packed.inputs)
        return self.packed.logprobs(out.logits).exp()

    def gradient(self, p_N: Tensor, weight_N: Floats, last: bool = False) -> Gradient:
        """Σ weight(x) ∇p(x) / N; `last` lets go of the graph."""
        value = (torch.from_numpy(weight_N) * p_N).mean()
        return list(torch.autograd.grad(value, list(self.parameters.values()), retain_graph=not last))

    def agreement(self, along: Gradient) -> Floats:
        """⟨∇p(x), along⟩ for every prompt, shape (N,), by forward mode: no gradient of a single prompt."""

        def success(values: dict[str, Tensor]) -> Tensor:
            out = functional_call(self.policy.model, values, (), self.packed.inputs)
            return self.packed.logprobs(out.logits).exp()

        now = {name: p.detach() for name, p in self.parameters.items()}
        with sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            _, change = jvp(success, (now,), (dict(zip(self.parameters, along, strict=True)),))
        return change.numpy()

    def move(self, step: Gradient, factor: float) -> None:
        """θ += factor · step."""
        with torch.no_grad():
            torch._foreach_add_(list(self.parameters.values()), step, alpha=factor)
