"""What the tests of importers share: hand counting, and a call of the command."""

import json
from itertools import combinations

import pyarrow.parquet as pq
from typer.testing import CliRunner

from acute.cli.main import app


def by_hand(rewards_by_prompt, k):
    """pass@k by trying every choice of k responses of each prompt."""
    shares = []
    for rewards in rewards_by_prompt:
        choices = list(combinations(rewards, k))
        shares.append(sum(any(choice) for choice in choices) / len(choices))
    return sum(shares) / len(shares)


def acute(*arguments):
    """Run a command that must succeed; what it prints as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def fails(*arguments):
    """The error that a command ends with."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exception is not None, done.output
    return done.exception


def responses(folder):
    return pq.read_table(folder / "responses.parquet").to_pylist()


def prompts(folder):
    return {row["prompt_id"]: row for row in pq.read_table(folder / "prompts.parquet").to_pylist()}


def written(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path
