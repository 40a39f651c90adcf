"""Why a number of `analysis.json` is null, by the name of its field."""

from collections.abc import Sequence

from acute.measure.conflict import Curve, squared_norm
from acute.measure.intervals import FEWEST
from acute.measure.prompts import PerPrompt

NEGATIVE = "the estimate of ‖{}‖² is {:.2g}, not positive: noise outweighs the gradient; take more responses"


def too_few(N: int) -> str:
    """Why there is nothing about the distribution that one prompt or two were drawn from."""
    return "one prompt says nothing of others" if N == 1 else "two prompts do not tell how much others differ"


def reasons(curve: Curve, ks: Sequence[int], found: PerPrompt, missing: Sequence[str]) -> dict[str, str]:
    """A sentence for each name in `missing` and for each cosine that is unknown.

    Names are paths with dots; a k stands last: "conflict.cosine.8".
    """
    told = {}
    for part, of in (("conflict", "finite"), ("conflict_population", "population")):
        for k in ks:
            lengths = {f"∇J_{j}": squared_norm(curve.norm[j - 1], of) for j in (1, k)}
            if of == "population" and curve.N < FEWEST:
                told[f"{part}.cosine.{k}"] = told[f"{part}.inner.{k}"] = too_few(curve.N)
                continue
            bad = [NEGATIVE.format(name, value) for name, value in lengths.items() if not value > 0]
            if bad:
                told[f"{part}.cosine.{k}"] = bad[0]
    largest = curve.k[-1]
    seen = int((found.agreement.value_N == found.agreement.value_N).sum())
    known = {
        "k_dagger": f"no negative inner product up to k = {largest}",
        "k_dagger_population": f"no negative inner product of the distribution up to k = {largest}",
        "k_star": "no threshold in p separates prompts with a < 0 from the others: Prop. 4.5 does not apply",
        "certificate": "no prompt has a < 0, so Cor. 4.4 has nothing to certify",
        "agreement.fraction_negative": "wanted two prompts or more whose agreement has an error, and none "
        f"without; found {seen} with a gradient",
    }
    return {**told, **{name: known[name] for name in missing}}
