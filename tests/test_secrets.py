"""A password in an address: planted, used, and looked for in every file and in all that is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.commands import mapga
from helpers.files_server import Files
from helpers.made_pictures import made

SECRET = "hunter2"
TYPED = f"http://user:{SECRET}@127.0.0.1:9/x.npz"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Three pictures of ImageNet's form, at an address with a password that the environment holds."""
    (tmp_path / "elsewhere").mkdir()
    np.savez(tmp_path / "elsewhere/x.npz", np.stack([made(64, 64, k) for k in range(3)]), np.arange(3))
    monkeypatch.setattr(Files, "content", {"x.npz": (tmp_path / "elsewhere/x.npz").read_bytes()})
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{httpd.server_port}/whole/x.npz"
    monkeypatch.setenv("MAPGA_URL_IMAGENET64", address.replace("//", f"//user:{SECRET}@"))
    yield address
    httpd.shutdown()
    httpd.server_close()


def kept(folder: Path) -> list[Path]:
    """The files, by content or name, that hold the secret."""
    secret = SECRET.encode()
    return [
        path for path in folder.rglob("*") if SECRET in path.name or (path.is_file() and secret in path.read_bytes())
    ]


def test_a_password_of_the_environment_works_and_stays_there(server: str, tmp_path: Path, capfd):
    pytest.importorskip("wandb")
    results = tmp_path / "results"
    data = [
        "dataset=imagenet64",
        "dataset.variant=reference",
        "dataset.root=null",
        f"dataset.source={server}",
        "prior=none",
        "mode=smoke",
    ]
    run = [*data, "solver=pinv", "device=cpu", "tracker=[csv,wandb]", "tracker.wandb.mode=offline"]
    run += [f"results_dir={results}"]
    said = [
        mapga(capfd, *command)
        for command in (
            ("run", *run),
            ("prefetch", "--list", *run),
            ("doctor", *run),
            ("prefetch", *run),
            ("run", *run),
            ("run", "-m", *run, "task=half,box50"),
            ("plan", *run, "task=half,box50"),
            ("doctor", *run),
            ("report", str(results)),
            ("status", str(results)),
        )
    ]
    assert [one.code for one in said] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert f"fetch it from {server} with" in said[0].err and f"x.npz from {server}" in said[3].out
    assert not [one for one in said if SECRET in one.out + one.err]
    assert len(list(results.glob("*/done"))) == 2 and len(list(results.rglob("*.wandb"))) == 2
    assert (results / "submissions.jsonl").exists()
    assert not kept(tmp_path)


@pytest.mark.parametrize(
    "command", [("run",), ("run", "-m"), ("run", "--cfg"), ("plan",), ("prefetch",), ("doctor",), ("train",)]
)
@pytest.mark.parametrize("override", [f"dataset.source='{TYPED}'", f"+x=[{TYPED}", f"hydra.sweep.dir='{TYPED}'"])
def test_a_password_that_is_typed_is_refused(command: tuple[str, ...], override: str, tmp_path: Path, capfd):
    said = mapga(capfd, *command, override, *([f"results_dir={tmp_path}"] if command[0] != "train" else []))
    assert said.code == 2 and said.err.count("\n") == 1 and "~/.netrc" in said.err
    assert override.partition("=")[0] in said.err and SECRET not in said.out + said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("run",), ("plan",), ("train",)])
def test_a_token_that_is_typed_is_refused(command: tuple[str, ...], tmp_path: Path, capfd):
    token = TYPED.replace(f"user:{SECRET}@", "") + f"?token={SECRET}"
    said = mapga(capfd, *command, f"+x='{token}'", *([f"results_dir={tmp_path}"] if command[0] != "train" else []))
    assert said.code == 2 and said.err.count("\n") == 1 and "holds a token" in said.err and "MAPGA_URL_" in said.err
    assert SECRET not in said.out + said.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("run",), ("run", "-m"), ("plan",), ("prefetch",)])
@pytest.mark.parametrize(
    "where", ["${oc.env:ADDRESS}", "experiment", "hydra"], ids=["interpolation", "experiment", "hydra"]
)
def test_a_password_that_comes_another_way_is_refused(command, where: str, tmp_path: Path, monkeypatch, capfd):
    monkeypatch.setenv("ADDRESS", TYPED)
    (tmp_path / "conf/experiment").mkdir(parents=True)
    content = {"hydra": {"help": {"header": TYPED}}} if where == "hydra" else {"dataset": {"source": TYPED}}
    text = "# @package _global_\n" + yaml.safe_dump(content)
    (tmp_path / "conf/experiment/mine.yaml").write_text(text)
    own = [f"hydra.searchpath=[file://{tmp_path}/conf]", "experiment=mine"]
    given = [f"dataset.source='{where}'"] if where.startswith("$") else own
    results = tmp_path / "results"
    said = mapga(capfd, *command, "dataset=imagenet64", "prior=none", *given, f"results_dir={results}")
    assert said.code == 2 and "~/.netrc" in said.err.splitlines()[-1] and SECRET not in said.out + said.err
    assert not results.exists()


def test_a_password_that_comes_to_a_training_is_refused(monkeypatch, tmp_path: Path, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADDRESS", TYPED)
    said = mapga(capfd, "train", "prior=mnist", "output='${oc.env:ADDRESS}'")
    assert said.code == 2 and "output: the address holds" in said.err and SECRET not in said.out + said.err
    assert not list(tmp_path.iterdir())
