"""The server backend against a server that misbehaves in every way we could think of."""

import time
from email.utils import formatdate
from typing import ClassVar

import pytest

from acute.errors import InputError, OutsideError
from acute.rollout import openai
from acute.rollout.openai import Asked, Client, Question, Server, read_reply, retry_after, seed_of
from tests.rollout import fake_server as fake
from tests.rollout.fake_server import Fake, changed, choice, says, serving, status


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch):
    monkeypatch.setattr(Client, "pause", 0.001)


def ask(server, n=10, prompts=("a",), **settings):
    defaults = {"n_at_once": 4, "timeout": 1.0, "retries": 3, "concurrency": 4}
    client = Client(Server(server.url, "m", **(defaults | settings)), Asked(n, 1.0, 1.0, 5), seed=1)
    return {a.prompt_id: a for a in client.answers([Question(p, [1, 2]) for p in prompts])}


def texts(answer):
    return [drawn.text for drawn in answer.drawn]


def expected(prompt="a", n=10, at_once=4):
    """What the seeds alone determine."""
    return [
        fake.DIGITS[(seed_of(1, prompt, before, 0) + i) % 10]
        for before in range(0, n, at_once)
        for i in range(min(at_once, n - before))
    ]


def test_all_responses_come_in_several_requests_and_follow_from_the_seed():
    with serving(Fake()) as server:
        answer = ask(server)["a"]
        assert texts(answer) == expected() and answer.faults == {}
        assert [body["n"] for body in server.asked] == [4, 4, 2]
        first = server.asked[0]
        assert first["prompt"] == [1, 2] and first["model"] == "m" and first["return_token_ids"] is True
        assert (first["top_k"], first["min_p"], first["repetition_penalty"]) == (-1, 0.0, 1.0)
        assert len({body["seed"] for body in server.asked}) == 3
        assert answer.drawn[0] == openai.Drawn(expected()[0], (int(expected()[0]) + 1, 0), -0.5, 2, "eos")


def test_prompts_have_seeds_of_their_own_and_order_does_not_matter():
    with serving(Fake()) as server:
        together = ask(server, prompts=("a", "b", "c"))
        alone = ask(server, prompts=("c",))
    assert texts(together["c"]) == texts(alone["c"]) == expected("c")
    assert len({tuple(texts(answer)) for answer in together.values()}) == 3


FAULTS = {
    "status 500": status(500),
    "status 502": status(502),
    "status 429": status(429, Retry_After="0"),
    "no JSON": fake.half_a_page,
    "connection": fake.reset,
    "connection ": fake.cut_connection,
    "timeout": fake.hang,
    "timeout ": fake.drip,
    "no JSON ": says(b"<html>busy</html>"),
    "no JSON object": says(b"[1, 2]"),
    "no JSON  ": says(b"\xff\xfe"),
    "no choices": changed(lambda reply: reply | {"choices": []}),
    "no choices ": changed(lambda _: {"error": {"message": "overloaded"}}),
    "no choices  ": changed(lambda reply: reply | {"choices": None}),
    "a choice that is no object": changed(lambda reply: reply | {"choices": ["x"]}),
    "a choice without a text": changed(lambda reply: reply | {"choices": [{"index": 0}]}),
    "a choice without a text ": changed(lambda reply: reply | {"choices": [{"text": None}]}),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_survived_and_the_answer_is_the_same(kind):
    with serving(Fake()) as server:
        server.faults = [FAULTS[kind], None, FAULTS[kind]]
        answer = ask(server, n=8)["a"]
    assert texts(answer) == expected(n=8)
    assert answer.faults == {kind.strip(): 2}


def test_too_few_and_too_many_choices():
    with serving(Fake()) as server:
        server.faults = [changed(lambda reply: reply | {"choices": reply["choices"][:1]})]
        answer = ask(server, n=5)["a"]
        assert len(answer.drawn) == 5 and answer.faults == {"wrong number of choices": 1}
        assert [body["n"] for body in server.asked] == [4, 4]
    with serving(Fake()) as server:
        server.always = changed(lambda reply: reply | {"choices": [*reply["choices"], choice(99, "more")]})
        answer = ask(server, n=5)["a"]
        assert len(answer.drawn) == 5 and "more" not in texts(answer)


def test_a_server_that_gives_one_choice_whatever_it_is_asked():
    with serving(Fake(lambda body: fake.digits(body)[:1])) as server:
        answer = ask(server, n=6)["a"]
    assert len(answer.drawn) == 6 and answer.faults == {"wrong number of choices": 5}


def test_an_index_counts_once():
    twice = changed(lambda reply: reply | {"choices": [reply["choices"][0], *reply["choices"]]})
    with serving(Fake()) as server:
        server.faults = [twice]
        assert texts(ask(server, n=4)["a"]) == expected(n=4)


def test_the_same_reply_again_is_no_new_response():
    """A cache in front of the server: id and text come back, whatever the seed."""
    page = {"id": "cached", "choices": [choice(i, "long ago", [5, 0]) for i in range(4)]}
    with serving(Fake()) as server:
        server.faults = [changed(lambda _: page), changed(lambda _: page), changed(lambda _: page)]
        answer = ask(server, n=8)["a"]
        assert texts(answer)[:4] == ["long ago"] * 4 and "long ago" not in texts(answer)[4:]
        assert answer.faults == {"the same reply again": 2}
        seeds = [body["seed"] for body in server.asked]
        assert len(set(seeds)) == 4  # asked with another seed each time
    with serving(Fake()) as server:
        server.always = changed(lambda _: page)
        with pytest.raises(OutsideError, match="the last one: the same reply again"):
            ask(server, n=8)


def test_an_id_that_never_changes_is_no_fault():
    with serving(Fake()) as server:
        server.always = changed(lambda reply: reply | {"id": "chatcmpl-0"})
        assert texts(ask(server)["a"]) == expected()


def test_what_the_server_does_not_tell_is_none():
    bare = changed(lambda reply: {"choices": [{"text": c["text"]} for c in reply["choices"]]})
    with serving(Fake()) as server:
        server.always = bare
        answer = ask(server, n=4)["a"]
    assert texts(answer) == expected(n=4)
    assert all(d[1:] == (None, None, None, None) for d in answer.drawn)


def test_a_refusal_is_final_and_in_the_server_s_words():
    with serving(Fake()) as server:
        server.always = status(404)
        with pytest.raises(OutsideError, match=r"refused: status 404: .*as told"):
            ask(server, prompts=("a", "b", "c"))
        assert len(server.asked) <= 4  # nobody asks again


def test_a_server_that_never_recovers_is_given_up():
    with serving(Fake()) as server:
        server.always = status(500)
        with pytest.raises(OutsideError, match="in 4 attempts; the last one: status 500"):
            ask(server)
        assert len(server.asked) == 4


def test_nobody_there():
    with pytest.raises(OutsideError, match="connection: ConnectError"):
        ask(Fake_at("http://127.0.0.1:9/v1"), retries=1)
    with pytest.raises(InputError, match=r"wanted http://host:port/v1"):
        ask(Fake_at("http://a:port/v1"))


def Fake_at(url):
    found = Fake()
    found.url = url
    return found


def test_all_threads_wait_when_one_is_told_to():
    with serving(Fake()) as server:
        server.faults = [status(429, Retry_After="1")]
        began = time.monotonic()
        answers = ask(server, n=4, prompts=("a", "b", "c", "d", "e", "f"), concurrency=1)
        assert time.monotonic() - began > 0.7  # a second, less the jitter
    assert sum(answer.faults.get("status 429", 0) for answer in answers.values()) == 1
    assert all(len(answer.drawn) == 4 for answer in answers.values())


def test_no_more_requests_at_once_than_allowed():
    def slow(body):
        time.sleep(0.05)
        return fake.digits(body)

    with serving(Fake(slow)) as server:
        ask(server, n=4, prompts=[f"p{i}" for i in range(12)], concurrency=3)
        assert server.most_under_way == 3


def test_a_key_is_sent_and_shown_nowhere():
    with serving(Fake()) as server:
        ask(server, key="very-secret")
        assert set(server.keys) == {"Bearer very-secret"}
    assert "very-secret" not in repr(Server(server.url, "m", key="very-secret"))


def test_chats():
    def answer(body):
        assert body["messages"] == [1, 2] and body["logprobs"] is True and "prompt" not in body
        content = [{"token": "x", "logprob": -0.25, "id": 7}, {"token": "", "logprob": -0.5, "id": 0}]
        message = {"role": "assistant", "content": "x"}
        return [
            {"index": i, "message": message, "finish_reason": "length", "logprobs": {"content": content}}
            for i in range(body["n"])
        ]

    with serving(Fake(answer)) as server:
        drawn = ask(server, n=2, api="chat", kind="llama.cpp")["a"].drawn
        assert server.paths == ["/v1/chat/completions"] and server.asked[0]["top_k"] == 0
    assert drawn == [openai.Drawn("x", (7, 0), -0.75, 2, "length")] * 2


def test_stop_texts_are_kept():
    with serving(Fake()) as server:
        client = Client(Server(server.url, "m"), Asked(2, 1.0, 1.0, 5, ("\n",)), seed=1)
        list(client.answers([Question("a", "1+1=")]))
        assert server.asked[0]["stop"] == ["\n"] and server.asked[0]["include_stop_str_in_output"] is True
    stopped = choice(0, "x\n", [1, 2]) | {"stop_reason": "\n"}
    assert read_reply({"choices": [stopped]}, "completions")[0].finish == "stop"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), ("nan", 0), ("inf", 0), ("soon", 0), ("", 0), ("1e9", 300)],
)
def test_retry_after(value, seconds):
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_a_date():
    assert 8 < retry_after({"retry-after": formatdate(time.time() + 10, usegmt=True)}) <= 10
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0
    assert retry_after({}) == 0


class TestLogprobs:
    base: ClassVar = choice(0, "ab", [1, 2], logprob=-1.5)

    def read(self, **changes):
        return read_reply({"choices": [self.base | changes]}, "completions")[0]

    def test_whole(self):
        assert self.read().logprob == -1.5

    @pytest.mark.parametrize(
        "values",
        [[-1.0], [-1.0, None], [-1.0, float("nan")], [-1.0, 0.5], [-1.0, "x"], [], None, [True, -1.0]],
    )
    def test_anything_less_is_unknown(self, values):
        assert self.read(logprobs={"token_logprobs": values}).logprob is None
        assert self.read(logprobs=values).logprob is None

    @pytest.mark.parametrize("ids", [[], None, "12", [1, -2], [1, 2.0], [True, 1], [2**31, 1]])
    def test_ids_that_are_none(self, ids):
        assert self.read(token_ids=ids).token_ids is None
