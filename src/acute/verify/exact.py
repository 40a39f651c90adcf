"""The response is the answer, character by character."""

from acute.verify.verdict import Verdict


def exact(response: str, answer: str, finish: str) -> Verdict:
    """Reward 1 if `response` equals `answer`, blanks included.

    Where only one sequence of tokens spells the answer within the length allowed, p and ∇p are exact.
    """
    del finish  # a response of just the allowed length is whole for this verifier
    return Verdict("ok", float(response == answer), response)
