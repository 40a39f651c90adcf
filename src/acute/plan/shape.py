"""The sizes of a transformer that its costs follow from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from acute.errors import ConfigError

LLAMA_WIDTH_A_LAYER = 128  # Llama 3.1 8B: width 4,096, 32 layers
LLAMA_VOCABULARY = 128_256


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder, in numbers (not bytes).

    `body` are the weights that every token is multiplied with, tables of the vocabulary apart; of experts
    only as many count as a token meets. `stored` are all weights. `largest` is the largest single tensor.
    """

    stored: int
    body: int
    vocabulary: int
    width: int
    layers: int
    attention: int
    """Heads times their size: the width of a query."""
    cached: int
    """Key-value heads times their size: what one token leaves in the cache of a layer is twice that."""
    inner: int
    """Width of the MLP."""
    largest: int

    @property
    def table(self) -> int:
        """Weights of the unembedding."""
        return self.vocabulary * self.width


@dataclass(frozen=True)
class Selected:
    """The weights that gradients are taken in.

    `count` of all, `body` of those that every token is multiplied with, `table` whether the unembedding is
    among them. `reach` is the share of the layers from the lowest of them upwards, through which the gradient
    passes; `below_the_table` is whether it passes through the unembedding at all.
    """

    count: int
    body: int
    table: bool
    reach: float
    below_the_table: bool = True


def every(shape: Shape) -> Selected:
    """All weights of a model."""
    return Selected(shape.stored, shape.body, True, 1.0)


def of_count(parameters: int) -> Shape:
    """A dense transformer of so many parameters in the proportions of Llama 3.1, vocabulary included.

    Raises ConfigError where the tables of that vocabulary alone would be larger.
    """
    if parameters < 10**8:
        raise ConfigError(f"--parameters: wanted 1e8 or more (as 8e9), found {parameters:g}")
    layers = 1
    while _dense(layers + 1).stored <= parameters:
        layers += 1
    fitting = _dense(layers)
    return replace(fitting, stored=parameters, body=max(fitting.body, parameters - 2 * fitting.table))


def _dense(layers: int) -> Shape:
    width = LLAMA_WIDTH_A_LAYER * layers
    cached, inner = max(128, width // 4), 7 * width // 2
    body = layers * (2 * width * width + 2 * width * cached + 3 * width * inner)
    table = LLAMA_VOCABULARY * width
    return Shape(
        body + 2 * table,
        body,
        LLAMA_VOCABULARY,
        width,
        layers,
        width,
        cached,
        inner,
        max(table, width * inner),
    )


def of_tensors(
    sizes: Iterable[tuple[str, tuple[int, ...]]],
    settings: dict[str, int],
    tied: bool,
    experts: int = 1,
    experts_a_token: int = 1,
) -> Shape:
    """A shape from the names and shapes of a model's weights, and its settings.

    `settings`: vocabulary, width, layers, attention, cached, inner. Weights with "expert" in their name but
    not "shared" are one of `experts`, of which a token meets `experts_a_token`.
    """
    stored = products = largest = 0
    for name, shape in sizes:
        count = 1
        for side in shape:
            count *= side
        stored += count
        largest = max(largest, count)
        if len(shape) < 2:
            continue  # norms and biases are no products
        routed = "expert" in name and "shared" not in name
        products += count * experts_a_token // experts if routed else count
    tables = settings["vocabulary"] * settings["width"] * (1 if tied else 2)
    return Shape(stored=stored, body=products - tables, largest=largest, **settings)
