"""What the report says where checking failed."""

import report_worlds as worlds

from acute.report.left_out import left_out


def said(facts):
    """The sentences about a run whose stage `verify` left these facts."""
    analysis = worlds.analysis_of(worlds.world())
    return " ".join(left_out({"stages": {"verify": facts}}, analysis))


def test_failed_checks_are_said_by_family_and_are_not_wrong():
    facts = {
        "outcomes_by_family": {"sums": {"timeout": 9}},  # a program out of time is wrong, and has a reward
        "no_reward": {"timeout": {"roots": 2, "": 1}, "error": {"": 1}},
        "answers_found_but_not_read": 4,
    }
    text = said(facts)
    assert "Checking ran out of time for 3 responses (roots 2, no family 1): they have no reward" in text
    assert "Checking failed for 1 response (no family 1)" in text
    assert "sums" not in text
    assert "4 responses stated an answer that the verifier could not read" in text


def test_nothing_is_said_where_nothing_failed():
    for facts in (
        {},
        {"outcomes": {"ok": 3}},
        {"outcomes_by_family": {"sums": {"timeout": 9}}, "no_reward": {}},
    ):
        assert "Checking" not in said(facts)
        assert "could not read" not in said(facts)
