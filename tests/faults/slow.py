"""A user's verifier that takes its time, so that its worker can be killed at work."""

import time


def even(response, answer):
    """1 for a digit of the answer's parity."""
    time.sleep(0.02)
    return float(response[:1].isdigit() and int(response[0]) % 2 == int(answer) % 2)
