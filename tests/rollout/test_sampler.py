"""Prompts whose ids have the same hash do not share their random numbers."""

import zlib

import numpy as np

from acute.rollout.hf import uniforms
from acute.rollout.sampler import names_of_streams


def colliding():
    """Two different ids of the same 32-bit hash."""
    seen = {}
    for i in range(10**6):
        name = f"{i * 2654435761 % 2**61:x}"
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            return other, name
    raise AssertionError("none among 10^6")


def test_two_prompts_never_share_their_random_numbers():
    one, two = colliding()
    np.testing.assert_array_equal(uniforms(0, one, 4, 2), uniforms(0, two, 4, 2))  # by themselves they do
    names = names_of_streams(["x", one, "y", two])
    assert names == ["x", one, "y", f"{two}#1"]
    streams = [uniforms(0, name, 4, 2) for name in names]
    assert len({stream.tobytes() for stream in streams}) == 4


def test_other_prompts_keep_their_ids_as_names():
    ids = [f"p{i}" for i in range(1000)]
    assert names_of_streams(ids) == ids
