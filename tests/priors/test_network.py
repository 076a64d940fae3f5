"""Preconditioning, weights files and the network prior (acceptance 6, 7, 21)."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mapga.datasets import MNIST
from mapga.pixels import from_uint8
from mapga.priors import MixturePrior
from mapga.priors.network import NetworkPrior
from mapga.priors.networks.preconditioning import precondition, scalings, time_input
from mapga.priors.networks.shipped import SHIPPED
from mapga.priors.networks.unet import Architecture, UNet, read_network, write_network

MICRO = Architecture(channels=1, size=8, patch=2, widths=(8, 8), attention=(False, True), head=8, groups=4)


class Zero(nn.Module):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Labelled(nn.Module):
    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        return torch.ones_like(x) * labels.reshape(-1, 1, 1, 1)


def micro_network(seed: int) -> UNet:
    torch.manual_seed(seed)
    return UNet(MICRO)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("weights")
    paths = folder / "d.safetensors", folder / "c.safetensors"
    write_network(paths[0], micro_network(0), "edm", dtype=torch.float32)
    write_network(paths[1], micro_network(1), "consistency", dtype=torch.float32)
    return paths


@pytest.mark.parametrize(
    ("kind", "sigma", "c_skip", "c_out"),
    [
        ("consistency", 0.002, 1.0, 0.0),
        ("consistency", 0.5, 0.5020040, 0.3521392),
        ("consistency", 80.0, 3.906293e-5, 0.4999777),
        ("edm", 0.002, 0.9999840, 0.002 * 0.5 / math.hypot(0.002, 0.5)),
        ("edm", 80.0, 0.25 / 6400.25, 0.4999902),
    ],
)
def test_scalings_are_the_published_ones(kind: str, sigma: float, c_skip: float, c_out: float) -> None:
    got = scalings(kind, torch.tensor(sigma, dtype=torch.float64))
    assert got[0].item() == pytest.approx(c_skip, rel=2e-7)
    assert got[1].item() == pytest.approx(c_out, rel=2e-7)
    assert got[2].item() == pytest.approx(1 / math.hypot(sigma, 0.5), rel=1e-12)


@pytest.mark.parametrize(("sigma", "time"), [(80.0, 1095.506659), (0.5, -173.286795), (0.002, -1553.652)])
def test_time_input(sigma: float, time: float) -> None:
    assert time_input(torch.tensor(sigma, dtype=torch.float64)).item() == pytest.approx(time, abs=6e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_zeros_leaves_the_image_at_sigma_min(dtype: torch.dtype) -> None:
    prior = NetworkPrior(None, Zero(), (1, 8, 8))
    x = torch.randn(2, 1, 8, 8, dtype=dtype)
    assert torch.equal(prior.consistency(x, 0.002), x)
    assert torch.equal(prior.consistency(x, torch.full((2,), 0.002, dtype=dtype)), x)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind='vp': choose one of edm, consistency"):
        scalings("vp", torch.tensor(1.0))  # type: ignore[arg-type]


def test_one_level_or_one_an_image(files: tuple[Path, Path]) -> None:
    prior = NetworkPrior.from_files(str(files[0]), str(files[1])).to("cpu", torch.float64)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    levels = torch.tensor([0.1, 1.0, 20.0], dtype=torch.float64)
    for function in (prior.denoise, prior.consistency):
        together = function(x, levels)
        apart = torch.cat([function(x[i : i + 1], levels[i].item()) for i in range(3)])
        assert torch.allclose(together, apart, atol=1e-10)


def test_the_two_networks_answer_for_their_own_kind(files: tuple[Path, Path]) -> None:
    prior = NetworkPrior.from_files(str(files[0]), str(files[1]))
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(prior.denoise(x, 3.0), precondition("edm", micro_network(0).eval(), x, 3.0), atol=1e-6)
    wanted = precondition("consistency", micro_network(1).eval(), x, 3.0)
    assert torch.allclose(prior.consistency(x, 3.0), wanted, atol=1e-6)


def test_gradient_flows_to_x_and_not_to_the_weights(files: tuple[Path, Path]) -> None:
    prior = NetworkPrior.from_files(str(files[0]), str(files[1])).to("cpu", torch.float64)
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    for function in (prior.denoise, prior.consistency):
        assert torch.autograd.gradcheck(lambda x, f=function: f(x, 0.7)[0, 0, :2, :2], (x,), atol=1e-5)
    for network in (prior._denoiser, prior._consistency):
        assert network is not None and not network.training
        assert not any(p.requires_grad for p in network.parameters())


def test_moving_makes_a_copy_in_the_other_dtype(files: tuple[Path, Path]) -> None:
    prior = NetworkPrior.from_files(str(files[0]))
    moved = prior.to("cpu", torch.float64)
    x = torch.randn(2, 1, 8, 8)
    assert moved.denoise(x.double(), 1.0).dtype == torch.float64
    assert prior.denoise(x, 1.0).dtype == torch.float32
    assert torch.allclose(moved.denoise(x.double(), 1.0).float(), prior.denoise(x, 1.0), atol=1e-5)


def test_bfloat16_is_close_and_answers_in_the_dtype_of_x(files: tuple[Path, Path]) -> None:
    exact = NetworkPrior.from_files(str(files[0]))
    quick = NetworkPrior.from_files(str(files[0]), precision="bfloat16")
    x = torch.randn(2, 1, 8, 8)
    assert quick.denoise(x, 1.0).dtype == torch.float32
    assert 0 < float((quick.denoise(x, 1.0) - exact.denoise(x, 1.0)).abs().max()) < 0.02


@pytest.mark.parametrize(("role", "position"), [("denoiser", 1), ("consistency", 0)])
def test_weights_of_the_other_kind_are_refused(files: tuple[Path, Path], role: str, position: int) -> None:
    with pytest.raises(ValueError, match=r"these are (edm|consistency) weights, asked for as"):
        NetworkPrior.from_files(**{role: str(files[position])})


def test_a_missing_role_is_an_error_when_asked_for(files: tuple[Path, Path]) -> None:
    prior = NetworkPrior.from_files(str(files[0]))
    assert prior.has_denoiser and not prior.has_consistency
    with pytest.raises(ValueError, match="holds no consistency network"):
        prior.consistency(torch.zeros(1, 1, 8, 8), 1.0)
    with pytest.raises(ValueError, match="needs a denoiser, a consistency network, or both"):
        NetworkPrior(None, None, (1, 8, 8))


def test_cut_and_foreign_files_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    whole = files[0].read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("other", b"not a weights file")):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}.safetensors: damaged or cut weights file") as caught:
            read_network(path, "edm")
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no such weights file"):
        read_network(tmp_path / "absent.safetensors", "edm")


def test_two_networks_of_different_images_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    larger = Architecture(channels=1, size=16, patch=2, widths=(8, 8), attention=(False, True), head=8, groups=4)
    write_network(tmp_path / "large.safetensors", UNet(larger), "consistency")
    with pytest.raises(ValueError, match="give two networks of one image shape"):
        NetworkPrior.from_files(str(files[0]), str(tmp_path / "large.safetensors"))


def test_labels_reach_a_class_conditional_network() -> None:
    prior = NetworkPrior(Labelled(), None, (1, 8, 8), n_classes=10)
    x = torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match="need a label for each of 2 images, got none"):
        prior.denoise(x, 1.0)
    got = prior.conditioned(torch.tensor([0, 3])).denoise(x, 1.0)
    assert got[0].abs().max() == 0 and torch.all(got[1] == got[1, 0, 0, 0]) and got[1].abs().max() > 1
    with pytest.raises(ValueError, match=r"must lie in 0\.\.9"):
        prior.conditioned(torch.tensor([0, 10]))


def test_weights_decide_the_fingerprint(files: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.safetensors"
    copy.write_bytes(files[0].read_bytes())
    one, same = NetworkPrior.from_files(str(files[0])), NetworkPrior.from_files(str(copy))
    assert one.fingerprint == same.fingerprint != NetworkPrior.from_files(str(files[0]), str(files[1])).fingerprint


@pytest.mark.parametrize("size", [7, 12])
def test_an_image_size_that_does_not_halve_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"image size {size} is no multiple of 8"):
        Architecture(channels=1, size=size, patch=2, widths=(8, 8, 8), attention=(False, False, True), groups=4)


def test_loading_a_prior_imports_no_training_code() -> None:
    code = "import sys, mapga.priors.network; print([m for m in sys.modules if 'training' in m and 'mapga' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


shipped = pytest.mark.skipif(not (SHIPPED / "manifest.json").is_file(), reason="no weights in this checkout")


@shipped
@pytest.mark.parametrize(("name", "most"), [("mnist", 12e6), ("overlapping", 1.2e6)])
def test_shipped_weights_are_small_and_whole(name: str, most: float) -> None:
    prior = NetworkPrior.shipped(name)
    assert prior.image_shape == (1, 32, 32) and prior.has_denoiser and prior.has_consistency
    assert sum(path.stat().st_size for path in SHIPPED.glob(f"{name}_*.safetensors")) <= most
    with pytest.raises(ValueError, match="the package ships mnist, overlapping"):
        NetworkPrior.shipped("cats")


@shipped
def test_networks_of_the_mixture_are_near_its_exact_maps() -> None:
    """What the model card says of sigma = 1: 0.0142 of D, 0.0324 of C, where the exact D is 0.2 off a draw."""
    exact = MixturePrior.from_images(from_uint8(MNIST(limit=1).training()), 0.2, 64, contrast=0.1, ode_steps=32)
    exact, learned = exact.to("cpu", torch.float32), NetworkPrior.shipped("overlapping")
    clean = exact.sample(range(30_000, 30_032), seed=9).float()
    z = clean + torch.randn(clean.shape, generator=torch.manual_seed(0))
    with torch.no_grad():
        off = [(getattr(learned, way)(z, 1.0) - getattr(exact, way)(z, 1.0)) for way in ("denoise", "consistency")]
    rms = [float(one.square().mean().sqrt()) for one in off]
    assert rms == pytest.approx([0.0142, 0.0324], rel=0.15)


@shipped
def test_an_altered_shipped_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = next(iter(tmp_path.glob("mnist_*.safetensors")))
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    monkeypatch.setattr("mapga.priors.networks.shipped.SHIPPED", tmp_path)
    with pytest.raises(ValueError, match=rf"{victim.name}: .* differs from the manifest's.*reinstall mapga"):
        NetworkPrior.shipped("mnist")
