"""Numbers of what is stored: images beside their truths, measured again. No solver is asked, and a prior only for its
exact posterior."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from mapga.metrics.base import ImageMetric, Metric, SetMetric
from mapga.metrics.references import too_few
from mapga.metrics.sampled import Sampled, SpreadMetric
from mapga.metrics.scored import Scored
from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.node import OPERATOR
from mapga.operators.base import Operator
from mapga.pixels import from_uint8, to_uint8
from mapga.posteriors.exact import Exact, condition, given
from mapga.posteriors.gaussian import Gaussians
from mapga.posteriors.patches import PatchGaussians
from mapga.priors.base import Prior
from mapga.problem import Problem, measure
from mapga.records import WHOLE, Recorded, RunFolder, Shard
from mapga.records.journal import Row
from mapga.records.measured import Measured
from mapga.records.protocol import Protocol
from mapga.records.provenance import scoring_code
from mapga.records.scores import Numbers
from mapga.records.store import ImageStore
from mapga.run.sequence_scores import score_sequences
from mapga.run.set_scores import score_sets
from mapga.run.spread_scores import score_spread

__all__ = ["Scorer", "Scoring"]


@dataclass(frozen=True)
class Scoring:
    """What a run is scored with.

    Attributes:
        folder: Where it is recorded.
        metrics: What is asked for, on the device where they compute; each stands in the run's config.
        operator, sigma_y, seed, dtype: What its images were measured with; sigma_y on [-1, 1].
        training: The dataset's training images, for the metrics that compare with them.
        prior: The one whose exact posterior some metrics compare with: what truths are drawn from, else the run's.
        batch_size: Images scored together, >= 1.
        shard: The rows this process works on.
    """

    folder: RunFolder
    metrics: Sequence[Metric]
    operator: Operator
    sigma_y: float
    training: Callable[[], np.ndarray]
    prior: Prior | None = None
    seed: int = 0
    batch_size: int = 32
    dtype: torch.dtype = torch.float32
    shard: Shard = WHOLE


class Scorer:
    """Scores the recorded rows of a run, and keeps the numbers.

    Args:
        scoring: What it works with.
        anew: Whether numbers that other code made are made again.
    """

    def __init__(self, scoring: Scoring, *, anew: bool = False) -> None:
        self.scoring, self.anew, self.folder = scoring, anew, scoring.folder
        self._log = scoring.folder.scores(scoring.shard)
        self._cpu = [scoring.operator.to("cpu", dtype) for dtype in (scoring.dtype, torch.float64)]
        self._by: dict[frozenset[str], str] = {}

    def lacking(self, recorded: Recorded) -> dict[int, list[ImageMetric]]:
        """For each recorded row the metrics of which it has no number."""
        numbers = self.folder.numbers(recorded)
        found: dict[int, list[ImageMetric]] = {}
        for metric in self._image_metrics:
            for row in numbers.lacking(self.protocols[metric.name], anew=self.anew):
                found.setdefault(row, []).append(metric)
        return {row: found[row] for row in sorted(found)}

    def catch_up(self, recorded: Recorded, rows: Iterable[int], on_batch: Callable[[int], object]) -> None:
        """Make the numbers that some rows lack, batch by batch; ``on_batch`` is told before each how many follow."""
        lacking = self.lacking(recorded)
        of_metrics: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            if row in lacking:
                of_metrics.setdefault(tuple(one.name for one in lacking[row]), []).append(recorded.rows[row])
        for names, pending in of_metrics.items():
            for begin in range(0, len(pending), self.scoring.batch_size):
                batch = pending[begin : begin + self.scoring.batch_size]
                on_batch(len(batch))
                self.score(batch, [one for one in self._image_metrics if one.name in names])

    def score(self, rows: Sequence[Row], metrics: Sequence[ImageMetric] | None = None) -> list[dict[str, float | None]]:
        """The numbers of some restored rows, on disk on return; of all metrics if none are named."""
        metrics = self._image_metrics if metrics is None else metrics
        if not rows or not metrics:
            return [{} for _ in rows]
        batch = self._batch(rows, metrics)
        values = {metric.name: metric(batch) for metric in metrics}
        numbers = [{name: _plain(found[k]) for name, found in values.items()} for k in range(len(rows))]
        self._log.add_images(self._scoring_of(metrics), rows, numbers)
        return numbers

    def lacking_sets(self, recorded: Recorded) -> list[Metric]:
        """The metrics of all images together that have no number."""
        numbers = self.folder.numbers(recorded)
        metrics = [one for one in self.scoring.metrics if not isinstance(one, ImageMetric)]
        return [one for one in metrics if numbers.lacking(self.protocols[one.name], anew=self.anew)]

    def finish(self, recorded: Recorded, on_batch: Callable[[int], object]) -> Numbers:
        """Score the whole set as well, once every row has its numbers; all numbers of the run."""
        if pending := self.lacking_sets(recorded):
            by, rows = self._scoring_of(pending), list(recorded.rows.values())
            sets = [one for one in pending if isinstance(one, SetMetric)]
            code = {key: value for one in sets for key, value in self.protocols[one.name].code.items()}
            for name, cell in score_sets(self.folder, recorded, self.scoring.training, sets, on_batch, code):
                self._log.add_sets(by, rows, {name: cell})
            if spread := [one for one in pending if isinstance(one, SpreadMetric)]:
                measurements = list(self._measurements(recorded))
                cells = score_spread(self.folder, measurements, recorded.total, spread, self._sampled, on_batch)
                self._log.add_sets(by, rows, cells)
            if moving := [one for one in pending if isinstance(one, SequenceMetric)]:
                self._log.add_sets(by, rows, score_sequences(self.folder, recorded, moving, on_batch))
        return self.folder.numbers(recorded)

    def left(self, recorded: Recorded) -> int:
        """How many images ``catch_up`` of all rows and ``finish`` tell of together."""
        done = [row for row in recorded.rows.values() if row.status == "done"]
        rows, indices = [row.row for row in done], [row.index for row in done]
        images, pending = len(self.lacking(recorded)), self.lacking_sets(recorded)
        flavours = {one.flavour for one in pending if isinstance(one, SetMetric) and not too_few(one, rows)}
        images += len(flavours) * (len(done) + recorded.total)
        moving = [one.frames for one in pending if isinstance(one, SequenceMetric)]
        images += sum(frames * len(sequences(indices, frames)) for frames in moving)
        if any(isinstance(one, SpreadMetric) for one in pending):
            images += sum(map(len, self._measurements(recorded)))
        return images

    @cached_property
    def protocols(self) -> dict[str, Protocol]:
        """How each metric's numbers are made here, by name."""
        spec, operator = self.folder.spec, self.scoring.operator
        found = {}
        for metric in self.scoring.metrics:
            made_by = spec.metrics[metric.name], spec.node(OPERATOR)
            code = scoring_code(one.declared.package for one in made_by if one.declared)
            asked = replace(Protocol.asked(made_by[0]), code=code)
            if isinstance(metric, ImageMetric):
                asked = replace(asked, ceiling=metric.ceiling(operator.image_shape), floor=metric.floor(operator))
            found[metric.name] = asked
        return found

    @property
    def _image_metrics(self) -> list[ImageMetric]:
        return [one for one in self.scoring.metrics if isinstance(one, ImageMetric)]

    def _scoring_of(self, metrics: Sequence[Metric]) -> str:
        """What the lines of some metrics name; said once by each process."""
        names = frozenset(metric.name for metric in metrics)
        if names not in self._by:
            self._by[names] = self._log.begin([self.protocols[metric.name] for metric in metrics])
        return self._by[names]

    def _batch(self, rows: Sequence[Row], metrics: Sequence[ImageMetric]) -> Scored:
        """What is stored of some rows, and their measurements as the solver was given them."""
        places = [row.row for row in rows]
        restored = ImageStore.open(self.folder.path / "images.npy").read(places)
        truth = ImageStore.open(Measured(self.folder.problem_path).truth_path).read(places)
        labels = [row.label for row in rows]
        known = None if any(label is None for label in labels) else np.array(labels, dtype=np.int64)
        problem = self._problem(rows, truth)
        answers = to_uint8(problem.operator.nearest(from_uint8(restored), from_uint8(truth)))
        asked = any(metric.needs_posterior for metric in metrics)
        return Scored(answers, truth, known, problem, self._posteriors(problem) if asked else None)

    def _problem(self, rows: Sequence[Row], truth: np.ndarray) -> Problem:
        """Their measurements, in float64."""
        measuring, exact = self._cpu
        clean, indices = from_uint8(truth).to(self.scoring.dtype), [row.index for row in rows]
        problem = measure(clean, measuring, self.scoring.sigma_y, seed=self.scoring.seed, indices=indices)
        return Problem(problem.y.double(), exact, problem.sigma_y, indices)

    def _measurements(self, recorded: Recorded) -> Iterator[list[Row]]:
        """Of each measurement that has all of its samples their rows."""
        samples = self.folder.spec.samples
        for begin in range(0, recorded.total, samples):
            rows = [recorded.rows[row] for row in range(begin, begin + samples)]
            if all(row.status == "done" for row in rows):
                yield rows

    def _sampled(self, rows: Sequence[Row]) -> Sampled:
        """One measurement with all of its samples."""
        restored = ImageStore.open(self.folder.path / "images.npy").read([row.row for row in rows])
        truth = ImageStore.open(Measured(self.folder.problem_path).truth_path).read([rows[0].row])
        (posterior,) = self._posteriors(self._problem(rows[:1], truth))
        return Sampled(from_uint8(restored)[None], from_uint8(truth), posterior, rows[0].index)

    def _posteriors(self, problem: Problem) -> list[Exact]:
        """Of each image its own, which several samples of it share."""
        shape, found = problem.operator.image_shape, {}
        for k, index in enumerate(problem.numbers):
            if index not in found:
                found[index] = given(self._known, problem.y[k : k + 1], shape)
        return [found[index] for index in problem.numbers]

    @cached_property
    def _known(self) -> Gaussians | PatchGaussians:
        """What all their posteriors have in common."""
        if (prior := self.scoring.prior) is None:
            raise ValueError("an exact posterior is asked for, and no prior is known")
        return condition(prior, self._cpu[1], self.scoring.sigma_y, torch.zeros(0, dtype=torch.float64))


def _plain(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if np.isfinite(value) else None
