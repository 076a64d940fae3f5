"""What a run is: its resolved config and what follows from it. Imports no torch.

Everything after composition takes a ``RunSpec``. Same science, same ``run_id``, same folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mapga.budget import Budget
from mapga.card import Card
from mapga.errors import BrokenModuleError, ConfigError
from mapga.files.address import refuse_password
from mapga.files.need import Need
from mapga.identity import PROBLEM, SCIENCE, digest, science, stated
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, TITLE, Node, Slot, metric, tracker
from mapga.settings import Settings

__all__ = ["NAMED", "PROBLEMS", "REPLACED", "RunSpec"]

NAMED = ("dataset", "task", "prior", "solver", "schedule", "metrics", "tracker", "experiment")  # groups of a run
REPLACED = ".replaced-"  # in the name of a run's folder that another has taken the place of
PROBLEMS = "problems"  # the folder of what runs share, below their results_dir


@dataclass(frozen=True)
class RunSpec(Settings):
    """A resolved run.

    Attributes:
        config: The keys of conf/run.yaml, plain values, with the hashes of the files that they name.
        names: What was chosen in each group.
        composed: The config before steps were bought and hashes stated, to be made a run of again at another time.
    """

    config: Mapping[str, Any]
    names: Mapping[str, str]
    composed: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any], names: Mapping[str, str]) -> Self:
        """A run of composed values: the steps that ``passes`` buy set, the hashes of its files stated.

        Raises:
            ConfigError: A node that stands for no component, a value that is no choice, passes that buy no step or
                are not those of a study of equal passes, metrics of one name, or an address with a password in it.
        """
        spec = cls(config, names)
        spec._check()
        budget, steps = Budget.of(config), {}
        if budget is not None:
            bought = budget.steps(names["solver"], spec.node(SOLVER), spec.steps)
            steps = {"schedule": {**config["schedule"], "steps": bought}}
        made = cls({**config, **steps, **spec._known}, names, config)
        made._nodes.update({k: one for k, one in spec._nodes.items() if made._value(one.slot) == spec._value(one.slot)})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config, self.names, self.composed)  # what was worked out is not sent along

    def node(self, slot: Slot) -> Node:
        """The component at a place of the config.

        Raises:
            ConfigError: As ``Node.read``.
        """
        if slot.key not in self._nodes:
            self._nodes[slot.key] = Node.read(slot, self._value(slot))
        return self._nodes[slot.key]

    def card(self, slot: Slot) -> Card:
        """The card of a component; a blank one where what was stored stands for none of this installation's."""
        try:
            return self.node(slot).card
        except (ConfigError, BrokenModuleError):
            return Card()

    def without(self, slot: Slot, arguments: Iterable[str]) -> dict[str, Any]:
        """What the config says of a component, less its title and some arguments."""
        left = {TITLE, *arguments}
        return {key: value for key, value in (self._value(slot) or {}).items() if key not in left}

    def title(self, slot: Slot) -> str:
        """What people call a component, as its node says; "" where it does not."""
        value = self._value(slot)
        return str(value.get(TITLE) or "") if isinstance(value, Mapping) else ""

    @cached_property
    def metrics(self) -> dict[str, Node]:
        """The metrics by name, which is the key that each stands under."""
        return {name: self.node(metric(name)) for name in self.config["metrics"] or {}}

    @cached_property
    def trackers(self) -> dict[str, Node]:
        """The trackers by name."""
        return {name: self.node(tracker(name)) for name in self.config["tracker"] or {}}

    @cached_property
    def run_id(self) -> str:
        """``<dataset>-<task>-<solver>-<hash of the science>``, the name of the run's folder."""
        return self._named(("dataset", "task", "solver"), science(self.config, SCIENCE, self.node))

    @cached_property
    def former_id(self) -> str:
        """The name of its folder as it was while metrics were part of a run's identity."""
        depends_on = science(self.config, SCIENCE, self.node)
        if self.config["metrics"] is not None:
            depends_on["metrics"] = {key: node.science for key, node in self.metrics.items()}
        return self._named(("dataset", "task", "solver"), depends_on)

    @cached_property
    def problem_id(self) -> str:
        """``<dataset>-<task>-<hash>`` of what truth and measurements depend on; runs of all solvers share it."""
        return self._named(("dataset", "task"), science(self.config, PROBLEM, self.node))

    @property
    def results_dir(self) -> Path:
        return Path(self.config["results_dir"]).expanduser()

    @property
    def folder(self) -> Path:
        """Where the run is recorded."""
        return self.results_dir / self.run_id

    @property
    def problem_folder(self) -> Path:
        """Where its truth and measurements lie."""
        return self.results_dir / PROBLEMS / self.problem_id

    @cached_property
    def passes(self) -> int:
        """Forward passes plus vector-Jacobian products per image."""
        node = self.node(SOLVER)
        passes: int = node.card.passes(node.namespace, self.steps)  # type: ignore[attr-defined]
        return passes

    @cached_property
    def images(self) -> int | None:
        """How many images it restores, each sample counted; None where only the data can tell."""
        node = self.node(DATASET)
        count: int | None = node.card.count(node.namespace)  # type: ignore[attr-defined]
        return None if count is None else count * self.samples

    def needs(self) -> list[Need]:
        """Everything from elsewhere that it works with, here or not."""
        of_cards = [need for slot in (DATASET, OPERATOR, PRIOR, SOLVER) for need in self._from_card(slot)]
        return of_cards + [need for node in self.metrics.values() for need in node.build().needs()]

    @cached_property
    def packages(self) -> list[str]:
        """Other packages that components of it are declared by."""
        nodes = [*(self.node(slot) for slot in (DATASET, OPERATOR, PRIOR, SOLVER)), *self.metrics.values()]
        return sorted({one.declared.package for node in nodes for one in (node, *node.parts) if one.declared})

    @property
    def places(self) -> bool:
        """Whether its images lie at a place of this machine, of which its id knows nothing."""
        node = self.node(DATASET)
        return any(getattr(node.namespace, place) is not None for place in node.card.places)

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        """Those that were read."""
        return {}

    def _named(self, groups: Sequence[str], depends_on: Mapping[str, Any]) -> str:
        return "-".join([*(self.names[group] for group in groups), digest(depends_on)])

    def _value(self, slot: Slot) -> Any:
        value: Any = self.config
        for key in slot.key.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _from_card(self, slot: Slot) -> list[Need]:
        node = self.node(slot)
        return list(node.card.files(node.namespace))

    @property
    def _known(self) -> dict[str, Any]:
        """The nodes with what is known here: the hashes of the files they name, the packages that declare them."""
        found = {slot.key: stated(self.node(slot), self._value(slot)) for slot in (DATASET, PRIOR, SOLVER)}
        found["task"] = {**self.config["task"], "operator": stated(self.node(OPERATOR), self._value(OPERATOR))}
        if self.config["metrics"]:
            found["metrics"] = {key: stated(node, self._value(metric(key))) for key, node in self.metrics.items()}
        return found

    def _check(self) -> None:
        """Read every component, and refuse a password and what is no choice."""
        refuse_password(self.config, "")
        _ = [self.node(slot) for slot in (DATASET, OPERATOR, PRIOR, SOLVER, SCHEDULE)], self.trackers
        for key, node in self.metrics.items():  # of two of one name the last would silently win
            if (name := node.build().name) != key:
                raise ConfigError(f"metrics.{key}: what this computes is called {name}; write it under metrics.{name}")
        self._check_values([*self.metrics])
