"""Responses one by one: what `products` computes from sums, told slowly; and every outcome of tiny worlds.

A rollout is a list of prompts, a prompt a list of folds, a fold a list of responses (right, score vector).
"""

from itertools import combinations, combinations_with_replacement, product
from math import factorial, prod

import numpy as np

from acute.core.products import Products, coefficients


def random_rollout(rng, sizes, d=3, p=0.5):
    """`sizes[prompt][fold]` responses each, scores drawn freely: no policy needs to have produced them."""
    return [
        [[(int(rng.random() < p), rng.normal(size=d)) for _ in range(size)] for size in folds]
        for folds in sizes
    ]


def grouped(rollout):
    """n_NM, c_NM and sums_NMOD, what `Products` is told of a rollout; folds may be empty."""
    d = next(len(score) for prompt in rollout for fold in prompt for _, score in fold)
    n = np.array([[len(fold) for fold in prompt] for prompt in rollout], float)
    c = np.array([[sum(right for right, _ in fold) for fold in prompt] for prompt in rollout], float)
    sums = np.zeros((*n.shape, 2, d))
    for x, prompt in enumerate(rollout):
        for m, fold in enumerate(prompt):
            for right, score in fold:
                sums[x, m, right] += score
    return n, c, sums


def products_of(rollout, *advantages):
    """`Products` of a rollout for some objectives."""
    n, c, sums = grouped(rollout)
    return Products(sums, coefficients(advantages, n, c))


def unbiased_slowly(k):
    """∇J_k of one prompt from its responses: weight and baseline counted over the others, by subsets."""

    def gradient(responses):
        total = 0.0
        for i, (right, score) in enumerate(responses):
            others = [r for j, (r, _) in enumerate(responses) if j != i]
            fail = [not any(subset) for subset in combinations(others, k - 1)]
            total = total + k * np.mean(fail) * (right - np.mean(others)) * score
        return total / len(responses)

    return gradient


def own_product_slowly(prompt, j, k):
    """⟨∇J_j, ∇J_k⟩ of one prompt: the mean over pairs of responses of different folds, weights by subsets."""
    indexed = [(m, response) for m, fold in enumerate(prompt) for response in fold]
    total, pairs = 0.0, 0
    for a, (fold, (right, score)) in enumerate(indexed):
        for b, (other_fold, (other_right, other_score)) in enumerate(indexed):
            if fold == other_fold:
                continue
            others = [r for i, (_, (r, _)) in enumerate(indexed) if i not in (a, b)]
            pairs += 1
            if len(others) < j + k - 2:
                return np.nan
            fail = np.mean([not any(subset) for subset in combinations(others, j + k - 2)])
            base = np.mean(others) if others else 0.0
            total += j * k * fail * (right - base) * (other_right - base) * (score @ other_score)
    return total / pairs


def plug_in_slowly(k):
    """The paper's: k (1 - c/n)**(k-1) on successes."""

    def gradient(responses):
        rate = np.mean([right for right, _ in responses])
        return k * (1 - rate) ** (k - 1) * sum(right * s for right, s in responses) / len(responses)

    return gradient


def merged(prompt):
    """All responses of a prompt."""
    return [response for fold in prompt for response in fold]


def product_slowly(rollout, f, h):
    """finite, population, naive and psi of `Product`, from pairs of prompts and pairs of folds."""
    N = len(rollout)
    full_f, full_h = ([g(merged(prompt)) for prompt in rollout] for g in (f, h))
    crossed = np.array([[a @ b for b in full_h] for a in full_f])
    between = crossed.sum() - np.trace(crossed)
    within = 0.0
    for prompt in rollout:
        pairs = [(a, b) for a in range(len(prompt)) for b in range(len(prompt)) if a != b]
        within += np.mean([f(prompt[a]) @ h(prompt[b]) for a, b in pairs])
    population = between / (N * (N - 1)) if N > 1 else np.nan
    to_others = (crossed.sum(1) + crossed.sum(0) - 2 * np.diag(crossed)) / max(N - 1, 1)
    return {
        "finite": (between + within) / N**2,
        "population": population,
        "naive": crossed.sum() / N**2,
        "psi_N": to_others - 2 * population,
    }


class TinyWorld:
    """Few prompts, two or three responses each, with shared parameters: every rollout can be listed."""

    def __init__(self, seed=0, prompts=2, responses=2, d=2):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(prompts, responses, d))
        self.pi = rng.dirichlet(np.full(responses, 3.0), size=prompts)
        self.scores = features - np.einsum("xy,xyd->xd", self.pi, features)[:, None]
        self.rewards = np.zeros((prompts, responses), int)
        self.rewards[:, 0] = 1

    def gradient(self, k):
        """∇J_k(x) of each prompt: k (1-p)**(k-1) E[r s]."""
        p = (self.pi * self.rewards).sum(1)
        of_p = np.einsum("xy,xy,xyd->xd", self.pi, self.rewards, self.scores)
        return (k * (1 - p) ** (k - 1))[:, None] * of_p

    def rollouts(self, sizes):
        """(chance, rollout) of every outcome of `sizes[prompt][fold]` responses, up to order in a fold."""
        slots = [self._folds(x, size) for x, folds in enumerate(sizes) for size in folds]
        for picked in product(*slots):
            rest = iter(fold for _, fold in picked)
            yield prod(chance for chance, _ in picked), [[next(rest) for _ in folds] for folds in sizes]

    def _folds(self, x, size):
        """(chance, responses) of every fold of that size: a multinomial."""
        found = []
        for kinds in combinations_with_replacement(range(self.pi.shape[1]), size):
            ways = factorial(size) // prod(factorial(kinds.count(y)) for y in set(kinds))
            responses = [(int(self.rewards[x, y]), self.scores[x, y]) for y in kinds]
            found.append((ways * prod(self.pi[x, list(kinds)]), responses))
        return found
