"""A local server of files: whole, cut, wrong and slow."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

__all__ = ["Files"]


class Files(BaseHTTPRequestHandler):
    """Serves ``content``; the path says how: /whole/x, /half/x, /wrong/x, /slow/x."""

    content: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        how, _, name = self.path.removeprefix("/").partition("/")
        body = self.content[name]
        body = {"half": body[: len(body) // 2], "wrong": b"<html>" * 1000}.get(how, body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), 1 << 20):
            self.wfile.write(body[start : start + (1 << 20)])
            time.sleep(0.05 if how == "slow" else 0)

    def log_message(self, format: str, *args: object) -> None:
        pass
