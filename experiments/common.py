"""What studies share: a prior whose posterior is known, budgets, settings chosen on other draws, intervals, tables.

python -m experiments.<study>.run        # from the repository's root; a line a cell, kept as soon as it is made
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

import mapga
from mapga.metrics.statistics import bootstrap_interval
from mapga.posteriors.estimates import gap_to_mmse
from mapga.posteriors.exact import Exact, exact_posterior
from mapga.priors import MixturePrior, PatchesPrior, Prior
from mapga.problem import Problem, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]

SIDE, COMPONENTS, CONTRAST, STD = 16, 64, 0.2, 0.2
NETWORK = "network"  # among the names of priors: the shipped networks of digits, at 32x32
LEARNED = "learned"  # and those of prior=overlapping, whose posterior is known
NETWORKS = {NETWORK: "mnist", LEARNED: "overlapping_networks"}
VALIDATION = 1000  # draws from this index on choose settings; those before it are reported
LOST = 1e9  # dB, of what diverged


def small_digits(split: str, limit: int | None = None) -> Tensor:
    """Digits at 16x16, means of 2x2 pixels, (N, 1, 16, 16) in float64."""
    images = mapga.load_images("mnist", split=split, limit=limit, dtype=torch.float64)
    return torch.nn.functional.avg_pool2d(torch.Tensor.as_subclass(images, Tensor), 32 // SIDE)


@cache
def digits_prior(ode_steps: int = 16) -> MixturePrior:
    """``prior=overlapping`` at 16x16: 64 digits, as ambiguous as that is at 32x32."""
    return MixturePrior.from_images(small_digits("train"), STD, COMPONENTS, contrast=CONTRAST, ode_steps=ode_steps)


@cache
def patches_prior(ode_steps: int = 32) -> PatchesPrior:
    """``prior=patches`` at 16x16: four independent 8x8 patches of grey photographs."""
    prior = mapga.load_prior("patches", image_shape=(1, SIDE, SIDE), ode_steps=ode_steps)
    assert isinstance(prior, PatchesPrior)
    return prior


@cache
def network_prior(name: str = NETWORK) -> Prior:
    """Networks that ship; in float32, since on a CPU bfloat16 takes fifteen times as long."""
    return mapga.load_prior(NETWORKS[name], precision="float32").to("cpu", torch.float32)


@cache
def learned_from(ode_steps: int = 16) -> MixturePrior:
    """``prior=overlapping``, at 32x32."""
    prior = mapga.load_prior("overlapping", ode_steps=ode_steps)
    assert isinstance(prior, MixturePrior)
    return prior


def exact_prior(name: str, ode_steps: int = 16) -> MixturePrior | PatchesPrior:
    """``digits`` or ``patches``, or what the networks of ``learned`` have learned."""
    known = {"digits": digits_prior, "patches": patches_prior, LEARNED: learned_from}
    return known[name](ode_steps)


def prior_of(name: str, ode_steps: int = 16) -> Prior:
    """Those, or networks."""
    return network_prior(name) if name in NETWORKS else exact_prior(name, ode_steps)


def truths(name: str, indices: range) -> Tensor:
    """What a prior knows: draws of an exact one; digits that the networks never saw, test or validation ones."""
    if name == NETWORK:
        choosing = indices.start >= VALIDATION
        skip = indices.start - VALIDATION * choosing
        split = "validation" if choosing else "test"
        return torch.Tensor.as_subclass(mapga.load_images("mnist", split=split, skip=skip, limit=len(indices)), Tensor)
    drawn = exact_prior(name).sample(indices, seed=0)
    return drawn.float() if name in NETWORKS else drawn


def drawn(name: str, task: str, sigma_y: float, indices: range) -> tuple[Tensor, Problem]:
    """What a prior knows, and what is measured of it."""
    truth = truths(name, indices)
    operator = mapga.load_task(task).operator((1, *truth.shape[2:]))
    return truth, measure(truth.double(), operator, sigma_y, seed=0, indices=indices).to("cpu", truth.dtype)


def psnr(x: Tensor, truth: Tensor) -> Tensor:
    """dB, (B,); 0 of what diverged."""
    return (10 * (4 / (x.clamp(-1, 1) - truth).square().flatten(1).mean(1)).log10()).nan_to_num(0.0)


def posterior_of(name: str, problem: Problem) -> Exact:
    """p(x | y), in float64; of networks that of the exact prior which they learned."""
    return exact_posterior(problem.to("cpu", torch.float64), exact_prior(name))


def scored(name: str, problem: Problem, x: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """How good answers are: PSNR, and where the posterior is known how far they are above its least squared error."""
    found = {"psnr": psnr(x, truth)}
    if name == NETWORK:
        return found
    gap = gap_to_mmse(posterior_of(name, problem), x.double())
    return {"mmse_gap_db": gap.nan_to_num(LOST).clamp(max=LOST)} | found


def solve(name: str, problem: Problem, prior: Prior, passes: int, seed: int = 0, **settings: Any) -> Tensor:
    """The answer of a solver of conf/ with as many steps as a number of network passes buys."""
    for steps in range(passes, 0, -1):
        solver = mapga.load_solver(name, steps=steps, **settings)
        if solver.card.passes is None or solver.card.passes(solver, steps) <= passes:
            return solver.restore(problem, prior, seed, batch_size=len(problem))
    raise ValueError(f"{name} makes no step with {passes} passes")


def best(candidates: Sequence[Row], error: Callable[[Row], Tensor]) -> Row:
    """The candidate whose mean error over images is smallest; one that diverges is none."""
    return min(candidates, key=lambda one: float(error(one).nan_to_num(torch.inf).mean()))


def interval(values: Tensor | Sequence[float], digits: int = 3) -> Row:
    """Mean and 95 % bootstrap interval over images, as columns."""
    found = bootstrap_interval(torch.as_tensor(values).double().flatten().tolist())
    return {key: round(getattr(found, key), digits) for key in ("mean", "low", "high")}


def of(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows of a table whose columns say that."""
    return [row for row in rows if all(row[key] == str(value) for key, value in wanted.items())]


def band(axis: Axes, rows: Iterable[Row], x: str, **style: Any) -> None:
    """Mean and interval against a column: a line with marks, and a band around it; rows without a mean are left out."""
    shown = sorted((row for row in rows if row["mean"]), key=lambda row: float(row[x]))
    at, mean, low, high = ([float(row[key]) for row in shown] for key in (x, "mean", "low", "high"))
    (line,) = axis.plot(at, mean, **{"marker": "o", "markersize": 3, "linewidth": 1.2} | style)
    axis.fill_between(at, low, high, alpha=0.2, color=line.get_color(), linewidth=0)


def canvas(rows: int, columns: int, width: float, height: float, **more: Any) -> tuple[Figure, Any]:
    """A figure that needs no screen, and its axes, always in a table of rows and columns."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **more)


def run(path: Path, cells: Sequence[Row], work: Callable[[Row], Iterable[Row]], jobs: int | None = None) -> list[Row]:
    """The rows of every cell, which begin with its own columns; cells that the file has are not made again."""
    known = read(path)
    done = [{key: row[key] for key in cells[0]} for row in known]
    left = [cell for cell in cells if {key: str(value) for key, value in cell.items()} not in done]
    if jobs == 1:
        for cell in left:
            _keep(path, cell, work(cell))
        return read(path)
    with ProcessPoolExecutor(jobs or os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = {pool.submit(_listed, work, cell): cell for cell in left}
        for future in as_completed(futures):
            _keep(path, futures[future], future.result())
    return read(path)


def read(path: Path) -> list[Row]:
    """The rows of a table, as text."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def options(*, data: str = "", **defaults: Any) -> argparse.Namespace:
    """What a study takes from its command line; ``data`` says what it makes of images of another dataset."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, help="processes; default: one a core")
    parser.add_argument("--quick", action="store_true", help="few images and settings, to see that it runs")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--to", type=Path, help="folder of the tables and figures; default: the study's own")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    if data:
        parser.add_argument("--dataset", default="", help=f"of conf/dataset, in place of the study's own: {data}")
        parser.add_argument("--root", default="", help="where that dataset lies, if not where its file says")
    given = parser.parse_args()
    if data and given.dataset and given.to is None:
        parser.error(f"--dataset {given.dataset}: say --to FOLDER as well; the study's own tables are of its own data")
    given.data = Data(given.dataset, given.root, given.prior if "prior" in defaults else "") if data else Data()
    try:
        given.data.check()
    except ValueError as error:
        parser.error(str(error))
    return given


class Data(NamedTuple):
    """What is asked in the place of a study's own, by its names in conf/; no dataset: nothing is."""

    dataset: str = ""
    root: str = ""
    prior: str = ""

    def check(self) -> None:
        """Raise ValueError if images, or the prior's weights, are not there."""
        if self.dataset:
            channels, height, width = self.images(1).shape[1:]
            if self.prior:
                mapga.load_prior(self.prior, image_shape=(channels, height, width))

    def images(self, limit: int, skip: int = 0) -> Tensor:
        """(N, C, H, W) in float64."""
        root = {"root": self.root} if self.root else {}
        images = mapga.load_images(self.dataset, limit=limit, skip=skip, dtype=torch.float64, **root)
        return torch.Tensor.as_subclass(images, Tensor)


def _listed(work: Callable[[Row], Iterable[Row]], cell: Row) -> list[Row]:
    return list(work(cell))


def _keep(path: Path, cell: Row, rows: Iterable[Row]) -> None:
    made = [cell | row for row in rows]
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(made[0]), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(made)
    print(path.parent.name, cell, flush=True)
