"""How a metric's numbers are made: what of it joins its column, and under which code they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mapga.identity import digest
from mapga.node import Node
from mapga.records.provenance import scoring_code

__all__ = ["Protocol", "unscored"]


@dataclass(frozen=True)
class Protocol:
    """Of one metric.

    Attributes:
        name: The metric's.
        science: Its config node without places; a file whose hash is in ``weights`` stands there by that key.
        weights: SHA-256 of each file that its numbers depend on, by the file's key.
        lower_is_better: Its direction.
        ceiling: What an infinite number counts as in a mean; None where none is infinite.
        floor: What rounding to 8 bits alone comes to; None where nobody knows.
        code: By package the hash of what made the numbers.
    """

    name: str
    science: Mapping[str, Any]
    weights: Mapping[str, str]
    lower_is_better: bool
    ceiling: float | None = None
    floor: float | None = None
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def asked(cls, node: Node) -> Self:
        """What a config asks for.

        Raises:
            ConfigError: As ``Node.build``.
        """
        metric = node.build()
        weights = metric.weight_hashes()
        names = {k: Path(v).stem for k, v in node.science.items() if isinstance(v, str) and Path(v).stem in weights}
        return cls(metric.name, {**node.science, **names}, weights, metric.lower_is_better)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """As ``as_dict`` writes it.

        Raises:
            TypeError: It is no protocol.
        """
        found = cls(**record)
        if not all(isinstance(one, Mapping) for one in (found.science, found.weights, found.code)):
            raise TypeError(f"no protocol: {record}")
        return found

    @cached_property
    def key(self) -> str:
        """Its name, and eight digits that tell it apart from others of that name: settings, reference and weights.

        Numbers of two keys stand in two columns. Other code makes other numbers of the same kind: of these reports say
        that they are mixed, as of runs.
        """
        return f"{self.name}@{digest([self.name, self.science, self.weights])[:8]}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def unscored(summary: Mapping[str, Any], nodes: Mapping[str, Node], *, anew: bool = False) -> list[str]:
    """The metrics, by name, of which a finished run has no number.

    Args:
        summary: Its ``metrics.json``, as ``read_summary`` reads it.
        nodes: What is asked for.
        anew: Numbers that other code made count as none.
    """
    known = {key: one["code"] for key, one in summary["protocols"].items()}
    sound = {key for key, code in known.items() if not anew or code == scoring_code(code)}
    return [name for name, node in nodes.items() if Protocol.asked(node).key not in sound]
