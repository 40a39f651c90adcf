"""How many tokens each stage feeds to the model, before and after sharing and merging."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Load:
    """What is to be measured: sizes a prompt, means where they vary.

    `distinct` is what is left of the response tokens once equal beginnings are counted once (1: nothing is
    shared), `signal` the share of prompts whose responses are neither all right nor all wrong.
    """

    prompts: int
    n: int
    prompt_tokens: float
    response_tokens: float
    distinct: float = 1.0
    signal: float = 1.0

    @property
    def responses(self) -> int:
        """Responses of all prompts."""
        return self.prompts * self.n

    @property
    def drawn(self) -> float:
        """Response tokens of all prompts."""
        return self.responses * self.response_tokens

    @property
    def rows(self) -> float:
        """Tokens of all prompts with a row a response, the prompt in each: what a trainer feeds."""
        return self.responses * (self.prompt_tokens + self.response_tokens)


@dataclass(frozen=True)
class Passes:
    """The scoring passes of one prompt that has a signal, summed over them.

    `forward` and `backward` are tokens fed; `pairs` and `pairs_back` are (query, key) pairs, all of a pass
    with all of it, as its mask is a matrix; `folds` is how many gradients are sketched; `longest` is the
    tokens of the largest pass.
    """

    forward: float
    backward: float
    predicted: float
    predicted_back: float
    pairs: float
    pairs_back: float
    folds: int
    longest: float


def scoring(load: Load, groups: int, at_once: int) -> Passes:
    """Passes of the sketch over one prompt, `groups` = folds × outcomes, at most `at_once` tokens a pass.

    One pass for all groups where that feeds fewer tokens, or passes of each group's own: the rule of
    `acute.gradients.engines`.
    """
    q, drawn = load.prompt_tokens, load.n * load.response_tokens
    nodes = max(load.distinct * drawn, load.response_tokens)
    together = q + nodes
    of_groups = min(drawn, groups * nodes)  # beginnings are shared inside a group alone
    if together <= at_once and together * (1 + 2 * groups) <= 3 * (groups * q + of_groups):
        pairs = together**2
        return Passes(
            together, groups * together, nodes, groups * nodes, pairs, groups * pairs, groups, together
        )
    each = of_groups / groups
    room = max(at_once - q, load.response_tokens)  # one response at least
    fitting = max(1, int(room // load.response_tokens)) * load.response_tokens
    passes = groups * ceil(each / min(fitting, each) - 1e-9)
    tokens = of_groups + passes * q
    longest = q + of_groups / passes
    pairs = passes * longest**2
    return Passes(tokens, tokens, of_groups, of_groups, pairs, pairs, passes, longest)
