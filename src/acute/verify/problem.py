"""A programming problem, as the `answer` of a prompt states it: JSON, in one of two forms.

Functions: `{"tests": ["assert f(2) == 4", …], "names": ["f"], "prefix": "…", "setup": "…"}`. `tests` are
Python texts; `names` what they take from the program; `prefix` text that the response goes on from (the tests
know it too); `setup` is run before the tests, and the program never sees it.
Whole programs: `{"cases": [{"stdin": "2\\n", "stdout": "4\\n"}, …]}`.
"""

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

FIELDS = {"functions": ("tests", "names", "prefix", "setup"), "programs": ("cases",)}
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*$", re.MULTILINE)
_PYTHON = {"", "python", "py", "python3"}


class NoProblem(ValueError):
    """A text that states no programming problem; says why."""


@dataclass(frozen=True)
class Problem:
    """What a program is tested by: `tests`, or `cases` of input and output."""

    tests: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    prefix: str = ""
    setup: str = ""
    cases: tuple[tuple[str, str], ...] = ()

    @property
    def judge_setup(self) -> str:
        """What the tests may use beside the program: the prefix, as it may hold helpers, and the setup."""
        return f"{_closed(self.prefix)}\n{self.setup}"


def read_problem(answer: str) -> Problem:
    """The problem that an answer states. Raises NoProblem."""
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise NoProblem(f"wanted JSON, found a fault: {error}") from None
    if not isinstance(data, dict) or ("tests" in data) == ("cases" in data):
        raise NoProblem('wanted an object with "tests" or with "cases"')
    known = FIELDS["functions" if "tests" in data else "programs"]
    if unknown := sorted(set(data) - set(known)):
        raise NoProblem(f"unknown field {unknown[0]!r}; known: {', '.join(known)}")
    return _programs(data["cases"]) if "cases" in data else _functions(data)


def _programs(cases: Any) -> Problem:
    wanted = 'wanted "cases" as a list of {"stdin", "stdout"}, both text'
    if not isinstance(cases, list) or not cases:
        raise NoProblem(f"{wanted}, found {str(cases)[:60]!r}")
    for case in cases:
        texts = isinstance(case, dict) and all(isinstance(value, str) for value in case.values())
        if not texts or set(case) != {"stdin", "stdout"}:
            raise NoProblem(f"{wanted}, found {str(case)[:60]!r}")
    return Problem(cases=tuple((case["stdin"], case["stdout"]) for case in cases))


def _functions(data: dict[str, Any]) -> Problem:
    tests, names = data["tests"], data.get("names", [])
    for field, value in (("tests", tests), ("names", names)):
        if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
            raise NoProblem(f"wanted {field!r} as a list of texts, not empty, found {str(value)[:60]!r}")
    prefix, setup = data.get("prefix", ""), data.get("setup", "")
    if not isinstance(prefix, str) or not isinstance(setup, str):
        raise NoProblem("wanted 'prefix' and 'setup' as text")
    problem = Problem(tuple(tests), tuple(names), prefix, setup)
    for field, text in (("prefix", problem.judge_setup), *(("tests", test) for test in tests)):
        if not _parses(text):
            raise NoProblem(f"wanted Python in {field!r}, found {text[:60]!r}")
    used = {node.id for test in tests for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Name)}
    if lost := [name for name in names if name not in used]:
        raise NoProblem(f"wanted tests that use each of 'names', found none with {lost[0]!r}")
    return problem


def _parses(source: str) -> bool:
    try:
        compile(source, "<problem>", "exec", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _closed(prefix: str) -> str:
    """A prefix as Python that stands alone: a signature without a body gets one."""
    if not prefix or _parses(prefix):
        return prefix
    return f"{prefix.rstrip()}\n    pass\n"


def _block(response: str) -> str | None:
    """The code of a response's last block in a fence, or None where it has no fence.

    A block that no fence closes goes on to the end.
    """
    fences = list(_FENCE.finditer(response))
    blocks, opening = [], None
    for fence in fences:
        if opening is None:
            opening = fence
        elif not fence[2] and fence[1][0] == opening[1][0]:
            blocks.append((opening[2], response[opening.end() + 1 : fence.start()]))
            opening = None
    if opening is not None:
        blocks.append((opening[2], response[opening.end() + 1 :]))
    ours = [text for language, text in blocks if language.lower() in _PYTHON]
    return ours[-1] if ours else None


def _continued(response: str) -> str:
    """A continuation of an indented block: up to the first line that stands at the margin again."""
    kept: list[str] = []
    for line in response.splitlines(keepends=True):
        if kept and line[:1] not in " \t\r\n#)]}":
            break
        kept.append(line)
    return "".join(kept)


def _defines(code: str, names: tuple[str, ...]) -> bool:
    return any(
        re.search(rf"^(?:async )?(?:def|class) +{re.escape(name)}\b|^{re.escape(name)} *=", code, re.M)
        for name in names
    )


def program_of(response: str, problem: Problem) -> str | None:
    """The program that a response gives, None if it gives none.

    Its last block in a fence, else all of it. A prefix comes first; a response that does not define the
    function itself is the prefix's continuation, and ends where it leaves the indented block.
    """
    block = _block(response)
    code = response if block is None else block
    if not code.strip():
        return None
    if not problem.prefix:
        return code
    if _defines(code, problem.names):
        return f"{_closed(problem.prefix)}\n{code}"
    return problem.prefix + (_continued(code) if block is None else code)
