"""What acute raises on purpose. Each kind carries the exit code that the command line ends with.

A message says what was wanted, what was found, and what to do.
"""


class AcuteError(Exception):
    """Base of every error that acute raises on purpose."""

    exit_code = 4


class InputError(AcuteError):
    """Something the user gave is not what was wanted."""

    exit_code = 2


class ConfigError(InputError):
    """The configuration, or an argument, has an unknown key, a wrong type or an impossible value."""


class TableError(InputError):
    """A table (prompts, responses, counts) does not have the form that `acute.table` states."""


class NotEnoughData(AcuteError):
    """The data given cannot answer the question that was asked."""

    exit_code = 3


class OutsideError(AcuteError):
    """A part outside acute failed: a model, a server, the sandbox, the disk."""

    exit_code = 4


class ModelError(OutsideError):
    """A model could not be loaded, or does not do what the measurement needs of it."""


class NotFiniteError(ModelError):
    """What a model computed for a response is no finite number; `index` is its place among those asked."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class DisagreementError(OutsideError):
    """Two parts that must agree do not (sampler and scorer, fast engine and reference)."""


def in_short(error: BaseException) -> str:
    """What an outside error says, in one line of at most 300 characters."""
    return " ".join(str(error).split())[:300] or type(error).__name__
