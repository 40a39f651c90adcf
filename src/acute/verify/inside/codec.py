"""Values as bytes, between the process that runs a program and the process that judges it.

Only data crosses: numbers, texts, and containers of them. Reading gives new objects of exactly these types,
so no method of the sender is ever run by the reader; anything else crosses as a number that stands for it.
"""

import os
from collections.abc import Callable
from typing import Any

MOST_BYTES = 16 << 20  # of one message
DEEPEST = 100  # containers inside containers


class Unreadable(ValueError):
    """Bytes that are no message, or a value that is too large or too deep to be sent."""


class Handle:
    """Stands for an object that stays with its owner."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def _counted(tag: bytes, content: bytes) -> bytes:
    return tag + len(content).to_bytes(4, "big") + content


def _items(tag: bytes, items: Any, handle_of: Callable[[Any], int], depth: int) -> bytes:
    parts = [_pack(item, handle_of, depth + 1) for item in items]
    return tag + len(parts).to_bytes(4, "big") + b"".join(parts)


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _pack(value: Any, handle_of: Callable[[Any], int], depth: int = 0) -> bytes:
    if depth > DEEPEST:
        raise Unreadable("containers nested too deep")
    if value is None or value is True or value is False:
        return {None: b"N", True: b"T", False: b"F"}[value]
    if isinstance(value, int):
        return _counted(b"I", _integer(int(value)))
    if isinstance(value, float):
        return _counted(b"D", float(value).hex().encode())
    if isinstance(value, complex):
        return _items(b"C", (value.real, value.imag), handle_of, depth)
    if isinstance(value, str):
        return _counted(b"S", str(value).encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes | bytearray):
        return _counted(b"B", bytes(value))
    if isinstance(value, dict):
        flat = [x for pair in value.items() for x in pair]
        return _items(b"M", flat, handle_of, depth)
    for kind, tag in ((list, b"L"), (tuple, b"U"), (set, b"E"), (frozenset, b"Z")):
        if isinstance(value, kind):
            return _items(tag, value, handle_of, depth)
    if isinstance(value, range):
        return _items(b"R", (value.start, value.stop, value.step), handle_of, depth)
    return b"O" + handle_of(value).to_bytes(4, "big")


def pack(value: Any, handle_of: Callable[[Any], int]) -> bytes:
    """`value` as bytes; `handle_of` gives the number that stands for an object that is no plain data.

    Subclasses of plain types become the plain type. Raises Unreadable for what is too large or too deep.
    """
    try:
        content = _pack(value, handle_of)
    except (OverflowError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if len(content) > MOST_BYTES:
        raise Unreadable(f"wanted at most {MOST_BYTES} bytes, found {len(content)}")
    return content


class _Reader:
    def __init__(self, content: bytes, object_of: Callable[[int], Any]) -> None:
        self.content, self.at, self.object_of = content, 0, object_of

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.content):
            raise Unreadable("a message that ends too early")
        return self.content[self.at - count : self.at]

    def value(self, depth: int = 0) -> Any:
        """The next value, inside `depth` containers. Raises Unreadable."""
        if depth > DEEPEST:
            raise Unreadable("containers nested too deep")
        tag = self.take(1)
        if tag in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[tag]
        count = int.from_bytes(self.take(4), "big")
        if tag == b"O":
            return self.object_of(count)
        if tag in b"IDSB":
            return self.scalar(tag, self.take(count))
        if tag not in b"LUEZMCR" or count > len(self.content) - self.at:  # an item has one byte at least
            raise Unreadable("no tag of a value, or more items than bytes")
        return self.container(tag, [self.value(depth + 1) for _ in range(count)])

    @staticmethod
    def scalar(tag: bytes, content: bytes) -> Any:
        if tag == b"I":
            return int.from_bytes(content, "big", signed=True)
        if tag == b"D":
            return float.fromhex(content.decode("ascii"))
        return content if tag == b"B" else content.decode("utf-8", "surrogatepass")

    @staticmethod
    def container(tag: bytes, items: list[Any]) -> Any:
        if tag == b"M":
            return dict(zip(items[::2], items[1::2], strict=True))
        if tag == b"C":
            return complex(*_of_type(items, float, 2))
        if tag == b"R":
            return range(*_of_type(items, int, 3))
        return {b"L": list, b"U": tuple, b"E": set, b"Z": frozenset}[tag](items)


def _of_type(items: list[Any], wanted: type, count: int) -> list[Any]:
    if len(items) != count or any(type(item) is not wanted for item in items):
        raise Unreadable(f"wanted {count} {wanted.__name__}")
    return items


def unpack(content: bytes, object_of: Callable[[int], Any]) -> Any:
    """The value that `pack` wrote; `object_of` gives the object that a number stands for.

    Raises Unreadable for bytes that `pack` cannot have written.
    """
    reader = _Reader(content, object_of)
    try:
        found = reader.value()
    except (ValueError, TypeError, OverflowError) as error:  # TypeError: a list as a key
        raise Unreadable(str(error)) from None
    if reader.at != len(content):
        raise Unreadable("a message that goes on after its end")
    return found


def send(file: int, content: bytes) -> None:
    """Write one message to a file descriptor."""
    view = memoryview(len(content).to_bytes(4, "big") + content)
    while view:
        view = view[os.write(file, view) :]


def receive(file: int) -> bytes | None:
    """Read one message from a file descriptor; None at its end. Raises Unreadable for one too large."""
    if (head := _read(file, 4)) is None:
        return None
    if (length := int.from_bytes(head, "big")) > MOST_BYTES:
        raise Unreadable(f"wanted at most {MOST_BYTES} bytes, found {length}")
    return _read(file, length)


def _read(file: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(file, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
