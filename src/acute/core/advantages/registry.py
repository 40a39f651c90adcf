"""Every built-in estimator by name: what it declares, on which terms it is true, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from acute.core import objectives as f
from acute.core.advantages import pass_at_k as passk
from acute.core.advantages import pass_at_k_training as training
from acute.core.advantages import pass_at_one as one
from acute.core.advantages import surrogates
from acute.core.objectives import Objective
from acute.errors import ConfigError


@dataclass(frozen=True)
class Estimator:
    """One advantage estimator. `multiple(n, k)` is the factor between its W and f' of `declared(n, k)`."""

    name: str
    advantage: Callable[[Any, int], Any]
    """Rewards (…, n) and k in, advantages (…, n) out. Methods without a k do not look at it."""
    declared: Callable[[int, int], Objective]
    """The objective it is meant to ascend with groups of n."""
    source: str
    multiple: Callable[[int, int], float] | None = None
    """None: W is no multiple of f', the estimator is biased."""
    least_n: Callable[[int], int] = lambda _: 1
    """The smallest group it admits at this k."""
    least_k: int = 1
    real_rewards: bool = False
    """Defined, and as true for max@k, when rewards are any numbers."""

    def admits(self, n: int, k: int) -> bool:
        """Whether groups of n and this k can be asked for."""
        return k >= self.least_k and n >= self.least_n(k)


def _one(_n: int, _k: int) -> float:
    return 1.0


def _pass_1(_n: int, _k: int) -> Objective:
    return f.pass_at_k(1)


def _pass_k(_n: int, k: int) -> Objective:
    return f.pass_at_k(k)


def _pass_n(n: int, _k: int) -> Objective:
    return f.pass_at_k(n)


def _without_k(advantage: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    return lambda rewards, _: advantage(rewards)


def _half_pass_k(_n: int, k: int) -> Objective:
    return f.mixture(0.5, k)


def _at_least(least: int) -> Callable[[int], int]:
    return lambda k: max(least, k)


def _two(_k: int) -> int:
    return 2


_PKPO, _TANG, _SUBSETS = "PKPO, arXiv:2505.15201", "arXiv:2503.19595", "arXiv:2508.10751"
_MAXRL, _SIGNS = "MaxRL, arXiv:2602.02710", "arXiv:2506.01347"
_no_std, _drawn_no_std = (
    partial(form, by_std=False)
    for form in (training.pass_at_k_training, training.pass_at_k_training_bootstrap)
)

_ALL = (
    Estimator("reinforce", _without_k(one.reinforce), _pass_1, "Williams 1992", _one, real_rewards=True),
    Estimator("rloo", _without_k(one.rloo), _pass_1, "arXiv:2402.14740", _one, _two, real_rewards=True),
    Estimator(
        "mean-centred",
        _without_k(one.mean_centred),
        _pass_1,
        "Dr. GRPO, arXiv:2503.20783",
        lambda n, _: (n - 1) / n,
        real_rewards=True,
    ),
    Estimator("psr", _without_k(one.positive_only), _pass_1, _SIGNS, _one),
    Estimator("nsr", _without_k(one.negative_only), _pass_1, _SIGNS, _one),
    Estimator("w-reinforce", _without_k(one.weighted_reinforce), _pass_1, _SIGNS, lambda *_: 1.1),
    Estimator("grpo", _without_k(surrogates.grpo), lambda *_: f.arcsine(), "arXiv:2402.03300", least_n=_two),
    Estimator("maxrl", _without_k(surrogates.maxrl), lambda n, _: f.truncated_log(n - 1), _MAXRL, _one, _two),
    Estimator(
        "maxrl-uncentred",
        _without_k(surrogates.maxrl_uncentred),
        lambda n, _: f.truncated_log(n),
        _MAXRL,
        _one,
    ),
    Estimator(
        "rs-grpo",
        _without_k(surrogates.rs_grpo),
        lambda *_: f.risk_sensitive(2.0),
        "RS-GRPO, arXiv:2509.24261, β = 2",
    ),
    Estimator("pkpo", passk.pkpo, _pass_k, _PKPO, _one, _at_least(1), real_rewards=True),
    Estimator("pkpo-loo", passk.pkpo_loo, _pass_k, _PKPO, _one, lambda k: k + 1, real_rewards=True),
    Estimator(
        "pkpo-loo-1", passk.pkpo_loo_minus_one, _pass_k, _PKPO, _one, _at_least(2), 2, real_rewards=True
    ),
    Estimator(
        "pass-at-k-loo",
        passk.pass_at_k_leave_one_out,
        _pass_k,
        "leave-one-out weight and baseline (ours)",
        _one,
        _at_least(2),
    ),
    Estimator(
        "mixture-loo",
        lambda r, k: surrogates.leave_one_out(r, f.mixture(0.5, k)),
        _half_pass_k,
        "half pass@1, half pass@k, leave-one-out (ours)",
        _one,
        _at_least(2),
    ),
    Estimator("tang", _without_k(passk.tang), _pass_n, _TANG, _one, _two, real_rewards=True),
    Estimator(
        "tang-mean-centred",
        _without_k(passk.tang_mean_centred),
        lambda n, _: f.pass_at_k(n - 1),
        _TANG,
        _one,
        _two,
    ),
    Estimator(
        "verl-grpo-passk",
        _without_k(passk.verl_grpo_passk),
        _pass_n,
        "grpo_passk of verl 0.9.1",
        lambda n, _: 1 / n / (n**-0.5 + 1e-6),
        _two,
    ),
    Estimator(
        "pass-at-k-training",
        training.pass_at_k_training,
        _pass_k,
        f"{_SUBSETS}, analytic",
        least_n=_at_least(1),
    ),
    Estimator(
        "pass-at-k-training-no-std",
        _no_std,
        _pass_k,
        f"{_SUBSETS}, analytic without σ",
        lambda n, k: (n - k) / (n * k),
        _at_least(1),
    ),
    Estimator(
        "pass-at-k-training-bootstrap",
        training.pass_at_k_training_bootstrap,
        _pass_k,
        f"{_SUBSETS}, mean over draws of n subsets",
        least_n=_at_least(1),
    ),
    Estimator(
        "pass-at-k-training-bootstrap-no-std",
        _drawn_no_std,
        _pass_k,
        f"{_SUBSETS}, mean over draws of n subsets, without σ",
        lambda n, k: (1 - 1 / n) * (n - k) / n,
        _at_least(1),
    ),
    Estimator("naive-plug-in", passk.naive_plug_in, _pass_k, "w_k(c/n) times the reward"),
    Estimator("naive-plug-in-rloo", passk.naive_plug_in_rloo, _pass_k, "w_k(c/n) times RLOO", least_n=_two),
    Estimator(
        "maxrl-repository-pkpo",
        passk.maxrl_repository_pkpo,
        _pass_k,
        "pkpo of github.com/tajwarfahim/maxrl",
        least_n=_at_least(2),
        least_k=2,
    ),
    Estimator(
        "mean-centred-pkpo",
        passk.mean_centred_pkpo,
        _pass_k,
        "rLLM pull request 743",
        lambda n, k: 1 - k / n,
        _at_least(1),
        real_rewards=True,
    ),
)

ESTIMATORS = {estimator.name: estimator for estimator in _ALL}


def find(name: str) -> Estimator:
    """The built-in estimator of this name, as in its `source`. ConfigError, with all names, for any other.

    Not in the paper, which has one estimator.
    """
    if name not in ESTIMATORS:
        raise ConfigError(f"wanted module:function or one of {', '.join(ESTIMATORS)}; found {name!r}")
    return ESTIMATORS[name]
