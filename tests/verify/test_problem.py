"""Problems as answers state them, and the program that a response gives."""

import json

import pytest

from acute.verify.problem import NoProblem, Problem, program_of, read_problem

FUNCTIONS = {"tests": ["assert f(1) == 1"], "names": ["f"]}
PREFIX = 'def f(x):\n    """The square."""\n'
PROBLEM = Problem(tests=("assert f(2) == 4",), names=("f",), prefix=f"import math\n\n{PREFIX}")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "wanted JSON"),
        ("[" * 100_000, "wanted JSON"),
        ("7", "wanted an object"),
        ("{}", 'wanted an object with "tests" or with "cases"'),
        ({**FUNCTIONS, "cases": []}, 'wanted an object with "tests" or with "cases"'),
        ({**FUNCTIONS, "time": 1}, "unknown field 'time'; known: tests, names, prefix, setup"),
        ({"cases": [{"stdin": "", "stdout": ""}], "setup": ""}, "unknown field 'setup'; known: cases"),
        ({"cases": []}, 'wanted "cases" as a list'),
        ({"cases": [{"stdin": "1"}]}, 'wanted "cases" as a list'),
        ({"cases": [{"stdin": 1, "stdout": "1"}]}, 'wanted "cases" as a list'),
        ({"cases": ["x"]}, 'wanted "cases" as a list'),
        ({"tests": "assert f(1)", "names": ["f"]}, "wanted 'tests' as a list of texts"),
        ({"tests": [], "names": ["f"]}, "wanted 'tests' as a list of texts, not empty"),
        ({"tests": ["assert f(1)"]}, "wanted 'names' as a list of texts, not empty"),
        ({**FUNCTIONS, "names": ["g"]}, "wanted tests that use each of 'names', found none with 'g'"),
        ({**FUNCTIONS, "setup": 1}, "wanted 'prefix' and 'setup' as text"),
        ({**FUNCTIONS, "setup": "def"}, "wanted Python in 'prefix'"),
        ({**FUNCTIONS, "tests": ["assert f(1", "f"]}, "wanted Python in 'tests', found 'assert f(1'"),
    ],
    ids=str,
)
def test_what_is_no_problem_is_refused(answer, fault):
    with pytest.raises(NoProblem, match=fault.replace("(", "\\(")):
        read_problem(answer if isinstance(answer, str) else json.dumps(answer))


def test_both_forms_are_read():
    assert read_problem(json.dumps(FUNCTIONS)) == Problem(tests=("assert f(1) == 1",), names=("f",))
    cases = {"cases": [{"stdin": "1\n", "stdout": "2\n"}]}
    assert read_problem(json.dumps(cases)) == Problem(cases=(("1\n", "2\n"),))


def test_a_signature_without_a_body_is_closed_for_the_judge():
    problem = read_problem(json.dumps({**FUNCTIONS, "prefix": "X = 3\ndef f(x):\n"}))
    space = {}
    exec(problem.judge_setup, space)
    assert space["X"] == 3


@pytest.mark.parametrize(
    ("response", "program"),
    [
        ("    return x * x\n", "{prefix}    return x * x\n"),
        ("    return x * x\n\nprint(f(3))\n", "{prefix}    return x * x\n\n"),
        ("    y = (\n1,\n)\n    return y\n# so it is", "{prefix}    y = (\n"),
        ("    y = [\n    1,\n]\n    return y\nf(2)", "{prefix}    y = [\n    1,\n]\n    return y\n"),
        ("```python\ndef f(x):\n    return x * x\n```", "{prefix}\ndef f(x):\n    return x * x\n"),
        ("So:\n```\ndef f(x): return 1\n```\nNo:\n```py\nf = abs\n```\nDone.", "{prefix}\nf = abs\n"),
        ("```python\nf = abs\n```\n```bash\nls\n```", "{prefix}\nf = abs\n"),
        ("```python\n    return x\n```", "{prefix}    return x\n"),
        ("```python\ndef f(x):\n    return x * x", "{prefix}\ndef f(x):\n    return x * x"),
        ("def f(x):\n    return 7\n", "{prefix}\ndef f(x):\n    return 7\n"),
        ("~~~python\nf = '''\n```\n'''\n~~~", "{prefix}\nf = '''\n```\n'''\n"),
        ("", None),
        (" \n ", None),
        ("```python\n```", None),
    ],
)
def test_the_program_of_a_response(response, program):
    expected = None if program is None else program.replace("{prefix}", PROBLEM.prefix)
    assert program_of(response, PROBLEM) == expected


def test_without_a_prefix_the_code_is_the_program():
    plain = Problem(tests=("assert f(2)",), names=("f",))
    assert program_of("def f(x):\n    return 1\nprint(1)", plain) == "def f(x):\n    return 1\nprint(1)"
    assert program_of("Here:\n```\nf = abs\n```", plain) == "f = abs\n"
