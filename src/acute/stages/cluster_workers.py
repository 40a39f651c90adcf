"""What the actors of a Ray cluster do with a batch of prompts: sample, verify.

An error that acute raises on purpose travels as a field of the row: raised in an actor, it would come back as
a traceback of Ray's.
"""

import json
from typing import Any

from acute.config import Config
from acute.errors import AcuteError
from acute.table import table_bytes, table_of

Row = dict[str, Any]
VERIFIERS = b"verifiers"  # metadata of a block's verdicts: what checked them


class Samples:
    """Draws the responses to one batch after another; the model is loaded with the first."""

    def __init__(self, config: str, longest: int) -> None:
        self._config, self._longest = Config.model_validate_json(config), longest
        self._sampler: Any = None

    def __call__(self, row: Row) -> Row:
        """A row {index, prompts, names} with `responses`, a table as bytes, and the model's fingerprint."""
        done = {"index": row["index"], "prompts": row["prompts"], "responses": b"", "model": "", "fault": ""}
        try:
            return {**done, **self._drawn(row)}
        except AcuteError as error:
            return {**done, "fault": f"{type(error).__name__}: {error}"}

    def _drawn(self, row: Row) -> Row:
        from acute.stages.policy import tokens_of, vocabulary_of
        from acute.stages.sampling import Asked, rows_of, sampler_of

        if self._sampler is None:
            self._sampler = sampler_of(self._config, self._longest)
        prompts = table_of(row["prompts"])
        tokenizer = vocabulary_of(self._config.model).tokenizer
        tokens = [tokens_of(tokenizer, text) for text in prompts["prompt"].to_pylist()]
        asked = Asked(prompts["prompt_id"].to_pylist(), list(row["names"]), tokens)
        table = rows_of(self._config, asked, self._sampler.draw(asked.tokens, asked.names))
        return {"responses": table_bytes(table), "model": self._sampler.fingerprint or ""}


class Verifies:
    """Checks the responses of one batch after another; a verifier is made when first needed."""

    def __init__(self, config: str) -> None:
        self._config = Config.model_validate_json(config)
        self._verifiers: Any = None

    def __call__(self, row: Row) -> Row:
        """A row {index, prompts, responses} with `verdicts`, a table as bytes, and what they were made of."""
        done = {
            "index": row["index"],
            "responses": row["responses"],
            "verdicts": b"",
            "digest": "",
            "model": row.get("model", ""),
            "fault": row.get("fault", ""),
        }
        if done["fault"]:
            return done
        try:
            return {**done, **self._checked(row)}
        except AcuteError as error:
            return {**done, "fault": f"{type(error).__name__}: {error}"}

    def _checked(self, row: Row) -> Row:
        from acute.stages.verify import block_of, digest_of, settings_of, verdicts_on
        from acute.verify.verifiers import Verifiers

        config = self._config.verify
        if self._verifiers is None:
            # one core's share, and no cache: a file on this node would be nobody's
            settings = settings_of(config)._replace(workers=1, cache=None)
            self._verifiers = Verifiers(settings)
        prompts, responses = table_of(row["prompts"]), table_of(row["responses"])
        block = block_of(prompts, responses, config.kind)
        table = verdicts_on(*block, self._verifiers)
        told = {  # counts are one worker's and say nothing of the run
            kind: {name: value for name, value in facts.items() if name != "pairs"}
            for kind, facts in self._verifiers.facts().items()
        }
        said = {VERIFIERS: json.dumps(told, sort_keys=True).encode()}
        return {"verdicts": table_bytes(table.replace_schema_metadata(said)), "digest": digest_of(*block)}
