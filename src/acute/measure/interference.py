"""Which families of prompts raise or lower which others, to first order, with intervals."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from acute.core.products import Products, coefficients, unbiased
from acute.measure.conflict import Measured, finite_answers

Json = dict[str, Any]
MOST_FAMILIES = 24  # the table grows with their square


def between_families(measured: Measured, families: Sequence[str | None]) -> Json | None:
    """⟨∇p of one family, ∇p of another⟩ of these prompts, each the mean over the family's prompts.

    A step that raises mean pass@1 of one family changes that of the other by this much per step size. The
    diagonal pairs different responses. Null for a family none of whose prompts shows a gradient; None where
    fewer than two families are named, or more than `MOST_FAMILIES`.

    Reference: the kernel of arXiv 2602.21189, eqs. 5–6, averaged over blocks.
    """
    names = sorted({family for family in families if family is not None})
    if not 2 <= len(names) <= MOST_FAMILIES:
        return None
    inside_FN = np.array([[family == name for family in families] for name in names], float)
    shows = (measured.c_N > 0) & (measured.c_N < measured.n_N)
    known = [bool(inside[shows].any()) for inside in inside_FN]
    share_FN = inside_FN * len(families) / inside_FN.sum(1, keepdims=True)
    coefs = coefficients([unbiased(1)], measured.n_NM, measured.c_NM).restricted(share_FN)
    products = Products(measured.sums_NMOD, coefs)
    norm = [max(products.product(f, f).finite, 0.0) for f in range(len(names))]
    inner: list[list[Json | None]] = [[None] * len(names) for _ in names]
    for f, g in itertools.combinations_with_replacement(range(len(names)), 2):
        if known[f] and known[g]:
            product = products.product(f, g)
            scale = norm[f] * norm[g] + product.finite**2
            estimate = finite_answers([product], measured.sketch_size, scale)[0].estimate
            inner[f][g] = inner[g][f] = None if estimate is None else estimate.as_json()
    return {"families": names, "inner": inner}
