"""Stage `rollout`."""

from contextlib import closing
from typing import Any

import pyarrow as pa

from acute.errors import InputError
from acute.progress import Tracker, tracked
from acute.run import Run
from acute.stages.sampling import Asked, asked_of, longest_of, rows_of, sampler_of
from acute.table import table_bytes, table_of


def _refuse_other_weights(run: Run, weights: str) -> None:
    """InputError if the parts that a killed run left were sampled from another model."""
    parts = run.parts("rollout")
    for index in parts.indices():
        if (found := parts.made_of(index)) not in (weights, None):
            raise InputError(
                f"{run.path}: sampling was begun with weights {found}, {run.config.model.name!r} now holds "
                f"{weights}: put the former model back, or choose another --out"
            )


def roll_out(run: Run) -> None:
    """Stage `rollout`: n responses a prompt into responses.parquet, saved batch by batch."""
    if run.config.sampling.backend == "openai":
        from acute.stages.server import roll_out_on_server

        roll_out_on_server(run)
        return
    asked = asked_of(run.config, run.prompts())
    with run.stage("rollout") as facts, tracked("rollout", len(asked.ids)) as tracker:
        if run.config.sampling.backend == "ray":
            from acute.stages.cluster import sample_on_cluster

            facts.update(sample_on_cluster(run, asked, tracker))
        else:
            facts.update(_sample_here(run, asked, tracker))
        responses = pa.concat_tables(map(table_of, run.parts("rollout").contents()))
        run.write_responses(responses)
        facts["responses"] = len(responses)


def _sample_here(run: Run, asked: Asked, tracker: Tracker) -> dict[str, Any]:
    """Write the parts that are not there yet; returns the weights' fingerprint, where it is known."""
    config, parts, size = run.config, run.parts("rollout"), run.config.sampling.prompts_at_once
    with closing(sampler_of(config, longest_of(config, asked))) as sampler:
        weights = sampler.fingerprint or ""
        _refuse_other_weights(run, weights)
        for start in range(0, len(asked.ids), size):
            some = asked.part(start, size)
            if parts.read(start, weights) is None:
                drawn = sampler.draw(some.tokens, some.names, tracker.tokens)
                parts.write(start, table_bytes(rows_of(config, some, drawn)), weights)
            tracker.advance(len(some.ids))
    return {"model": weights} if weights else {}
