"""A web server on loopback whose files misbehave as a test asks."""

import contextlib
import dataclasses
import http.server
import re
import threading


@dataclasses.dataclass
class Page:
    """How the server answers for one path.

    Args:
        body: The file.
        headers: Headers of every answer, such as an ETag.
        ranges: Whether it honors range requests; "always", even for a file that has changed.
        cuts: After how many bytes each of the first connections breaks.
        length: Whether the answer has a Content-Length; "chunked" for chunks.
        status: Of every answer.
    """

    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    ranges: bool | str = True
    cuts: list = dataclasses.field(default_factory=list)
    length: bool | str = True
    status: int = 200


class Server:
    """Its `pages` are {path: Page}, and `requests` are (path, headers) of what was asked for."""

    def __init__(self, address):
        self.url = f"http://127.0.0.1:{address[1]}"
        self.pages, self.requests = {}, []


@contextlib.contextmanager
def serving():
    """Yields a running `Server`."""

    class Handler(_Handler):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        Handler.server_of_test = Server(running.server_address)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Handler.server_of_test
        finally:
            running.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server_of_test
        server.requests.append((self.path, dict(self.headers)))
        page = server.pages.get(self.path.partition("?")[0], Page(b"missing", status=404))
        status, start = page.status, self._start(page)
        if start >= len(page.body) > 0:
            status, start, body = 416, 0, b""
        else:
            body = page.body[start:]
        self.close_connection = True
        self.send_response(206 if start else status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
        if page.length is True:
            self.send_header("Content-Length", str(len(body)))
        elif page.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cut = page.cuts.pop(0) if page.cuts else None
        sent = body[:cut]
        if page.length == "chunked":
            end = b"" if cut is not None else b"0\r\n\r\n"
            self.wfile.write(b"%x\r\n" % len(sent) + sent + b"\r\n" + end)
        else:
            self.wfile.write(sent)

    def _start(self, page):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        known = self.headers.get("If-Range") in (page.headers.get("ETag"), page.headers.get("Last-Modified"))
        return int(found[1]) if found and page.ranges and (known or page.ranges == "always") else 0

    def log_message(self, *_):
        pass
