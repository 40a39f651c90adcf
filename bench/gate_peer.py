"""`acute gate` beside passk-inference 0.3.1 (PyPI, MIT) on its own input, where both answer the same.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install passk-inference==0.3.1
    python bench/gate_peer.py --peer /tmp/peer/bin/python
    python bench/gate_peer.py --peer /tmp/peer/bin/python --write tests/measure/passk_inference.json

It runs in an environment of its own: nothing of acute needs it. Compared are the mean pass@k of both sides,
the paired change, its standard error, and its 90 % interval at one k at a time (so that their band over k is
a pointwise interval). Theirs is a Gaussian multiplier bootstrap, ours Student's t with Hall's correction.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from acute.gate_inputs import join, read_side
from acute.measure.gate import Rule, change

ASK = """
import json, sys
from passk_inference.io import compare_files
base, rl = sys.argv[1:]
found = {}
for k in (1, 8):
    r = compare_files(base, rl, ks=[k], alpha=0.1, bootstrap=40000)
    members = ("base_pass_at_k", "rl_pass_at_k", "mean", "se", "lower", "upper")
    found[k] = {name: r[name][0] for name in members}
print(json.dumps(found))
"""


def counts(seed: int, N: int, n: int, lift: float) -> tuple[list[dict[str, int | str]], ...]:
    """Rows {id, c, n} of base and candidate; 11, 120, 32, 0.05 give those of tests/measure/test_gate.py."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 0.8, N)
    q = np.clip(p + lift * (1 - p) ** 7, 0, 1)
    return tuple(
        [{"id": f"p{i}", "n": n, "c": int(c)} for i, c in enumerate(rng.binomial(n, x))] for x in (p, q)
    )


def compared(peer: str, seed: int, N: int, n: int, lift: float) -> tuple[dict, float, float]:
    """Their answer; the largest difference of the estimates; that of the interval's ends, in se."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("base.jsonl", "rl.jsonl")]
        for path, rows in zip(paths, counts(seed, N, n, lift), strict=True):
            path.write_text("\n".join(map(json.dumps, rows)))
        done = subprocess.run([peer, "-c", ASK, *map(str, paths)], capture_output=True, text=True, check=True)
        pairs = join(*map(read_side, paths)).pairs
    theirs = json.loads(done.stdout)
    apart, ends = 0.0, 0.0
    for k, other in theirs.items():
        ours = change(pairs, int(k), 0.0, Rule())
        same = (
            (ours.base, "base_pass_at_k"),
            (ours.candidate, "rl_pass_at_k"),
            (ours.mean.value, "mean"),
            (ours.mean.se, "se"),
        )
        apart = max([apart, *(abs(value - other[name]) for value, name in same)])
        off = (abs(ours.lower - other["lower"]), abs(ours.upper - other["upper"]))
        ends = max([ends, *(x / other["se"] for x in off)])
    return theirs, apart, ends


def main() -> None:
    """A row a set of counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="python of an environment with passk-inference")
    parser.add_argument("--write", type=Path, help="keep their answer to the first set here")
    options = parser.parse_args()
    print("seed | prompts | responses | lift | estimates apart at most | interval ends apart at most, in se")
    for i, case in enumerate(((11, 120, 32, 0.05), (1, 200, 32, 0.1), (2, 50, 8, 0.0), (3, 1000, 64, 0.02))):
        theirs, apart, ends = compared(options.peer, *case)
        print(" | ".join(map(str, case)), f"| {apart:.1e} | {ends:.3f}")
        if i == 0 and options.write:
            options.write.write_text(json.dumps(theirs, indent=1) + "\n")


if __name__ == "__main__":
    main()
