"""Images per second of every metric at 64 and 256 pixels.

Protocol: batches of 8 colour images (digits: 32 pixels, grey), one batch to warm up, then batches until
``--seconds`` have passed; the rate is the median over batches. Networks whose weights are not at hand are
timed with random numbers in their place: speed does not depend on them. The result is one JSON document.

    python benchmarks/metrics.py --out benchmarks/results/metrics.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mapga.files.fetch import sha256_of
from mapga.metrics import (
    FID,
    LPIPS,
    PSNR,
    SSIM,
    DigitAccuracy,
    FDDigits,
    FDEfficientNet,
    ImageMetric,
    Scored,
    SetMetric,
    ShiftTolerantLPIPS,
)

BATCH = 8
Metric = ImageMetric | SetMetric


class InceptionShape(nn.Module):
    """torchvision's Inception v3 in the form of the TorchScript file: the same work, other numbers."""

    class Layers(nn.Module):
        """(B, 3, 299, 299) to (B, 2048)."""

        def __init__(self) -> None:
            super().__init__()
            from torchvision.models import inception_v3

            self.net = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
            self.net.fc = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.net._forward(x)[0]

    def __init__(self) -> None:
        super().__init__()
        self.layers = InceptionShape.Layers()

    def forward(self, img: Tensor, return_features: bool = True) -> Tensor:
        x = nn.functional.interpolate(img, size=(299, 299), mode="bilinear", align_corners=False)
        return self.layers((x - 128) / 128)


def random_backbone(name: str, folder: Path) -> Path:
    """Random AlexNet or VGG16 convolutions in torchvision's format."""
    from torchvision import models

    with torch.device("meta"):
        network = models.alexnet() if name == "alex" else models.vgg16()
    state = {key: torch.randn(t.shape) / 50 for key, t in network.state_dict().items() if key.startswith("features.")}
    path = folder / f"{name}.pth"
    torch.save(state, path)
    return path


def random_inception(folder: Path) -> Path:
    """A TorchScript file of Inception's shape."""
    path = folder / "inception.pt"
    torch.jit.script(InceptionShape().eval()).save(str(path))
    return path


def metrics(folder: Path) -> list[tuple[Callable[[], Metric], str]]:
    """Constructors, and where the weights are from."""
    cases: list[tuple[Callable[[], Metric], str]] = [(PSNR, "none"), (SSIM, "none")]
    for name in ("alex", "vgg"):
        if LPIPS(name).files()[0].problem() is None:
            cases.append((lambda name=name: LPIPS(name), "published"))  # type: ignore[misc]
        else:
            path = random_backbone(name, folder)
            cases.append((lambda n=name, p=path: LPIPS(n, weights=str(p), sha256=sha256_of(p)), "random"))  # type: ignore[misc]
    cases += [(ShiftTolerantLPIPS, "package"), (FDEfficientNet, "package")]
    published = FID().files()[0].problem() is None
    path = None if published else random_inception(folder)
    for flavour in ("clean", "legacy"):
        if path is None:
            cases.append((lambda f=flavour: FID(f), "published"))  # type: ignore[misc]
        else:
            cases.append((lambda f=flavour, p=path: FID(f, weights=str(p), sha256=sha256_of(p)), "random"))  # type: ignore[misc]
    return cases


def rate(metric: Metric, size: int, channels: int, seconds: float) -> float:
    """Images per second, the median over batches."""
    draw = np.random.default_rng(0)
    truth, restored = draw.integers(0, 256, (2, BATCH, size, size, channels), dtype=np.uint8)
    batch = Scored(restored, truth, labels=np.arange(BATCH))

    def once() -> None:
        if isinstance(metric, SetMetric):
            metric.features(restored)
        else:
            metric(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    once()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    return BATCH / statistics.median(times)


def main() -> None:
    """Time every metric and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256], help="sides in pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each metric and size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="file for the JSON document")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cases = [(build, weights, arguments.sizes, 3) for build, weights in metrics(Path(folder))]
        cases += [(DigitAccuracy, "shipped", [32], 1), (FDDigits, "shipped", [32], 1)]
        for build, weights, sizes, channels in cases:
            metric = build().to(arguments.device)
            if metric.missing():
                print(f"{metric.name:24} {metric.missing()[0]}")
                continue
            name = metric.name.split("_w")[0]
            for size in sizes:
                found = rate(metric, size, channels, arguments.seconds)
                rows.append({"metric": name, "size": size, "images_per_second": round(found, 2), "weights": weights})
                print(f"{name:24} {size:4d} px {found:10.1f} images/s   weights: {weights}", flush=True)
    document = {
        "device": torch.cuda.get_device_name() if arguments.device.startswith("cuda") else platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "batch": BATCH,
        "rows": rows,
    }
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
