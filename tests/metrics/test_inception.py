"""Inception distances: clean-fid's and torchmetrics' own numbers, on stand-in weights of their format."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from helpers.pictures import save_inception, with_noise
from mapga.files.fetch import FileRefusedError, sha256_of
from mapga.metrics import FID, KID, Reference
from mapga.metrics.inception import INCEPTION, INCEPTION_TM, Flavour, InceptionFeatures

cleanfid = pytest.importorskip("cleanfid.fid")


def fid(path: Path, flavour: Flavour = "clean") -> FID:
    return FID(flavour, weights=str(path), sha256=sha256_of(path))


def reference_of(features: np.ndarray) -> Reference:
    features = features.astype(np.float64)
    return Reference("these", len(features), features.mean(axis=0), features)


def folder_of(images: np.ndarray, folder: Path) -> str:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    return str(folder)


@pytest.mark.parametrize(("flavour", "mode"), [("clean", "clean"), ("legacy", "legacy_tensorflow")])
def test_equal_to_clean_fid_on_folders_of_png(
    flavour: Flavour, mode: str, inception: Path, photos: np.ndarray, tmp_path: Path
) -> None:
    noisy = with_noise(photos, 25)
    metric = fid(inception, flavour)
    value = metric.compare(metric.features(noisy), reference_of(metric.features(photos))).value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script = torch.jit.load(str(inception))

    def extractor(x: Tensor) -> Tensor:
        features: Tensor = script.layers((x - 128) / 128) if flavour == "clean" else script(x, True)
        return features

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cleanfid.compute_fid(
            folder_of(noisy, tmp_path / "restored"),
            folder_of(photos, tmp_path / "truth"),
            mode=mode,
            num_workers=0,
            device=torch.device("cpu"),
            custom_feat_extractor=extractor,
            verbose=False,
        )
    assert value > 0
    assert value == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("flavour", "inside"), [("clean", False), ("legacy", True)])
def test_features_equal_clean_fid_own_wrapper(
    flavour: Flavour, inside: bool, photos: np.ndarray, tmp_path: Path
) -> None:
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    path = save_inception(tmp_path / INCEPTION.name, 2048)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        wrapper = InceptionV3W(str(tmp_path), download=False, resize_inside=inside)
    pixels = photos[:3].astype(np.float32) if inside else np.stack([build_resizer("clean")(x) for x in photos[:3]])
    with torch.no_grad():
        expected = wrapper(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    features = fid(path, flavour).features(photos[:3])
    assert features.shape == (3, 2048)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_kid_equals_clean_fid(inception: Path, photos: np.ndarray) -> None:
    metric = KID("training", weights=str(inception), sha256=sha256_of(inception))
    restored, truth = metric.features(with_noise(photos, 25)), metric.features(photos)
    value = metric.compare(restored, reference_of(truth)).value
    doubles = (features.astype(np.float64) for features in (truth, restored))
    assert value == pytest.approx(cleanfid.kernel_distance(*doubles, num_subsets=1), rel=1e-9)
    assert metric.flavour == fid(inception).flavour  # one pass of the network serves both


def test_kid_of_subsets_is_seeded_and_near_the_whole(inception: Path, photos: np.ndarray) -> None:
    settings = {"weights": str(inception), "sha256": sha256_of(inception)}
    whole, parts = KID(**settings), KID(subset=12, subsets=300, **settings)
    restored, truth = whole.features(255 - photos), whole.features(photos)
    reference = reference_of(truth)
    expected = whole.compare(restored, reference).value
    assert parts.compare(restored, reference).value == pytest.approx(expected, rel=0.2)
    assert parts.compare(restored, reference) == parts.compare(restored, reference)


@pytest.mark.parametrize("flavour", ["clean", "legacy"])
def test_five_together_equal_five_alone(flavour: Flavour, inception: Path, photos: np.ndarray) -> None:
    metric = fid(inception, flavour)
    together = metric.features(photos[:5])
    alone = np.concatenate([metric.features(photos[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_torchmetrics_flavour_equals_torchmetrics(
    photos: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    from torchmetrics.image.fid import NoTrainInceptionV3

    empty, path = tmp_path / "empty.pth", tmp_path / INCEPTION_TM.name
    torch.save({}, empty)
    with monkeypatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(port.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(empty))
    torch.save(network.state_dict(), path)
    metric = fid(path, "tm")
    assert metric.name == f"fid_tm_w{sha256_of(path)[:8]}"
    with torch.no_grad():
        expected = network(torch.from_numpy(photos[:1]).permute(0, 3, 1, 2).contiguous())
    np.testing.assert_allclose(metric.features(photos[:1]), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_names_and_keys_tell_protocols_apart(inception: Path, photos: np.ndarray) -> None:
    assert [FID().name, FID("legacy").name, FID("tm").name, KID().name] == ["fid_clean", "fid_legacy", "fid_tm", "kid"]
    assert KID(subset=500).name == "kid_m500"
    metric = fid(inception)
    features = metric.features(photos)
    few = metric.compare(features[:10], reference_of(features[:10]))
    many = metric.compare(features, reference_of(features))
    assert few.key != many.key and f"n={len(photos)}" in many.key and "reference=these" in many.key
    assert "N=24 < 2048, biased upwards" in many.notes[0]


def test_grey_images_count_as_three_equal_channels(inception: Path, photos: np.ndarray) -> None:
    grey = photos[:2, ..., :1]
    for flavour in ("clean", "legacy"):
        metric = fid(inception, flavour)
        np.testing.assert_array_equal(metric.features(grey), metric.features(np.repeat(grey, 3, axis=-1)))


def test_network_is_never_silently_another(inception: Path, photos: np.ndarray, tmp_path: Path) -> None:
    absent = FID()
    assert len(absent.missing()) == 1 and "inception-2015-12-05.pt" in absent.missing()[0]
    assert "mapga prefetch metrics=paper" in absent.missing()[0]
    with pytest.raises(FileRefusedError, match="no such file"):
        absent.features(photos)
    with pytest.raises(FileRefusedError, match="instead of 95607719"):
        FID(weights=str(inception)).features(photos)
    assert fid(inception).missing() == []
    needs = FID(reference="lsun_cat_clean_train_256.npz").needs()
    assert [need.what.partition(" from ")[0] for need in needs] == [
        "inception-2015-12-05.pt",
        "statistics/lsun_cat_clean_train_256.npz",
    ]
    assert all(need.key == "metric fid_clean" and need.problem and need.get for need in needs)
    assert [need.get for need in fid(inception).needs()] == [None]  # a file of one's own is never fetched


def test_torch_script_with_pickled_code_is_not_unpickled(tmp_path: Path, photos: np.ndarray) -> None:
    path = tmp_path / INCEPTION_TM.name
    torch.save({"weight": Path("x")}, path)  # any object but tensors
    with pytest.raises(Exception, match=r"[Ww]eights"):
        fid(path, "tm").features(photos[:1])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FID("dirty"), "fid.flavour='dirty'"),  # type: ignore[arg-type]
        (lambda: FID(reference="imagenet"), "reference='imagenet'"),
        (lambda: KID(reference="stats.npz"), "needs features"),
        (lambda: KID(subset=1), "subset=1"),
        (lambda: InceptionFeatures("clean", sha256="0" * 64), "without fid.weights"),
    ],
)
def test_wrong_settings_are_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_wrong_features_are_refused(inception: Path, photos: np.ndarray) -> None:
    metric, kid = fid(inception), KID(weights=str(inception), sha256=sha256_of(inception))
    features = metric.features(photos[:4])
    bad = features.copy()
    bad[2, 0] = np.nan
    for one in (metric, kid):
        with pytest.raises(ValueError, match=r"shape \(64,\)"):
            one.compare(features.ravel(), reference_of(features))
        with pytest.raises(ValueError, match="row 2 of 4"):
            one.compare(bad, reference_of(features))
        with pytest.raises(ValueError, match="at least two images, got 1"):
            one.compare(features[:1], reference_of(features[:1]))
        with pytest.raises(ValueError, match=r"16 wide.*is 15"):
            one.compare(features, reference_of(features[:, :15]))
    with pytest.raises(TypeError, match="float32"):
        metric.features(photos[:2].astype(np.float32))
