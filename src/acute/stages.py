"""The stages of a run: prompts → rollout → verify → score → analyse → report.

The parts know only the table; here they are put together. Every stage goes on where it stopped.
"""

import logging
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from acute.config import Config, ModelConfig
from acute.errors import DisagreementError, InputError, ModelError
from acute.progress import tracked
from acute.run import Run
from acute.table import (
    PROMPTS,
    RESPONSES,
    RESPONSES_REQUIRED,
    read_table,
    schema_of,
    with_column,
    write_atomically,
    write_table,
)

PROMPT_COLUMNS = ("prompt_id", "prompt", "question", "answer", "prefill", "family", "level", "verify")
_policies: dict[ModelConfig, Any] = {}


def policy_of(config: ModelConfig) -> Any:
    """The loaded policy (`acute.models.load.Policy`); kept, as a run and its control often share one."""
    if config not in _policies:
        try:
            from transformers.utils import logging as transformers_logging

            from acute.models.load import load_policy
        except ImportError as error:
            raise ModelError(
                f"wanted torch and transformers ({error}): pip install 'acute[models]'"
            ) from None
        transformers_logging.disable_progress_bar()
        _policies.clear()  # one model in memory at a time
        _policies[config] = load_policy(config.name, config.dtype, config.device, config.adapter)
    return _policies[config]


def make_prompts(run: Run) -> None:
    """Stage `prompts`: rows of the source, rendered as the model sees them, into prompts.parquet."""
    from acute.models.render import render
    from acute.tasks.source import prompt_rows

    config = run.config
    with run.stage("prompts") as facts:
        rows = prompt_rows(**config.prompts.model_dump(), seed=config.seed)
        tokenizer = policy_of(config.model).tokenizer
        for row in rows:
            question, messages = row.get("prompt"), row.pop("messages", None)
            row["question"] = question or messages[-1]["content"]
            row["prompt"] = render(tokenizer, question, messages, row.get("prefill"))
        run.write_prompts(pa.Table.from_pylist(rows, schema_of(PROMPTS, PROMPT_COLUMNS)))
        facts["prompts"] = len(rows)


def _tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    # the rendered text holds every special token already
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def _response_rows(
    config: Config, tokenizer: Any, ends: tuple[int, ...], prompt_id: str, samples: Any
) -> Any:
    for j, sample in enumerate(samples):
        ids = sample.token_ids
        text = tokenizer.decode(ids[:-1] if ids[-1] in ends else ids, clean_up_tokenization_spaces=False)
        yield {
            "response_id": f"{prompt_id}/{j:05d}",
            "prompt_id": prompt_id,
            "fold": j % config.score.folds,
            "response": text,
            "token_ids": list(ids),
            "logprob": sample.logprob,
            "finish": sample.finish,
        }


def roll_out(run: Run) -> None:
    """Stage `rollout`: n responses a prompt into responses.parquet, saved batch by batch."""
    from acute.rollout.hf import Sampling, sample

    config, prompts = run.config, run.prompts()
    policy = policy_of(config.model)
    sampling = Sampling(**config.sampling.model_dump(exclude={"backend", "prompts_at_once"}))
    ids, texts = prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist()
    size = config.sampling.prompts_at_once
    schema = schema_of(RESPONSES, RESPONSES_REQUIRED)
    with run.stage("rollout") as facts, tracked("rollout", len(ids)) as tracker:
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            part = run.part("rollout", start, "parquet")
            if not part.exists():
                tokens = [_tokens(policy.tokenizer, text) for text in texts[start : start + size]]
                drawn = sample(policy, tokens, some, sampling, config.seed, tracker.tokens)
                rows = [
                    row
                    for name, samples in zip(some, drawn, strict=True)
                    for row in _response_rows(config, policy.tokenizer, policy.eos_ids, name, samples)
                ]
                write_table(pa.Table.from_pylist(rows, schema), part)
            tracker.advance(len(some))
        parts = [read_table(p, RESPONSES, RESPONSES_REQUIRED) for p in run.parts("rollout")]
        run.write_responses(pa.concat_tables(parts))
        facts["responses"] = sum(map(len, parts))
        facts["model"] = policy.fingerprint


def verify(run: Run) -> None:
    """Stage `verify`: columns outcome, reward, answer_found. A failed check has a null reward."""
    from acute.verify.exact import exact
    from acute.verify.short import short

    kinds = {"exact": exact, "short": short}
    prompts, responses = run.prompts(), run.responses()
    checks = {}
    for name, answer, kind in zip(
        *(prompts[c].to_pylist() for c in ("prompt_id", "answer", "verify")), strict=True
    ):
        if (kind or run.config.verify.kind) not in kinds:
            raise InputError(f"prompt {name!r}: wanted verify = {' or '.join(kinds)}, found {kind!r}")
        checks[name] = (kinds[kind or run.config.verify.kind], answer)
    with run.stage("verify") as facts:
        # a killed run may have written the columns but not the record
        responses = responses.select([c for c in responses.column_names if c in RESPONSES_REQUIRED])
        columns = (responses[c].to_pylist() for c in ("prompt_id", "response", "finish"))
        verdicts = []
        for name, response, finish in zip(*columns, strict=True):
            verifier, answer = checks[name]
            verdicts.append(verifier(response, answer, finish))
        for column in ("outcome", "reward", "answer_found"):
            responses = with_column(responses, column, [getattr(v, column) for v in verdicts])
        run.write_responses(responses)
        facts["outcomes"] = {o: sum(v.outcome == o for v in verdicts) for o in {v.outcome for v in verdicts}}


def _tasks(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Rewarded responses of each prompt, prompts in their order."""
    columns = ["response_id", "prompt_id", "fold", "token_ids", "logprob", "reward"]
    groups = defaultdict(list)
    for row in run.responses().select(columns).to_pylist():
        if row["reward"] is not None:
            groups[row["prompt_id"]].append(row)
    return {name: groups[name] for name in run.prompts()["prompt_id"].to_pylist()}


def _disagreement(rows: list[dict[str, Any]], logprob: dict[str, float], dtype: str) -> float:
    """Largest |sampler - scorer| in ln π. Raises DisagreementError beyond what rounding explains."""
    worst = 0.0
    for row in rows:
        difference = abs(row["logprob"] - logprob[row["response_id"]])
        tokens = len(row["token_ids"])
        allowed = (0.1 + 0.02 * tokens) if dtype == "bfloat16" else (1e-3 + 1e-4 * tokens)
        if difference > allowed:
            raise DisagreementError(
                f"response {row['response_id']}: the sampler gave ln π = {row['logprob']:.6f}, the scorer "
                f"{logprob[row['response_id']]:.6f}; wanted at most {allowed:.4f} apart. The scored "
                f"distribution is not the sampled one: was the model or its template changed since?"
            )
        worst = max(worst, difference)
    return worst


def score(run: Run) -> None:
    """Stage `score`: sketches of each prompt's gradient sums, saved prompt by prompt."""
    from acute.gradients.engines import Task, one_by_one, shared
    from acute.gradients.forward import Sampled
    from acute.gradients.parameters import selected
    from acute.gradients.sketch import Sketch
    from acute.gradients.store import part_bytes, read_part, write_sketches

    config, policy = run.config, policy_of(run.config.model)
    sampled_from = run.record["stages"]["rollout"].get("model")
    if sampled_from not in (None, policy.fingerprint):
        raise InputError(
            f"{run.path}: the responses were sampled from weights {sampled_from}, {config.model.name!r} now "
            f"holds {policy.fingerprint}: score with the model that was sampled, or sample again"
        )
    texts = dict(zip(*(run.prompts()[c].to_pylist() for c in ("prompt_id", "prompt")), strict=True))
    groups, folds = _tasks(run), config.score.folds
    sampled = Sampled(config.sampling.temperature, config.sampling.top_p)
    engine = {"sketch": shared, "reference": one_by_one}[config.score.engine]
    worst, empty = 0.0, np.zeros((folds, 2, config.score.sketch_size), np.float32)
    with (
        run.stage("score") as facts,
        selected(policy.model, config.score.parameters) as parameters,
        tracked("score", len(groups)) as tracker,
    ):
        sketch = Sketch(parameters.items(), config.score.sketch_size, config.seed)
        for index, (name, rows) in enumerate(groups.items()):
            part = run.part("score", index, "npz")
            if not part.exists():
                sums, logprob = empty, {}
                if len({row["reward"] for row in rows}) == 2:  # all alike: advantages are 0
                    distinct = sorted({tuple(row["token_ids"]) for row in rows})
                    at = {response: u for u, response in enumerate(distinct)}
                    counts = np.zeros((folds, 2, len(distinct)))
                    for row in rows:
                        counts[row["fold"], int(row["reward"]), at[tuple(row["token_ids"])]] += 1
                    task = Task(
                        _tokens(policy.tokenizer, texts[name]), distinct, counts.reshape(2 * folds, -1)
                    )
                    found = engine(policy.model, parameters, sketch, task, sampled)
                    sums = found.sketch_GD.reshape(folds, 2, -1)
                    logprob = {
                        row["response_id"]: float(found.logprob_U[at[tuple(row["token_ids"])]])
                        for row in rows
                    }
                    tracker.tokens(sum(map(len, distinct)) + len(task.prompt))
                    _disagreement(rows, logprob, config.model.dtype)
                write_atomically(part, part_bytes(sums, logprob))
            tracker.advance()
        facts.update(parameters=sum(p.numel() for p in parameters.values()), tensors=len(parameters))
        scored: dict[str, float] = {}
        for part in run.parts("score"):
            scored.update(read_part(part)[1])
        for rows in groups.values():
            if rows and rows[0]["response_id"] in scored:
                worst = max(worst, _disagreement(rows, scored, config.model.dtype))
        run.remember("checks", {"sampler_scorer_logprob_difference": worst})
        write_sketches(
            run.path,
            (read_part(part)[0] for part in run.parts("score")),
            (len(groups), folds, 2, config.score.sketch_size),
            {"prompt_ids": list(groups), "seed": config.seed, **config.score.model_dump(mode="json")},
        )
        responses = run.responses()
        if "scorer_logprob" in responses.column_names:
            responses = responses.drop_columns(["scorer_logprob"])
        values = [scored.get(name) for name in responses["response_id"].to_pylist()]
        run.write_responses(with_column(responses, "scorer_logprob", values))


def analyse(run: Run) -> dict[str, Any]:
    """Stage `analyse`: analysis.json."""
    from acute import __version__
    from acute.gradients.store import read_sketches
    from acute.measure.analyse import analyse as measure

    config = run.config
    with run.stage("analyse"):
        sums, facts = read_sketches(run.path)
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(
                run.prompts(),
                run.responses(),
                sums,
                facts["prompt_ids"],
                config.analyse.k,
                config.analyse.easy,
                config.analyse.hard,
            ),
        }
        run.write_analysis(found)
        run.remember("left_out", found["excluded"])
    return found


def report(run: Run) -> Path:
    """Stage `report`: report.html."""
    from acute.report.page import write_page

    with run.stage("report"):
        return write_page(run.path)


STEPS = {
    "prompts": make_prompts,
    "rollout": roll_out,
    "verify": verify,
    "score": score,
    "analyse": analyse,
}


def run_until(run: Run, last: str) -> None:
    """Run every stage up to `last` that is not done yet."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for name, step in STEPS.items():
        if not run.done(name):
            step(run)
        if name == last:
            return
