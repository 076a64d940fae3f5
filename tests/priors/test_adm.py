"""ADM's networks: their layouts and noise levels, against the network that they were released with, as azula has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from azula.plugins.adm import make_model

from mapga.cli import main
from mapga.priors import PublishedPrior
from mapga.priors.checkpoints.architecture import PublishedArchitecture
from mapga.priors.checkpoints.manifest import PublishedFile, architectures, published_files

SMALL = {"image_size": 32, "num_channels": 32, "channel_mult": (1, 2), "attention_resolutions": (16,)}
SMALL |= {"num_res_blocks": 1, "num_head_channels": 16, "resblock_updown": True, "use_scale_shift_norm": True}


@pytest.fixture(params=["linear", "cosine"])
def released(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """A small network of each kind, and the prior of its file: older attention; newer, with classes."""
    newer, classes = request.param == "cosine", 10 if request.param == "cosine" else None
    torch.manual_seed(0)
    theirs = make_model(
        **SMALL, num_classes=classes, discrete_schedule=request.param, use_new_attention_order=newer
    ).eval()  # type: ignore[arg-type]
    for parameter in theirs.backbone.parameters():  # many begin at zero
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(theirs.backbone.state_dict(), path := tmp_path / "adm.pt")
    one = PublishedArchitecture(
        32, (32, 64), (False, True), 1, classes, True, 16, 0, variance=True, heads_first=not newer
    )
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    monkeypatch.setitem(architectures(), "adm_tiny", one)
    entry = PublishedFile("adm_tiny", "adm", "adm_tiny", "adm_imagenet64", "", betas=request.param)
    monkeypatch.setitem(published_files(), "adm_tiny", entry)
    labels = None if classes is None else "truth"
    prior = PublishedPrior(
        "adm_tiny", "adm_tiny", None, denoiser_source=str(path), labels=labels, dataset_classes=classes
    )
    return theirs, prior.loaded()


def test_it_is_the_released_denoiser_at_every_kind_of_level(released: tuple[Any, PublishedPrior]) -> None:
    theirs, prior = released
    labels = None if prior.n_classes is None else torch.tensor([1, 9])
    asked = prior.conditioned(labels)
    noise = torch.randn(2, 3, 32, 32, generator=torch.manual_seed(1))
    for time in (0, 1, 500, 990):
        share = float(theirs.sigmas[time])
        sigma = share / (1 - share**2) ** 0.5
        with torch.no_grad():
            epsilon = theirs.backbone(noise, torch.full((2,), time), y=labels)[:, :3]
            x = noise * (1 + sigma**2) ** 0.5
            expected = x - sigma * epsilon
            found = asked.denoise(x, sigma)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_other_attention_is_another_network(released: tuple[Any, PublishedPrior], monkeypatch) -> None:
    """The two layouts have the same keys and shapes: which one a file has must be known."""
    _, prior = released
    architecture = architectures()["adm_tiny"]
    monkeypatch.setitem(architectures(), "adm_tiny", replace(architecture, heads_first=not architecture.heads_first))
    source = prior.sources["denoiser"]
    monkeypatch.setenv("MAPGA_CACHE", str(Path(str(source.given)).parent / "other"))
    wrong = PublishedPrior(
        "adm_tiny", "adm_tiny", None, denoiser_source=source.given, labels=None if prior.n_classes is None else 3
    ).loaded()
    labels = None if prior.n_classes is None else torch.tensor([3])
    x = torch.randn(1, 3, 32, 32, generator=torch.manual_seed(1))
    answers = [one.conditioned(labels).denoise(x, 1.0) for one in (prior, wrong)]
    assert float((answers[0] - answers[1]).abs().max()) > 1e-3


def test_its_levels_are_known_before_any_file_is_read() -> None:
    linear = PublishedPrior("adm256", "adm_imagenet256", None)
    assert linear.sigma_min == pytest.approx(0.01, rel=1e-3) and linear.sigma_max == pytest.approx(157.4, rel=1e-3)
    cosine = PublishedPrior("adm64", "adm_imagenet64", None, labels=0)
    assert cosine.sigma_min < 0.01 and cosine.sigma_max > 1000 and not cosine.has_consistency


@pytest.mark.parametrize("name", ["adm_imagenet64", "adm_imagenet256", "adm_cat256", "adm_bedroom256"])
def test_a_missing_file_is_named_with_its_address(name: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAPGA_CACHE", str(tmp_path))
    data = ["dataset=array", "dataset.path=nothing.npy"]
    assert main(["run", f"prior={name}", *data, "solver=ddrm", f"results_dir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert f"{name}.pt: no such file" in said and "openaipublic.blob.core.windows.net/diffusion/jul-2021/" in said
