"""Equality by computer algebra (math-verify), asked in a worker process: it may take for ever, or all memory.

Its own time limits are off, since they need signals of the main thread and read as "wrong"; the pool keeps
the deadline. Only LaTeX is parsed: its parser for plain expressions evaluates Python code.
"""

from collections.abc import Callable
from typing import Any

DIGITS = 50  # that must agree where two numbers are told by evaluating them; pairs come without decimals


def make() -> Callable[[tuple[str, str]], str]:
    """What answers one pair (gold, answer): "equal", "different", "gold unread" or "answer unread".

    Raises MemoryError and what else fails in the comparison.
    """
    import logging
    from dataclasses import replace

    from latex2sympy2_extended.math_normalization import normalize_latex
    from math_verify import LatexExtractionConfig, verify
    from math_verify.parser import parse_latex_cached
    from sympy import Expr, I

    logging.disable(logging.CRITICAL)
    # its list of units has letters in it: of 2c and 2ab it would leave 2
    rules = replace(LatexExtractionConfig().normalization_config, units=False)

    def parsed(text: str) -> Any:
        """The expression, or None where it is no LaTeX of one."""
        try:
            return imaginary(parse_latex_cached(normalize_latex(text, rules)))
        except (MemoryError, RecursionError, ArithmeticError):
            raise
        except Exception:  # noqa: BLE001 - the parser raises plain Exception for what it cannot read
            return None

    def imaginary(found: Any) -> Any:
        """With i as √−1: the parser makes a letter of it, and one of another kind in 2i than in 2·i."""
        letters = {s: I for s in getattr(found, "free_symbols", ()) if s.name == "i"}
        try:
            return found.xreplace(letters) if letters else found
        except TypeError:  # 1 ≤ i ≤ n: there it is a letter
            return found

    def confirm(gold: Any, answer: Any) -> None:
        """What the comparison swallowed, such as a lack of memory, shows here: two values are computed."""
        if isinstance(gold, Expr) and isinstance(answer, Expr) and not (gold - answer).free_symbols:
            (gold - answer).evalf(3)

    def equal(pair: tuple[str, str]) -> str:
        """What is found of (gold, answer): equal or not, or which of them cannot be read."""
        gold, answer = parsed(pair[0]), parsed(pair[1])
        if gold is None:
            return "gold unread"
        if answer is None:
            return "answer unread"
        if verify(
            gold,
            answer,
            float_rounding=DIGITS,
            numeric_precision=DIGITS,
            timeout_seconds=None,
            raise_on_error=True,
            allow_set_relation_comp=True,
        ):
            return "equal"
        confirm(gold, answer)
        return "different"

    return equal
