"""How long the analysis takes as prompts grow, beside what each part of it could be compared with.

    python bench/bench_analyse.py
    python -m venv /tmp/peer && /tmp/peer/bin/pip install passk-inference==0.3.1 scorio==0.2.3
    python bench/bench_analyse.py --peer /tmp/peer/bin/python --repeat 5

Each measurement is a process of its own on synthetic tables and sketches of the quickstart's form, so that
its peak memory is its own; seconds are processor time on one thread. First the counts alone: 10^6 responses
from Parquet, pass@k with errors and bands for all k ≤ 16, of these prompts and of their distribution, beside
passk-inference on the same counts (estimates and band of the distribution) and scorio on the same rewards
(estimates and intervals of these prompts; it has no band), in turn. Then the whole stage, beside one
read of the sketches' file, the least that anything can cost.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from acute.config import parse
from acute.gradients.store import write_sketches
from acute.run import Run
from ratios import earlier, kept, record

N_MOST, n, FOLDS, K = 31_250, 32, 2, 16
STAGE = [(500, 65_536), (2_000, 4_096), (10_000, 1_024), (N_MOST, 1_024), (100_000, 1_024)]

COUNTS = """
import json, resource, sys, time
from pathlib import Path
from acute.measure.counting import ALSO_COUNTED, COUNTED, count
from acute.measure.success import pass_at_k_band, pass_at_k_of_population, pass_at_k_of_these
from acute.measure.success import pass_at_k_population_band
from acute.run import Run
ks = range(1, 17)
started = time.process_time()
counts = count(Run.open(Path(sys.argv[1])).response_batches((*COUNTED, *ALSO_COUNTED)))
counted = time.process_time()
n, c = counts.n_NM.sum(1), counts.c_NM.sum(1)
population = [pass_at_k_of_population(n, c, k) for k in ks], pass_at_k_population_band(n, c, ks, 0)
pooled = time.process_time()
these = [pass_at_k_of_these(n, c, k) for k in ks]
estimated = time.process_time()
band = pass_at_k_band(n, c, ks, 0)
ended = time.process_time()
print(json.dumps({
    "read": counted - started, "population": pooled - counted,
    "these": estimated - pooled, "band": ended - estimated,
    "GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    "mean": [e.value for e in population[0]], "lower": [ends[0] for ends in population[1]],
}))
"""
PEER = """
import json, sys, time
import numpy as np
from passk_inference import pass_at_k, simultaneous_band
n, c = np.load(sys.argv[1])
started = time.process_time()
rows = np.stack([pass_at_k(c, n, k) for k in range(1, 17)], 1)
found = simultaneous_band(rows)
print(json.dumps({"seconds": time.process_time() - started, "mean": found["mean"].tolist(),
    "lower": found["lower"].tolist()}))
"""
SCORIO = """
import json, sys, time
import numpy as np
from scorio.eval import pass_at_k, pass_at_k_ci
rewards = np.load(sys.argv[1])
ks = range(1, 17)
started = time.process_time()
means = [float(pass_at_k(rewards, k)) for k in ks]
estimates = time.process_time()
intervals = [pass_at_k_ci(rewards, k) for k in ks]
ended = time.process_time()
print(json.dumps({"seconds": ended - started, "estimates": estimates - started, "mean": means}))
"""
ANALYSE = """
import json, sys, time
from pathlib import Path
import numpy as np
from acute.run import Run
from acute.stages.analyse import analyse
run = Run.open(Path(sys.argv[1]))
started = time.process_time()
float(np.load(run.path / "sketch.npy").sum())
read = time.process_time() - started
started = time.process_time()
analyse(run)
print(json.dumps({"seconds": time.process_time() - started, "read": read}))
"""
PEAK = """
import resource, sys
from pathlib import Path
from acute.run import Run
from acute.stages.analyse import analyse
analyse(Run.open(Path(sys.argv[1])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def folder(path, N, size, seed=0):
    """A run folder whose prompts have p ~ Beta(0.4, 0.8), and sketches that share a direction."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 0.8, N)
    right = rng.random((N, n)) < p[:, None]
    ids = np.array([f"prompt-{i:06d}" for i in range(N)])
    config = {
        "model": {"name": "synthetic"},
        "prompts": {"source": "arithmetic"},
        "sampling": {"n": n},
        "score": {"folds": FOLDS, "sketch_size": size},
        "analyse": {"k": [1, 2, 4, 8, K]},
    }
    run = Run.create(path, parse(config))
    family = [f"family {i % 8}" for i in range(N)]
    run.write_prompts(pa.table({"prompt_id": ids, "prompt": ids, "answer": ids, "family": family}))
    answers = np.array([f"The answer is {i}, because of what was said above." for i in range(50)])
    wrong = rng.integers(1, 50, N * n)
    flat = right.ravel()
    run.write_responses(
        pa.table(
            {
                "response_id": [f"r{i}" for i in range(N * n)],
                "prompt_id": np.repeat(ids, n),
                "fold": pa.array(np.tile(np.arange(n) % FOLDS, N), pa.int32()),
                "response": answers[np.where(flat, 0, wrong)],
                "token_ids": pa.array([[1]] * (N * n), pa.list_(pa.int32())),
                "logprob": np.full(N * n, -1.0),
                "finish": np.where(flat, "eos", "length"),
                "reward": flat.astype(float),
            }
        )
    )
    in_fold = [right[:, m::FOLDS].sum(1) for m in range(FOLDS)]
    common = rng.standard_normal(size, dtype=np.float32)

    def sums():
        for i in range(N):
            score = 0.3 * common + rng.standard_normal(size, dtype=np.float32)
            noise = rng.standard_normal((FOLDS, 2, size), dtype=np.float32)
            c = np.array([count[i] for count in in_fold], np.float32)[:, None]
            held = n / FOLDS
            up = c * (1 - p[i]) * score + np.sqrt(c) * noise[:, 1]
            down = -(held - c) * p[i] * score + np.sqrt(held - c) * noise[:, 0]
            yield np.stack([down, up], 1).astype(np.float32)

    facts = {"prompt_ids": ids.tolist(), "successes": right.sum(1).astype(float).tolist()}
    facts.update(engine="sketch", parameters="all", seed=seed)
    write_sketches(path, sums(), (N, FOLDS, 2, size), facts)
    return right


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def asked(code, *arguments, python=sys.executable):
    done = subprocess.run(
        [python, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | ONE_THREAD,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def spread(values):
    return {"median": statistics.median(values), "smallest": min(values), "largest": max(values)}


def said(found, unit="s"):
    return f"{found['median']:.2f} {unit} ({found['smallest']:.2f} to {found['largest']:.2f})"


def counts_part(where, repeat, peer):
    """The counts, and the peers on the same counts, in turn."""
    right = folder(where, N_MOST, 64)
    np.save(where / "counts.npy", np.stack([np.full(N_MOST, float(n)), right.sum(1).astype(float)]))
    np.save(where / "rewards.npy", right.astype(int))
    ours, passk, scorio = [], [], []
    for _ in range(repeat):
        ours.append(asked(COUNTS, where))
        if peer is not None:
            passk.append(asked(PEER, where / "counts.npy", python=peer))
            scorio.append(asked(SCORIO, where / "rewards.npy", python=peer))
    rows = {
        "seconds": spread([sum(f[part] for part in ("read", "population", "these", "band")) for f in ours]),
        "read": spread([f["read"] for f in ours]),
        "GiB": max(f["GiB"] for f in ours),
    }
    print(
        f"{N_MOST * n:,} responses, {N_MOST:,} prompts, k ≤ {K}, estimates and bands: {said(rows['seconds'])}"
    )
    print(f"  of it reading and counting {said(rows['read'])}; peak memory {rows['GiB']:.2f} GiB")
    for name, other, part in (("passk-inference", passk, "population"), ("scorio", scorio, "these")):
        if other:
            ratios = [o["seconds"] / f[part] for o, f in zip(other, ours, strict=True)]
            rows[name] = spread(ratios) | {"seconds": statistics.median(o["seconds"] for o in other)}
            apart = max(abs(a - b) for a, b in zip(ours[0]["mean"], other[0]["mean"], strict=True))
            print(f"  {name}: {said(rows[name], 'times')}; means differ by at most {apart:.1e}")
            if apart > 1e-9:
                raise SystemExit(f"{name} and acute disagree")
    return rows


def stage_part(where, N, size, repeat):
    folder(where, N, size)
    found = [asked(ANALYSE, where) for _ in range(repeat)]
    row = {
        "seconds": spread([f["seconds"] for f in found]),
        "reads": spread([f["seconds"] / f["read"] for f in found]),
        "GiB": asked(PEAK, where),
        "sketches_GiB": (where / "sketch.npy").stat().st_size / 2**30,
    }
    print(
        f"acute analyse, {N:,} prompts, sketch {size:,} ({row['sketches_GiB']:.2f} GiB): "
        f"{said(row['seconds'])}, "
        f"{row['reads']['median']:.0f} times one read of the sketches; peak memory {row['GiB']:.2f} GiB",
        flush=True,
    )
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="a Python that has passk-inference and scorio")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stage-repeat", type=int, default=3, help="of the whole stage")
    parser.add_argument("--most", type=int, default=N_MOST, help="the whole stage up to so many prompts")
    options = parser.parse_args()
    rows, versions = earlier("analyse")  # sizes that are not measured now stay
    with tempfile.TemporaryDirectory() as scratch:
        counts = counts_part(Path(scratch) / "counts", options.repeat, options.peer)
        rows["counts"] = kept(counts, rows.get("counts", {}), versions, ("passk-inference", "scorio"))
        record("analyse", rows)
        for N, size in STAGE:
            if options.most >= N:
                with tempfile.TemporaryDirectory() as own:
                    rows[f"{N} × {size}"] = stage_part(Path(own) / "run", N, size, options.stage_repeat)
                    record("analyse", rows)


if __name__ == "__main__":
    main()
