"""Cards by name, sizes by count, and times on cards."""

import pytest

from acute.errors import ConfigError, InputError
from acute.plan.gpus import CARDS, parse
from acute.plan.shape import every, of_count
from acute.plan.times import Cards, rollout, score
from acute.plan.tokens import Load
from acute.plan.work import Scored

EIGHT = of_count(8_000_000_000)
ALL = Scored(folds=2, sketch_size=65_536, at_once=8192, selected=every(EIGHT))


@pytest.mark.parametrize(
    ("text", "count", "name"), [("8xH200", 8, "H200"), ("h100", 1, "H100"), ("2 X a100", 2, "A100")]
)
def test_read(text, count, name):
    found = parse(text.replace("X", "x"))
    assert (found[0], found[1].name) == (count, name)


@pytest.mark.parametrize(
    "text", ["", "8", "xH100", "0xH100", "8xH1000", "8yH100", "-1xH100", "8xH100\nx", "é"]
)
def test_refused_in_one_line_that_names_the_cards(text):
    with pytest.raises(ConfigError, match=r"wanted NxNAME as 8xH200.*H100.*found"):
        parse(text)


def test_every_card_is_dense_and_plausible():
    for card in CARDS.values():
        assert card.bfloat16 > card.float32 and 1e10 < card.memory < 1e12
        assert 20 < card.bfloat16 / card.bandwidth < 500  # operations a byte


@pytest.mark.parametrize(
    ("count", "layers", "width"), [(8_000_000_000, 32, 4096), (70_000_000_000, 67, 8600)]
)
def test_sizes_from_a_count(count, layers, width):
    shape = of_count(count)
    assert shape.stored == count
    assert shape.body + 2 * shape.table == pytest.approx(count, rel=0.02)
    assert shape.layers == pytest.approx(layers, rel=0.1) and shape.width == pytest.approx(width, rel=0.1)


def test_too_few_parameters_are_refused():
    with pytest.raises(ConfigError, match="--parameters"):
        of_count(1000)


def test_twice_the_cards_take_half_the_time():
    shape, load = of_count(8_000_000_000), Load(2000, 32, 200, 4000)
    for time in (
        lambda cards: score(shape, load, ALL, 2, cards).seconds,
        lambda cards: rollout(shape, load, 2, cards, "openai").seconds,
    ):
        one, two = (time(Cards(count, CARDS["h200"])) for count in (4, 8))
        assert two == pytest.approx(one / 2, rel=0.02)


def test_weights_that_fit_no_cards_are_refused():
    with pytest.raises(InputError, match="140 GB of weights do not fit into 1 × H100"):
        rollout(of_count(70_000_000_000), Load(10, 8, 100, 100), 2, Cards(1, CARDS["h100"]), "openai")


def test_float32_runs_at_the_rate_of_float32():
    shape, load = of_count(8_000_000_000), Load(10, 8, 1000, 3000)
    half, full = (score(shape, load, ALL, width, Cards(1, CARDS["h100"])).seconds for width in (2, 4))
    assert full > 3 * half


def test_a_size_and_a_time_by_hand():
    """8e9 weights, one pass a prompt: 6 operations a weight and token, at 40 % of 989 TFLOP/s."""
    shape = of_count(8_000_000_000)
    load = Load(1, 8, 64, 256)
    scored = Scored(folds=2, sketch_size=65_536, at_once=1_000_000, selected=every(EIGHT))
    fed = 4 * 64 + 8 * 256
    least = 6 * shape.body * fed / (0.4 * 989e12)
    folded = 4 * (8e9 / 2**22 * 75e-6 + 8e9 * 48 / (0.6 * 3.35e12))  # launches, and what is moved
    assert score(shape, load, scored, 2, Cards(1, CARDS["h100"])).seconds == pytest.approx(
        least + folded, rel=0.25
    )
