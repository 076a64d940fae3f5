"""A Hugging Face hub with one repository, on this machine: what its client asks before it fetches, and the files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "a" * 40


@contextmanager
def hub(hub_id: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            files = [file for file in folder.rglob("*") if file.is_file()]
            if path.startswith(f"/api/models/{hub_id}/tree/"):
                tree = [
                    {"type": "file", "path": str(file.relative_to(folder)), "size": file.stat().st_size, "oid": COMMIT}
                    for file in files
                ]
                content = json.dumps(tree).encode()
            elif path.startswith(f"/api/models/{hub_id}"):
                names = [{"rfilename": str(file.relative_to(folder))} for file in files]
                content = json.dumps({"id": hub_id, "sha": COMMIT, "siblings": names}).encode()
            elif path.startswith(f"/{hub_id}/resolve/"):
                content = (folder / path.split("/", 5)[5]).read_bytes()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
