"""The whole plan as plain values: every figure carries its unit in its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from acute.plan import memory, work
from acute.plan.shape import Shape
from acute.plan.times import ROWS_AT_ONCE, Cards, Stage
from acute.plan.tokens import Load
from acute.plan.work import Scored

Json = dict[str, Any]
KERNEL_PROMPTS = 2000  # as the stage analyse has it


@dataclass(frozen=True)
class Asked:
    """What a plan is made for."""

    shape: Shape
    load: Load
    scored: Scored
    width: int
    """Bytes of a weight."""
    k: int
    adam: bool = False
    kernel: bool = True
    """Whether every pair of prompts is compared."""


def tokens(asked: Asked) -> Json:
    """Tokens of prompts and responses, and what scoring feeds before and after sharing and merging."""
    load, one = asked.load, work.passes(asked.load, asked.scored)
    scored = load.signal * load.prompts
    return {
        "prompt_tokens": load.prompts * load.prompt_tokens,
        "response_tokens": load.drawn,
        "in_rows_tokens": load.rows,
        "score_forward_tokens": scored * one.forward,
        "score_backward_tokens": scored * one.backward,
        "score_backward_passes": scored * one.folds,
        "largest_pass_tokens": one.longest,
    }


def operations(asked: Asked) -> Json:
    """Operations of each stage, and of a trainer's plain pass over the same responses."""
    shape, load = asked.shape, asked.load
    return {
        "rollout_flop": work.rollout(shape, load),
        "score_flop": work.score(shape, load, asked.scored),
        "analyse_flop": work.analyse(load.prompts, asked.scored, asked.k, asked.kernel),
        "forward_backward_in_rows_flop": work.trainer(shape, load),
    }


def in_memory(asked: Asked, cards: Cards | None) -> Json:
    """Bytes on each rank: sampling (with the cache of as many rows as transformers keep), scoring."""
    shape, load, width = asked.shape, asked.load, asked.width
    longest = work.passes(load, asked.scored).longest
    one = memory.Pass(longest, longest - load.prompt_tokens, asked.scored.selected.reach)
    rows = min(ROWS_AT_ONCE, max(1.0, load.distinct * load.responses))
    held = memory.cache(shape, width, rows * (load.prompt_tokens + load.response_tokens))
    ranks, again = 1 if cards is None else cards.count, asked.scored.checkpointing
    return {
        "weights_bytes": memory.weights(shape, width),
        "rollout_bytes": memory.weights(shape, width) + held,
        "score_replica_bytes": memory.scoring(shape, width, one, asked.adam, 1, again),
        "score_sharded_bytes": memory.scoring(shape, width, one, asked.adam, ranks, again),
        "card_bytes": None if cards is None else cards.card.memory,
    }


def on_disk(asked: Asked) -> Json:
    """Bytes that stay, and the most while sketches are gathered from their parts."""
    load, scored = asked.load, asked.scored
    sketches = memory.sketches(load.prompts, scored.folds, scored.sketch_size, scored.sketch_bytes)
    parts = memory.sketches(load.prompts, scored.folds, scored.sketch_size)
    tables = memory.tables(load.responses, load.drawn)
    kernel = memory.kernel(load.prompts, KERNEL_PROMPTS)
    return {
        "tables_bytes": tables,
        "sketches_bytes": sketches,
        "kernel_bytes": kernel,
        "while_scoring_bytes": tables + sketches + parts,
    }


def warnings(found: Json, cards: Cards | None) -> list[str]:
    """What will not fit, and what to do about it."""
    said = []
    if cards is not None:
        room, of = cards.card.memory, found["memory"]
        if of["score_replica_bytes"] > room:
            least = of["weights_bytes"] > 0.7 * room
            said.append(
                f"scoring wants {of['score_replica_bytes'] / 1e9:.0f} GB on a card of {room / 1e9:.0f} GB: "
                + ("shard the weights over ranks" if least else "lower score.tokens_at_once")
            )
        if of["score_sharded_bytes"] > room:
            said.append(f"sharded over {cards.count} it still wants {of['score_sharded_bytes'] / 1e9:.0f} GB")
        if of["rollout_bytes"] > room:
            said.append(
                f"sampling with transformers would keep {of['rollout_bytes'] / 1e9:.0f} GB of weights and "
                f"cache on a card: sample on a server (sampling.backend)"
            )
    if (held := found["disk"]["while_scoring_bytes"]) > 2e11:
        said.append(
            f"sketches take {held / 1e9:.0f} GB while they are gathered: lower score.sketch_size or folds"
        )
    return said


def whole(asked: Asked, cards: Cards | None, stages: Sequence[Stage], assumed: Sequence[str]) -> Json:
    """All figures of a plan."""
    load, shape = asked.load, asked.shape
    found: Json = {
        "prompts": load.prompts,
        "n": load.n,
        "responses": load.responses,
        "tokens_a_prompt": load.prompt_tokens,
        "tokens_a_response": load.response_tokens,
        "left_after_sharing": load.distinct,
        "with_a_signal": load.signal,
        "model": {
            "parameters": shape.stored,
            "layers": shape.layers,
            "width": shape.width,
            "selected_parameters": asked.scored.selected.count,
        },
        "cards": None if cards is None else {"count": cards.count, **cards.card._asdict()},
        "tokens": tokens(asked),
        "flop": operations(asked),
        "memory": in_memory(asked, cards),
        "disk": on_disk(asked),
        "stages": [stage._asdict() for stage in stages],
        "seconds": sum(stage.seconds for stage in stages),
        "assumed": list(assumed),
    }
    return {**found, "warnings": warnings(found, cards)}
