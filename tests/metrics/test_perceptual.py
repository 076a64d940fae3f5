"""LPIPS: equal to the package and to torchmetrics on the same weights, never on random ones."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.pictures import with_noise
from mapga.files.fetch import FileRefusedError, sha256_of
from mapga.metrics import LPIPS, Scored
from mapga.metrics.perceptual import ALEXNET, VGG16, Backbone

lpips = pytest.importorskip("lpips")


def metric(backbones: dict[str, Path], backbone: Backbone = "alex", resize: int | None = None) -> LPIPS:
    path = backbones[backbone]
    return LPIPS(backbone, resize=resize, weights=str(path), sha256=sha256_of(path))


def with_backbone(network: nn.Module, path: Path) -> nn.Module:
    """The reference library's network with our file's backbone."""
    weights = torch.load(path, weights_only=True)
    state = {key: weights[re.sub(r"^slice\d+", "features", key)] for key in network.state_dict()}
    network.load_state_dict(state)
    return network


def units(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_the_loss_is_the_distance_and_its_gradient_that_of_finite_differences(
    random_backbones: dict[str, Path], photos: np.ndarray
) -> None:
    measured = metric(random_backbones, "alex", resize=96)
    truth, images = units(photos[:2]), units(with_noise(photos[:2], 25))
    x = (2 * images - 1).requires_grad_()
    loss = measured.loss(x, 2 * truth - 1)
    np.testing.assert_allclose(loss.detach().numpy(), measured.distance(images, truth), atol=1e-6)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (measured.loss(x + h * direction, 2 * truth - 1).double().sum() for h in (0.05, -0.05))
    assert float(ahead - behind) / 0.1 == pytest.approx(float(gradient.norm()), rel=0.02)
    grey = x[:, :1]
    same = measured.loss(grey.expand(-1, 3, -1, -1), 2 * truth - 1)
    torch.testing.assert_close(measured.loss(grey, 2 * truth - 1), same)


@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_equal_to_both_libraries_on_the_same_weights(
    backbone: Backbone,
    random_backbones: dict[str, Path],
    photos: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for slow in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "constant_"):
        monkeypatch.setattr(nn.init, slow, lambda tensor, *_, **__: tensor)  # all of it is loaded below
    truth, restored = photos[:4], with_noise(photos[:4], 25)
    values = metric(random_backbones, backbone)(Scored(restored, truth))
    assert values.dtype == np.float64 and (values > 0).all()
    from torchmetrics.functional.image.lpips import _LPIPS

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        ours = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
        theirs = _LPIPS(net=backbone, pnet_rand=True)
        for reference in (ours, theirs):
            with_backbone(reference.net, random_backbones[backbone])
            expected = reference(2 * units(restored) - 1, 2 * units(truth) - 1).flatten()
            np.testing.assert_allclose(values, expected.numpy(), atol=1e-6)


def test_unit_images_equal_the_reference_on_symmetric_ones(
    random_backbones: dict[str, Path], photos: np.ndarray
) -> None:
    x, y = units(photos[:2]), units(with_noise(photos[:2], 25))
    measured = metric(random_backbones)
    np.testing.assert_allclose(
        measured.distance(y, x), measured(Scored(with_noise(photos[:2], 25), photos[:2])), atol=1e-6
    )
    np.testing.assert_array_equal(measured.distance(x, x), 0)
    for wrong, found in ((255 * x, "255"), (2 * x - 1, "-1")):
        with pytest.raises(ValueError, match=rf"lie in .*{found}.*expected \[0, 1\]"):
            measured.distance(wrong / wrong.abs().max() * float(found.strip("-")), x)


def test_five_together_equal_five_alone_and_black_is_zero(
    random_backbones: dict[str, Path], photos: np.ndarray
) -> None:
    measured = metric(random_backbones)
    noisy = with_noise(photos[:5], 25)
    together = measured(Scored(noisy, photos[:5]))
    alone = [measured(Scored(noisy[i : i + 1], photos[i : i + 1]))[0] for i in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    black = np.zeros((1, 64, 64, 1), np.uint8)
    np.testing.assert_array_equal(measured(Scored(black, black)), 0)


def test_resizing_is_what_the_name_says(random_backbones: dict[str, Path], photos: np.ndarray) -> None:
    noisy = with_noise(photos[:2], 25)
    measured = metric(random_backbones, resize=96)
    assert measured.name.startswith("lpips_alex_r96")
    enlarged = [
        nn.functional.interpolate(units(images), size=(96, 96), mode="bilinear", align_corners=False)
        for images in (noisy, photos[:2])
    ]
    expected = metric(random_backbones).distance(*(images.clamp(0, 1) for images in enlarged))
    np.testing.assert_allclose(measured(Scored(noisy, photos[:2])), expected, atol=1e-5)


def test_grey_images_count_as_three_equal_channels(random_backbones: dict[str, Path], photos: np.ndarray) -> None:
    grey, noisy = photos[:2, ..., :1], with_noise(photos[:2, ..., :1], 25)
    measured = metric(random_backbones)
    colour = measured(Scored(np.repeat(noisy, 3, axis=-1), np.repeat(grey, 3, axis=-1)))
    np.testing.assert_array_equal(measured(Scored(noisy, grey)), colour)


def test_name_tells_published_from_other_weights(random_backbones: dict[str, Path]) -> None:
    assert LPIPS().name == "lpips_alex"
    assert LPIPS("vgg", resize=224).name == "lpips_vgg_r224"
    digest = sha256_of(random_backbones["alex"])
    assert metric(random_backbones).name == f"lpips_alex_w{digest[:8]}"
    assert ALEXNET.name == f"alexnet-owt-{ALEXNET.sha256}.pth"
    assert VGG16.name == f"vgg16-{str(VGG16.sha256)[:8]}.pth"


def test_weights_are_never_silently_others(random_backbones: dict[str, Path], photos: np.ndarray) -> None:
    images = Scored(photos[:1], photos[:1])
    absent = LPIPS()
    assert "alexnet-owt-7be5be79.pth" in absent.missing()[0]
    assert "mapga prefetch metrics=paper" in absent.missing()[0]
    with pytest.raises(FileRefusedError, match="no such file"):
        absent(images)
    unstated = LPIPS(weights=str(random_backbones["alex"]))  # not the published file, and no hash says which
    assert "SHA-256" in unstated.missing()[0]
    with pytest.raises(FileRefusedError, match="7be5be79"):
        unstated(images)


def test_weights_of_another_network_are_refused(
    random_backbones: dict[str, Path], photos: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "part.pth"
    state = torch.load(random_backbones["alex"], weights_only=True)
    state.pop("features.10.bias")
    torch.save(state, path)
    with pytest.raises(RuntimeError, match=r"no features\.10\.bias"):
        LPIPS(weights=str(path), sha256=sha256_of(path))(Scored(photos[:1], photos[:1]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LPIPS("squeeze"), "lpips.backbone='squeeze'"),  # type: ignore[arg-type]
        (lambda: LPIPS(resize=8), "lpips.resize=8"),
        (lambda: LPIPS(sha256="0" * 64), "without lpips.weights"),
        (lambda: LPIPS(weights="x.pth", sha256="?"), "not a SHA-256"),
    ],
)
def test_wrong_settings_are_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_small_images_are_refused(random_backbones: dict[str, Path]) -> None:
    small = np.zeros((1, 28, 28, 3), np.uint8)
    with pytest.raises(ValueError, match=r"at least 31 pixels a side.*lpips\.resize"):
        metric(random_backbones)(Scored(small, small))


def test_global_random_state_is_left_alone(random_backbones: dict[str, Path], photos: np.ndarray) -> None:
    from mapga.metrics.perceptual import _network

    _network.cache_clear()
    before = torch.random.get_rng_state()
    metric(random_backbones)(Scored(photos[:1], photos[:1]))
    assert torch.equal(before, torch.random.get_rng_state())
