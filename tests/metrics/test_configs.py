"""The lists of metrics in conf/metrics: every entry builds, and is called what its column is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import mapga.metrics
from mapga.metrics import ImageMetric, SetMetric

CONF = Path(__file__).parents[2] / "conf" / "metrics"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_entry_builds_and_is_its_column(path: Path) -> None:
    entries = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(entries, dict)
    entries.pop("defaults", None)
    for column, node in entries.items():
        settings = dict(node)
        package, _, name = settings.pop("_target_").rpartition(".")
        assert package == "mapga.metrics" and name in mapga.metrics.__all__
        metric = getattr(mapga.metrics, name)(**settings)
        assert isinstance(metric, ImageMetric | SetMetric)
        assert metric.name == column


def test_paper_and_offline_hold_what_they_promise() -> None:
    assert list(OmegaConf.load(CONF / "paper.yaml")) == ["psnr", "ssim", "lpips_alex", "fid_clean", "kid"]
    for name in ("basic", "digits", "offline"):
        for node in OmegaConf.load(CONF / f"{name}.yaml").values():
            settings = {key: value for key, value in node.items() if key != "_target_"}
            metric = getattr(mapga.metrics, node["_target_"].rpartition(".")[2])(**settings)
            assert metric.files() == []  # nothing to download
