"""Sampling from an OpenAI-compatible server: vLLM, SGLang, the server of llama.cpp, or another.

A server may fail, hang, refuse for a while, answer half a page or the wrong number of choices. A request is
repeated until it is answered well or `retries` are used up; a prompt's responses are asked for in as many
requests as the server needs. Seeds belong to (seed, prompt_id, responses drawn before), so that a run gone on
with asks the same questions.
"""

import json
import math
import random
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx2

from acute.errors import InputError, OutsideError

Json = dict[str, Any]
LONGEST_WAIT = 300.0  # seconds between two attempts
MOST_BYTES = 1 << 30  # of one reply
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)  # what may pass
# what a server would otherwise add of its own to the sampled distribution, and what it can tell of tokens
OWN: dict[str, Json] = {
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True},
    "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llama.cpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "openai": {},
}
KEEPS_STOP: dict[str, Json] = {
    "vllm": {"include_stop_str_in_output": True},
    "sglang": {"no_stop_trim": True},
}


@dataclass(frozen=True)
class Server:
    """Where and how to ask; see `acute.config.ServerConfig`."""

    url: str
    model: str
    kind: str = "vllm"
    api: str = "completions"
    key: str | None = field(default=None, repr=False)
    n_at_once: int = 16
    concurrency: int = 8
    timeout: float = 600.0
    retries: int = 6


@dataclass(frozen=True)
class Asked:
    """What every request says of sampling."""

    n: int
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()


class Question(NamedTuple):
    """One prompt: `prompt` is its token ids or text, or its chat messages."""

    prompt_id: str
    prompt: Any


class Drawn(NamedTuple):
    """One response as the server tells it; None is what it does not say."""

    text: str
    token_ids: tuple[int, ...] | None
    logprob: float | None
    tokens: int | None
    """How many tokens have log-probabilities."""
    finish: str | None  # eos | stop | length


class Answer(NamedTuple):
    """All responses to one prompt, and what went wrong on the way, counted by kind."""

    prompt_id: str
    drawn: list[Drawn]
    faults: dict[str, int]


class _Unusable(Exception):
    """A reply that cannot be used; another may be. `wait`: seconds that the server asks everybody to wait."""

    def __init__(self, kind: str, wait: float | None = None) -> None:
        super().__init__(kind)
        self.wait = wait


def seed_of(seed: int, prompt_id: str, before: int, repeats: int) -> int:
    """The seed of one request, below 2**31.

    An attempt that failed is repeated with the seed it had: another one would draw until a short response,
    which is in time, comes along. Only a reply that was there before asks for another.
    """
    return zlib.crc32(f"{seed} {before} {repeats} {prompt_id}".encode()) >> 1


class Client:
    """Asks one server from several threads. What one thread is told to wait for, all wait for."""

    pause = 0.5  # seconds after the first failure; doubled after each

    def __init__(self, server: Server, asked: Asked, seed: int) -> None:
        self.server, self.asked, self.seed = server, asked, seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._jitter = random.Random(0)  # spreads requests in time; no result depends on it
        headers = {} if server.key is None else {"Authorization": f"Bearer {server.key}"}
        limits = httpx2.Limits(max_connections=server.concurrency)
        wait = httpx2.Timeout(server.timeout, connect=min(server.timeout, 30.0))
        try:
            self._http = httpx2.Client(headers=headers, timeout=wait, limits=limits)
            self._url = httpx2.URL(server.url.rstrip("/") + _PATHS[server.api])
        except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
            raise InputError(
                f"server.url: wanted http://host:port/v1, found {server.url!r}: {error}"
            ) from None

    def answers(self, questions: list[Question]) -> Iterator[Answer]:
        """All responses to each question, in the order in which they are done.

        Raises OutsideError, with the server's words, once a request cannot be answered; what is under way
        then is given up.
        """
        pool = ThreadPoolExecutor(self.server.concurrency)
        try:
            for done in as_completed([pool.submit(self._answer, question) for question in questions]):
                yield done.result()
        finally:
            self._stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            self._http.close()
            pool.shutdown(wait=True)

    def _answer(self, question: Question) -> Answer:
        drawn: list[Drawn] = []
        faults: dict[str, int] = {}
        replies: dict[str, list[Drawn]] = {}
        while len(drawn) < self.asked.n:
            drawn += self._some(question, len(drawn), replies, faults)
        return Answer(question.prompt_id, drawn, faults)

    def _some(
        self, question: Question, before: int, replies: dict[str, list[Drawn]], faults: dict[str, int]
    ) -> list[Drawn]:
        """One or more of the responses that are still wanted."""
        wanted = min(self.server.n_at_once, self.asked.n - before)
        reason, repeats = "", 0
        for attempt in range(self.server.retries + 1):
            seed = seed_of(self.seed, question.prompt_id, before, repeats)
            try:
                self._wait()
                reply = self._post(self._body(question, wanted, seed))
                drawn = read_reply(reply, self.server.api)
                name = str(reply.get("id") or "")
                if name and replies.setdefault(name, []) == drawn:
                    repeats += 1
                    raise _Unusable("the same reply again")
                replies[name] = drawn
            except _Unusable as error:
                reason = str(error)
                kind = reason.split(":")[0]
                faults[kind] = faults.get(kind, 0) + 1
                if attempt < self.server.retries:
                    self._put_off(attempt, error.wait)
                continue
            if len(drawn) != wanted:
                faults["wrong number of choices"] = faults.get("wrong number of choices", 0) + 1
            return drawn[:wanted]
        raise OutsideError(
            f"the server at {self.server.url} gave no usable answer for the prompt {question.prompt_id!r} in "
            f"{self.server.retries + 1} attempts; the last one: {reason}. The same command goes on from here"
        )

    def _body(self, question: Question, n: int, seed: int) -> Json:
        asked, chat = self.asked, self.server.api == "chat"
        body: Json = {
            "model": self.server.model,
            "messages" if chat else "prompt": question.prompt,
            "n": n,
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "max_tokens": asked.max_tokens,
            "seed": seed,
            "logprobs": True if chat else 1,
            **OWN[self.server.kind],
        }
        if asked.stop:
            body |= {"stop": list(asked.stop), **KEEPS_STOP[self.server.kind]}
        return body

    def _wait(self) -> None:
        """Until no thread is told to wait any longer. Raises OutsideError once all is given up."""
        if self._stop.is_set():
            raise OutsideError("given up, as another request failed")
        while (left := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(min(left, 1.0)):
                raise OutsideError("given up, as another request failed")

    def _put_off(self, attempt: int, wait: float | None) -> None:
        """Wait before the next attempt, ever longer; all threads do if the server asked for it."""
        with self._lock:
            spread = 0.75 + 0.5 * self._jitter.random()
            seconds = min(max(wait or 0.0, self.pause * 2**attempt), LONGEST_WAIT) * spread
            if wait is not None:
                self._not_before = max(self._not_before, time.monotonic() + seconds)
                return
        self._stop.wait(seconds)

    def _post(self, body: Json) -> Json:
        """A reply as JSON, whole within the time allowed. Raises _Unusable, or OutsideError if refused."""
        deadline = time.monotonic() + self.server.timeout
        try:
            with self._http.stream("POST", self._url, json=body) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() > deadline:  # drop by drop, no single read times out
                        raise _Unusable(f"timeout: no whole reply in {self.server.timeout:g} s")
                    if len(content) > MOST_BYTES:
                        raise _Unusable("a reply of more than 1 GiB")
        except httpx2.TimeoutException as error:
            raise _Unusable(f"timeout: {type(error).__name__}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, RuntimeError) as error:
            # RuntimeError: the client was closed, as another request failed
            raise _Unusable(f"connection: {type(error).__name__} {error}") from None
        if response.status_code in AGAIN:
            asked_to_wait = response.status_code in (429, 503) or "retry-after" in response.headers
            wait = retry_after(response.headers) if asked_to_wait else None
            raise _Unusable(f"status {response.status_code}", wait)
        if response.status_code != 200:
            said = " ".join(bytes(content[:500]).decode("utf-8", "replace").split())
            raise OutsideError(f"the server at {self._url} refused: status {response.status_code}: {said}")
        try:
            found = json.loads(bytes(content))
        except (ValueError, RecursionError) as error:
            raise _Unusable(f"no JSON: {error}") from None
        if not isinstance(found, dict):
            raise _Unusable(f"no JSON object: {type(found).__name__}")
        return found


_PATHS = {"completions": "/completions", "chat": "/chat/completions"}


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait, given as a number or a date; 0 where it does not."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else 0.0


def read_reply(reply: Json, api: str) -> list[Drawn]:
    """The choices of a reply, each index once. Raises _Unusable if there is none, or one without a text."""
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _Unusable("no choices")
    by_index: dict[Any, Drawn] = {}
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise _Unusable("a choice that is no object")
        index = choice.get("index", place)
        by_index.setdefault(index if isinstance(index, int) else place, _drawn(choice, api))
    return list(by_index.values())


def _drawn(choice: Json, api: str) -> Drawn:
    message = choice.get("message") if api == "chat" else choice
    text = message.get("content" if api == "chat" else "text") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise _Unusable("a choice without a text")
    logprobs, ids = _tokens(choice.get("logprobs"))
    own = choice.get("token_ids")
    if _is_ids(own):
        ids = own
    known = [x for x in logprobs if x is not None]
    whole = bool(known) and len(known) == len(logprobs) and (ids is None or len(ids) == len(logprobs))
    return Drawn(
        text.encode("utf-8", "replace").decode(),  # half a surrogate pair cannot be written
        tuple(ids) if ids else None,
        math.fsum(known) if whole else None,
        len(logprobs) or None,
        _finish(choice),
    )


def _finish(choice: Json) -> str | None:
    finish = choice.get("finish_reason")
    if finish == "stop":
        # vLLM: the stop text or token that ended it, null for the model's own end token
        return "stop" if isinstance(choice.get("stop_reason"), str) else "eos"
    return "length" if finish == "length" else None


def _is_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 2**31 for x in value)
    )


def _tokens(logprobs: Any) -> tuple[list[float | None], list[int] | None]:
    """Each token's log-probability, and the ids where they are told: llama.cpp does beside each."""
    if not isinstance(logprobs, dict):
        return [], None
    content = logprobs.get("content")
    if isinstance(content, list):
        rows = [row if isinstance(row, dict) else {} for row in content]
        values, ids = [row.get("logprob") for row in rows], [row.get("id") for row in rows]
    else:
        flat = logprobs.get("token_logprobs")
        values, ids = (flat if isinstance(flat, list) else []), []
    numbers = [
        float(x) if isinstance(x, int | float) and not isinstance(x, bool) and -1e9 < x <= 1e-6 else None
        for x in values
    ]
    return numbers, [int(x) for x in ids if x is not None] if _is_ids(ids) else None
