"""Logs that nobody would write, drawn from one seed each: what the fuzz tests of the importers read."""

import datetime
import json
import random
from decimal import Decimal

import pyarrow as pa

from acute.integrations.logs.rows import FIELDS

TEXTS = ("", "a", "b", "1", "C", "I", "\u2028", "é", "x@1", "u_1_0", "u_2_0", "\ud800", "\0", "text" * 50)
NUMBERS = (0, 1, 0.0, 1.0, -1, 0.5, True, False, 10**25, -(2**63), 1e308, float("nan"), float("inf"))
STEPS = ("last", "last", "all", "1")
THRESHOLDS = (None, None, 0.0, 0.5)


class Odd(random.Random):
    """A generator of values that might stand in a log, and of ones that should not."""

    def text(self):
        return (
            self.choice(TEXTS) if self.random() < 0.8 else chr(self.randrange(0x110000)) * self.randrange(3)
        )

    def number(self):
        return self.choice(NUMBERS) if self.random() < 0.7 else self.gauss(0, 10)

    def several(self, draw, most=3):
        return [draw() for _ in range(self.randrange(most + 1))]

    def anything(self, depth=2):
        kind = self.randrange(6 if depth else 4)
        if kind == 0:
            return None
        if kind in (1, 2):
            return self.number() if kind == 1 else self.text()
        if kind == 3:
            return self.randrange(5)
        if kind == 4:
            return self.several(lambda: self.anything(depth - 1))
        return {self.text(): self.anything(depth - 1) for _ in range(self.randrange(3))}

    def messages(self):
        return self.several(lambda: {"role": self.text(), "content": self.mostly(self.text)}, 2)

    def mostly(self, plausible):
        """A value that might be there, now and then one that should not."""
        return plausible() if self.random() < 0.93 else self.anything()

    def one(self, *values):
        return lambda: self.choice(values)

    def row(self, schema):
        """A row with most of the fields."""
        return {name: self.mostly(draw) for name, draw in schema(self).items() if self.random() < 0.95}


def jsonl(odd):
    return {
        "prompt_id": odd.one("a", "b", 3),
        "prompt": odd.one("p"),
        "answer": odd.anything,
        "response": lambda: odd.messages() if odd.random() < 0.1 else odd.text(),
        "token_ids": odd.one([1, 2], [0], None),
        "logprob": odd.one(-1.0, None),
        "finish": odd.one("stop", "length", "eos", None),
        "outcome": odd.one("ok", "timeout", None),
        "reward": lambda: odd.choice((0, 1, 1.0, None)) if odd.random() < 0.8 else odd.several(odd.number),
        "family": odd.anything,
    }


def verl(odd):
    return {
        "input": odd.one("p", "q"),
        "output": odd.text,
        "gts": odd.anything,
        "score": odd.one(0.0, 1.0),
        "step": odd.one(1, 1, 2),
    }


def counts(odd):
    return {
        "id": lambda: odd.choice((odd.text(), odd.randrange(1000))),
        "n": lambda: odd.randrange(4, 9),
        "c": lambda: odd.randrange(5),
        "family": odd.text,
    }


def lm_eval(odd):
    return {
        "doc_id": lambda: odd.randrange(3),
        "target": odd.anything,
        "arguments": odd.one({"gen_args_0": {"arg_0": "p"}}, [["p"]], {}),
        "resps": odd.one([["x"]], [["x", "y"]], ["x"], [[[-1.0, False]]]),
        "filter": odd.one("none"),
        "metrics": odd.one(["acc"]),
        "acc": odd.one(0.0, 1.0),
    }


def choice(odd):
    return {
        "index": lambda: odd.randrange(3),
        "text": odd.text,
        "message": lambda: {"content": odd.mostly(odd.text)},
        "finish_reason": odd.one("stop", "length"),
        "stop_reason": odd.one(None, "x", 2),
        "token_ids": lambda: odd.several(lambda: odd.randrange(9)),
        "logprobs": lambda: odd.choice(
            (
                {"token_logprobs": odd.several(odd.number)},
                {"content": odd.several(lambda: {"logprob": odd.mostly(lambda: -1.0), "id": 4})},
            )
        ),
    }


def output(odd):
    return {
        "completion": odd.text,
        "choices": lambda: odd.several(
            lambda: {"message": {"content": odd.text()}, **odd.row(choice), "stop_reason": odd.text()}, 2
        ),
    }


def sample(odd):
    return {
        "id": odd.one("a", "b", 1),
        "epoch": odd.one(1, 2),
        "input": odd.one("p"),
        "target": odd.anything,
        "error": odd.one(None, None, None, {"message": "x"}),
        "output": lambda: odd.row(output),
        "scores": lambda: {"s": {"value": odd.mostly(odd.one("C", "I", 0, 1, True)), "answer": odd.text()}},
    }


SCHEMAS = {"jsonl": jsonl, "verl": verl, "counts": counts, "lm-eval": lm_eval}


def json_lines(form, odd):
    """The bytes of a file of JSON lines."""
    size = odd.randrange(1, 5)
    return "\n".join(json.dumps(odd.row(SCHEMAS[form])) for _ in range(size)).encode()


def inspect_log(odd):
    """The bytes of a log of inspect_ai."""
    samples = odd.mostly(lambda: [odd.row(sample) for _ in range(odd.randrange(1, 5))])
    return json.dumps({"eval": odd.mostly(lambda: {"task": odd.text()}), "samples": samples}).encode()


def damaged(content, odd):
    """Bytes with a piece cut out, or put in, or both."""
    start, end = sorted(odd.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + odd.choice((b"", odd.randbytes(3), b"[" * 3, b'{"')) + content[end:]


def utf8(value):
    """Arrow holds UTF-8 alone."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [utf8(v) for v in value]
    if isinstance(value, dict):
        return {k: utf8(v) for k, v in value.items()}
    return value


KINDS = {
    pa.int64(): lambda odd: odd.randrange(-3, 4),
    pa.float64(): lambda odd: float(odd.choice((0, 1, -1, 0.5, float("nan"), float("inf")))),
    pa.string(): lambda odd: utf8(odd.text()),
    pa.bool_(): lambda odd: odd.random() < 0.5,
    pa.binary(): lambda odd: odd.randbytes(2),
    pa.timestamp("us"): lambda odd: datetime.datetime(1990 + odd.randrange(40), 1, 1),
    pa.decimal128(6, 2): lambda odd: Decimal(odd.randrange(2)),
    pa.list_(pa.int64()): lambda odd: odd.several(lambda: odd.randrange(9)),
    pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])): lambda odd: [
        {"role": "user", "content": utf8(odd.text())} for _ in range(odd.randrange(3))
    ],
    pa.null(): lambda _: None,
}
TRL = {
    "step": lambda odd: odd.choice((1, 1, 2)),
    "prompt": lambda odd: odd.choice("pq"),
    "completion": lambda odd: utf8(odd.text()),
    "right": lambda odd: float(odd.randrange(2)),
    "advantage": lambda odd: odd.random(),
}
OURS = {"prompt_id": lambda odd: odd.choice("ab"), "reward": lambda odd: float(odd.randrange(2))}


def parquet(form, odd):
    """A table with the usual columns or some others, now and then of another type, with nulls."""
    usual = TRL if form == "trl" else OURS
    names = [name for name in usual if odd.random() < 0.97] + odd.sample(FIELDS, odd.randrange(3))
    size, found = odd.randrange(5), {}
    for name in dict.fromkeys(names):
        if name in usual and odd.random() < 0.95:
            values, kind = [usual[name](odd) for _ in range(size)], None
        else:
            kind = odd.choice(list(KINDS))
            values = [KINDS[kind](odd) for _ in range(size)]
        if odd.random() < 0.05:
            values = [None if odd.random() < 0.5 else value for value in values]
        found[name] = pa.array(values, kind)
    return pa.table(found)
