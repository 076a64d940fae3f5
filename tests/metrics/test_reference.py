"""What sets are compared with: truths by index, statistics files, a training split and its cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.pictures import with_noise
from mapga.files.fetch import FileRefusedError, cache_folder
from mapga.metrics import reference_for
from mapga.metrics.distribution import FrechetDistance, KernelDistance
from mapga.metrics.reference import Reference, crossed_reference, halves, statistics_file, statistics_reference
from mapga.metrics.references import training_reference


class Colours(FrechetDistance):
    """Features a test can afford: mean colours of quadrants."""

    name, flavour = "fd_colours", "colours"

    def __init__(self, reference: str = "training", weights: str = "0") -> None:
        super().__init__(reference)
        self.weights, self.seen = weights, 0

    def features(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        half = images.shape[1] // 2
        quadrants = [images[:, a : a + half, b : b + half] for a in (0, half) for b in (0, half)]
        return np.concatenate([part.mean(axis=(1, 2)) for part in quadrants], axis=1)

    def extractor_hash(self) -> str:
        return self.weights


class ColourKernel(KernelDistance):
    """The same features, compared by a kernel."""

    name, flavour = "kd_colours", "colours"

    def features(self, images: np.ndarray) -> np.ndarray:
        return Colours().features(images)

    def extractor_hash(self) -> str:
        return "0"


def test_truths_must_be_those_of_the_restored_images() -> None:
    features = np.random.default_rng(0).random((3, 4))
    reference = crossed_reference(features, restored_indices=[5, 6, 9], truth_indices=[5, 6, 9])
    assert reference.n == 3 and reference.name == "crossed halves"
    for indices, message in ([5, 6, 8], r"indices \[8, 9\]"), ([6, 5, 9], "order differs"), ([5, 6], r"\[9\]"):
        with pytest.raises(ValueError, match=f"do not match 3 restored ones: .*{message}"):
            crossed_reference(features, restored_indices=[5, 6, 9], truth_indices=indices)
    with pytest.raises(ValueError, match="2 rows of features for 3"):
        crossed_reference(features[:2], restored_indices=[5, 6, 9], truth_indices=[5, 6, 9])


@pytest.mark.parametrize("turns", [2, 3, 10])
def test_halves_are_as_large_and_know_no_turns(turns: int) -> None:
    """Balanced sets come in turns: every second row of 0, 1, ..., 9, 0, ... is an even digit."""
    first = halves(range(240))
    assert first.sum() == 120 and (halves(range(7, 50)) == first[7:50]).all() and halves([]).shape == (0,)
    assert (halves([3, 8, 17]) == first[[3, 8, 17]]).all(), "whatever was lost"
    shares = [first[kind::turns].mean() for kind in range(turns)]
    assert 0.2 < min(shares) <= max(shares) < 0.8
    rows = range(240)
    reference = crossed_reference(np.eye(240), restored_indices=rows, truth_indices=rows)
    assert (reference.first == first).all()


def test_statistics_file_gives_the_distance_of_its_features(photos: np.ndarray, tmp_path: Path) -> None:
    metric = Colours()
    truth, restored = metric.features(photos), metric.features(with_noise(photos, 60))
    path = tmp_path / "set.npz"
    # as OpenAI's files: images and other statistics beside mu and sigma
    np.savez(path, mu=truth.mean(axis=0), sigma=np.cov(truth.T), arr_0=photos, mu_s=np.zeros(3))
    reference = statistics_reference(path)
    score = metric.compare(restored, reference)
    these = Reference("these", len(truth), truth.mean(axis=0), truth)
    assert score.value == pytest.approx(metric.compare(restored, these).value, abs=1e-6)
    assert "reference=set.npz@" in score.key
    path2 = tmp_path / "other" / "set.npz"
    path2.parent.mkdir()
    np.savez(path2, mu=truth.mean(axis=0) + 1, sigma=np.cov(truth.T))
    assert statistics_reference(path2).name != reference.name  # the same name, other content
    with pytest.raises(ValueError, match=r"features are 11 wide, reference 'set\.npz@.*' is 12"):
        metric.compare(restored[:, :11], reference)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": np.zeros(3)}, r"holds \['mu'\]"),
        ({"mean": np.zeros(3), "sigma": np.eye(3)}, r"holds \['mean', 'sigma'\]"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"mu \(3,\) and sigma \(4, 4\)"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "NaN or infinity"),
    ],
)
def test_wrong_statistics_files_are_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        statistics_reference(path)


def test_cut_or_pickled_statistics_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    np.savez(path, mu=np.zeros(300), sigma=np.eye(300))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.npz: not a readable \.npz file"):
        statistics_reference(path)
    objects = tmp_path / "objects.npz"
    np.savez(objects, mu=np.array([{}], dtype=object), sigma=np.eye(1))
    with pytest.raises(ValueError, match="allow_pickle"):
        statistics_reference(objects)


def test_statistics_are_found_by_path_or_among_the_published(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    absent = statistics_file(str(path))
    assert absent.path() == path and "no such file" in str(absent.problem())
    published = statistics_file("lsun_cat_clean_train_256.npz")
    assert published.path().parent == cache_folder() / "statistics"
    assert published.source().endswith("/lsun_cat_clean_train_256.npz")


def test_training_statistics_are_kept_by_content(photos: np.ndarray, tmp_path: Path) -> None:
    metric = Colours()
    first = training_reference(metric, photos)
    assert metric.seen == len(photos)
    np.testing.assert_allclose(first.mean, metric.features(photos).mean(axis=0))
    again = Colours()
    second = training_reference(again, photos.copy())  # the same images elsewhere
    assert again.seen == 0
    np.testing.assert_array_equal(first.covariance, second.covariance)
    altered = photos.copy()
    altered[3, 5, 7, 1] ^= 1
    assert training_reference(again, altered).mean.shape == first.mean.shape and again.seen == len(photos)
    other = Colours(weights="1")
    training_reference(other, photos)
    assert other.seen == len(photos)


def test_cut_cache_entry_is_computed_anew(photos: np.ndarray) -> None:
    training_reference(Colours(), photos)
    [entry] = (cache_folder() / "statistics").iterdir()
    entry.write_bytes(entry.read_bytes()[:100])
    metric = Colours()
    training_reference(metric, photos)
    assert metric.seen == len(photos)


def test_reference_for_takes_what_the_metric_names(photos: np.ndarray, tmp_path: Path) -> None:
    metric = Colours("crossed")
    truth = metric.features(photos[:10])
    settings = {"truth_features": truth, "restored_indices": range(10), "truth_indices": range(10)}
    assert reference_for(metric, training=lambda: photos, **settings).name == "crossed halves"
    metric.reference = "training"
    assert reference_for(metric, training=lambda: photos, **settings).n == len(photos)
    path = tmp_path / "set.npz"
    np.savez(path, mu=truth.mean(axis=0), sigma=np.cov(truth.T))
    metric.reference = str(path)
    assert reference_for(metric, training=lambda: photos, **settings).name.startswith("set.npz@")
    metric.reference = str(tmp_path / "absent.npz")
    with pytest.raises(FileRefusedError, match=r"absent\.npz: no such file"):
        reference_for(metric, training=lambda: photos, **settings)


def test_kernel_distance_needs_the_features_of_the_training_split(photos: np.ndarray) -> None:
    metric = ColourKernel("training")
    reference = training_reference(metric, photos)
    assert reference.features is not None and reference.features.shape == (24, 12)
    assert training_reference(metric, photos).features is not None  # from the cache
    near = metric.compare(metric.features(photos[:12]), reference).value
    far = metric.compare(metric.features(255 - photos[:12]), reference).value
    assert near < far


def test_an_images_own_truth_is_no_reference() -> None:
    with pytest.raises(ValueError, match=r"reference='truth': distances from an image's own truth .* choose 'crossed'"):
        Colours("truth")


def test_halves_are_compared_with_the_others_truths(photos: np.ndarray) -> None:
    metric, first = Colours("crossed"), np.arange(len(photos)) < 9
    truth, restored = metric.features(photos), metric.features(with_noise(photos, 60))
    rows = range(len(photos))
    crossed = crossed_reference(truth, restored_indices=rows, truth_indices=rows, first=first)
    parts = [(restored[a], truth[b]) for a, b in ((first, ~first), (~first, first))]
    apart = [metric.compare(x, Reference("", len(y), y.mean(axis=0), y)).value for x, y in parts]
    score = metric.compare(restored, crossed)
    assert score.value == pytest.approx(np.mean(apart)) and score.key == "fd_colours|n=24|reference=crossed halves"


def test_a_cache_that_cannot_be_written_costs_time_alone(monkeypatch, photos, caplog):
    first = training_reference(Colours(), photos)
    monkeypatch.setenv("MAPGA_CACHE", "/dev/null")
    np.testing.assert_array_equal(training_reference(Colours(), photos).mean, first.mean)
    assert "the statistics cannot be kept" in caplog.text
