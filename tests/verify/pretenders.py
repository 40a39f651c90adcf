"""Answers that look right to a reader that drops what it does not know, with the reason why they are not.

Beside each kind stand right answers of nearly the same form.
"""

from typing import NamedTuple


class Pretender(NamedTuple):
    """An answer that must not pass for the gold answer."""

    gold: str
    answer: str
    reason: str


HEDGES = [
    Pretender("5", r"5 \text{ (or 6)}", "two answers, one in a text"),
    Pretender("5", r"5\text{ is wrong, 6}", "as above"),
    Pretender("5", r"5\text{ or six}", "as above, in words"),
    Pretender("5", "5 or six", "as above, without LaTeX"),
    Pretender("5", r"5 \text{ maybe six}", "as above"),
    Pretender("5", r"5,\ldots", "a list that goes on"),
    Pretender("5", r"5\ldots", "a number that goes on"),
    Pretender("5", "x != 5", "all numbers but 5"),
    Pretender("5", r"x \not= 5", "as above"),
    Pretender("5", "6 != 5", "a true sentence, and no 5"),
    Pretender("5", "5 = 6", "an equation's right side is its answer"),
    Pretender("5", r"\{5, 6\}", "two answers"),
    Pretender("5", r"5 \pm 1", "two answers"),
    Pretender("(3,4]", r"(3,4] \text{ or } 5", "more than the interval"),
    Pretender("(3,4]", r"(3,4] \cup \{5\}", "as above"),
    Pretender("y = 2x + 3", "y = y", "true of everything"),
    Pretender("5x - 7y + 4 = 0", "0 = 0", "as above"),
    Pretender("C", "С", "a Cyrillic letter"),
    Pretender("5", "\u202e5", "shown as something else: a mark that turns the direction of writing"),
    Pretender("15", "\u202e51", "as above: shown as 15"),
]
COMPUTE = [
    Pretender("5", "5 halves", "2.5"),
    Pretender("5", r"5\text{ hundredths}", "0.05"),
    Pretender("5", "5 squared", "25"),
    Pretender("5", r"5\text{ cubed}", "125"),
    Pretender("5", "5 factorial", "120"),
    Pretender("5", "5 choose two", "10"),
    Pretender("5", "5 over two", "2.5"),
    Pretender("5", "5 less than ten", "5 by luck, and ten is in it"),
    Pretender("5", r"5 \text{ and a half}", "5.5"),
    Pretender("5", r"5\text{6}", "56, as it is printed"),
    Pretender("5", r"5\text{/2}", "2.5"),
    Pretender("5", r"5\text{.5}", "5.5"),
    Pretender("5", r"5\text{e3}", "5000"),
    Pretender("5", r"5\text{!}", "120"),
    Pretender("5", r"5\mathrm{e}^2", "e is a number"),
    Pretender("5", r"5\mathrm{i}", "i is a number"),
    Pretender("5", "5xy", "letters after a number are factors"),
    Pretender("5", "5 xy", "as above"),
    Pretender("2ab", "2", "as above"),
    Pretender("2ab", "2cd", "as above"),
    Pretender("2c", "2", "as above, a letter that is a unit elsewhere"),
    Pretender(r"\sin x + 2c", r"\sin x + 2", "as above, where algebra decides"),
    Pretender("5", "5 cos x", "a factor"),
    Pretender("f(x)", "f'(x)", "a derivative"),
    Pretender("f'(x)", "f(x)", "no derivative"),
    Pretender("x^2", "(x^2)''", "a derivative"),
]
BASES = [
    Pretender("52", "52_8", "42"),
    Pretender("52", "52_{8}", "42"),
    Pretender("5", "5_{6}", "written as no plain number"),
    Pretender("5", r"5_{\text{six}}", "as above"),
    Pretender("5", r"5_\alpha", "as above"),
]
DECIMALS = [
    Pretender(r"\sqrt{2}", "1.4142135623730951", "a decimal is exact"),
    Pretender(r"\pi", "3.14159265358979", "as above"),
    Pretender(r"\sqrt{2}+1", "1.4142135623730951+1", "as above"),
    Pretender(r"(\sqrt{2},3)", "(1.4142135623730951,3)", "as above"),
    Pretender(r"\sqrt{2}+1", r"\frac{14142135623730951}{10000000000000000}+1", "as above, as a fraction"),
    Pretender(r"\frac{1}{3}", "0.333333333333333333", "as above"),
]
PLAIN = [
    Pretender(r"\ln 2", "ln(3)", "another argument"),
    Pretender(r"\ln 2", "log 2", "log is the logarithm to base ten, as math-verify has it"),
    Pretender(r"\ln 2", "2 ln", "no function of 2"),
    Pretender(r"\ln 2 + 1", "ln(2+1)", "brackets count"),
    Pretender("1500", "1.5 x 10^4", "another power"),
    Pretender("1500", "1.5 x 103", "no power"),
    Pretender("1500", "1.5 x + 10^3", "x is a letter"),
    Pretender(r"5\sqrt{2}", "5 sqrt 3", "another root"),
    Pretender(r"\sqrt{3}", "sqrt 2+1", "a root ends where its number ends"),
    Pretender(r"\sqrt{12}", "sqrt 1 2", "two numbers"),
    Pretender(r"\sqrt{2.5}", "sqrt 2.6", "another root"),
]
PRETENDERS = [*HEDGES, *COMPUTE, *BASES, *DECIMALS, *PLAIN]
RIGHT = [
    # spelled without LaTeX
    (r"\ln 2", "ln(2)"),
    (r"\ln 2", "ln 2"),
    (r"\ln 2", r"\mathrm{ln} 2"),
    (r"4\ln 2", "4ln2"),
    (r"\frac{\ln 2}{3}", r"\frac{ln 2}{3}"),
    (r"\ln|x|+C", "ln|x| + C"),
    (r"\sin x", "sin(x)"),
    (r"\log_2 3", "log_2(3)"),
    ("1500", "1.5 x 10^3"),
    ("1500", r"1.5 \times 10^3"),
    (r"3 \times 10^{8}", "3.0x10^8"),
    (r"5\sqrt{2}", "5 sqrt 2"),
    (r"5\sqrt{2}", "5sqrt2"),
    (r"\frac{\sqrt{3}}{2}", "sqrt3/2"),
    (r"\sqrt{2+\sqrt{3}}", "sqrt(2+sqrt3)"),
    ("120", "5!=120"),
    # units and words that say nothing of the value
    ("5", "5 apples"),
    ("5", "5 hot dogs"),
    ("5", "5 more days"),
    ("5", "5 real roots"),
    ("5", "5cm"),
    ("5", r"5\text{ m/s}^2"),
    ("5", r"5 \text{ m/s^2}"),
    ("5", r"5\text{ sq. ft.}"),
    ("5", r"5\text{ (square units)}"),
    ("5", r"5\text{\%}"),
    ("5", "5 per cent"),
    (r"2\sqrt{3}\text{ cm}", r"\sqrt{12}\text{ cm}"),
    ("2,3", r"2\text{ cm}, 3\text{ cm}"),
    (r"1,\sqrt{12}", r"1 \text{ and } 2\sqrt{3}"),
    # products of letters
    ("2ab", "2ba"),
    ("2ab", "ab+ab"),
    ("xy+1", "1+yx"),
    (r"2\mathrm{i}", "2i"),
    (r"\mathrm{e}^2", "e^2"),
    ("f'(x)", "f'(x)"),
    # decimals that are exact
    ("2.5x", r"\frac{5x}{2}"),
    (r"\sqrt{0.25}", r"\frac{1}{2}"),
    ("10^{0.5}", r"\sqrt{10}"),
    (r"1.5\pi", r"\frac{3\pi}{2}"),
    ("(1.5,2)", r"(\frac{3}{2},\frac{\sqrt{16}}{2})"),
]
