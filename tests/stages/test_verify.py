"""Which verifier checks a prompt, and what is refused before anything is sampled."""

import pyarrow as pa
import pytest

from acute.errors import InputError
from acute.stages.verify import kinds_of
from acute.table import PROMPTS, schema_of


def prompts(*answers_and_verifiers):
    rows = [
        {"prompt_id": f"p{i}", "prompt": "?", "answer": answer, "verify": own}
        for i, (answer, own) in enumerate(answers_and_verifiers)
    ]
    return pa.Table.from_pylist(rows, schema_of(PROMPTS, ("prompt_id", "prompt", "answer", "verify")))


def test_a_prompt_may_have_its_own():
    found = kinds_of(prompts(("7", None), (" 7", "exact"), ("7", "a.b:c")), "short")
    assert found == {"p0": "short", "p1": "exact", "p2": "a.b:c"}


def test_an_unknown_one_is_named_with_its_prompt():
    with pytest.raises(
        InputError,
        match="prompt 'p1': wanted verify = short, exact, json, math, code or module:function, found 'x'",
    ):
        kinds_of(prompts(("7", None), ("7", "x")), "short")


def test_an_answer_that_could_never_be_found_is_refused():
    with pytest.raises(
        InputError, match=r"prompt 'p0': .* found 'New York': no response could ever be right"
    ):
        kinds_of(prompts(("New York", None)), "short")
    assert kinds_of(prompts(("New York", None)), "exact")


def test_tests_that_cannot_be_run_are_refused():
    good = '{"tests": ["assert f(1)"], "names": ["f"]}'
    assert kinds_of(prompts((good, None), (good, "code")), "code") == {"p0": "code", "p1": "code"}
    with pytest.raises(InputError, match=r"prompt 'p0': the verifier code wanted tests .* wanted an object"):
        kinds_of(prompts(("7", None)), "code")
