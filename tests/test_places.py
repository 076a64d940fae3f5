"""Places on this machine: ``~`` is the home in every one of them, for who lists what is needed and for who runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import mapga
from mapga.config.compose import compose_run, spec_of
from mapga.files.fetch import sha256_of
from mapga.metrics.inception import FID
from mapga.metrics.perceptual import LPIPS
from mapga.metrics.reference import statistics_file
from mapga.node import DATASET
from mapga.priors.networks.shipped import shipped_paths


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_pictures_at_home(home, capsys):
    (home / "pics").mkdir()
    for k in range(3):
        Image.fromarray(np.full((16, 16), 40 * k, np.uint8)).save(home / "pics" / f"{k}.png")
    given = ["dataset=image_folder", 'dataset.root="~/pics"', "dataset.channels=1", "prior=none", "solver=pinv"]
    said = mapga(capsys, "prefetch", "--list", *given)
    assert said.code == 0 and said.out == "dataset: ~/pics: here\n"
    said = mapga(capsys, "run", *given, 'results_dir="~/results"', "device=cpu")
    assert said.code == 0 and Path(said.last).parent == home / "results" and (Path(said.last) / "done").exists()
    said = mapga(capsys, "run", "-m", *given, 'results_dir="~/results"', "task=half,box50", "device=cpu")
    assert said.code == 0 and Path(said.last) == home / "results" and "2 runs: 2 done" in said.err
    assert (home / "results/submissions.jsonl").exists() and not (Path.cwd() / "~").exists()


def test_what_is_missing_at_home_is_missing_for_both(home, capsys):
    given = ["dataset=image_folder", 'dataset.root="~/pics"']
    assert "dataset.root=~/pics: no such file" in mapga(capsys, "prefetch", "--list", *given).out
    said = mapga(capsys, "run", *given, f"results_dir={home / 'results'}")
    assert said.code == 2 and "dataset.root=~/pics: no such file or folder" in said.err


def test_a_list_and_weights_at_home_are_pinned(home):
    (home / "list.csv").write_text("file,model_label\na.JPEG,3\n")
    for role, path in shipped_paths("mnist").items():
        shutil.copy(path, home / f"{role}.safetensors")
    listed = ["dataset=imagenet64", 'dataset.list="~/list.csv"', "prior=none"]
    spec = spec_of(compose_run(listed))
    assert spec.config["dataset"]["list_sha256"] == sha256_of(home / "list.csv") and spec.images == 1
    trained = [f'prior.{role}="~/{role}.safetensors"' for role in ("denoiser", "consistency")]
    prior = spec_of(compose_run(["prior=trained", *trained])).config["prior"]
    assert prior["denoiser_sha256"] == sha256_of(home / "denoiser.safetensors")
    source = ["dataset=imagenet64", 'prior.denoiser_source="~/denoiser.safetensors"', "prior.consistency=null"]
    published = spec_of(compose_run(source)).config["prior"]
    assert published["denoiser_sha256"] == sha256_of(home / "denoiser.safetensors")


def test_weights_and_statistics_of_metrics_at_home(home):
    for metric in (FID(weights="~/w.pt", sha256="0" * 64), LPIPS(weights="~/w.pth", sha256="0" * 64)):
        assert metric.files()[0].path().parent == home
    assert statistics_file("~/s.npz").path() == home / "s.npz"


def test_one_file_at_two_places_is_one_run(home):
    ids = {spec_of(compose_run(["dataset=lsun_cat", f'dataset.root="{root}"'])).run_id for root in ("~/a", "/b", "c")}
    assert len(ids) == 1
    assert spec_of(compose_run(["dataset=lsun_cat"])).node(DATASET).card.places == ("root", "list")
