"""The runs of a sweep, each as Hydra would compose it, in a fraction of the time. Imports no torch.

A composition takes a tenth of a second or more. So each option of each axis is composed once, alone, against the
sweep's first point, and what it changes is noted: keys, with interpolations as they are written, and choices. Where the
options of a point change different things, the point is the first one with all their changes; elsewhere Hydra composes
it. Of the former a sample in which every option meets others is composed too, and compared. Whole numbers of one key,
such as seeds, are not composed each: they change that key. All that is composed is known from the start, so that the
cores of the machine share it.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mapga.config.axes import values
from mapga.config.compose import compose_run, spec_of
from mapga.config.leaves import GONE, Leaves, Point, composing, difference, joined_spec, leaves_in, leaves_of
from mapga.config.messages import parsed
from mapga.errors import ConfigError
from mapga.node import DATASET
from mapga.spec import RunSpec

__all__ = ["Interaction", "Sweep", "runs"]

_log = logging.getLogger(__name__)


class Interaction(Exception):
    """Options that change more together than each does alone: every point has to be composed."""


def runs(overrides: Sequence[str]) -> list[RunSpec]:
    """Every run of a sweep, in launch order.

    Raises:
        ConfigError: A sweep, or a run of it, that cannot be composed.
    """
    return Sweep(overrides).all()


class Sweep:
    """The axes of a sweep and their points.

    Args:
        overrides: As typed; the experiment's own sweep is added to them.

    Attributes:
        given: What was typed.
        axes: For each override the values it takes, as overrides, one unless it is swept.
        results_dir: Where its runs lie.
        cfg: A composition of it, for what is said of the sweep as a whole: launcher, sweeper, objective.

    Raises:
        ConfigError: Its first point cannot be composed.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        self.given = tuple(overrides)
        given = parsed(overrides)
        begun = tuple(values(one)[0] for one in given)  # some fixed values make sense only beside a swept one
        first = compose_run(begun)
        params: Any = OmegaConf.to_container(first.hydra.sweeper.params or OmegaConf.create({}))
        named = {one.get_key_element() for one in given}
        own = parsed(f"{key}={value}" for key, value in params.items() if key not in named)
        self.cfg = first
        axes = {one.get_key_element(): values(one) for one in (*own, *given)}  # of a key given twice the last one
        self.axes = list(axes.values())
        self._begun = begun
        if own_of_hydra := [axis[0] for axis in self.axes if len(axis) > 1 and axis[0].lstrip("+").startswith("hydra")]:
            raise ConfigError(f"{own_of_hydra[0].partition('=')[0]}: what is Hydra's own takes one value, and no list")
        self.results_dir = _folder(first.results_dir, [axis[0] for axis in self.axes if len(axis) > 1])

    @property
    def points(self) -> Iterator[Point]:
        """The overrides of each run, in launch order."""
        return itertools.product(*self.axes)

    @property
    def jobs(self) -> Iterator[list[str]]:
        """The overrides of each run but for Hydra's own, which are the sweep's."""
        return (
            [text for text in point if not text.lstrip("+~").startswith(("hydra.", "hydra/"))] for point in self.points
        )

    def all(self) -> list[RunSpec]:
        """Every run, in launch order."""
        try:
            return list(self.runs())
        except Interaction:
            return list(self.composed())

    def repeats(self, specs: Sequence[RunSpec]) -> frozenset[int]:
        """The places in launch order of points whose run (or shard) an earlier one is; each is said in a warning.

        Args:
            specs: Every run, in launch order.

        Raises:
            ConfigError: Two points that differ in what a run's id knows nothing of, and that cannot both be had: a
                place on this machine, or the metrics.
        """
        points, found = list(self.points), set()
        swept = [k for k, axis in enumerate(self.axes) if len(axis) > 1]
        first: dict[tuple[str, str], int] = {}
        for place, spec in enumerate(specs):
            before = first.setdefault((spec.run_id, spec.shard), place)
            if before == place:
                continue
            differ = [k for k in swept if points[before][k] != points[place][k]] or swept
            one, other = (" ".join(point[k] for k in differ) for point in (points[before], points[place]))
            if _place(spec) != _place(specs[before]):
                raise ConfigError(
                    f"{one} and {other} are one run, {spec.run_id}: where images lie is no part of it; run each by "
                    "itself, with a results_dir of its own"
                )
            if {k: node.science for k, node in spec.metrics.items()} != {
                k: node.science for k, node in specs[before].metrics.items()
            }:
                raise ConfigError(
                    f"{one} and {other} are one run, {spec.run_id}: how it is scored is no part of it; name all "
                    "metrics at once, as metrics=[basic,digits], or score it later: mapga score RESULTS metrics=..."
                )
            _log.warning("%s and %s are one run, %s; it is done once", one, other, spec.run_id)
            found.add(place)
        return frozenset(found)

    def composed(self) -> Iterator[RunSpec]:
        """Every run, by Hydra's own composition."""
        return (spec_of(compose_run(point)) for point in self.points)

    def runs(self) -> Iterator[RunSpec]:
        """Every run, composed where it has to be.

        Raises:
            Interaction: The sample shows that runs are not what they seemed; those that were yielded may be wrong.
        """
        with composing(list(dict.fromkeys([*self._alone.values(), *self._sample]))) as composed:
            for point in self.points:
                leaves = self._joined(point, composed)
                if leaves is None:
                    yield spec_of(compose_run(point))
                    continue
                if point in self._sample and leaves != composed(point):
                    raise Interaction
                yield joined_spec(leaves, point)

    @cached_property
    def _first(self) -> Leaves:
        point = tuple(axis[0] for axis in self.axes)
        return leaves_in(self.cfg) if point == self._begun else leaves_of(point)

    @cached_property
    def _alone(self) -> dict[tuple[int, str], Point]:
        """The first point with one option changed, for each but the first of its axis; the quickest axis first."""
        first = [axis[0] for axis in self.axes]
        swept = [(place, option) for place in reversed(range(len(first))) for option in self.axes[place][1:]]
        return {
            (place, option): (*first[:place], option, *first[place + 1 :])
            for place, option in swept
            if (place, option) not in self._numbers
        }

    @cached_property
    def _numbers(self) -> dict[tuple[int, str], Leaves]:
        """What the options of an axis of whole numbers change, where the first point has one at its key: that key."""
        found: dict[tuple[int, str], Leaves] = {}
        for place, axis in enumerate(self.axes):
            numbers = [re.fullmatch(r"([\w.]+)=(-?[1-9]\d*|0)", option) for option in axis]
            path = tuple(axis[0].partition("=")[0].split("."))
            if all(numbers) and type(self._first.get(path)) is int:
                found |= {(place, one[0]): {path: int(one[2])} for one in numbers[1:] if one}
        return found

    @cached_property
    def _sample(self) -> set[Point]:
        """Points in which every option but the first of its axis meets others that are not the first of theirs."""
        composed = {place for place, _ in self._alone}
        swept = max(
            (len(axis) if place in composed else min(len(axis), 2) for place, axis in enumerate(self.axes)), default=1
        )
        return {tuple(axis[1 + k % (len(axis) - 1)] if len(axis) > 1 else axis[0] for axis in self.axes)
                for k in range(swept - 1)}  # fmt: skip

    @cached_property
    def _changes(self) -> dict[tuple[int, str], Leaves]:
        """What choosing an option changes of the first point, as far as it was asked for."""
        return dict(self._numbers)

    def _joined(self, point: Point, composed: Callable[[Point], Leaves]) -> Leaves | None:
        """The first point with the changes of a point's options; None where two of them change one thing."""
        chosen = [(place, option) for place, option in enumerate(point) if option != self.axes[place][0]]
        for option in chosen:
            if option not in self._changes:
                self._changes[option] = difference(self._first, composed(self._alone[option]))
        changes = [self._changes[option] for option in chosen]
        joined = dict(self._first)
        for one, other in itertools.combinations(changes, 2):
            if any(path[: len(key)] == key[: len(path)] for path in one for key in other):
                return None
        for one in changes:
            joined |= one
        return {path: value for path, value in joined.items() if value is not GONE}


def _place(spec: RunSpec) -> list[Any]:
    """Where a run's images lie on this machine."""
    node = spec.node(DATASET)
    return [node.arguments.get(place) for place in node.card.places]


def _folder(results_dir: str, swept: Sequence[str]) -> Path:
    if any(text.partition("=")[0] == "results_dir" for text in swept):
        raise ConfigError("results_dir takes one folder, and no list of them: all runs of a sweep lie in it")
    return Path(results_dir).expanduser()
