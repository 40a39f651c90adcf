import pytest

from acute.verify.json import json


@pytest.mark.parametrize(
    ("response", "outcome", "reward"),
    [
        ('{"b": [1, 2.0], "a": null}', "ok", 1.0),
        ('```json\n{"a": null, "b": [1.0, 2]}\n```', "ok", 1.0),
        ('{"a": null, "b": [true, 2]}', "ok", 0.0),
        ('{"a": null, "b": [2, 1]}', "ok", 0.0),
        ('{"a": null}', "ok", 0.0),
        ('{"a": null, "b": [1, 2', "wrong_form", 0.0),
        ("NaN", "wrong_form", 0.0),
        ("[" * 100_000, "wrong_form", 0.0),
        ("9" * 10_000, "wrong_form", 0.0),
        ("x" * 2_000_000, "wrong_form", 0.0),
    ],
)
def test_by_value(response, outcome, reward):
    found = json(response, '{"a": null, "b": [1, 2]}', "eos")
    assert (found.outcome, found.reward) == (outcome, reward)


def test_an_answer_that_is_no_json_is_not_the_response_s_fault():
    assert json("1", "one", "eos")[:2] == ("error", None)
