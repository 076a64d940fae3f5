"""PSNR, SSIM and data consistency: equal to torchmetrics and scikit-image, exact where a value is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio as tm_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as tm_ssim

from helpers.operators import DenseOperator
from helpers.pictures import with_noise
from mapga.metrics import PSNR, SSIM, DataConsistency, Scored
from mapga.operators import BlockMean, CentralBox, SeparableBlur
from mapga.pixels import from_uint8, to_uint8, to_unit
from mapga.problem import Problem


def constant(value: int, size: int = 32) -> np.ndarray:
    return np.full((2, size, size, 1), value, dtype=np.uint8)


def test_psnr_equals_scikit_image_and_torchmetrics(photos: np.ndarray) -> None:
    noisy = with_noise(photos, 20)
    values = PSNR()(Scored(noisy, photos))
    assert values.dtype == np.float64
    expected = [peak_signal_noise_ratio(x, y) for x, y in zip(photos, noisy, strict=True)]
    np.testing.assert_allclose(values, expected, atol=1e-12)
    torchmetrics = [
        tm_psnr(to_unit(from_uint8(y[None])), to_unit(from_uint8(x[None])), data_range=1.0).item()
        for x, y in zip(photos, noisy, strict=True)
    ]
    np.testing.assert_allclose(values, torchmetrics, atol=1e-5)


def test_the_ceiling_of_psnr_is_that_of_one_value_off_by_one() -> None:
    truth = np.random.default_rng(0).integers(0, 255, (1, 6, 5, 3)).astype(np.uint8)
    restored = truth.copy()
    restored[0, 2, 3, 1] += 1
    (value,) = PSNR()(Scored(restored, truth))
    assert PSNR().ceiling((3, 6, 5)) == pytest.approx(value, abs=1e-12)
    assert SSIM().ceiling((3, 6, 5)) is None


def test_psnr_is_infinite_for_equal_images_without_a_warning() -> None:
    with np.errstate(all="raise"):
        assert np.isposinf(PSNR()(Scored(constant(7), constant(7)))).all()
    np.testing.assert_allclose(PSNR()(Scored(constant(0), constant(255))), 0)


def test_ssim_equals_torchmetrics(photos: np.ndarray) -> None:
    noisy = with_noise(photos, 20)
    expected = tm_ssim(to_unit(from_uint8(noisy)), to_unit(from_uint8(photos)), data_range=1.0, reduction="none")
    np.testing.assert_allclose(SSIM()(Scored(noisy, photos)), expected.numpy(), atol=1e-10)


def test_cropped_ssim_equals_scikit_image(photos: np.ndarray) -> None:
    noisy = with_noise(photos, 20)
    expected = [
        structural_similarity(
            x / 255,
            y / 255,
            channel_axis=-1,
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        for x, y in zip(photos, noisy, strict=True)
    ]
    np.testing.assert_allclose(SSIM(border="crop")(Scored(noisy, photos)), expected, atol=1e-10)


def test_ssim_of_known_images(photos: np.ndarray) -> None:
    np.testing.assert_allclose(SSIM()(Scored(constant(0), constant(255))), 9.999e-5, rtol=1e-5)
    np.testing.assert_allclose(SSIM()(Scored(photos, photos)), 1, atol=1e-12)
    np.testing.assert_array_equal(SSIM()(Scored(constant(0), constant(0))), 1)


def test_ssim_names_and_refusals() -> None:
    assert SSIM().name == "ssim" and SSIM().window == 11
    assert SSIM(sigma=2).name == "ssim_sigma2" and SSIM(border="crop").name == "ssim_crop"
    with pytest.raises(ValueError, match=r"ssim\.sigma=0"):
        SSIM(sigma=0)
    with pytest.raises(ValueError, match=r"ssim\.border='zero'"):
        SSIM(border="zero")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="11x11 window does not fit 8x8"):
        SSIM()(Scored(constant(0, 8), constant(0, 8)))


@pytest.mark.parametrize("metric", [PSNR(), SSIM(), SSIM(border="crop")], ids=lambda m: m.name)
def test_five_together_equal_five_alone(metric: PSNR | SSIM, photos: np.ndarray) -> None:
    noisy = with_noise(photos[:5], 20)
    together = metric(Scored(noisy, photos[:5]))
    alone = [metric(Scored(noisy[i : i + 1], photos[i : i + 1]))[0] for i in range(5)]
    np.testing.assert_array_equal(together, alone)


@dataclass(frozen=True)
class EveryOther:
    """Measures columns 0, 2, 4, ...; y is zero elsewhere, as masked operators have it."""

    n_measurements: int

    def apply(self, x: Tensor) -> Tensor:
        seen = torch.zeros_like(x)
        seen[..., ::2] = x[..., ::2]
        return seen


@dataclass(frozen=True)
class StubProblem:
    y: Tensor
    operator: EveryOther
    sigma_y: float = 0.0


def test_consistency_is_the_root_mean_square_of_what_was_measured() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    operator = EveryOther(3 * 16 * 8)
    x = from_uint8(truth)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype) * 0.05
    problem = StubProblem(operator.apply(x + noise), operator)
    values = DataConsistency()(Scored(truth, truth, problem=problem))
    expected = operator.apply(noise).square().flatten(1).sum(1).div(operator.n_measurements).sqrt()
    np.testing.assert_allclose(values, expected.numpy(), rtol=1e-12)
    assert 0.04 < values.mean() < 0.06


def test_consistency_of_a_rounded_answer_is_the_rounding_error() -> None:
    x = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    operator = EveryOther(3 * 32 * 16)
    stored = to_uint8(x)
    values = DataConsistency()(Scored(stored, stored, problem=StubProblem(operator.apply(x), operator)))
    np.testing.assert_allclose(values, 2 / 255 / np.sqrt(12), rtol=0.05)


def test_consistency_needs_its_problem() -> None:
    images = constant(0)
    with pytest.raises(ValueError, match="needs the measurement"):
        DataConsistency()(Scored(images, images))
    operator = EveryOther(512)
    with pytest.raises(ValueError, match="1 measurements for 2 images"):
        DataConsistency()(Scored(images, images, problem=StubProblem(torch.zeros(1, 1, 32, 32), operator)))


@pytest.mark.parametrize(
    ("restored", "truth", "message"),
    [
        (np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 8, 8, 3), np.uint8), r"float32 in \[0, 0\]"),
        (np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255.0), r"float64 in \[255, 255\]"),
        (np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8), r"\(1, 3, 8, 8\)"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), r"\(8, 8, 3\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 9, 3), np.uint8), "differ in shape"),
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8), "differ in shape"),
    ],
)
def test_wrong_images_are_refused(restored: np.ndarray, truth: np.ndarray, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Scored(restored, truth)


def test_labels_are_one_an_image() -> None:
    with pytest.raises(ValueError, match="labels of shape"):
        Scored(constant(0), constant(0), labels=np.zeros(3, np.int64))


@pytest.mark.parametrize(
    "operator",
    [CentralBox((1, 16, 16), 0.5), BlockMean((1, 16, 16), 4), SeparableBlur((1, 16, 16), 5, singular_cut=0.1)],
    ids=lambda operator: type(operator).__name__,
)
def test_the_floor_of_consistency_is_what_rounding_costs(operator) -> None:
    """Exact answers, rounded to 8 bits as a run does, against their own measurements."""
    operator = operator.to("cpu", torch.float64)
    exact = torch.rand(400, 1, 16, 16, dtype=torch.float64, generator=torch.manual_seed(0)) * 1.9 - 0.95
    problem = Problem(operator.apply(exact), operator, 0.0)
    stored = to_uint8(exact, "round")
    values = DataConsistency()(Scored(stored, stored, problem=problem))
    assert DataConsistency().floor(operator) == pytest.approx(float(np.sqrt((values**2).mean())), rel=0.03)


def test_nobody_knows_the_floor_of_an_operator_without_a_decomposition() -> None:
    assert DataConsistency().floor(DenseOperator(torch.eye(4), (1, 2, 2))) is None
    assert PSNR().floor(CentralBox((1, 4, 4), 0.5)) is None
