"""A local server that speaks OpenAI's completions API, and misbehaves when told to."""

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIGITS = "0123456789"


def choice(index, text, ids=None, logprob=-0.5, finish="stop"):
    """A choice as vLLM gives it."""
    found = {"index": index, "text": text, "finish_reason": finish, "stop_reason": None}
    if ids is not None:
        found["token_ids"] = ids
        values = [logprob] + [0.0] * (len(ids) - 1)
        found["logprobs"] = {"tokens": ["x"] * len(ids), "token_logprobs": values}
    return found


def digits(body):
    """Choices that depend on the seed alone: digits with their code as token id, then the end token."""
    return [
        choice(i, DIGITS[(body["seed"] + i) % 10], [(body["seed"] + i) % 10 + 1, 0]) for i in range(body["n"])
    ]


class Fake:
    """What the server was asked, what it does next, and how it answers when it behaves."""

    def __init__(self, answer=digits):
        self.answer, self.faults, self.asked, self.paths, self.keys = answer, [], [], [], []
        self.lock, self.always, self.under_way, self.most_under_way = threading.Lock(), None, 0, 0
        self.url = ""

    def next(self, body, path, key):
        with self.lock:
            self.asked.append(body)
            self.paths.append(path)
            self.keys.append(key)
            return self.faults.pop(0) if self.faults else self.always

    def reply(self, body):
        return {"id": f"cmpl-{len(self.asked)}-{body.get('seed')}", "choices": self.answer(body)}


@contextmanager
def serving(fake):
    """Run the server; its address is `fake.url`."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = fake.next(body, self.path, self.headers.get("Authorization"))
            with fake.lock:
                fake.under_way += 1
                fake.most_under_way = max(fake.most_under_way, fake.under_way)
            try:
                reply = json.dumps(fake.reply(body)).encode() if fault is None else b""
            finally:
                with fake.lock:  # before the client hears of it, and asks again
                    fake.under_way -= 1
            try:
                if fault is None:
                    send(self, 200, reply)
                else:
                    fault(self, body, fake)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client gave up first

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def send(handler, status, content, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def status(code, **headers):
    return lambda handler, _body, _fake: send(handler, code, b'{"error": "as told"}', **headers)


def says(content):
    return lambda handler, _body, _fake: send(handler, 200, content)


def changed(change):
    """The right reply, changed."""

    def fault(handler, body, fake):
        send(handler, 200, json.dumps(change(fake.reply(body))).encode())

    return fault


def half_a_page(handler, body, fake):
    content = json.dumps(fake.reply(body)).encode()
    send(handler, 200, content[: len(content) // 2])


def cut_connection(handler, body, fake):
    content = json.dumps(fake.reply(body)).encode()
    send(handler, 200, content[:10], length=len(content))
    handler.connection.close()


def reset(handler, _body, _fake):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang(handler, _body, _fake):
    del handler
    time.sleep(3)


def drip(handler, body, fake):
    """A byte at a time, each within any timeout of a single read."""
    content = json.dumps(fake.reply(body)).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for i in range(60):
        handler.wfile.write(content[i : i + 1])
        handler.wfile.flush()
        time.sleep(0.05)
