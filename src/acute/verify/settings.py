"""What verifiers may be told."""

import os
from pathlib import Path
from typing import NamedTuple

from acute.verify.final_answer import Fallback
from acute.verify.sandbox import Kind as SandboxKind


class Settings(NamedTuple):
    """As `[verify]` has it."""

    timeout_s: float = 5.0
    workers: int = 0
    """0: one a core."""
    memory_mb: int = 1024
    fallback: Fallback = "none"
    threshold: float | None = None
    conversational: bool = False
    sandbox: SandboxKind = "bubblewrap"
    cache: Path | None = None
    """File of verdicts kept from run to run; None: none are."""

    @property
    def processes(self) -> int:
        """How many worker processes that means here."""
        return self.workers or len(os.sched_getaffinity(0))
