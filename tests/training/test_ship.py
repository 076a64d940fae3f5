"""A shipped pair loads by name, and what does not belong together is not shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapga.priors.network import NetworkPrior
from mapga.priors.networks.unet import Architecture, UNet, write_network
from mapga.training.ship import ship


def test_ship_and_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = UNet(Architecture(1, 8, widths=(8, 8), attention=(False, True), head=8, groups=4))
    d, c = tmp_path / "d.safetensors", tmp_path / "c.safetensors"
    write_network(d, net, "edm")
    write_network(c, net, "consistency")
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr("mapga.priors.networks.shipped.SHIPPED", package)
    ship("dots", d, c, package)
    ship("spots", d, c, package)
    for name in ("dots", "spots"):
        assert NetworkPrior.shipped(name).fingerprint == NetworkPrior.from_files(str(d), str(c)).fingerprint
    with pytest.raises(ValueError, match="asked for as edm"):
        ship("swapped", c, d, package)
