"""Downloads against a local server that serves whole, cut, stalled, wrong and slow files."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mapga.files.fetch import FileRefusedError, RemoteFile, cache_folder, check_file, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The path says how the file is served."""

    requests: ClassVar[list[tuple[str, str | None]]] = []
    asked_again: ClassVar[threading.Event]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.requests.append((self.path, wanted))
        if wanted:
            self.asked_again.set()
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        content = CONTENT[:150_000] if self.path == "/half" else CONTENT
        if self.path == "/wrong":
            content = bytes(len(CONTENT))
        if self.path == "/absent":
            self.send_error(404, "Not Found")
            return
        if self.path == "/busy" and len(self.requests) == 1:
            self.send_error(503, "Busy")
            return
        if self.path == "/norange":
            start = 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if self.path == "/breaks" and not start:
            body = body[:100_000]
        if self.path == "/norange" and len(self.requests) == 1:
            body = body[:100_000]
        if self.path == "/stalls" and not start:
            self.wfile.write(body[:100_000])
            self.wfile.flush()
            self.asked_again.wait()
            return
        pause = 0.02 if self.path == "/slow" else 0.0
        for i in range(0, len(body), 50_000):
            self.wfile.write(body[i : i + 50_000])
            time.sleep(pause)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Handler, "requests", [])
    monkeypatch.setattr(Handler, "asked_again", threading.Event(), raising=False)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def remote(url: str, sha256: str = SHA256, size: int | None = len(CONTENT)) -> RemoteFile:
    return RemoteFile("net", "net.pth", url, sha256, size, command="mapga prefetch metrics=paper")


@pytest.mark.parametrize("kind", ["whole", "slow", "breaks", "norange", "stalls", "busy"])
def test_file_arrives_whole(server: str, kind: str) -> None:
    path = fetch(remote(f"{server}/{kind}"), timeout=0.5 if kind == "stalls" else 60.0, attempts=50)
    assert path.read_bytes() == CONTENT
    assert sorted(p.name for p in cache_folder().iterdir()) == ["net.pth", "net.pth.lock"]


def test_broken_connection_is_resumed_not_restarted(server: str) -> None:
    fetch(remote(f"{server}/breaks"))
    assert Handler.requests == [("/breaks", None), ("/breaks", "bytes=100000-")]


def test_another_source_does_not_go_on_with_the_first_one(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileRefusedError, match="run it again to go on"):
        fetch(remote(f"{server}/breaks"), attempts=1)
    assert [p.stat().st_size for p in cache_folder().glob("*.part")] == [100_000]
    fetch(remote(f"{server}/whole"))
    assert Handler.requests[-1] == ("/whole", None)


def test_second_fetch_asks_nobody(server: str) -> None:
    fetch(remote(f"{server}/whole"))
    fetch(remote(f"{server}/whole"))
    assert len(Handler.requests) == 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [("half", "150000 bytes instead of 300000"), ("wrong", "SHA-256"), ("absent", "HTTP 404")],
)
def test_wrong_files_are_refused_and_leave_nothing(server: str, kind: str, message: str) -> None:
    with pytest.raises(FileRefusedError, match=message) as refused:
        fetch(remote(f"{server}/{kind}"))
    assert ".part" not in str(refused.value)
    assert [p.name for p in cache_folder().iterdir()] == ["net.pth.lock"]


def test_half_file_without_known_size_is_refused_by_its_hash(server: str) -> None:
    with pytest.raises(FileRefusedError, match=f"instead of {SHA256}"):
        fetch(remote(f"{server}/half", size=None))


def test_unreachable_source_is_named() -> None:
    with pytest.raises(FileRefusedError, match=r"127\.0\.0\.1:9.*tried 2 times"):
        fetch(remote("http://127.0.0.1:9/x"), attempts=2, timeout=1)


def test_cut_file_in_the_cache_is_refused_with_path_and_command(server: str) -> None:
    file = remote(f"{server}/whole")
    path = fetch(file)
    path.write_bytes(CONTENT[:150_000])
    problem = file.problem()
    assert problem is not None
    assert str(path) in problem and "mapga prefetch metrics=paper" in problem and "150000 bytes" in problem
    with pytest.raises(FileRefusedError, match="cut short"):
        file.verified()
    assert fetch(file).read_bytes() == CONTENT


def test_source_is_overridden_by_the_environment(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAPGA_URL_NET", f"{server}/whole")
    assert fetch(remote("http://127.0.0.1:9/x")).read_bytes() == CONTENT


def test_source_can_be_a_path(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pth"
    copy.write_bytes(CONTENT)
    monkeypatch.setenv("MAPGA_URL_NET", str(copy))
    assert fetch(remote("http://127.0.0.1:9/x")).read_bytes() == CONTENT
    monkeypatch.setenv("MAPGA_URL_NET", str(tmp_path / "absent.pth"))
    fetch(remote("http://127.0.0.1:9/x")).unlink()
    with pytest.raises(FileRefusedError, match=r"absent\.pth: No such file"):
        fetch(remote("http://127.0.0.1:9/x"))


def test_local_file_is_used_in_place_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    file = remote("http://127.0.0.1:9/x").at(path)
    assert fetch(file) == path == file.verified()
    path.write_bytes(CONTENT[:-1])
    assert "299999 bytes instead of 300000" in str(file.problem())
    mine = hashlib.sha256(CONTENT[:-1]).hexdigest()
    assert remote("http://127.0.0.1:9/x").at(path, mine).problem() is None


def test_hash_prefix_is_enough_and_less_is_not() -> None:
    assert remote("http://x/", sha256=SHA256[:8]).sha256 == SHA256[:8]
    with pytest.raises(ValueError, match="is not a SHA-256"):
        remote("http://x/", sha256=SHA256[:7])
    with pytest.raises(ValueError, match="is not a SHA-256"):
        remote("http://x/", sha256="unknown!")


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError, match="no such file"):
        check_file(tmp_path / "x", SHA256)


def _fetch_in_process(url: str, barrier: multiprocessing.synchronize.Barrier) -> None:
    barrier.wait()
    fetch(remote(url))


def test_two_processes_leave_one_whole_file(server: str) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    both = [context.Process(target=_fetch_in_process, args=(f"{server}/slow", barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (cache_folder() / "net.pth").read_bytes() == CONTENT
    assert len(Handler.requests) == 1
