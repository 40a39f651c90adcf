"""The numbers behind a verifier that errs: pass@k, inner products and k† of the true success.

The rates come from the configuration or from a sample of responses whose truth is known. Corrections are
unbiased for known rates (`acute.core.imperfect`); rates that were estimated widen the intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.imperfect import Rates, correction, true_pass_at_k
from acute.core.products import first_negative
from acute.errors import InputError
from acute.measure.conflict import Answer, Curve
from acute.measure.intervals import crossing, from_error
from acute.measure.many import wilson

Floats = NDArray[np.float64]
Json = dict[str, Any]
SWEPT = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # false-fail rates, as far as the data allow them
STEP = 1e-3  # of a rate, for slopes


class Verifier(NamedTuple):
    """How a verifier errs, and how that is known: `given` or `labels`."""

    false_pass: Estimate
    false_fail: Estimate
    source: str

    @property
    def rates(self) -> Rates:
        """The rates taken at their values."""
        return Rates(self.false_pass.value, self.false_fail.value)


def given(false_pass: float, false_fail: float) -> Verifier:
    """Rates that are known. InputError for impossible ones."""
    a, b = (Estimate(rate, 0.0, rate, rate) for rate in Rates(false_pass, false_fail).checked())  # type: ignore[arg-type]
    return Verifier(a, b, "given")


def from_labels(passed: Sequence[bool], right: Sequence[bool]) -> Verifier:
    """Rates from responses whose truth is known, drawn without regard to the verdict; Wilson's intervals.

    InputError where none of them is wrong, or none right, or right ones pass no more often than wrong ones.
    """
    verdict, truth = np.asarray(passed, bool), np.asarray(right, bool)
    if truth.all() or not truth.any():
        raise InputError(
            f"analyse.labels: wanted responses that are right and ones that are wrong, found {truth.sum()} "
            f"and {(~truth).sum()}: label more, or set analyse.false_pass and analyse.false_fail"
        )
    a, b = (_with_error(_rate(errors)) for errors in (verdict[~truth], ~verdict[truth]))
    Rates(a.value, b.value).checked()
    return Verifier(a, b, "labels")


def _rate(errors: NDArray[np.bool_]) -> Estimate:
    """Share of true members, with Wilson's interval; no standard error where all or none are."""
    members = (float(member[0]) for member in wilson(np.array([errors.sum()]), np.array([len(errors)])))
    return Estimate(*(None if np.isnan(member) else member for member in members))  # type: ignore[arg-type]


def _with_error(rate: Estimate) -> Estimate:
    """Where no error was seen, or nothing else: half the interval's width stands for 1.96 standard errors."""
    if rate.se is not None or rate.lo is None or rate.hi is None:
        return rate
    return replace(rate, se=(rate.hi - rate.lo) / 3.92)


def _of_rates(verifier: Verifier, value: Callable[[Rates], float | None]) -> float:
    """Variance that the errors of the rates bring to a value, to first order; NaN where it has none."""
    variance = 0.0
    for name in ("false_pass", "false_fail"):
        rate: Estimate = getattr(verifier, name)
        if rate.se:
            ends = [max(rate.value - STEP, 0.0), rate.value + STEP]
            values = [value(verifier.rates._replace(**{name: end})) for end in ends]
            if None in values:
                return np.nan
            slope = (values[1] - values[0]) / (ends[1] - ends[0])  # type: ignore[operator]
            variance += (slope * rate.se) ** 2
    return variance


def _widened(estimate: Estimate | None, extra: float) -> Estimate | None:
    """An estimate with further variance: its interval stretched as its standard error is."""
    if estimate is None or extra == 0:
        return estimate
    if estimate.se is None or estimate.lo is None or estimate.hi is None or not np.isfinite(extra):
        return Estimate(estimate.value, None, None, None)
    if estimate.se == 0:
        return from_error(estimate.value, float(np.sqrt(extra)), np.inf)
    by = float(np.sqrt(estimate.se**2 + extra) / estimate.se)
    lo, hi = (estimate.value + by * (end - estimate.value) for end in (estimate.lo, estimate.hi))
    return Estimate(estimate.value, by * estimate.se, lo, hi)


def _pass_at_k(curve: Curve, k: int, verifier: Verifier) -> Estimate | None:
    """True pass@k of these prompts; unbiased, so it may leave [0, 1] where the rates do not fit."""
    n, c = curve.measured.n_N, curve.measured.c_N

    def mean(rates: Rates) -> float | None:
        found = float(true_pass_at_k(n, c, k, rates).mean())
        return found if np.isfinite(found) else None

    value = mean(verifier.rates)
    if value is None:
        return None
    less = [
        true_pass_at_k(n - 1, counts, k, verifier.rates)
        for counts in (np.maximum(c - 1, 0), np.minimum(c, n - 1))
    ]
    variance = float(((n - 1) * c * (n - c) / n**2 * (less[1] - less[0]) ** 2).sum()) / len(n) ** 2
    se = np.sqrt(variance) if variance > 0 else np.nan
    return _widened(from_error(value, se, np.inf), _of_rates(verifier, mean))


def corrected(curve: Curve, rates: Rates) -> Curve:
    """The curve of the true objectives. InputError for impossible rates."""
    return curve.combined(correction(len(curve.k), rates)[0])


def _dagger(curve: Curve) -> int | None:
    return first_negative(curve.k, [product.finite for product in curve.with_first])


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()


def _largest_rates(curve: Curve) -> tuple[float, float]:
    """No rate can exceed what the prompts show: α ≤ p'(x) ≤ 1 - β for every prompt (ends of its interval)."""
    shown = wilson(curve.measured.c_N, curve.measured.n_N)
    return float(shown.hi_N.min()), float((1 - shown.lo_N).min())


def imperfect_verifier(
    curve: Curve, ks: Sequence[int], verifier: Verifier, verdict: Callable[[Curve], Json]
) -> Json:
    """The part `imperfect_verifier` of analysis.json: `curve` as the verdicts show it, and the truth behind.

    `verdict` answers for a curve; it is asked again for every false-fail rate that is tried. False passes
    need no trying: they scale every ∇J_k and move no sign (`acute.core.imperfect`).
    """
    k_headline = max(ks)
    most = _largest_rates(curve)
    shown, swept = verdict(curve)["answer"], []
    for rate in (rate for rate in (0.0, *SWEPT) if rate <= most[1]):
        found = corrected(curve, Rates(0.0, rate))
        cosine = found.cosine(k_headline).estimate
        swept.append((rate, _dagger(found), _json(cosine), verdict(found)["answer"]))
    return {
        "source": verifier.source,
        "false_pass": _json(verifier.false_pass),
        "false_fail": _json(verifier.false_fail),
        "largest_possible": {"false_pass": most[0], "false_fail": most[1]},
        "corrected": _corrected(curve, ks, verifier),
        "sweep": {
            "k": k_headline,
            **dict(
                zip(
                    ("false_fail", "k_dagger", "cosine", "answer"),
                    map(list, zip(*swept, strict=True)),
                    strict=True,
                )
            ),
        },
        "verdict_changes_at": {
            "false_pass": None,
            "false_fail": next((rate for rate, _, _, answer in swept if answer != shown), None),
        },
    }


def _corrected(curve: Curve, ks: Sequence[int], verifier: Verifier) -> Json:
    """Pass@k, inner products, cosines and k† of the true success, at the verifier's rates."""
    at = cache(lambda rates: corrected(curve, rates))
    true = at(verifier.rates)
    parts: Json = {"k": list(ks), "pass_at_k": [_json(_pass_at_k(curve, k, verifier)) for k in ks]}
    for name, answer in (("inner", Curve.inner), ("cosine", Curve.cosine)):
        parts[name] = []
        for k in ks:

            def value(rates: Rates, k: int = k, answer: Callable[..., Answer] = answer) -> float | None:
                return _value(answer(at(rates), k).estimate)

            parts[name].append(_json(_widened(answer(true, k).estimate, _of_rates(verifier, value))))
    band = [true.inner(k).estimate for k in true.k]
    return {**parts, "k_dagger": _json(crossing(true.k, band, _dagger(true)))}
