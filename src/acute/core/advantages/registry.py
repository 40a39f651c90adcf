"""Every built-in estimator by name: what it declares, on which terms it is true, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
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


_ALL = (
    Estimator("reinforce", lambda r, _: one.reinforce(r), _pass_1, "Williams 1992", _one, real_rewards=True),
    Estimator(
        "rloo", lambda r, _: one.rloo(r), _pass_1, "arXiv:2402.14740", _one, lambda _: 2, real_rewards=True
    ),
    Estimator(
        "mean-centred",
        lambda r, _: one.mean_centred(r),
        _pass_1,
        "Dr. GRPO, arXiv:2503.20783",
        lambda n, _: (n - 1) / n,
        real_rewards=True,
    ),
    Estimator("psr", lambda r, _: one.positive_only(r), _pass_1, "arXiv:2506.01347", _one),
    Estimator("nsr", lambda r, _: one.negative_only(r), _pass_1, "arXiv:2506.01347", _one),
    Estimator(
        "w-reinforce", lambda r, _: one.weighted_reinforce(r), _pass_1, "arXiv:2506.01347", lambda *_: 1.1
    ),
    Estimator(
        "grpo",
        lambda r, _: surrogates.grpo(r),
        lambda *_: f.arcsine(),
        "arXiv:2402.03300",
        least_n=lambda _: 2,
    ),
    Estimator(
        "maxrl",
        lambda r, _: surrogates.maxrl(r),
        lambda n, _: f.truncated_log(n - 1),
        "MaxRL, arXiv:2602.02710",
        _one,
        lambda _: 2,
    ),
    Estimator(
        "maxrl-uncentred",
        lambda r, _: surrogates.maxrl_uncentred(r),
        lambda n, _: f.truncated_log(n),
        "MaxRL, arXiv:2602.02710",
        _one,
    ),
    Estimator(
        "rs-grpo",
        lambda r, _: surrogates.rs_grpo(r),
        lambda *_: f.risk_sensitive(2.0),
        "RS-GRPO, arXiv:2509.24261, β = 2",
    ),
    Estimator("pkpo", passk.pkpo, _pass_k, "PKPO, arXiv:2505.15201", _one, lambda k: k, real_rewards=True),
    Estimator(
        "pkpo-loo",
        passk.pkpo_loo,
        _pass_k,
        "PKPO, arXiv:2505.15201",
        _one,
        lambda k: k + 1,
        real_rewards=True,
    ),
    Estimator(
        "pkpo-loo-1",
        passk.pkpo_loo_minus_one,
        _pass_k,
        "PKPO, arXiv:2505.15201",
        _one,
        lambda k: k,
        2,
        real_rewards=True,
    ),
    Estimator(
        "pass-at-k-loo",
        passk.pass_at_k_leave_one_out,
        _pass_k,
        "leave-one-out weight and baseline (ours)",
        _one,
        lambda k: max(2, k),
    ),
    Estimator(
        "mixture-loo",
        lambda r, k: surrogates.leave_one_out(r, f.mixture(0.5, k)),
        lambda _, k: f.mixture(0.5, k),
        "half pass@1, half pass@k, leave-one-out (ours)",
        _one,
        lambda k: max(2, k),
    ),
    Estimator(
        "tang",
        lambda r, _: passk.tang(r),
        _pass_n,
        "arXiv:2503.19595",
        _one,
        lambda _: 2,
        real_rewards=True,
    ),
    Estimator(
        "tang-mean-centred",
        lambda r, _: passk.tang_mean_centred(r),
        lambda n, _: f.pass_at_k(n - 1),
        "arXiv:2503.19595",
        _one,
        lambda _: 2,
    ),
    Estimator(
        "verl-grpo-passk",
        lambda r, _: passk.verl_grpo_passk(r),
        _pass_n,
        "grpo_passk of verl 0.9.1",
        lambda n, _: 1 / n / (n**-0.5 + 1e-6),
        lambda _: 2,
    ),
    Estimator(
        "pass-at-k-training",
        training.pass_at_k_training,
        _pass_k,
        "arXiv:2508.10751, analytic",
        least_n=lambda k: k,
    ),
    Estimator(
        "pass-at-k-training-no-std",
        lambda r, k: training.pass_at_k_training(r, k, by_std=False),
        _pass_k,
        "arXiv:2508.10751, analytic without σ",
        lambda n, k: (n - k) / (n * k),
        lambda k: k,
    ),
    Estimator(
        "pass-at-k-training-bootstrap",
        training.pass_at_k_training_bootstrap,
        _pass_k,
        "arXiv:2508.10751, mean over draws of n subsets",
        least_n=lambda k: k,
    ),
    Estimator(
        "pass-at-k-training-bootstrap-no-std",
        lambda r, k: training.pass_at_k_training_bootstrap(r, k, by_std=False),
        _pass_k,
        "arXiv:2508.10751, mean over draws of n subsets, without σ",
        lambda n, k: (1 - 1 / n) * (n - k) / n,
        lambda k: k,
    ),
    Estimator("naive-plug-in", passk.naive_plug_in, _pass_k, "w_k(c/n) times the reward"),
    Estimator(
        "naive-plug-in-rloo",
        passk.naive_plug_in_rloo,
        _pass_k,
        "w_k(c/n) times RLOO",
        least_n=lambda _: 2,
    ),
    Estimator(
        "maxrl-repository-pkpo",
        passk.maxrl_repository_pkpo,
        _pass_k,
        "pkpo of github.com/tajwarfahim/maxrl",
        least_n=lambda k: k,
        least_k=2,
    ),
    Estimator(
        "mean-centred-pkpo",
        passk.mean_centred_pkpo,
        _pass_k,
        "rLLM pull request 743",
        lambda n, k: 1 - k / n,
        lambda k: k,
        real_rewards=True,
    ),
)

ESTIMATORS = {estimator.name: estimator for estimator in _ALL}


def find(name: str) -> Estimator:
    """The built-in estimator of this name. ConfigError, with all names, for any other."""
    if name not in ESTIMATORS:
        raise ConfigError(f"wanted module:function or one of {', '.join(ESTIMATORS)}; found {name!r}")
    return ESTIMATORS[name]
