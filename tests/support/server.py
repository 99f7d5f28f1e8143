"""The functions of this process behind a real HTTP server, for a browser to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.functions import invoke


class _Handler(BaseHTTPRequestHandler):
    stage = ""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Keep the test's output clean."""

    def _answer(self, body: str | None) -> None:
        reply = invoke(self.command, self.path.removeprefix(self.stage), headers=dict(self.headers), query={}, body=body)
        content = reply.text.encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(stage: str = "") -> Iterator[str]:
    """Serve the functions on a free port of this machine, below a stage like `/live`; gives the address."""
    handler = type("Handler", (_Handler,), {"stage": stage})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}{stage}"
        finally:
            server.shutdown()
            thread.join()
