"""`python -m tests.faults`: breaks runs on purpose and says what came of it. Exit code 1 if anything did."""

import argparse
import sys
from pathlib import Path

from tests.faults.campaign import as_json, campaign, plan, table
from tests.faults.guards import GUARDS


def main():
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="a part of it, for every test run")
    parser.add_argument("--only", default="", help="kinds that hold this text")
    parser.add_argument("--without", choices=sorted(GUARDS), help="take a guard out: must be noticed")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    asked = parser.parse_args()
    if asked.without:
        GUARDS[asked.without]()
    planned = [p for p in plan() if asked.only in f"{p.name}/{p.stage}/{p.world}"]
    outcomes = []
    for outcome in campaign(planned, asked.seed, asked.short, lambda line: print(line, file=sys.stderr)):
        outcomes.append(outcome)
        sign = "ok " if outcome.good else "BAD"
        print(f"{sign} {outcome.kind}/{outcome.stage}/{outcome.world} {outcome.seed}: {outcome.what} "
              f"({outcome.seconds:.1f} s)", file=sys.stderr, flush=True)  # fmt: skip
        if not outcome.good:
            numbers = f"lost {outcome.lost}, doubled {outcome.doubled}, wrong {outcome.wrong} {outcome.where}"
            print(f"    {numbers}; {'; '.join(outcome.broken_promises)}", file=sys.stderr, flush=True)
        if asked.out:  # each time, so that a campaign that is stopped has said what it found
            asked.out.write_text(as_json(outcomes, asked.seed) + "\n")
    print(table(outcomes))
    sys.exit(0 if outcomes and all(outcome.good for outcome in outcomes) else 1)


if __name__ == "__main__":
    main()
