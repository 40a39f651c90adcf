"""What crosses between program and judge: the same data on both sides, or a declared error."""

import math
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.verify.inside.codec import DEEPEST, MOST_BYTES, Unreadable, pack, receive, send, unpack

KEYS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
)
SCALARS = (
    KEYS | st.floats() | st.complex_numbers() | st.builds(range, st.integers(), st.integers(), st.just(3))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.dictionaries(KEYS, inner)
    ),
    max_leaves=20,
)


def refuse(value):
    raise AssertionError(f"{value!r} is plain data")


def there_and_back(value):
    return unpack(pack(value, refuse), refuse)


def written(value):
    """A text that tells types, signs of zero and NaN apart, with sets in an order."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({sorted(map(written, value))})"
    if isinstance(value, dict):
        return f"dict({[(written(k), written(v)) for k, v in value.items()]})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({[written(item) for item in value]})"
    return f"{type(value).__name__} {value!r}"


@given(VALUES)
def test_plain_data_comes_back_the_same(value):
    assert written(there_and_back(value)) == written(value)


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                b"L",
                b"M",
                b"U",
                b"E",
                b"I",
                b"D",
                b"S",
                b"C",
                b"R",
                b"O",
                b"N",
                b"\0\0\0\1",
                b"\0\0\0\2",
                b"\xff\xff\xff\xff",
                b"0x1p3",
            ]
        )
    ).map(b"".join)
)
@settings(max_examples=2000)
def test_any_bytes_are_read_or_refused(content):
    try:
        value = unpack(content, lambda number: number)
    except Unreadable:
        return
    assert type(value) in (
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        list,
        tuple,
        set,
        frozenset,
        dict,
        range,
    )


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


class Sly(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def to_bytes(self, *_, **__):
        return b"x"


def test_subclasses_become_plain():
    back = there_and_back(Sly(7))
    assert type(back) is int
    assert back == 7
    assert back != 8


def test_objects_cross_as_numbers():
    thing = object()
    assert unpack(pack([thing, 5], lambda _: 3), lambda number: f"object {number}") == ["object 3", 5]


def test_bounds():
    assert there_and_back(nested(DEEPEST)) == nested(DEEPEST)
    loop = []
    loop.append(loop)
    for value in (nested(DEEPEST + 1), loop, "a" * (MOST_BYTES + 1)):
        with pytest.raises(Unreadable):
            pack(value, refuse)
    with pytest.raises(Unreadable, match="more items than bytes"):
        unpack(b"L\xff\xff\xff\xff", refuse)
    with pytest.raises(Unreadable, match="goes on"):
        unpack(b"NN", refuse)
    with pytest.raises(Unreadable, match="too deep"):
        unpack(b"L\0\0\0\1" * 200 + b"N", refuse)
    with pytest.raises(Unreadable):
        unpack(pack({1: 2}, refuse).replace(b"I\0\0\0\1\1", b"L\0\0\0\0", 1), refuse)  # a list as a key
    assert math.isnan(there_and_back(math.nan))


def test_messages_over_a_pipe():
    out, into = os.pipe()
    writer = threading.Thread(target=lambda: (send(into, b"x" * 200_000), send(into, b""), os.close(into)))
    writer.start()
    assert receive(out) == b"x" * 200_000
    assert receive(out) == b""
    assert receive(out) is None
    writer.join()
    os.close(out)


def test_a_message_that_is_too_long_is_not_read():
    out, into = os.pipe()
    os.write(into, b"\xff\xff\xff\xff")
    with pytest.raises(Unreadable, match="wanted at most"):
        receive(out)
    os.close(into)
    os.close(out)


def test_a_message_that_breaks_off_is_an_end():
    out, into = os.pipe()
    os.write(into, b"\0\0\0\5ab")
    os.close(into)
    assert receive(out) is None
    os.close(out)
