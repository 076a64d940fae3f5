"""Downloads against a local server that serves whole, cut, stalled, wrong and slow files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mapga.files.download import Limits
from mapga.files.fetch import FileRefusedError, RemoteFile, cache_folder, check_file, fetch
from mapga.files.need import Need

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


LOGIN = base64.b64encode(b"user:S@CRET/").decode()


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: "
BLOCK = bytes(50_000)
# What is sent once, and what is sent again and again.
HOSTILE = {
    "/endless": (OK + b"\r\n", BLOCK),
    "/endless-chunks": (CHUNKED, b"c350\r\n" + BLOCK + b"\r\n"),
    "/endless-trailer": (CHUNKED + b"0\r\n", b"x: y\r\n" * 1000),
    "/endless-continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "/endless-redirect": (FOUND + b"/whole\r\n\r\n", BLOCK),
    "/huge": (OK + b"Content-Length: 1000000000000000\r\n\r\n", b""),
    "/drips": (OK + b"\r\n", b"x"),
    "/drips-headers": (OK, b"x"),
    "/abc": (OK + b"Content-Length: abc\r\n\r\n" + CONTENT, b""),
    "/to-file": (FOUND + b"file:///etc/hostname\r\n\r\n", b""),
    "/to-ftp": (FOUND + b"ftp://127.0.0.1/x\r\n\r\n", b""),
    "/to-locked": (FOUND + b"/locked\r\n\r\n", b""),
    "/astray": (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-299999/300000\r\n\r\n" + CONTENT, b""),
}


class Handler(BaseHTTPRequestHandler):
    """The path says how the file is served."""

    requests: ClassVar[list[tuple[str, str | None]]] = []
    asked_again: ClassVar[threading.Event]

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError):  # who asks may have had enough
            self.serve()

    def serve(self) -> None:
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
        if self.path in HOSTILE:
            once, again = HOSTILE[self.path]
            self.wfile.write(once)
            while again:
                self.wfile.write(again)
                time.sleep(0.02 if "drips" in self.path else 0.0)
            return
        if self.path == "/locked" and self.headers.get("Authorization") != f"Basic {LOGIN}":
            self.send_error(401, "Unauthorized")
            return
        if self.path == "/norange":
            start = 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
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
    path = fetch(remote(f"{server}/{kind}"), Limits(pause=0.5 if kind == "stalls" else 60.0, attempts=50))
    assert path.read_bytes() == CONTENT
    assert sorted(p.name for p in cache_folder().iterdir()) == ["net.pth", "net.pth.lock"]


def test_broken_connection_is_resumed_not_restarted(server: str) -> None:
    fetch(remote(f"{server}/breaks"))
    assert Handler.requests == [("/breaks", None), ("/breaks", "bytes=100000-")]


def test_another_source_does_not_go_on_with_the_first_one(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileRefusedError, match="run it again to go on"):
        fetch(remote(f"{server}/breaks"), Limits(attempts=1))
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
        fetch(remote("http://127.0.0.1:9/x"), Limits(attempts=2))


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


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        ("endless", len(CONTENT), "serves more than 300000 bytes"),
        ("endless-chunks", len(CONTENT), "serves more than 300000 bytes"),
        ("endless-trailer", len(CONTENT), "an answer that does not end"),
        ("endless-continue", len(CONTENT), "an answer that does not end"),
        ("endless", None, "serves more than at most 400000, where no size is known"),
        ("huge", len(CONTENT), "serves 1000000000000000 bytes instead of 300000"),
        ("huge", None, "1000000000000000 bytes instead of at most 400000"),
        ("drips", len(CONTENT), r"bytes in \d+ s are too few \(tried 2 times\)"),
        ("drips-headers", len(CONTENT), r"bytes in \d+ s are too few \(tried 2 times\)"),
    ],
)
def test_what_does_not_end_is_given_up(server: str, kind: str, size: int | None, message: str) -> None:
    limits = Limits(window=0.1, least=5_000, attempts=2, most=400_000)
    limits = limits if "drips" in kind else replace(limits, window=60.0)
    with pytest.raises(FileRefusedError, match=message) as refused:
        fetch(remote(f"{server}/{kind}", size=size), limits)
    assert "\n" not in str(refused.value) and f"{server}/{kind}" in str(refused.value)
    assert sum(path.stat().st_size for path in cache_folder().iterdir()) < 400_000
    assert "drips" in kind or [path.name for path in cache_folder().iterdir()] == ["net.pth.lock"]


@pytest.mark.parametrize("fault", [BrokenPipeError("nobody reads"), ValueError("of a printer")])
def test_a_fault_of_who_listens_is_no_broken_connection(server: str, fault: Exception) -> None:
    asked: list[int] = []

    def told(have: int, whole: int | None) -> None:
        asked.append(have)
        raise fault

    with pytest.raises(type(fault)) as raised:
        fetch(remote(f"{server}/abc"), told=told)
    assert len(asked) == 1 and raised.value is fault


@pytest.mark.parametrize("kind", ["abc", "endless-redirect"])
def test_what_is_odd_and_has_an_end_is_fetched(server: str, kind: str) -> None:
    assert fetch(remote(f"{server}/{kind}")).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://[::1", "no address that can be read"),
        ("http://", "no host given"),
        ("http://host:abc/x", "no address that can be read"),
        ("http://host/a b", "no address that can be read"),
        ("file:///etc/hostname", "unknown url type"),
        ("{server}/to-file", "HTTP 302"),
        ("{server}/to-ftp", "unknown url type: ftp"),
    ],
)
def test_an_address_that_is_none_is_one_line(
    server: str, address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAPGA_URL_NET", address.format(server=server))
    with pytest.raises(FileRefusedError, match=message) as refused:
        fetch(remote("http://127.0.0.1:9/x"), Limits(attempts=1))
    assert "\n" not in str(refused.value) and [path.name for path in cache_folder().iterdir()] == ["net.pth.lock"]


def test_an_answer_with_another_part_than_asked_for_is_not_appended(server: str) -> None:
    with pytest.raises(FileRefusedError):
        fetch(remote(f"{server}/breaks"), Limits(attempts=1))
    (part,) = cache_folder().glob("*.part")
    part.rename(part.with_name(part.name.replace(digest(f"{server}/breaks"), digest(f"{server}/astray"))))
    with pytest.raises(FileRefusedError, match="answered with another part"):
        fetch(remote(f"{server}/astray"), Limits(attempts=1))
    assert Handler.requests[-1] == ("/astray", "bytes=100000-")
    assert not list(cache_folder().glob("*.part"))


def digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:8]


@pytest.mark.parametrize("how", ["address", "netrc"])
def test_a_password_is_used_and_not_shown(
    server: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if how == "netrc":
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password S@CRET/\n")
        (tmp_path / ".netrc").chmod(0o600)
        address = f"{server}/locked"
    else:
        address = f"{server}/locked".replace("//", "//user:S%40CRET%2F@")
    assert fetch(remote(address)).read_bytes() == CONTENT
    absent = remote(address.replace("locked", "half?token=S%40CRET"), size=1)
    with pytest.raises(FileRefusedError, match="300000 bytes instead of 1") as refused:
        fetch(absent)
    for said in (str(refused.value), str(absent.problem()), Need.of_file("x", absent).what):
        assert "CRET" not in said and f"{server}/half" in said


def test_a_password_does_not_follow_a_redirect(server: str) -> None:
    with pytest.raises(FileRefusedError, match="HTTP 401"):
        fetch(remote(f"{server}/to-locked".replace("//", "//user:S%40CRET%2F@")))


@pytest.mark.parametrize("cache", ["/dev/null", "{file}", "{file}/below"])
def test_a_cache_that_cannot_be_written_is_one_line(
    cache: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MAPGA_CACHE", cache.format(file=tmp_path / "file"))
    with pytest.raises(FileRefusedError, match=r"; set MAPGA_CACHE to a folder") as refused:
        fetch(remote(f"{server}/whole"))
    assert "\n" not in str(refused.value)


def test_a_source_without_an_end_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPGA_URL_NET", "/dev/zero")
    with pytest.raises(FileRefusedError, match="/dev/zero: no plain file"):
        fetch(remote(f"{server}/whole"))
