"""Objectives that are no polynomials in p (but for whole powers): no number of responses estimates them
without bias."""

from math import exp, expm1, isfinite

import numpy as np

from acute.core.objectives.objective import Floats, Objective, polynomial, transform
from acute.errors import ConfigError


def log_likelihood() -> Objective:
    """log p, with weight 1/p: the likelihood of being right. Reference: MaxRL, arXiv 2602.02710."""
    return transform("log", np.log, lambda p: 1 / p)


def arcsine() -> Objective:
    """2 arcsin √p, with weight 1/√(p(1-p)): what std-normalised GRPO ascends as n grows.

    Reference: The surrogate of GRPO, arXiv:2510.23049; f' = 1/√(p(1-p)).
    """
    return transform("arcsine", lambda p: 2 * np.arcsin(np.sqrt(p)), lambda p: 1 / np.sqrt(p * (1 - p)))


def log_odds() -> Objective:
    """log(p / (1-p)), with weight 1/(p(1-p)): both ends, and not concave.

    Reference: Eq. 3 for f = log(p/(1-p)).
    """
    return transform("logit", lambda p: np.log(p) - np.log1p(-p), lambda p: 1 / (p * (1 - p)))


def risk_sensitive(beta: float) -> Objective:
    """(1/β) log E[exp(β r)] = (1/β) log(1 + p (e^β - 1)); β > 0 favours hard prompts, β < 0 easy ones.

    Reference: RS-GRPO, arXiv 2509.24261.
    """
    if beta == 0 or not isfinite(beta):
        raise ConfigError(f"beta must be finite and not 0 (its limit at 0 is pass@1), found {beta}")
    gain = expm1(-abs(beta)) / -abs(beta)  # both signs of β meet in e^-|β|, which no β is too large for

    def weight(p: Floats) -> Floats:
        likelier, other = (p, 1 - p) if beta > 0 else (1 - p, p)
        return gain / (likelier + other * exp(-abs(beta)))

    return transform(f"risk@{beta:g}", lambda p: np.logaddexp(np.log(p) + beta, np.log1p(-p)) / beta, weight)


def power(alpha: float) -> Objective:
    """p**α / α with weight p**(α-1): hard prompts for α < 1, easy ones for α > 1.

    Reference: Eq. 3 for f = p^α / α.
    """
    if alpha == 0 or not isfinite(alpha):
        raise ConfigError(f"alpha must be finite and not 0 (its limit at 0 is log), found {alpha}")
    name = f"power@{alpha:g}"
    if alpha == int(alpha) and alpha > 0:
        return polynomial(name, {(int(alpha), 0): 1 / alpha})
    return transform(name, lambda p: p**alpha / alpha, lambda p: p ** (alpha - 1))
