"""Serves a run's report on the loopback address and makes it again when the run has new results."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

CHECK_EVERY_S = 2.0
"""Seconds between two checks of the run."""

_LOCAL = ("127.0.0.1", "localhost")


@contextlib.contextmanager
def served(make: Callable[[str], str], version: Callable[[], str], port: int = 0) -> Iterator[str]:
    """Serve a page while the block runs; yield its address.

    The page is made when a browser asks for it and the run's version has changed. Only requests from this machine with
    its own names as Host are answered, so a website cannot read the page through a DNS name of its own (DNS rebinding).

    Args:
        make: returns the page of a version as HTML.
        version: returns a text that changes when the run does; it must be quick.
        port: to listen on; 0 for any free one.

    Raises:
        OSError: the port is taken.
    """
    kept: dict[str, bytes] = {}
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host", "").rsplit(":", 1)[0] not in _LOCAL:
                self._answer(403, b"Open this page as 127.0.0.1 or localhost.")
            elif self.path == "/version":
                self._answer(200, version().encode())
            elif self.path == "/":
                try:
                    self._answer(200, self._page(), "text/html")
                except (ValueError, OSError) as error:  # the run has no point yet, or is gone
                    self._answer(503, str(error).encode())
            else:
                self._answer(404, b"The only page is /")

        def _page(self) -> bytes:
            with lock:
                now = version()
                if now not in kept:
                    page = make(now).encode()
                    kept.clear()
                    kept[now] = page
                return kept[now]

        def _answer(self, code: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if code == 503:
                self.send_header("Refresh", "3")
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing for each request."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
