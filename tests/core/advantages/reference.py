"""Every advantage estimator once more, as its authors describe it: slow, for one group, in plain Python.

Written from the definitions (subsets, baselines computed by leaving responses out), not from closed forms.
"""

from itertools import combinations
from math import comb, exp, sqrt
from statistics import mean, stdev


def reinforce(r, _k):
    return list(r)


def rloo(r, _k):
    return [x - mean(others(r, i)) for i, x in enumerate(r)]


def mean_centred(r, _k):
    return [x - mean(r) for x in r]


def psr(r, _k):
    return [1 if x == 1 else 0 for x in r]


def nsr(r, _k):
    return [0 if x == 1 else -1 for x in r]


def w_reinforce(r, k):
    return [0.1 * right + wrong for right, wrong in zip(psr(r, k), nsr(r, k), strict=True)]


def grpo(r, _k):
    return [(x - mean(r)) / (stdev(r) + 1e-6) for x in r]


def maxrl(r, _k):
    return [(x - mean(r)) / mean(r) if any(r) else 0 for x in r]


def maxrl_uncentred(r, _k):
    return [x / mean(r) if any(r) else 0 for x in r]


def rs_grpo(r, _k):
    return [(exp(2 * x) / mean(exp(2 * y) for y in r) - 1) / 2 for x in r]


def pkpo(r, k):
    """n times the mean over k-subsets of max · 1{i in it}."""
    n = len(r)
    return [n * sum(max(r[j] for j in s) for s in subsets(n, k) if i in s) / comb(n, k) for i in range(n)]


def pkpo_loo(r, k):
    """s_i less the mean of the others' s computed without response i."""
    n = len(r)
    scale = 1 / (n - 1)  # of PKPO among n - 1 responses, which carries a factor n - 1
    baseline = [mean(x * scale for x in pkpo(others(r, i), k)) for i in range(n)]
    return [n * (s / n - b) for s, b in zip(pkpo(r, k), baseline, strict=True)]


def pkpo_loo_1(r, k):
    """What i adds to the maximum of the k-subsets that hold it."""
    n = len(r)

    def gain(i, s):
        return max(r[j] for j in s) - max(r[j] for j in s if j != i)

    return [n * sum(gain(i, s) for s in subsets(n, k) if i in s) / comb(n, k) for i in range(n)]


def pass_at_k_loo(r, k):
    """k times the share of (k-1)-subsets of the others that all fail, times RLOO."""
    n = len(r)
    weights = [k * mean(not any(s) for s in combinations(others(r, i), k - 1)) for i in range(n)]
    return [w * a for w, a in zip(weights, rloo(r, k), strict=True)]


def mixture_loo(r, k):
    return [(a + b) / 2 for a, b in zip(rloo(r, k), pass_at_k_loo(r, k), strict=True)]


def tang(r, _k):
    return [len(r) * (max(r) - max(others(r, i))) for i in range(len(r))]


def tang_mean_centred(r, k):
    return centred(tang(r, k))


def verl_grpo_passk(r, _k):
    first, second = sorted(range(len(r)), key=lambda i: -r[i])[:2]
    out = [0.0] * len(r)
    out[first] = (r[first] - r[second]) / (stdev(r) + 1e-6)
    return out


def pass_at_k_training(r, k):
    return over_subsets(r, list(subsets(len(r), k)), by_std=True)


def pass_at_k_training_no_std(r, k):
    return over_subsets(r, list(subsets(len(r), k)), by_std=False)


def naive_plug_in(r, k):
    return [k * (1 - mean(r)) ** (k - 1) * x for x in r]


def naive_plug_in_rloo(r, k):
    return [k * (1 - mean(r)) ** (k - 1) * a for a in rloo(r, k)]


def maxrl_repository_pkpo(r, k):
    transformed = pkpo_loo_1(r, k)
    return [x - mean(others(transformed, i)) for i, x in enumerate(transformed)]


def mean_centred_pkpo(r, k):
    return centred(pkpo(r, k))


def over_subsets(r, drawn, by_std):
    """Mean over the drawn subsets that hold i of (max - mean over subsets) / their standard deviation."""
    best = [max(r[j] for j in s) for s in drawn]
    centre = mean(best)
    spread = sqrt(mean((b - centre) ** 2 for b in best)) if by_std else 1.0
    value = [(b - centre) / spread if spread > 1e-12 else 0.0 for b in best]
    return [mean(v for v, s in zip(value, drawn, strict=True) if i in s) for i in range(len(r))]


def subsets(n, k):
    return combinations(range(n), k)


def others(r, i):
    return [x for j, x in enumerate(r) if j != i]


def centred(a):
    return [x - mean(a) for x in a]


DEFINITIONS = {
    name.replace("_", "-"): function
    for name, function in list(globals().items())
    if callable(function)
    and name not in {"combinations", "comb", "exp", "sqrt", "mean", "stdev"}
    and name not in {"over_subsets", "subsets", "others", "centred"}
}
