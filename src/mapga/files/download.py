"""One file over http(s): resumed where a connection broke, never longer than it may be, never without an end."""

from __future__ import annotations

import base64
import http.client
import io
import socket
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib import request

from mapga.files.address import bare, login, shown

__all__ = ["DownloadError", "Limits", "Told", "UntoldError", "download"]

Told = Callable[[int, int | None], object]  # bytes that are here, and those of the whole file, where known

_CHUNK = 1 << 20
_FRAME = 1 << 20  # bytes that an answer may have beside twice those that it brings: headers, framing


@dataclass(frozen=True)
class Limits:
    """When a download is given up.

    Attributes:
        pause: Seconds without a byte after which a connection counts as broken.
        window: Seconds in which a connection has to bring ``least`` bytes, time and again; else it counts as broken.
        least: Bytes; 10 kB/s.
        attempts: Connections to try; each goes on where the last one broke, if the server can do that.
        most: Bytes of a file whose size nobody states.
    """

    pause: float = 30.0
    window: float = 60.0
    least: int = 600_000
    attempts: int = 4
    most: int = 20_000_000_000


class DownloadError(RuntimeError):
    """What cannot be downloaded: one line with its address, without the passwords in that."""


class UntoldError(Exception):
    """What ``told`` raised: a fault of who listens, and none of the connection or the disk."""

    def __init__(self, of: Exception) -> None:
        self.of = of


def download(url: str, part: Path, size: int | None, limits: Limits, told: Told) -> None:
    """Append to ``part`` until the server has no more; a broken connection is taken up where it broke.

    Args:
        url: An http(s) address. User and password in it go to its host alone, and not to where that redirects.
        part: What is there is gone on with, and kept where another call can go on with it.
        size: Bytes of the whole file, where known.
        limits: When to give up.
        told: How far it is, after each piece.

    Raises:
        DownloadError: It cannot be had, or is not of that size.
        OSError: ``part`` cannot be opened.
        UntoldError: ``told`` raised something.
    """
    with part.open("ab") as out:
        for attempt in range(limits.attempts):
            try:
                return _once(url, out, size, limits, told)
            except (ValueError, http.client.InvalidURL):
                raise DownloadError(f"{shown(url)}: no address that can be read; write http(s)://host/file") from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                if isinstance(error, urllib.error.HTTPError):
                    reason = f"HTTP {error.code} {reason}"
                    if error.code < 500:
                        raise DownloadError(f"{shown(url)}: {reason}") from None
            if attempt + 1 < limits.attempts:
                time.sleep(min(0.1 * 2**attempt, 5))
    raise DownloadError(f"{shown(url)}: {reason} (tried {limits.attempts} times); run it again to go on")


def _once(url: str, out: BinaryIO, size: int | None, limits: Limits, told: Told) -> None:
    most = limits.most if size is None else size
    have = out.tell() if out.tell() <= most else _emptied(out)
    asked = request.Request(bare(url), headers={"Range": f"bytes={have}-"} if have else {})
    if who := login(url):
        secret = base64.b64encode(":".join(who).encode()).decode()
        asked.add_unredirected_header("Authorization", f"Basic {secret}")
    count = partial(_Counted, address=shown(url), most=2 * most + _FRAME, limits=limits)
    try:
        answer = _opener(count).open(asked, timeout=limits.pause)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing beyond what is there: the check decides whether that is the whole file
        raise
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            have = _emptied(out)
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _emptied(out)
            raise OSError(f"asked for what follows byte {have}, it answered with another part")
        whole = size if answer.length is None else have + answer.length
        if whole is not None and (whole > most or size not in (None, whole)):
            _emptied(out)
            raise DownloadError(f"{shown(url)} serves {whole} bytes instead of {_wanted(size, most)}")
        while chunk := answer.read1(_CHUNK):
            have += len(chunk)
            if have > most:
                _emptied(out)
                raise DownloadError(f"{shown(url)} serves more than {_wanted(size, most)} bytes")
            _write(out, chunk)
            try:
                told(have, whole)
            except Exception as error:
                raise UntoldError(error) from None
    if whole is not None and have < whole:
        raise http.client.IncompleteRead(b"", whole - have)


def _wanted(size: int | None, most: int) -> str:
    return str(size) if size is not None else f"at most {most}, where no size is known"


def _emptied(out: BinaryIO) -> int:
    """Nothing of a file is left, so that it is begun anew."""
    out.seek(0)
    return out.truncate(0)


def _write(out: BinaryIO, chunk: bytes) -> None:
    try:
        out.write(chunk)
        out.flush()
    except OSError as error:
        raise DownloadError(f"{out.name}: {error.strerror}; make room, or set MAPGA_CACHE to another folder") from None


class _Counted(io.RawIOBase):
    """The bytes of one answer, headers and all, held to the limits."""

    def __init__(self, raw: io.RawIOBase, *, address: str, most: int, limits: Limits) -> None:
        self._raw, self._address, self._most, self._limits = raw, address, most, limits
        self._recent, self._since = 0, time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._raw.readinto(buffer) or 0
        self._most -= count
        self._recent += count
        if self._most < 0:
            raise DownloadError(f"{self._address}: an answer that does not end was given up")
        if (passed := time.monotonic() - self._since) >= self._limits.window:
            if self._recent < self._limits.least:
                raise TimeoutError(f"{self._recent} bytes in {passed:.0f} s are too few")
            self._recent, self._since = 0, time.monotonic()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


_Count = Callable[[io.RawIOBase], io.RawIOBase]


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, count: _Count, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(count(self.fp.detach()))


class _Handler(request.AbstractHTTPHandler):
    """http and https, with answers that count their bytes."""

    def __init__(self, count: _Count) -> None:
        super().__init__()
        self._count = count

    def http_open(self, asked: request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._connection, http.client.HTTPConnection), asked)

    def https_open(self, asked: request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._connection, http.client.HTTPSConnection), asked)

    http_request = https_request = request.AbstractHTTPHandler.do_request_

    def _connection(self, kind: Callable[..., http.client.HTTPConnection], host: str, **how: Any) -> Any:
        connection = kind(host, **how)
        connection.response_class = partial(_Answer, count=self._count)  # type: ignore[assignment]
        return connection


class _Redirect(request.HTTPRedirectHandler):
    def redirect_request(self, req: request.Request, fp: Any, *args: Any) -> request.Request | None:
        fp.close()  # or it is read into memory, to its end
        return super().redirect_request(req, fp, *args)


def _opener(count: _Count) -> request.OpenerDirector:
    """http and https alone, wherever a redirect points."""
    opener = request.OpenerDirector()
    for handler in (request.ProxyHandler(), request.UnknownHandler(), _Handler(count), _Redirect(),
                    request.HTTPDefaultErrorHandler(), request.HTTPErrorProcessor()):  # fmt: skip
        opener.add_handler(handler)
    return opener
