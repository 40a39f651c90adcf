# ruff: noqa: ARG001, ARG002 - what a function is given and does not use belongs to its form
"""Verifiers as users write them, and as they should not."""

import os
import sys
import time


def plain(response, answer):
    """The plainest form."""
    return response.strip() == answer


def of_columns(response, answer, family, finish):
    """A plain one that asks for more columns."""
    return float(response == answer and family == "sums" and finish == "eos")


def trl_reward(prompts, completions, solution, **kwargs):
    """TRL's form, standard prompts and completions."""
    assert kwargs["completion_ids"] and kwargs["family"] == ["sums"] and prompts == ["2 + 2?"]
    kwargs["log_metric"]("share", 1.0)
    return [float(c == s) for c, s in zip(completions, solution, strict=True)]


def trl_conversational(completions, answer, **kwargs):
    """TRL's form, conversational."""
    return [float(c[0]["content"] == a) for c, a in zip(completions, answer, strict=True)]


async def trl_async(completions, answer, **kwargs):
    """TRL's asynchronous form."""
    return [float(c == a) for c, a in zip(completions, answer, strict=True)]


def trl_named(completions, answer):
    """TRL's form, but without room for other columns."""
    return [float(c == a) for c, a in zip(completions, answer, strict=True)]


def trl_none(completions, **kwargs):
    """A row to be ignored."""
    return [None] * len(completions)


def trl_two(completions, **kwargs):
    """One reward too many."""
    return [1.0, 0.0]


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form."""
    assert data_source == "sums" and extra_info["prompt_id"] == "p0"
    return 1.0 if solution_str == ground_truth else 0.0


def compute_score_dict(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """verl's form with more than a score."""
    return {"score": float(solution_str == ground_truth), "acc": 0.3}


def partial(response, answer):
    """A share of the answer."""
    return sum(a == b for a, b in zip(response, answer, strict=False)) / len(answer)


def nan(response, answer):
    """No number."""
    return float("nan")


def word(response, answer):
    """No number either."""
    return "right"


def raises(response, answer):
    """A bug."""
    raise KeyError(f"no {answer}")


def exits(response, answer):
    """Leaves."""
    sys.exit(0)


def leaves(response, answer):
    """Leaves for good, as if all were well."""
    os._exit(0)


def prints(response, answer):
    """Talks."""
    print('{"number": 1, "how": "ok", "value": 1}\n' * 100)
    sys.stderr.write("x" * 10**6)
    return True


def hangs(response, answer):
    """Never answers wrong ones."""
    if response != answer:
        time.sleep(600)
    return 1


def no_form(x, y):
    """Takes nothing that is known."""


def needs_more(response, answer, weather):
    """Asks for a column that there is not."""
    return 1


class Judge:
    """A callable object."""

    def __call__(self, completions, answer, **kwargs):
        return [float(c == a) for c, a in zip(completions, answer, strict=True)]


judge = Judge()
number = 7
