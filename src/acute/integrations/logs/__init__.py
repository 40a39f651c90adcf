"""Importers: rollouts that another program logged, as the rows of a run folder. One small file a format."""

from acute.integrations.logs import columns, counts, inspect_ai, lm_eval, trl, verl
from acute.integrations.logs.rows import Log, Reader

FORMATS: dict[str, Reader] = {
    "trl": trl.read,
    "verl": verl.read,
    "jsonl": columns.read,
    "counts": counts.read,
    "lm-eval": lm_eval.read,
    "inspect": inspect_ai.read,
}

__all__ = ["FORMATS", "Log"]
