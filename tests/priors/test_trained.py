"""Weights of one's own: a run finds them by path and is identified by what they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.commands import mapga
from mapga.config.compose import compose_run, spec_of
from mapga.priors.networks import shipped
from mapga.priors.networks.unet import Architecture, UNet, write_network

SMALL = Architecture(channels=1, size=32, widths=(8, 8), attention=(False, True), head=8, groups=4)


def write(path: Path, kind: str, seed: int) -> Path:
    torch.manual_seed(seed)
    write_network(path, UNet(SMALL), kind)
    return path


@pytest.fixture
def given(tmp_path):
    """Overrides of a run on two pictures with a pair of networks."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for k in range(2):
        noise = np.random.default_rng(k).integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / f"{k}.png")
    pair = {role: write(tmp_path / role, kind, 0) for role, kind in (("denoiser", "edm"), ("consistency",) * 2)}
    data = ["dataset=image_folder", f"dataset.root={pictures}", "dataset.channels=1", f"results_dir={tmp_path / 'out'}"]
    return [*data, "prior=trained", *(f"prior.{role}={path}" for role, path in pair.items()), "mode=smoke"]


def run_id(*overrides: str) -> str:
    return spec_of(compose_run(overrides)).run_id


@pytest.mark.parametrize("solver", ["map_ga", "map_ga_d_np", "ddrm", "ct_zsie"])
def test_a_run_with_trained_networks(given, capsys, solver):
    said = mapga(capsys, "run", *given, f"solver={solver}", "device=cpu")
    assert said.code == 0 and json.loads((Path(said.last) / "metrics.json").read_text())["n_images"] == 2


def test_a_solver_that_needs_what_is_not_given_says_so(given, capsys):
    alone = [text for text in given if not text.startswith("prior.consistency")]
    assert mapga(capsys, "run", *alone, "solver=ddrm", "device=cpu").code == 0
    said = mapga(capsys, "run", *alone, "solver=ct_zsie", "device=cpu")
    assert said.code == 2 and "consistency" in said.err and said.err.count("\n") == 1


def test_a_run_is_identified_by_the_weights_and_not_by_their_place(given, tmp_path):
    before = run_id(*given)
    (tmp_path / "denoiser").rename(tmp_path / "moved")
    moved = [text.replace(f"denoiser={tmp_path / 'denoiser'}", f"denoiser={tmp_path / 'moved'}") for text in given]
    assert run_id(*moved) == before
    write(tmp_path / "moved", "edm", 1)
    assert run_id(*moved) != before


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("prior.denoiser=absent", "prior.denoiser=absent: no such file; give weights that `mapga train` wrote"),
        ("prior.denoiser_sha256=abc", "prior.denoiser_sha256=abc: .* is another file"),
        ("prior.denoiser=null", "this prior holds no denoiser|needs a denoiser"),
    ],
)
def test_wrong_weights_are_refused_by_name(given, tmp_path, capsys, override, said):
    refused = mapga(capsys, "run", *given, override, "solver=ddrm", "device=cpu")
    assert refused.code == 2 and refused.err.count("\n") == 1
    assert re.search(said, refused.err)
    assert not (tmp_path / "out").exists()


def test_another_shipped_pair_is_another_run(tmp_path, monkeypatch):
    before = run_id("prior=mnist")
    package = tmp_path / "package"
    package.mkdir()
    manifest = json.loads((shipped.SHIPPED / "manifest.json").read_text())
    manifest["mnist"]["consistency"]["sha256"] = "0" * 64
    (package / "manifest.json").write_text(json.dumps(manifest))
    fingerprint = shipped.shipped_fingerprint("mnist")
    monkeypatch.setattr("mapga.priors.networks.shipped.SHIPPED", package)
    assert run_id("prior=mnist") != before
    assert run_id("prior=mnist", f"prior.fingerprint={fingerprint}") == before


def test_a_stated_fingerprint_is_held_to(capsys, tmp_path):
    said = mapga(capsys, "run", "prior=mnist", "prior.fingerprint=abc", "mode=smoke", f"results_dir={tmp_path / 'out'}")
    assert said.code == 2 and "this version ships another pair mnist" in said.err and not (tmp_path / "out").exists()
