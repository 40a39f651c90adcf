"""Scoring on 1, 2 and 4 ranks of one thread each: the same numbers, and what it costs.

    python bench/bench_ranks.py [--prompts 8] [--responses 64] [--jobs 1 2 4 2/2]

SmolLM2-135M, all parameters, prompts of the quickstart; each job is `torchrun --nproc-per-node=R -m acute
score` on a copy of one run folder, gloo on the CPU. A job R/S splits the weights over S ranks. Reported are,
of the loop over prompts (loading left out), the slowest rank's seconds by the clock and the busiest one's CPU
seconds, each over those of one rank, and the largest difference of ⟨∇J_k, ∇J_1⟩ in units of ‖∇J_1‖‖∇J_k‖.

The clock tells the truth on a machine that is free alone. CPU seconds tell how evenly the work is shared and
what the ranks do beside it; they do not show waiting, for each other or for memory that they share.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import acute
from ratios import record

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def some_prompts(path: Path, count: int) -> Path:
    """As many sums as prompts that redefine +, so that both outcomes and several lengths occur."""
    rows = (resources.files("acute.quickstart") / "override.jsonl").read_text().splitlines()
    sums = [row for row in rows if '"family": "sum"' in row]
    rest = [row for row in rows if row not in sums]
    path.write_text("\n".join([*sums[: (count + 1) // 2], *rest[: count // 2]]))
    return path


def verified(folder: Path, prompts: int, responses: int) -> acute.Run:
    """A run folder with responses that are verified and not scored."""
    config = acute.parse(
        {
            "model": {"name": "bundled:smollm2"},
            "prompts": {"source": str(some_prompts(folder / "prompts.jsonl", prompts))},
            "sampling": {"n": responses, "max_tokens": 2},
            "verify": {"kind": "exact"},
            "analyse": {"k": [1, 2, 4, 8, 16]},
        }
    )
    run = acute.Run.create(folder / "run", config)
    acute.run_until(run, "verify")
    return run


def scored(run: acute.Run, job: str) -> acute.Run:
    """A copy of the run, scored by a job and analysed."""
    ranks, _, over = job.partition("/")
    folder = shutil.copytree(run.path, run.path.with_name(f"run-{ranks}-{over}"))
    command = [f"--nproc-per-node={ranks}", "-m", "acute", "score", str(folder), "--json"]
    command += ["--shard-over", over] if over else []
    subprocess.run(
        [*LAUNCH, *command], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )
    found = acute.Run.open(folder)
    acute.run_until(found, "analyse")
    return found


def difference(one: acute.Run, other: acute.Run) -> float:
    """Largest difference of the inner products over k, in units of ‖∇J_1‖‖∇J_k‖ (inner over cosine)."""
    theirs, ours = (run.analysis()["conflict"] for run in (one, other))
    found = [0.0]
    for a, b, cosine in zip(theirs["inner"], ours["inner"], theirs["cosine"], strict=True):
        if a is not None and cosine is not None:
            found.append(abs(a["value"] - b["value"]) / abs(a["value"] / cosine["value"]))
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--responses", type=int, default=64)
    parser.add_argument(
        "--jobs", nargs="+", default=["1", "2", "4", "2/2"], help="R or R/S; the first is the unit"
    )
    asked = parser.parse_args()
    rows, one = {}, None
    with tempfile.TemporaryDirectory() as folder:
        run = verified(Path(folder), asked.prompts, asked.responses)
        for job in asked.jobs:
            found = scored(run, job)
            facts = found.record["stages"]["score"]
            one = one or found
            unit = one.record["stages"]["score"]
            rows[job] = {
                "seconds": facts["rank_seconds"],
                "cpu_seconds": facts["rank_cpu_seconds"],
                "clock": max(facts["rank_seconds"]) / max(unit["rank_seconds"]),
                "cpu": max(facts["rank_cpu_seconds"]) / max(unit["rank_cpu_seconds"]),
                "difference": difference(one, found),
            }
            row = rows[job]
            print(
                f"ranks {job:4} clock {row['clock']:.2f}, CPU of the busiest rank {row['cpu']:.2f} of one "
                f"rank's; CPU seconds {row['cpu_seconds']}; largest difference {row['difference']:.1e}",
                flush=True,
            )
    record("ranks", {"prompts": asked.prompts, "responses": asked.responses, "jobs": rows})


if __name__ == "__main__":
    main()
