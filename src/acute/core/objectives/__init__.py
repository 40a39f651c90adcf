"""Objectives of one prompt's success probability p: J_f = E_prompts[f(p)], whose gradient is E[f'(p) ∇p].

Every statement about the conflict of pass@k with pass@1 holds for any f once w_k is replaced by f'
(arXiv 2602.21189, eqs. 2-3 and Prop. 4.1 for pass@k).
"""

from acute.core.objectives.objective import Objective, derivative, estimate_monomial
from acute.core.objectives.polynomials import (
    at_least,
    majority,
    mixture,
    pass_all_k,
    pass_at_k,
    truncated_log,
)
from acute.core.objectives.registry import FORMS, parse
from acute.core.objectives.transforms import arcsine, log_likelihood, log_odds, power, risk_sensitive

__all__ = [
    "FORMS",
    "Objective",
    "arcsine",
    "at_least",
    "derivative",
    "estimate_monomial",
    "log_likelihood",
    "log_odds",
    "majority",
    "mixture",
    "parse",
    "pass_all_k",
    "pass_at_k",
    "power",
    "risk_sensitive",
    "truncated_log",
]
