"""The stages of a run: prompts → rollout → verify → score → analyse → report.

The parts know only the table; here they are put together, a file a stage. Every stage goes on where it
stopped.
"""

import logging
import warnings
from pathlib import Path

from acute.ranks import Ranks
from acute.run import Run
from acute.stages.analyse import analyse, report
from acute.stages.imported import import_log
from acute.stages.prompts import make_prompts, refuse_edited_prompts
from acute.stages.rollout import roll_out
from acute.stages.score import refuse_edited_state, score
from acute.stages.verify import verify

__all__ = [
    "analyse",
    "import_log",
    "make_prompts",
    "report",
    "roll_out",
    "run_until",
    "score",
    "score_on",
    "verify",
]

STEPS = {
    "prompts": make_prompts,
    "rollout": roll_out,
    "verify": verify,
    "score": score,
    "analyse": analyse,
}


def score_on(folder: Path, ranks: Ranks, shard_over: int = 1) -> None:
    """Score a run folder with all ranks of a job, each of which calls this.

    The first rank alone does what comes before and holds the folder. See `score` for `shard_over`.
    """
    if not ranks.first:
        if ranks.told(None):  # once the first rank has done what comes before
            score(Run.open(folder), ranks, shard_over)
        return
    run = Run.open(folder)
    with run.lock():
        run_until(run, "verify")
        if ranks.told(not run.stands("score")):
            score(run, ranks, shard_over)


def run_until(run: Run, last: str) -> None:
    """Do every stage up to `last` that is not done yet; without a model there is nothing to score.

    Raises InputError if scoring itself is asked for and no model is known.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if run.done("prompts"):
        refuse_edited_prompts(run)
    if run.stands("score"):
        refuse_edited_state(run)
    for name, step in STEPS.items():
        if not run.stands(name) and not (name == "score" != last and run.config.counts_only):
            step(run)
        if name == last:
            return
