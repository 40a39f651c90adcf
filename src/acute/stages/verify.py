"""Stage `verify`."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from acute.config import VerifyConfig
from acute.errors import InputError
from acute.progress import Tracker, tracked
from acute.run import Run
from acute.table import CHECKED, RESPONSES, schema_of, table_bytes, table_of, with_column
from acute.verify.cache import default_path
from acute.verify.code import fault_of
from acute.verify.item import Item
from acute.verify.kinds import KINDS, is_custom
from acute.verify.settings import Settings
from acute.verify.short import is_short
from acute.verify.verdict import Verdict
from acute.verify.verifiers import Verifiers

ADDED = (*CHECKED, "scorer_logprob", "score_dot")  # by this stage and by those after it
BLOCK = 4096  # responses whose verdicts are saved together


def settings_of(config: VerifyConfig) -> Settings:
    """What the verifiers are told by a configuration."""
    return Settings(**config.model_dump(exclude={"kind"}), cache=default_path())


def kinds_of(prompts: pa.Table, kind: str) -> dict[str, str]:
    """Each prompt's verifier, its own or else `kind`, by prompt_id.

    Raises InputError for an unknown verifier, or an answer that the verifier could never find.
    """
    found: dict[str, str] = {}
    columns = (prompts[c].to_pylist() for c in ("prompt_id", "answer", "verify"))
    for name, answer, own in zip(*columns, strict=True):
        which = own or kind
        if which not in KINDS and not is_custom(which):
            raise InputError(
                f"prompt {name!r}: wanted verify = {', '.join(KINDS)} or module:function, found {which!r}"
            )
        if which == "short" and not is_short(answer):
            raise InputError(
                f"prompt {name!r}: the verifier short wanted one number or one word as the answer, found "
                f'{answer!r}: no response could ever be right; correct it, or set verify = "math" or "exact"'
            )
        if which == "math" and not answer.strip():
            raise InputError(f"prompt {name!r}: the verifier math wanted an answer, found {answer!r}")
        if which == "code" and (fault := fault_of(answer)):
            raise InputError(f"prompt {name!r}: the verifier code wanted tests as the answer: {fault}")
        found[name] = which
    return found


def refuse_uncheckable(prompts: pa.Table, config: VerifyConfig) -> None:
    """InputError, before anything is sampled, where a verifier is unknown, not there, or cannot be right."""
    with Verifiers(settings_of(config)) as verifiers:
        for kind in dict.fromkeys(kinds_of(prompts, config.kind).values()):
            verifiers.of(kind).ready()


def _items(prompts: pa.Table, responses: pa.Table) -> list[Item]:
    """The responses with what they are checked with, in order."""
    asked = {row["prompt_id"]: row for row in prompts.to_pylist()}
    columns = ("prompt_id", "response", "finish", "token_ids")
    items = []
    for name, response, finish, ids in zip(*(responses[c].to_pylist() for c in columns), strict=True):
        row = asked[name]
        if response is None:
            raise InputError(f"prompt {name!r} has responses without text (imported): they cannot be checked")
        more = {
            "prompt_id": name,
            "prompt": row.get("question") or row["prompt"],
            "prefill": row.get("prefill"),
            "family": row.get("family"),
            "level": row.get("level"),
            "completion_ids": ids,
        }
        items.append(Item(response, row["answer"], finish, row.get("prefill") or "", more))
    return items


def digest_of(kinds: list[str], items: list[Item]) -> str:
    """Of all that a block's verdicts come from."""
    digest = hashlib.blake2b(digest_size=16)
    for kind, item in zip(kinds, items, strict=True):
        digest.update(json.dumps([kind, *item[:4]]).encode())
    return digest.hexdigest()


def block_of(prompts: pa.Table, responses: pa.Table, kind: str) -> tuple[list[str], list[Item]]:
    """Each response's verifier, its prompt's own or else `kind`, and what is checked. Raises InputError."""
    kind_of = kinds_of(prompts, kind)
    kinds = [kind_of[name] for name in responses["prompt_id"].to_pylist()]
    return kinds, _items(prompts, responses)


def verdicts_on(
    kinds: list[str], items: list[Item], verifiers: Verifiers, advance: Callable[[], None] = lambda: None
) -> pa.Table:
    """The verdicts on a block of responses, in order."""
    verdicts: list[Verdict | None] = [None] * len(items)
    for place, verdict in verifiers.check(kinds, items):
        verdicts[place] = verdict
        advance()
    found = [v for v in verdicts if v is not None]
    if len(found) != len(items):
        raise AssertionError(f"{len(items) - len(found)} of {len(items)} responses got no verdict")
    rows = {column: [getattr(v, field) for v in found] for column, field in CHECKED.items()}
    return pa.Table.from_pydict(rows, schema_of(RESPONSES, tuple(CHECKED)))


def verify(run: Run) -> None:
    """Stage `verify`: columns outcome, reward, answer_found, detail. A failed check has a null reward.

    Saved block by block: a killed run goes on where it stopped.
    """
    responses, config = run.responses(), run.config
    # a killed run may have written the columns but not the record
    responses = responses.drop_columns([c for c in ADDED if c in responses.column_names])
    kinds, items = block_of(run.prompts(), responses, config.verify.kind)
    on_cluster = config.sampling.backend == "ray"
    size = config.sampling.prompts_at_once * config.sampling.n if on_cluster else BLOCK
    blocks = [(kinds[at : at + size], items[at : at + size]) for at in range(0, len(items), size)]
    with run.stage("verify") as facts, tracked("verify", len(items)) as tracker:
        missing = run.parts("verify").lacking([digest_of(*block) for block in blocks])
        tracker.advance(len(items) - sum(len(blocks[i][1]) for i in missing))
        if on_cluster:
            from acute.stages.cluster import verify_on_cluster

            facts["verifiers"] = verify_on_cluster(run, responses, missing, tracker)
        else:
            facts["verifiers"] = _verify_here(run, blocks, missing, tracker)
        saved = map(table_of, run.parts("verify").contents(range(len(blocks))))
        verdicts = pa.concat_tables(block.replace_schema_metadata(None) for block in saved)
        for column in CHECKED:
            responses = with_column(responses, column, verdicts[column].to_pylist())
        run.write_responses(responses)
        families = [item.columns["family"] for item in items]
        facts.update(_counts(verdicts, families))


def _verify_here(
    run: Run, blocks: list[tuple[list[str], list[Item]]], missing: list[int], tracker: Tracker
) -> dict[str, Any]:
    """Write the parts that are missing; returns what is told of the verifiers."""
    with Verifiers(settings_of(run.config.verify)) as verifiers:
        for i in missing:
            table = verdicts_on(*blocks[i], verifiers, tracker.advance)
            run.parts("verify").write(i, table_bytes(table), digest_of(*blocks[i]))
        return verifiers.facts()


def _counts(verdicts: pa.Table, families: list[str | None]) -> dict[str, Any]:
    """How checking ended, in all and by family; and how often an answer was found that could not be read."""
    outcomes, found = verdicts["outcome"].to_pylist(), verdicts["answer_found"].to_pylist()
    by_family: defaultdict[str, Counter[str]] = defaultdict(Counter)
    unknown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for family, outcome, reward in zip(families, outcomes, verdicts["reward"].to_pylist(), strict=True):
        by_family[family or ""][outcome] += 1
        if reward is None:
            unknown[outcome][family or ""] += 1
    unread = sum(o == "wrong_form" and a is not None for o, a in zip(outcomes, found, strict=True))
    return {
        "outcomes": dict(sorted(Counter(outcomes).items())),
        "outcomes_by_family": {family: dict(sorted(n.items())) for family, n in sorted(by_family.items())},
        "no_reward": {outcome: dict(sorted(n.items())) for outcome, n in sorted(unknown.items())},
        "answers_found_but_not_read": unread,
    }
