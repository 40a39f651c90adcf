"""Stage `score`: what the model is needed for."""

import hashlib
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from acute.config import Config
from acute.errors import DisagreementError, InputError, ModelError, NotFiniteError
from acute.plan.pass_size import PassSize
from acute.progress import tracked
from acute.ranks import ALONE, Ranks, others_there
from acute.run import Run
from acute.stages.groups import Group, Groups, Row, add_column, groups_of, value_batch
from acute.stages.imported import refuse_unknown_model
from acute.stages.pass_size import size_of_passes
from acute.stages.policy import policy_of, tokens_of

if TYPE_CHECKING:
    from acute.gradients.engines import Passes, Scored, Task
    from acute.gradients.forward import Sampled
    from acute.gradients.room import Room
    from acute.gradients.sketch import Sketch


def disagreement(rows: list[Row], logprob: dict[str, float], dtype: str) -> float:
    """Largest |sampler - scorer| in ln π. Raises DisagreementError beyond what rounding explains."""
    worst = 0.0
    for row in (row for row in rows if row["logprob"] is not None):  # unknown in many imported logs
        scored, tokens = logprob[row["response_id"]], len(row["token_ids"])
        difference = abs(row["logprob"] - scored)
        allowed = (0.1 + 0.02 * tokens) if dtype == "bfloat16" else (1e-3 + 1e-4 * tokens)
        if not difference <= allowed:
            raise DisagreementError(
                f"response {row['response_id']}: the sampler gave ln π = {row['logprob']:.6f}, the scorer "
                f"{scored:.6f}; wanted at most {allowed:.4f} apart. The scored distribution is not the "
                f"sampled one: check that model, template and sampling settings are those of the rollout"
            )
        worst = max(worst, difference)
    return worst


def _same_model(run: Run, fingerprint: str) -> None:
    sampled_from = run.record["stages"]["rollout"].get("model", fingerprint)
    if sampled_from != fingerprint:
        raise InputError(
            f"{run.path}: the responses were sampled from weights {sampled_from}, {run.config.model.name!r} "
            f"now holds {fingerprint}: score with the model that was sampled, or sample again"
        )


def _prompt_tokens(run: Run, tokenizer: Any) -> dict[str, "array[int]"]:
    """The tokens of each prompt, four bytes each."""
    columns = (run.prompts()[c] for c in ("prompt_id", "prompt"))
    rows = zip(*columns, strict=True)
    return {name.as_py(): array("i", tokens_of(tokenizer, text.as_py())) for name, text in rows}


def refuse_edited_state(run: Run) -> str | None:
    """The digest of the optimiser state; InputError if it is another than what was scored with so far."""
    from acute.gradients.metric import digest_of

    path = run.config.score.adam_state
    if path is None:
        return None
    now, begun = digest_of(path), run.done("score") or run.parts("score")
    if begun and run.record["checks"].get("adam_state_digest", now) != now:
        raise InputError(
            f"{path} has changed since {run.path} was scored with it: choose another --out, or name the new "
            f"state by another path"
        )
    return now


@dataclass(frozen=True)
class Scorer:
    """What measuring a prompt needs: the model and its selected parameters, the sketch, how to run them.

    `in_backward` are the tensors that backward leaves the whole gradients of the parameters in: themselves,
    unless they are sharded. `tried` says whether a trial has shown that prompts may or may not be shared;
    otherwise each prompt does, by the sampler's log-probabilities.
    """

    model: Any
    parameters: dict[str, Any]
    in_backward: dict[str, Any]
    sketch: "Sketch"
    prompt_tokens: dict[str, "array[int]"]
    sampled: "Sampled"
    room: "Room"
    config: Config
    weights: str
    tried: bool

    def prompt(self, group: Group) -> tuple[int, ...]:
        """The tokens of a group's prompt."""
        return tuple(self.prompt_tokens[group.prompt_id])

    def made_of(self, group: Group) -> str:
        """Of all that a prompt's part comes from: weights, settings, tokens, and rewards of each fold."""
        config, scored = self.config, hashlib.blake2b(digest_size=16)
        settings = config.score.model_dump(mode="json", exclude={"tokens_at_once", "checkpointing"})
        scored.update(repr([self.weights, config.seed, settings, self.sampled]).encode())
        rows = [(row["response_id"], row["fold"], row["reward"], row["token_ids"]) for row in group.rows]
        scored.update(repr([self.prompt(group), rows]).encode())
        return scored.hexdigest()

    def tokens(self, group: Group) -> int:
        """Tokens of the prompt and its distinct responses."""
        return len(self.prompt(group)) + sum(map(len, group.distinct)) if group.has_signal else 0

    def expected(self, group: Group) -> tuple[int, int]:
        """How many passes the prompt takes, and their cost; without a signal no pass, and next to nothing."""
        from acute.gradients.engines import expected

        if not group.has_signal:
            return 0, 1
        return expected(group.task(self.prompt(group), self.config.score.folds), self.passes)

    def idle(self) -> None:
        """A pass of nothing, its gradients folded and dropped as those of the others are."""
        from acute.gradients.sharded import idle

        with self.sketch.during_backward(self.model, self.in_backward):
            idle(self.model)

    @property
    def passes(self) -> "Passes":
        """What goes into one pass now."""
        return self.room.passes

    def _shared(self, task: "Task", passes: "Passes") -> "Scored":
        from acute.gradients.engines import shared

        return shared(self.model, self.in_backward, self.sketch, task, self.sampled, passes)

    def keep_step(self, ranks: Ranks, passes: int, idle: Callable[[], object]) -> Callable[[], None]:
        """With sharded weights every rank takes part in all passes of all: what is to be called after this
        rank's own `passes`. It is agreed on before the first of them."""
        others = max(ranks.gathered(passes)) if self.passes.one_backward else passes

        def join() -> None:
            for _ in range(others - passes):
                idle()

        return join

    def measure(self, group: Group) -> tuple[np.ndarray[Any, Any], dict[str, float]]:
        """Sketches of the prompt's gradient sums, (folds, 2, D), and ln π by `response_id`."""
        from acute.gradients.checkpointing import checkpointed
        from acute.gradients.engines import one_by_one

        folds, size = self.config.score.folds, self.sketch.size
        if not group.has_signal:
            return np.zeros((folds, 2, size), np.float32), {}
        task = group.task(self.prompt(group), folds)
        try:
            if self.config.score.engine == "reference":
                with checkpointed(self.model, self.passes.checkpointing):
                    found = one_by_one(self.model, self.parameters, self.sketch, task, self.sampled)
                logprob, _ = self._agreed(group, found)
            else:
                found, logprob = self._by_passes(group, task)
            if not np.isfinite(found.sketch_GD).all():
                raise self._not_finite(task)
        except NotFiniteError as error:
            raise ModelError(f"score, {group.named(error.index)}: {error}") from error
        return found.sketch_GD.reshape(folds, 2, -1), logprob

    def _agreed(self, group: Group, found: "Scored") -> tuple[dict[str, float], float]:
        """ln π by `response_id`, and how far the sampler's are off. DisagreementError if they are others."""
        logprob = group.by_row(found.logprob_U)
        return logprob, disagreement(group.rows, logprob, self.config.model.dtype)

    def _by_passes(self, group: Group, task: "Task") -> tuple["Scored", dict[str, float]]:
        """What `_shared` finds, with ln π by `response_id`.

        A model that has not been tried, and does not take or obey the masks that sharing needs, is found out
        here, and measured without them from then on.
        """
        from acute.gradients.forward import may_share

        work = partial(self._shared, task), task.longest, self.in_backward.values()
        unproven, close = self.passes.share and not self.tried, 1e-3 + 1e-5 * max(map(len, task.responses))
        first = None
        try:
            found = self.room.run(*work)
            first, off = self._agreed(group, found)
            if not unproven or off <= close:
                return found, first
        except DisagreementError:
            if not unproven:
                raise
        except (RuntimeError, ValueError, TypeError, IndexError):
            if not unproven or may_share(self.model, [(task.prompt, task.responses)], self.sampled):
                raise  # not for the masks
        for parameter in self.in_backward.values():
            parameter.grad = None
        shared, self.room.passes = self.passes, replace(self.passes, share=False)
        in_rows = self.room.run(*work)
        second, off = self._agreed(group, in_rows)
        if first is None or off <= close:
            return in_rows, second
        self.room.passes = shared  # rows are off as well: that is rounding
        return found, first

    def _not_finite(self, task: "Task") -> NotFiniteError:
        """The first response whose own gradient is not finite; with sharded weights none is asked alone, and
        it is the prompt's first."""
        from acute.gradients.engines import one_by_one

        wanted = "wanted finite numbers (NaN in the weights, or an overflow: try model.dtype = float32)"
        for index, response in enumerate(() if self.passes.one_backward else task.responses):
            alone = replace(task, responses=[response], counts_GU=np.ones((1, 1)))
            found = one_by_one(self.model, self.parameters, self.sketch, alone, self.sampled)
            if not np.isfinite(found.sketch_GD).all():
                return NotFiniteError(f"its gradient holds NaN or inf: {wanted}", index)
        return NotFiniteError(f"its gradient, or another response's, holds NaN or inf: {wanted}", 0)


@contextmanager
def _scorer(
    run: Run, groups: Groups, facts: dict[str, Any], ranks: Ranks, shard_over: int
) -> Iterator[Scorer]:
    """The scorer of a run, its parameters selected for the length of the block; `facts` take what it is."""
    from acute.gradients.engines import Passes
    from acute.gradients.forward import Sampled, may_share
    from acute.gradients.metric import adam_scale, without_moments
    from acute.gradients.parameters import selected
    from acute.gradients.room import Room
    from acute.gradients.sharded import idle, in_backward
    from acute.gradients.sketch import Sketch
    from acute.models.blocks import blocks_of

    config, policy, sharded = run.config, policy_of(run.config.model, shard_over), shard_over > 1
    weights = policy.fingerprint  # of the model itself: selecting parameters may add an adapter's
    _same_model(run, weights)
    prompt_tokens = _prompt_tokens(run, policy.tokenizer)
    sampled = Sampled(config.sampling.temperature, config.sampling.top_p)
    with selected(policy.model, config.score.parameters) as parameters:
        scale = None
        if config.score.adam_state is not None:
            scale = adam_scale(config.score.adam_state, policy.model, parameters)
            facts["numbers_without_second_moment"] = without_moments(scale)
        if sharded:
            idle(policy.model)  # FSDP settles its arrangement in the first pass: let it be a whole one
            policy.model.zero_grad()
        pairs = ((tuple(prompt_tokens[g.prompt_id]), g.distinct) for g in groups if g.has_signal)
        tried = sharded or not _shows_disobedience(run)
        share = may_share(policy.model, pairs, sampled) if tried else True
        longest = (group.longest(len(prompt_tokens[group.prompt_id])) for group in groups)
        size = _agreed_size(size_of_passes(config.score, policy, longest, sharded), ranks)
        passes = Passes(size.tokens, share, one_backward=sharded, checkpointing=size.checkpointing)
        room = Room(passes, blocks_of(policy.model) is not None)
        facts.update(
            parameters=sum(p.numel() for p in parameters.values()),
            tensors=len(parameters),
        )
        sketch = Sketch(parameters.items(), config.score.sketch_size, config.seed, scale)
        targets = in_backward(policy.model, parameters)
        yield Scorer(
            policy.model, parameters, targets, sketch, prompt_tokens, sampled, room, config, weights, tried
        )


def _agreed_size(own: PassSize, ranks: Ranks) -> PassSize:
    """The size of passes on all ranks, whose memory may differ: what prompts cost, and so their division,
    follows from it."""
    tokens, checkpointing = zip(*ranks.gathered(tuple(own)), strict=True)
    return PassSize(min(tokens), any(checkpointing))


def _shows_disobedience(run: Run) -> bool:
    """Whether a model that does not obey the masks of sharing shows it while prompts are measured.

    Its log-probabilities are then not the sampler's, where those are known and compared closely. The passes
    of `dots` compare nothing.
    """
    if run.config.model.dtype not in ("float32", "float64") or run.config.score.engine != "sketch":
        return False
    return not any(batch["logprob"].null_count for batch in run.response_batches(("logprob",)))


def _refuse_sharding(run: Run, ranks: Ranks, over: int) -> None:
    """InputError if the weights cannot be split over groups of `over` ranks."""
    if over < 1 or ranks.size % over:
        raise InputError(
            f"--shard-over {over}: wanted a divisor of the number of ranks, found {ranks.size} "
            f"(torchrun --nproc-per-node=R starts R on each machine)"
        )
    if over > 1 and run.config.score.engine == "reference":
        raise InputError("score.engine = 'reference' takes no sharded weights: wanted sketch or dots")


def score(run: Run, ranks: Ranks = ALONE, shard_over: int = 1) -> None:
    """Stage `score`: sketches of each prompt's gradient sums, saved prompt by prompt.

    Every rank measures its share of the prompts; the first one, which alone holds the folder's lock, keeps
    the books. The weights are split over groups of `shard_over` ranks.
    """
    refuse_unknown_model(run)
    _refuse_sharding(run, ranks, shard_over)
    groups = groups_of(run)
    if run.config.score.adam_state is not None and ranks.first:
        run.remember("checks", {"adam_state_digest": refuse_edited_state(run)})
    books: AbstractContextManager[dict[str, Any]] = run.stage("score") if ranks.first else nullcontext({})
    with books as facts, others_there(), _scorer(run, groups, facts, ranks, shard_over) as scorer:
        expected = [scorer.expected(group) for group in groups]
        facts.update(ranks=ranks.size, sharded_over=shard_over)
        facts.update(_measured(run, scorer, groups, expected, ranks))
        if run.config.score.engine == "dots":
            from acute.stages.audit import audit

            found = audit(run, scorer, groups, ranks.share([cost for _, cost in expected]), ranks)
            if ranks.first:
                run.remember("checks", {"dots": found})
        passes = scorer.passes  # where memory gave out not as was asked for
        facts.update(tokens_at_once=passes.tokens, checkpointing=passes.checkpointing)
        facts["shared_prefixes"] = passes.share
        if ranks.first:
            _gather(run, groups)


def _measured(
    run: Run, scorer: Scorer, groups: Groups, expected: list[tuple[int, int]], ranks: Ranks
) -> dict[str, tuple[float, ...]]:
    """Measure and save what no part holds yet, each rank its share; what and how long that was by rank."""
    from acute.gradients.store import part_bytes

    parts, made_of = run.parts("score"), [scorer.made_of(group) for group in groups]
    # the first rank alone looks, as what is damaged is set aside
    here = parts.lacking(made_of) if ranks.first else []
    left = ranks.told(here)
    mine = [left[i] for i in ranks.share([expected[index][1] for index in left])]
    own = sum(expected[index][0] for index in mine)
    join = scorer.keep_step(ranks, own, scorer.idle)
    began, used = time.monotonic(), time.process_time()
    with tracked("score", len(mine), shown=ranks.first) as tracker:
        for index in mine:
            group = groups[index]
            parts.write(index, part_bytes(*scorer.measure(group)), made_of[index])
            tracker.tokens(scorer.tokens(group))
            tracker.advance()
        join()
    own_facts = len(mine), round(time.monotonic() - began, 2), round(time.process_time() - used, 2)
    prompts, seconds, cpu_seconds = zip(*ranks.gathered(own_facts), strict=True)
    return {"rank_prompts": prompts, "rank_seconds": seconds, "rank_cpu_seconds": cpu_seconds}


def _gather(run: Run, groups: Groups) -> None:
    """The parts into sketch.npy, and the scorer's log-probabilities into the table."""
    from acute.gradients.store import read_part, write_sketches

    parts = run.parts("score")
    scored, successes = [], []
    worst = None  # nothing compared yet
    for part, group in zip(parts.contents(), groups, strict=True):
        logprob = read_part(part)[1]
        if logprob and any(row["logprob"] is not None for row in group.rows):
            worst = max(worst or 0.0, disagreement(group.rows, logprob, run.config.model.dtype))
        scored.append(value_batch(logprob))
        successes.append(group.successes)
    run.remember("checks", {"sampler_scorer_logprob_difference": worst})
    shape = (len(groups), run.config.score.folds, 2, run.config.score.sketch_size)
    write_sketches(
        run.path,
        (read_part(part)[0] for part in parts.contents()),
        shape,
        {
            "prompt_ids": groups.prompt_ids.to_pylist(),
            "seed": run.config.seed,
            "successes": successes,
            **run.config.score.model_dump(mode="json"),
        },
        run.expect,
    )
    add_column(run, "scorer_logprob", scored)
