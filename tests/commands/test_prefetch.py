"""What a config needs from elsewhere: listed, fetched from a local server, used with the network cut off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from helpers.commands import mapga
from helpers.files_server import Files
from helpers.made_pictures import encoded, made
from helpers.published import TINY, register_tiny, write_random_weights
from mapga.cli import main
from mapga.commands.prefetch import obtain
from mapga.config.compose import compose_run, spec_of
from mapga.files.fetch import RemoteFile, fetch, sha256_of
from mapga.files.need import Need, missing
from mapga.priors import PublishedPrior
from mapga.priors.checkpoints.manifest import published
from mapga.priors.checkpoints.sources import WeightsSource


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path / "cache"))
    register_tiny(monkeypatch)
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two random tiny networks, kept outside of the cache."""
    (tmp_path / "elsewhere").mkdir()
    return {name: write_random_weights(tmp_path / "elsewhere" / name, TINY, salt=name) for name in ("a.pt", "b.pt")}


@pytest.fixture
def server(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pixels, buffer = np.stack([made(64, 64, k) for k in range(3)]), files["a.pt"].with_name("batch.npz")
    np.savez(buffer, pixels, np.arange(3))
    content = {path.name: path.read_bytes() for path in [*files.values(), buffer]}
    monkeypatch.setattr(Files, "content", content)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def config(server: str, tmp_path: Path, *more: str) -> list[str]:
    tiny = ["prior.architecture=tiny", "prior.denoiser=edm_tiny", "prior.consistency=cd_tiny"]
    sources = [f"prior.denoiser_source={server}/whole/a.pt", f"prior.consistency_source={server}/slow/b.pt"]
    data = [
        "dataset=imagenet64",
        "dataset.variant=reference",
        "dataset.root=null",
        f"dataset.source={server}/whole/batch.npz",
    ]
    return [*data, *tiny, *sources, "solver=map_ga_np", "mode=smoke", f"results_dir={tmp_path / 'results'}", *more]


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def test_prefetch_and_then_a_run_without_network(
    server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Acceptance 34."""
    assert main(["prefetch", "--list", *config(server, tmp_path)]) == 0
    assert capsys.readouterr().out.count("no such file") == 3 and not cache.exists()
    assert main(["prefetch", *config(server, tmp_path)]) == 0
    names = sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.suffix in (".pt", ".npz"))
    assert names == ["cd_tiny.pt", "datasets/batch.npz", "edm_tiny.pt"]
    cut_off(monkeypatch)
    capsys.readouterr()
    assert main(["prefetch", *config(server, tmp_path)]) == 0
    assert capsys.readouterr().out.count(": here") == 3
    assert main(["run", *config(server, tmp_path)]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert (folder / "done").exists()


def test_a_run_without_prefetch_lists_everything_at_once(
    server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Acceptance 34: before any model work."""
    for name in ("loaded", "to", "denoise"):
        monkeypatch.setattr(PublishedPrior, name, lambda *_: pytest.fail("model work"))
    assert main(["run", *config(server, tmp_path, "metrics=paper")]) == 2
    error = capsys.readouterr().err
    for part in (
        "6 missing or damaged:",
        f"edm_tiny.pt: no such file or folder; fetch it from {server}/whole/a.pt with `mapga prefetch prior=imagenet64",
        f"{server}/slow/b.pt",
        f"{server}/whole/batch.npz",
        "inception-2015-12-05.pt",
        "alexnet",
    ):
        assert part in error
    assert not (tmp_path / "results").exists() and not cache.exists()


@pytest.mark.parametrize("how", ["half", "wrong"])
@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_is_served_cut_or_wrong_is_refused(
    server: str, cache: Path, files: dict[str, Path], how: str, known: bool, capsys: pytest.CaptureFixture[str]
):
    """Acceptance 21: by its SHA-256 where one is known, by its form otherwise."""
    digest = [f"prior.denoiser_sha256={sha256_of(files['a.pt'])}"] if known else []
    tiny = ["prior=imagenet64", "prior.architecture=tiny", "prior.denoiser=edm_tiny", "prior.consistency=null"]
    source = f"prior.denoiser_source={server}/{how}/a.pt"
    assert main(["prefetch", *tiny, *digest, source]) == 1
    error = capsys.readouterr().err
    assert f"[prior.denoiser] {server}/{how}/a.pt does not serve edm_tiny" in " ".join(error.split())
    assert not (cache / "edm_tiny.pt").exists()
    good = source.replace(how, "whole")
    assert main(["prefetch", *tiny, *digest, good]) == 0
    assert (cache / "edm_tiny.pt").read_bytes() == files["a.pt"].read_bytes()
    # cut at half its length later: refused with its path and the command, and mended by it
    (cache / "edm_tiny.pt").write_bytes(files["a.pt"].read_bytes()[:1_000_000])
    problem = WeightsSource(published("edm_tiny"), f"{server}/whole/a.pt", None, "mapga prefetch prior=x").problem()
    assert problem is not None and "edm_tiny.pt: 1000000 bytes, cut short" in problem and "`mapga prefetch" in problem
    assert main(["prefetch", *tiny, *digest, good]) == 0
    assert (cache / "edm_tiny.pt").read_bytes() == files["a.pt"].read_bytes()


def test_two_that_fetch_at_once_leave_one_whole_file(server: str, cache: Path, files: dict[str, Path]):
    source = WeightsSource(published("edm_tiny"), f"{server}/slow/a.pt", sha256_of(files["a.pt"]), "mapga prefetch")
    threads = [threading.Thread(target=source.fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (cache / "edm_tiny.pt").read_bytes() == files["a.pt"].read_bytes()
    assert not list(cache.glob("*.part"))


def test_one_failure_does_not_stop_the_others(tmp_path: Path):
    (tmp_path / "there").touch()
    told: list[str] = []
    found = [
        Need("a", "A from x", None, None),
        Need(
            "b",
            "B from y",
            "b: no such file",
            WeightsSource(published("ct_cat256"), "/absent", None, "").fetch,
        ),
        Need("c", "C", "dataset.root=c: no such folder", None),
        Need("d", "D from z", "d: no such file", lambda told: tmp_path / "there"),
    ]
    failures = obtain(found, told.append)
    assert len(failures) == 2 and "/absent: no such file or folder" in failures[0] and "dataset.root=c" in failures[1]
    assert told[0] == "a: A from x: here" and told[-1] == f"d: {tmp_path / 'there'}"
    line = missing(found)
    assert line is not None and line.startswith("3 missing or damaged: [b] ") and missing(found[:1]) is None


def test_a_download_says_how_far_it_is_and_how_long_it_goes_on(monkeypatch: pytest.MonkeyPatch):
    """Pieces of 20 MB a second; what was there before says nothing of their speed."""
    clock, lines = iter(range(1000)), list[str]()
    monkeypatch.setattr("mapga.commands.prefetch.time.monotonic", lambda: float(next(clock)))

    def get(told) -> Path:
        for piece in range(30):
            told(100_000_000 + 20_000_000 * piece, 1_000_000_000)
        told(7_000_000, None)  # nobody says how much there is
        return Path("there")

    assert obtain([Need("a", "A from x", "a: no such file", get)], lines.append) == []
    assert lines[1:4] == [
        "  280 of 1,000 MB, about 40 s left",
        "  480 of 1,000 MB, about 27 s left",
        "  680 of 1,000 MB, about 17 s left",
    ]
    assert lines[-1] == "a: there"


def test_what_is_fetched_is_told_piece_by_piece(server: str, files: dict[str, Path], cache: Path):
    told: list[tuple[int, int | None]] = []
    file = RemoteFile("net", "net.pt", f"{server}/slow/b.pt", sha256_of(files["b.pt"]))
    assert fetch(file, told=lambda *how_far: told.append(how_far)).exists()
    size = files["b.pt"].stat().st_size
    assert len(told) > 1 and told[-1] == (size, size) and told == sorted(told)


def test_a_hub_id_is_looked_up_in_the_cache_only(
    cache: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    cut_off(monkeypatch)
    source = WeightsSource(published("cd_tiny"), "openai/diffusers-cd_tiny", None, "mapga prefetch prior=imagenet64")
    assert source.problem() == (
        f"hub:openai/diffusers-cd_tiny: not in {cache / 'hub'}; fetch it with `mapga prefetch prior=imagenet64`"
    )
    assert source.digest() is None
    known = WeightsSource(published("cd_cat256_l2"), "hub", None, "mapga prefetch")
    assert known.hub_id == "openai/diffusers-cd_cat256_l2" and known.described() == f"hub:{known.hub_id}"
    repository = cache / "hub" / "models--openai--diffusers-cd_tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    folder = repository / "snapshots" / ("0" * 40) / "unet"
    folder.mkdir(parents=True)
    (folder / "diffusion_pytorch_model.bin").write_bytes(files["b.pt"].read_bytes())
    assert source.problem() is None and source.digest() == sha256_of(files["b.pt"])
    given = {"consistency_source": "openai/diffusers-cd_tiny", "labels": 3}
    prior = PublishedPrior("tiny", None, "cd_tiny", **given)  # type: ignore[arg-type]
    assert prior.loaded() is not prior


def test_hashes_of_weights_and_lists_are_stated_where_the_files_are(
    cache: Path, files: dict[str, Path], tmp_path: Path
):
    (tmp_path / "list.csv").write_text("file,model_label\na.JPEG,3\n")
    tiny = ["prior.architecture=tiny", "prior.denoiser=edm_tiny", "prior.consistency=ct_tiny"]
    more = [f"prior.denoiser_source={files['a.pt']}", f"dataset.list={tmp_path / 'list.csv'}"]
    config = spec_of(compose_run(["dataset=imagenet64", *tiny, *more])).config
    assert config["prior"]["denoiser_sha256"] == sha256_of(files["a.pt"])
    assert config["prior"]["consistency_sha256"] is None
    assert config["dataset"]["list_sha256"] == sha256_of(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("dataset", "prior"),
    [
        ("imagenet64", "imagenet64"),
        ("lsun_cat", "lsun_cat256"),
        ("lsun_bedroom", "lsun_bedroom256"),
        ("mnist", "mixture"),
    ],
)
def test_a_dataset_brings_its_prior_and_the_command_line_wins(dataset: str, prior: str):
    assert spec_of(compose_run([f"dataset={dataset}"])).names["prior"] == prior
    assert spec_of(compose_run([f"dataset={dataset}", "prior=none"])).names["prior"] == "none"
    assert spec_of(compose_run(["prior=none", f"dataset={dataset}"])).names["prior"] == "none"


def test_doctor_lists_the_cache_and_what_is_missing(
    server: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["doctor", *config(server, tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "no files" in out and out.count("MISSING") == 3 and "who can serve which task" not in out
    assert main(["prefetch", *config(server, tmp_path)]) == 0
    capsys.readouterr()
    assert main(["doctor", *config(server, tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "edm_tiny.pt" in out and "MISSING" not in out and "who can serve which task" in out


def test_a_sweep_is_looked_at_as_a_whole(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "x.JPEG").write_bytes(encoded(made(70, 70), "JPEG"))
    sweep = ["dataset=imagenet64,mnist", "prior=imagenet64,none", f"dataset.root={tmp_path}", "task=half,box50"]
    assert main(["prefetch", "--list", *[text for text in sweep if "root" not in text]]) == 0
    out = capsys.readouterr().out
    assert out.count("prior.denoiser") == 2  # its line, and the command in it
    assert out.count("dataset: ") == 1


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("MAPGA_URL_EDM_TINY", "http://[::1", "http://[::1: no address that can be read"),
        ("MAPGA_CACHE", "/dev/null", "/dev/null: File exists; set MAPGA_CACHE"),
        ("MAPGA_CACHE", "/dev/null/below", "/dev/null/below: Not a directory; set MAPGA_CACHE"),
    ],
)
def test_surroundings_that_are_wrong_are_one_line(
    cache: Path, variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setenv(variable, value)
    tiny = ["prior=imagenet64", "prior.architecture=tiny", "prior.denoiser=edm_tiny", "prior.consistency=null"]
    said = mapga(capsys, "prefetch", *tiny)
    assert said.code == 1 and said.err.count("\n") == 1 and f"[prior.denoiser] {problem}" in said.err
