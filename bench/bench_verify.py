"""How fast `verify.kind = "math"` decides, against math-verify called plainly for each pair.

`python bench/bench_verify.py [WORKERS]` on 500 × 32 synthetic responses around the gold answers of MATH-500
(../shared/data), or around the hand-written ones of the tests. Wanted: at least 200 distinct pairs a second
on two cores, at most 10 % of them by computer algebra, cached pairs at least 50,000 a second. The rates are
of the wall clock; the ratio to math-verify is what does not depend on the machine.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.verify.variants import HAND, math500, responses

from acute.verify.final_answer import final_answer
from acute.verify.item import Item
from acute.verify.math import MathVerifier

PLAIN = 150  # pairs that math-verify is timed on
EACH = 32


def plainly(pairs):
    """Pairs a second as TRL's accuracy_reward decides them: parse both, verify, nothing kept."""
    from math_verify import parse, verify

    parse("$1$")
    started = time.perf_counter()
    for gold, answer in pairs:
        verify(parse(f"${gold}$"), parse(f"${answer}$"))
    return len(pairs) / (time.perf_counter() - started)


def main(workers):
    """Print the rates."""
    golds, rng = math500(), random.Random(0)
    print(f"gold answers: {'MATH-500' if golds else 'the hand-written ones (no ../shared/data)'}")
    golds = golds or HAND * 10
    items = []
    for i, gold in enumerate(golds):
        others = golds[i - 1 :: -1] + golds[:0:-1]
        items += [Item(text, gold, "eos") for text in responses(gold, others, rng, EACH)]
    pairs = {
        (item.answer, found) for item in items if (found := final_answer(item.response, 0, False)) is not None
    }
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "verdicts.sqlite"
        verifier = MathVerifier(workers=workers, cache_path=cache)
        list(verifier.decide([("x", "y")]))
        list(verifier.decide([(r"\cot x", r"\tan x")]))  # workers are up
        verifier.pairs.clear()
        started = time.perf_counter()
        first = dict(verifier.check(items))
        took = time.perf_counter() - started
        counts = dict(verifier.pairs)
        verifier.close()
        again = MathVerifier(workers=workers, cache_path=cache)
        started = time.process_time()
        second = dict(again.decide(list(pairs)))
        cached = len(second) / (time.process_time() - started)
        assert again.pairs["cached"] == len(pairs), again.pairs
        again.close()
    rate = len(pairs) / took
    outcomes = {
        kind: sum(v.outcome == kind for v in first.values())
        for kind in ("ok", "wrong_form", "timeout", "error")
    }
    right = sum(v.reward == 1 for v in first.values())
    print(
        f"{len(items)} responses, {len(pairs)} distinct pairs, {workers} workers; {right} right, {outcomes}"
    )
    print(f"distinct pairs a second: {rate:,.0f} (wanted ≥ 200), in {took:.1f} s")
    print(f"by computer algebra: {100 * counts['algebra'] / len(pairs):.1f} % (wanted ≤ 10 %), {counts}")
    print(f"cached pairs a second of CPU time, from the file: {cached:,.0f} (wanted ≥ 50,000)")
    plain = plainly(rng.sample(sorted(pairs), PLAIN))
    print(f"math-verify plainly, {PLAIN} of these pairs: {plain:,.0f} a second; ratio {rate / plain:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
