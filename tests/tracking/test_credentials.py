"""The key of Weights & Biases: found where wandb finds it, and a wrong one refused before anything is done."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.commands import mapga, tiny
from mapga.tracking import credentials
from mapga.tracking.credentials import check_key, find_key


@pytest.fixture(autouse=True)
def _no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


class Keyring(BaseHTTPRequestHandler):
    """A server that knows one key, and says so in one of two ways."""

    status = 401

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        known = base64.b64decode(self.headers["Authorization"].split()[1]).decode() == f"api:{GOOD}"
        self.send_response(200 if known else self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"data": {"viewer": {"id": "V"} if known else None}}).encode())

    def log_message(self, *said):
        pass


GOOD, WRONG = "g" * 40, "w" * 40


@pytest.fixture(params=[401, 200])
def keyring(request, monkeypatch):
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Keyring,), {"status": request.param}))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{httpd.server_port}")
    monkeypatch.setattr(credentials, "_SECONDS", 60.0)  # others may be at work here
    yield
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize(("key", "problem"), [("abc", "the key has 3 characters"), (WRONG, "does not take the key")])
def test_a_wrong_key_is_refused_before_anything_is_done(tmp_path, capsys, monkeypatch, keyring, key, problem):
    monkeypatch.setenv("WANDB_API_KEY", key)
    said = mapga(capsys, "run", *tiny(tmp_path / "results", "tracker=wandb"))
    assert said.code == 2 and said.err.count("\n") == 1 and key not in said.err
    assert problem in said.err and "tracker.wandb.mode=offline" in said.err
    assert not (tmp_path / "results").exists()
    assert mapga(capsys, "run", *tiny(tmp_path / "results", "tracker=wandb", "tracker.wandb.mode=offline")).code == 0


def test_sync_with_a_wrong_key_says_so_once(tmp_path, capsys, monkeypatch, keyring):
    assert mapga(capsys, "run", "-m", *tiny(tmp_path / "results", "seed=0,1")).code == 0
    monkeypatch.setenv("WANDB_API_KEY", WRONG)
    said = mapga(capsys, "sync", str(tmp_path / "results"), "--mode", "online")
    assert said.code == 2 and said.err.count("\n") == 1 and "does not take the key" in said.err


def test_a_key_is_refused_only_by_a_server_that_answers(monkeypatch, keyring):
    check_key(GOOD)
    with pytest.raises(ValueError, match="does not take the key"):
        check_key(WRONG)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there: the mirror will say so
    check_key(WRONG)


def test_online_without_a_key_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    said = mapga(capsys, "run", *tiny(tmp_path / "results", "tracker=wandb", "tracker.wandb.mode=online"))
    assert said.code == 2 and "there is no key; set WANDB_API_KEY (or `wandb login`)" in said.err
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {GOOD}\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert find_key() == GOOD
