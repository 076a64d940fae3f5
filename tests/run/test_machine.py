"""Which device a name stands for, where there are such GPUs and where there are none."""

from __future__ import annotations

import pytest
import torch

from mapga.errors import ConfigError
from mapga.run.machine import device_of


def with_gpus(monkeypatch: pytest.MonkeyPatch, **counts: int) -> None:
    for kind in ("cuda", "xpu", "mps"):
        count = counts.get(kind, 0)
        module = torch.backends.mps if kind == "mps" else getattr(torch, kind)
        monkeypatch.setattr(module, "is_available", lambda count=count: count > 0)
        monkeypatch.setattr(getattr(torch, kind), "device_count", lambda count=count: count)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "xpu", "xpu:1", "mps"])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with_gpus(monkeypatch)
    with pytest.raises(ConfigError, match=rf"^device='{name}': no such GPU is visible here; use device=cpu or"):
        device_of(name, "float32")
    assert device_of("auto", "float64") == device_of("cpu", "float64") == torch.device("cpu")


def test_a_gpu_that_is_there_is_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, cuda=2, xpu=1, mps=1)
    assert [str(device_of(name, "float32")) for name in ("cuda:1", "xpu", "mps")] == ["cuda:1", "xpu", "mps"]
    for name, told in {"cuda:2": "is cuda:1", "xpu:1": "is xpu:0"}.items():
        with pytest.raises(ConfigError, match=f"the last GPU visible here {told}"):
            device_of(name, "float32")
    with pytest.raises(ConfigError, match=r"^device='mps' has no float64; use dtype=float32"):
        device_of("mps", "float64")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert str(device_of("auto", "float32")) == "cuda:1"


def test_auto_takes_no_kind_of_gpu_that_nobody_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, xpu=1, mps=1)
    assert str(device_of("auto", "float32")) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "tpu", "mps:1", ""])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^device='{name}': choose auto, cpu, cuda"):
        device_of(name, "float32")
