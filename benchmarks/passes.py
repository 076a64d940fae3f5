"""What a pass costs: forward, and forward with its vector-Jacobian product, in each way that networks can compute.

    .venv/bin/python benchmarks/passes.py [--networks mnist lsun256] [--batches 8 32] [--ways eager fast]

mnist is the shipped denoiser; imagenet64 and lsun256 are the published architectures at full size with random weights.
Milliseconds per image are medians after a first pass, which compiles. Peak memory per image is that of a pass less
what the network itself takes, on a GPU. Results go to the terminal and to benchmarks/results/passes-<device>.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import mapga
from mapga.priors.base import Prior
from mapga.priors.checkpoints.manifest import architectures
from mapga.priors.checkpoints.network import PublishedNetwork
from mapga.priors.checkpoints.sources import WeightsSource
from mapga.priors.published import PublishedPrior

DENOISERS = {"imagenet64": "edm_imagenet64_ema", "lsun256": "edm_cat256_ema"}
SIGMA = 1.0


class RandomPrior(PublishedPrior):
    """A published architecture with random weights."""

    def _read(self, source: WeightsSource) -> nn.Module:
        torch.manual_seed(0)
        return self._laid_out(PublishedNetwork(architectures()[source.entry.architecture]).requires_grad_(False).eval())


def prior_of(network: str, **arguments: Any) -> Prior:
    """The denoiser as it is loaded for a run."""
    if network == "mnist":
        return mapga.load_prior("mnist", **{key: arguments[key] for key in arguments if key == "precision"})
    labels = 0 if network == "imagenet64" else None
    return RandomPrior(network, DENOISERS[network], None, labels=labels, **arguments).loaded()


WAYS: dict[str, Callable[[str, torch.device], Prior]] = {
    "eager": lambda network, device: prior_of(network).to(device, torch.float32),
    "half": lambda network, device: prior_of(network, precision="bfloat16").to(device, torch.float32),
    "half, channels last": lambda network, device: prior_of(network, precision="bfloat16", channels_last=True).to(
        device, torch.float32
    ),
    "auto": lambda network, device: prior_of(network).to(device, torch.float32).quick(half=False),
    "fast": lambda network, device: prior_of(network).to(device, torch.float32).quick(half=True),
    "checkpointing": lambda network, device: prior_of(network, checkpointing=True).to(device, torch.float32),
}
PLAIN = {"mnist": {"half, channels last", "checkpointing"}}  # ways that the shipped networks have not


def milliseconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median of some calls after one that warms up."""
    work()
    taken = []
    for _ in range(repeats):
        synchronised(device)
        begun = time.perf_counter()
        work()
        synchronised(device)
        taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)


def synchronised(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured(prior: Prior, batch: int, device: torch.device, repeats: int) -> dict[str, float | None]:
    """Milliseconds and peak bytes per image of both kinds of pass."""
    asked = prior.conditioned(None if prior.n_classes is None else torch.zeros(batch, dtype=torch.int64))
    x = torch.randn(batch, *prior.image_shape, device=device)

    def forward() -> None:
        with torch.no_grad():
            asked.denoise(x, SIGMA)

    def vjp() -> None:
        z = x.clone().requires_grad_()
        torch.autograd.grad(asked.denoise(z, SIGMA), z, x)

    found: dict[str, float | None] = {}
    for name, work in (("forward", forward), ("vjp", vjp)):
        found[f"{name}_ms"] = milliseconds(work, device, repeats) / batch
        found[f"{name}_bytes"] = None
        if device.type == "cuda":
            before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            work()
            found[f"{name}_bytes"] = (torch.cuda.max_memory_allocated(device) - before) / batch
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["mnist"], choices=["mnist", *DENOISERS])
    parser.add_argument("--batches", nargs="+", type=int, default=[8])
    parser.add_argument("--ways", nargs="+", default=["eager", "half"], choices=list(WAYS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on the CPU (default 1)")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/passes-<device>.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    called = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()

    rows = []
    for network in arguments.networks:
        for way in [way for way in arguments.ways if way not in PLAIN.get(network, set())]:
            prior = WAYS[way](network, device)
            for batch in arguments.batches:
                rows.append({"network": network, "way": way, "batch": batch})
                try:
                    rows[-1] |= measured(prior, batch, device, arguments.repeats)
                except torch.cuda.OutOfMemoryError:
                    rows[-1]["failed"] = "out of memory"
                except Exception as error:
                    rows[-1]["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                print(rows[-1], flush=True)
            del prior
            if device.type == "cuda":
                torch.cuda.empty_cache()
    Console().print(table(rows, called))
    output = arguments.output or Path(__file__).parent / "results" / f"passes-{device.type}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    record = {"device": called, "threads": torch.get_num_threads(), "torch": torch.__version__, "passes": rows}
    output.write_text(json.dumps(record, indent=2) + "\n")
    print(output)


def table(rows: list[dict[str, Any]], device: str) -> Table:
    out = Table("network", "way", "batch", "forward (ms)", "with vjp (ms)", "memory (MB)", title=f"per image, {device}")
    for row in rows:
        if "failed" in row:
            out.add_row(row["network"], row["way"], str(row["batch"]), row["failed"])
            continue
        memory = "" if row["vjp_bytes"] is None else f"{row['vjp_bytes'] / 1e6:.0f}"
        times = (f"{row['forward_ms']:.2f}", f"{row['vjp_ms']:.2f}")
        out.add_row(row["network"], row["way"], str(row["batch"]), *times, memory)
    return out


if __name__ == "__main__":
    main()
