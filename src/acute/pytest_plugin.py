"""pytest plugin: advantage estimators named in the configuration are tests.

In pyproject.toml:

    [tool.pytest.ini_options]
    acute_advantages = [
        "my_package.advantages:my_advantage pass@4 n=8",
        "my_package.advantages:scaled pass@4 n=8 up-to-a-factor",
    ]

Each line is collected as one test. The fixture `assert_unbiased_for` is `acute.testing.assert_unbiased_for`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from acute.errors import AcuteError

OPTION = "acute_advantages"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini(
        OPTION,
        "advantage estimators to check: lines of 'module:function OBJECTIVE n=N [k=K] [up-to-a-factor]'",
        type="linelist",
        default=[],
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each line of the setting."""
    items += [
        AdvantageItem.from_parent(session, name=f"advantage[{line}]", line=line)
        for line in config.getini(OPTION)
    ]


class AdvantageItem(pytest.Item):
    """One estimator that must be unbiased for one objective."""

    def __init__(self, *, line: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.line = line

    def runtest(self) -> None:
        """Load the estimator and check it. AssertionError if it is biased."""
        from acute.testing.conformance import assert_unbiased_for
        from acute.testing.load import load

        name, objective, n, k, factor = _read(self.line)
        found = load(name, n, k, objective)
        assert_unbiased_for(lambda r: found.advantage(r, k), found.objective, n, up_to_a_factor=factor)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for what the check found, the usual traceback for anything else."""
        if isinstance(excinfo.value, AssertionError | AcuteError):
            return f"{self.line}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the test stands: the configuration."""
        return self.config.inipath or self.config.rootpath, None, self.name


def _read(line: str) -> tuple[str, str, int, int, bool]:
    words = line.split()
    settings = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    flags = {word for word in words[2:] if "=" not in word}
    known = flags <= {"up-to-a-factor"} and settings.keys() <= {"n", "k"} and "n" in settings
    if not known or not all(value.isdigit() for value in settings.values()):
        raise pytest.UsageError(
            f"{OPTION}: wanted 'module:function OBJECTIVE n=N [k=K] [up-to-a-factor]', found {line!r}"
        )
    objective = words[1]
    default_k = objective.partition("@")[2]
    k = int(settings.get("k", default_k if default_k.isdigit() else "1"))
    return words[0], objective, int(settings["n"]), k, bool(flags)


@pytest.fixture
def assert_unbiased_for() -> Callable[..., None]:
    """`acute.testing.assert_unbiased_for`."""
    from acute.testing.conformance import assert_unbiased_for as check

    return check
