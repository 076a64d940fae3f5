"""The metrics there are, and the lists of them in conf/metrics: all build without torch, under their columns' names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mapga.catalogue import kinds
from mapga.metrics import Metric

CONF = Path(__file__).parents[2] / "conf" / "metrics"


def entries(name: str) -> dict[str, Metric]:
    """The metrics of a list, by column."""
    nodes = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(nodes, dict)
    nodes.pop("defaults", None)
    made = {}
    for column, node in nodes.items():
        settings = dict(node)
        package, _, name = settings.pop("_target_").rpartition(".")
        assert package == "mapga.metrics"
        made[column] = kinds(package, "Metric")[name](**settings)
    return made


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_entry_builds_and_is_its_column(name: str) -> None:
    for column, metric in entries(name).items():
        assert isinstance(metric, Metric)
        assert metric.name == column


def test_paper_and_offline_hold_what_they_promise() -> None:
    assert list(entries("paper")) == ["psnr", "ssim", "lpips_alex", "fid_clean", "kid"]
    for name in ("basic", "digits", "offline"):
        assert all(need.get is None for metric in entries(name).values() for need in metric.needs())  # no download


def test_columns_stand_in_the_order_and_with_the_digits_of_their_cards() -> None:
    metrics = {name: metric for path in CONF.glob("*.yaml") for name, metric in entries(path.stem).items()}
    ordered = sorted(metrics, key=lambda name: (metrics[name].card.order, name))
    first = ["psnr", "ssim", "ssim_crop", "lpips_alex", "lpips_vgg", "consistency"]
    assert [name for name in ordered if name in first] == first and metrics["consistency"].card.check
    two = {"psnr", "fid_clean", "fid_legacy", "fid_tm", "fd_digits", "fd_efficientnet"}
    assert {metrics[name].card.digits for name in two} == {2}


_WITHOUT_TORCH = """
import pkgutil, sys
from importlib import import_module
sys.modules["torch"] = None
import mapga.metrics
from mapga.catalogue import kinds
for found in pkgutil.iter_modules(mapga.metrics.__path__):
    if not found.ispkg:
        import_module(f"mapga.metrics.{found.name}")
made = [kind() for kind in kinds("mapga.metrics", "Metric").values()]
print(len(made), [metric.name for metric in made if metric.to("cuda") and metric.needs() is None])
"""


def test_metrics_are_made_and_asked_what_they_need_without_torch() -> None:
    result = subprocess.run([sys.executable, "-c", _WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(len(kinds("mapga.metrics", "Metric"))), "[]"]
