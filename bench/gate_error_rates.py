"""How often `acute gate` is wrong, and how often it can tell, on simulated pairs; beside naive comparisons.

    python bench/gate_error_rates.py                       # everything, 10,000 pairs a row: some minutes
    python bench/gate_error_rates.py --part error power    # parts of it
    python bench/gate_error_rates.py --pairs 500 --json    # quick, one JSON object

Worlds: bench/gate_worlds.py. Boundary: pass@1 down by exactly the margin, pass@8 up by 5 points. The limit
that the error rows are held against is 5.7 %: 5 % and three standard errors of 10,000 pairs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from acute.core.estimators import pass_at_k
from acute.measure.gate import Answered, Pairs, Rule, change, decide
from gate_worlds import FAMILIES, World, world

N, RESPONSES, K, MARGIN, LOOKS = 200, 32, 8, 0.02, 10
BOUNDARY, GOOD, FLAT = (-MARGIN, 0.05), (0.0, 0.05), (0.03, 0.0)
SOME = ("same ranks", "log-odds, noise 1", "collapse", "rare collapse")
Row = dict[str, Any]


def pairs_of(n: int, c_base: np.ndarray, c_candidate: np.ndarray) -> Pairs:
    """Counts as the gate takes them, equal n."""
    size = len(c_base)
    full = np.full(size, float(n))
    sides = (Answered(full, c.astype(float)) for c in (c_base, c_candidate))
    return Pairs([str(i) for i in range(size)], *sides, [None] * size)


def drawn(
    w: World, count: int, n: int, size: int, seed: int
) -> Iterator[tuple[Pairs, np.ndarray, np.ndarray]]:
    """Pairs of a world with p and q of their prompts, prompts drawn anew for each."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        p, q = w.draw(rng, (size,))
        yield pairs_of(n, rng.binomial(n, p), rng.binomial(n, q)), p, q


def answers(w: World, count: int, rule: Rule, n: int = RESPONSES, size: int = N, seed: int = 0) -> Row:
    """Shares of the three answers."""
    found = [decide(pairs, rule).answer for pairs, _, _ in drawn(w, count, n, size, seed)]
    return {a: found.count(a) / count for a in ("promote", "do not promote", "cannot tell")}


def error_rates(count: int, names: Sequence[str]) -> Iterator[Row]:
    """Promotions at the two boundaries: pass@1 down by the margin; pass@k not up."""
    for name in names:
        for which, d in (("pass@1 at -margin", BOUNDARY), ("pass@8 at 0", FLAT)):
            try:
                w = world(name, *d)
            except ValueError:
                continue
            yield {"world": name, "boundary": which, "spread": w.spread, **answers(w, count, Rule(K, MARGIN))}


def other_sizes(count: int, names: Sequence[str]) -> Iterator[Row]:
    """The boundary of pass@1 at other numbers of prompts and responses."""
    for size, n in ((30, 16), (50, 16), (100, 64), (500, 8), (1000, 16)):
        for name in names:
            found = answers(world(name, *BOUNDARY), count, Rule(K, MARGIN), n, size)
            yield {"world": name, "prompts": size, "responses": n, **found}


def these_prompts(count: int, names: Sequence[str]) -> Iterator[Row]:
    """Errors about exactly the prompts drawn: the bound is set to what their pass@1 truly lost."""
    for name in names:
        w, rule = world(name, *BOUNDARY), Rule(K, MARGIN, these_prompts=True)
        wrong = 0
        for pairs, p, q in drawn(w, count, RESPONSES, N, 0):
            one = change(pairs, 1, float((q - p).mean()), rule)
            wrong += max(one.p_holds, change(pairs, K, 0.0, rule).p_holds) <= rule.level
        yield {"world": name, "promote": wrong / count}


def slices(count: int, names: Sequence[str]) -> Iterator[Row]:
    """Five slices of 100 prompts, each at the boundary: one or more promoted, by Holm and without."""
    for name in names:
        w, wrong, each = world(name, *BOUNDARY), 0, 0
        for pairs, _, _ in drawn(w, count, RESPONSES, 500, 0):
            sliced = pairs._replace(slice_N=[f"slice {i % 5}" for i in range(500)])
            found = decide(sliced, Rule(K, MARGIN)).slices
            wrong += any(s.answer == "promote" for s in found)
            each += min(max(c.p_holds for c in s.changes) for s in found) <= Rule().level
        yield {"world": name, "any promoted": wrong / count, "any promoted without Holm": each / count}


def _checkpoints(w: World, rng: np.random.Generator) -> Iterator[Pairs]:
    """Ten checkpoints on the same prompts against the same responses of the base."""
    p = rng.beta(0.4, 0.8, N)
    base = rng.binomial(RESPONSES, p)
    for _ in range(LOOKS):
        yield pairs_of(RESPONSES, base, rng.binomial(RESPONSES, w.after(p, rng)))


def _more_responses(w: World, rng: np.random.Generator) -> Iterator[Pairs]:
    """The same prompts, 16 responses more of both at each look."""
    p, q = w.draw(rng, (N,))
    base, candidate = (rng.binomial(16, x, (LOOKS, N)).cumsum(0) for x in (p, q))
    for i in range(LOOKS):
        yield pairs_of(16 * (i + 1), base[i], candidate[i])


def _more_prompts(w: World, rng: np.random.Generator) -> Iterator[Pairs]:
    """40 prompts more at each look."""
    p, q = w.draw(rng, (40 * LOOKS,))
    base, candidate = (rng.binomial(RESPONSES, x) for x in (p, q))
    for i in range(1, LOOKS + 1):
        yield pairs_of(RESPONSES, base[: 40 * i], candidate[: 40 * i])


HISTORIES: dict[str, Callable[[World, np.random.Generator], Iterator[Pairs]]] = {
    "10 checkpoints, same prompts": _checkpoints,
    "16 responses more a look": _more_responses,
    "40 prompts more a look": _more_prompts,
}


def repeated(pairs: int, names: Sequence[str]) -> Iterator[Row]:
    """Promoted at any of ten looks, with --looks 10 and as if each were the only one; fewer when good."""
    for d, truth in ((BOUNDARY, "pass@1 at -margin"), (GOOD, "pass@1 as before")):
        for history, looks_of in HISTORIES.items():
            for name in names:
                w, rng = world(name, *d), np.random.default_rng(0)
                controlled = naive = 0
                count = pairs if d is BOUNDARY else max(1, pairs // 5)
                for _ in range(count):
                    p_values = [
                        max(c.p_holds for c in decide(x, Rule(K, MARGIN)).changes) for x in looks_of(w, rng)
                    ]
                    controlled += min(p_values) <= Rule(looks=LOOKS).level
                    naive += min(p_values) <= Rule().level
                yield {
                    "truth": truth,
                    "looks": history,
                    "world": name,
                    "promote with --looks 10": controlled / count,
                    "promote without": naive / count,
                }


def power(count: int, names: Sequence[str]) -> Iterator[Row]:
    """Promoted with pass@8 up by 5 points, pass@1 as before: about the distribution, about these prompts."""
    for name in names:
        w = world(name, *GOOD)
        row: Row = {"world": name, "spread": w.spread}
        row["promote"] = answers(w, count, Rule(K, MARGIN))["promote"]
        row["promote, 400 prompts"] = answers(w, count, Rule(K, MARGIN), size=400)["promote"]
        row["promote, --these-prompts"] = answers(w, count, Rule(K, MARGIN, these_prompts=True))["promote"]
        yield row


def naive_answers(pairs: Pairs) -> Row:
    """What usual comparisons of the same counts would say."""
    n, c, d = pairs.base.n_N, pairs.base.c_N, pairs.candidate.c_N
    x, y = c / n, d / n
    up = float((pass_at_k(n, d, K) - pass_at_k(n, c, K)).mean()) > 0
    total = n.sum()
    pooled = sqrt(sum(v.sum() / total * (1 - v.sum() / total) / total for v in (c, d)))
    unpaired = sqrt(x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y))
    paired = (y - x).std(ddof=1) / sqrt(len(x))
    above = float((y - x).mean()) + MARGIN
    z = stats.norm.ppf(0.95)
    return {
        "two averages compared": up and above > 0,
        "no significant loss of pass@1 found": up and above - MARGIN > -z * paired,
        "all responses independent": up and above > z * pooled,
        "prompts not paired": up and above > z * unpaired,
        "paired, Student's t": up and above > stats.t.ppf(0.95, len(x) - 1) * paired,
    }


def naive(count: int, names: Sequence[str]) -> Iterator[Row]:
    """Promotions by naive rules at the boundary (wrong) and with pass@1 as before (right)."""
    for name in names:
        found: dict[str, list[float]] = {}
        for d in (BOUNDARY, GOOD):
            said = [naive_answers(pairs) for pairs, _, _ in drawn(world(name, *d), count, RESPONSES, N, 0)]
            for rule in said[0]:
                found.setdefault(rule, []).append(sum(s[rule] for s in said) / count)
        for rule, (wrong, right) in found.items():
            yield {"world": name, "rule": rule, "promote at the boundary": wrong, "promote when good": right}


PARTS: dict[str, Callable[[int, Sequence[str]], Iterator[Row]]] = {
    "error": error_rates,
    "sizes": other_sizes,
    "these": these_prompts,
    "slices": slices,
    "looks": repeated,
    "power": power,
    "naive": naive,
}


def main() -> None:
    """Print a table a part, or one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=10_000, help="simulated pairs a row")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--world", nargs="+", choices=FAMILIES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {"pairs": options.pairs}
    for part in options.part:
        started, rows = time.monotonic(), []
        names = options.world or (list(FAMILIES) if part in ("error", "power") else SOME)
        for row in PARTS[part](options.pairs, names):
            rows.append(row)
            shown = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values())
            if not options.json:
                if len(rows) == 1:
                    print(f"\n{part}: {PARTS[part].__doc__}\n" + " | ".join(row))
                print(" | ".join(shown), flush=True)
        found[part] = rows
        print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
