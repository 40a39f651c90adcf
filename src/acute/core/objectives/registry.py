"""Every objective by the form of its name. A new one is a file beside this one and a line in `FORMS`."""

import re
from collections.abc import Callable

from acute.core.objectives import polynomials, transforms
from acute.core.objectives.hard import hard
from acute.core.objectives.objective import Objective
from acute.errors import ConfigError

# form: who makes it. A single capital in a form is a whole number, a word of capitals any number; they are
# handed on in the order in which they stand.
FORMS: dict[str, Callable[..., Objective]] = {
    "pass@K": polynomials.pass_at_k,
    "pass^K": polynomials.pass_all_k,
    "M-of-K": polynomials.at_least,
    "majority@K": polynomials.majority,
    "log": transforms.log_likelihood,
    "log@T": polynomials.truncated_log,
    "arcsine": transforms.arcsine,
    "logit": transforms.log_odds,
    "risk@BETA": transforms.risk_sensitive,
    "power@ALPHA": transforms.power,
    "hard@GAMMA": hard,
    "mixture@SHARE,K": polynomials.mixture,
}
_BLANK = re.compile("[A-Z]+")


def _read(name: str, form: str) -> list[float] | None:
    """The numbers that stand in a name where the form has capitals; None where the name has another form."""
    kinds = [int if len(blank) == 1 else float for blank in _BLANK.findall(form)]
    texts = re.fullmatch("([^,@]+)".join(map(re.escape, _BLANK.split(form))), name)
    if texts is None:
        return None
    try:
        return [kind(text) for kind, text in zip(kinds, texts.groups(), strict=True)]
    except ValueError:
        return None


def parse(name: str) -> Objective:
    """The objective of a name: the same names that `Objective.name` carries.

    pass@8, pass^8, 3-of-5, majority@7, log, log@16, arcsine, logit, risk@2, power@0.5, mixture@0.3,8.
    Raises ConfigError for any other. Not in the paper, which has pass@k alone.

    >>> float(parse("3-of-5").weight(0.5))  # 5 · C(4, 2) / 2**4
    1.875
    """
    for form, make in FORMS.items():
        if (numbers := _read(name, form)) is not None:
            return make(*numbers)
    raise ConfigError(f"wanted an objective ({', '.join(FORMS)}), found {name!r}")
