"""A real S3 on the loopback address, and a proxy before it that injects faults."""

from __future__ import annotations

import http.client
import http.server
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

Decide = Callable[[str, str], str | None]
"""Given method and path of a request, what goes wrong with it: one of `FAULTS`, or None."""
FAULTS = ("503", "500", "429", "403", "hang", "cut before", "cut after", "late")
HANG_S = 20.0


class Proxy:
    """Passes requests on to a server at `upstream`, except where `decide` says otherwise.

    503, 500, 429, 403: answered so, not passed on. hang: neither answered nor passed on. cut before, cut after: the
    connection is closed without an answer, before or after the request was passed on. late: it is cut, and passed on after
    `late_s`.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.decide: Decide = lambda method, path: None
        self.seen: list[tuple[str, str]] = []
        self.late_s = 0.5
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.handle(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address) -> None:
                pass  # clients are killed in mid-sentence here

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.decide, self.seen = lambda method, path: None, []

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        body = _body(request)
        with self._lock:
            self.seen.append((request.command, request.path))
            fault = self.decide(request.command, request.path)
        if fault == "hang":
            time.sleep(HANG_S)
        if fault == "late":
            threading.Timer(self.late_s, self._passed_on, (request, body)).start()
        if fault in ("hang", "cut before", "late"):
            request.close_connection = True
            return
        if fault is not None and fault.isdigit():
            request.send_response(int(fault))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        status, headers, content = self._passed_on(request, body)
        if fault == "cut after":
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                request.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(content)))
        request.send_header("Content-Length", length if request.command == "HEAD" else str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _passed_on(self, request, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.upstream, timeout=30)
        dropped = ("connection", "transfer-encoding", "content-length", "expect")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content


def _body(request) -> bytes:
    if "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    parts = []
    while size := int(request.rfile.readline().split(b";")[0] or b"0", 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


def at_random(
    share: float, seed: int, faults: tuple[str, ...] = ("503", "cut before", "cut after")
) -> Decide:
    """Return a `decide` that spoils a share of the requests."""
    chance = random.Random(seed)
    return lambda method, path: chance.choice(faults) if chance.random() < share else None


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Proxy]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield Proxy(server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_server, tmp_path, monkeypatch) -> Iterator[Proxy]:
    """The proxy; a new bucket "bucket" is behind it, and the environment leads to it."""
    s3_server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": s3_server.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    for method, path in (("POST", "/moto-api/reset"), ("PUT", "/bucket")):
        connection = http.client.HTTPConnection(*s3_server.upstream)
        connection.request(method, path)
        assert connection.getresponse().status == 200
        connection.close()
    from results.folder import object_store

    object_store._store.cache_clear()
    yield s3_server
    s3_server.reset()


CANARY = "canary-7f3a91-secret"
"""The secret key: it may be in no file and no message."""
