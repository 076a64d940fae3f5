"""What conf/ calls by a name, made: images, priors, tasks, solvers and metrics."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mapga.errors import ConfigError, closest
from mapga.files.need import Need, missing
from mapga.library.named import brought, component, default, stated
from mapga.library.scores import Metrics
from mapga.library.task import Task
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node, metric
from mapga.pixels import SigmaUnit, from_uint8, sigma_to_sym

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mapga.datasets.base import Dataset
    from mapga.library.images import Images
    from mapga.priors.base import Prior
    from mapga.schedules.base import Schedule
    from mapga.solvers.base import Solver

__all__ = ["load_images", "load_metrics", "load_prior", "load_solver", "load_task"]


def load_images(name: str, *, dtype: torch.dtype | None = None, **arguments: Any) -> Images:
    """Images of a dataset of conf/, float (N, C, H, W) in [-1, 1].

    Args:
        name: In conf/dataset: ``mnist``, ``image_folder``, ...
        dtype: None for float32.
        arguments: In place of those in its file: ``limit=4``, ``skip=10``, ``root="pictures"``.

    Raises:
        ValueError: An unknown name or argument, data that is not there, or a picture that cannot be read.
    """
    import torch

    from mapga.library.images import Images

    dataset = _dataset(name, arguments)
    items = [dataset[row] for row in range(len(dataset))]
    if not items:
        raise ConfigError(f"dataset={name!r}: it holds no image")
    pixels = torch.cat([from_uint8(item.image[None]) for item in items]).to(dtype or torch.float32)
    known = [item.label for item in items if item.label is not None]
    labels = torch.tensor(known) if len(known) == len(items) else None
    return Images.of(pixels, [item.index for item in items], labels, _called(name, arguments))


def load_prior(
    name: str,
    *,
    dataset: str | None = None,
    images: Tensor | None = None,
    image_shape: tuple[int, int, int] | None = None,
    seed: int = 0,
    **arguments: Any,
) -> Prior:
    """A prior of conf/, in memory.

    Args:
        name: In conf/prior: ``mnist``, ``gaussian``, ``mixture``, ...
        dataset: In conf/dataset: the one whose training images ``gaussian`` and ``mixture`` are made of, and whose
            shape and classes other priors may want to know. None: that of a run, ``mnist``.
        images: Those to make a prior of instead, (N, C, H, W) in [-1, 1].
        image_shape: (C, H, W), for a prior that knows none, ``none``.
        seed: A run's, for what a prior draws itself.
        arguments: In place of those in its file: ``precision="bfloat16"``, ``std=0.2``.

    Raises:
        ValueError: An unknown name or argument, or weights that are not there.
    """
    node = component(PRIOR, stated("prior", name), arguments)
    if absent := missing(list(node.card.files(node.namespace))):
        raise ConfigError(absent)
    given: dict[str, Any] = {"seed": seed, "images": images, "image_shape": image_shape, "dataset_classes": None}
    if dataset is not None or any(given[key] is None for key in {"images", "image_shape"} & set(node.card.given)):
        data = _dataset(dataset or default("dataset"), {})
        given["dataset_classes"] = data.n_classes
        given["image_shape"] = image_shape or data.image_shape
        if images is None and "images" in node.card.given:
            given["images"] = from_uint8(data.training())
    prior: Prior = node.build(given).loaded()
    prior.name = name
    return prior


def load_task(
    name: str, *, sigma_y: float | None = None, sigma_y_unit: SigmaUnit | None = None, **arguments: Any
) -> Task:
    """A task of conf/, for images of any shape.

    Args:
        name: In conf/task: ``box50``, ``deblur``, ...
        sigma_y: Standard deviation of the measurement's noise, >= 0; None for that of its file, 0 where it states none.
        sigma_y_unit: ``"[-1,1]"``, of the images, or ``"[0,1]"``; None for that of its file.
        arguments: Of its operator, in place of those in its file: ``width=0.25``.

    Raises:
        ValueError: An unknown name or argument, or a noise that is none.
    """
    own = stated("task", name)
    noise = own.get("sigma_y", 0.0) if sigma_y is None else sigma_y
    unit = own.get("sigma_y_unit", "[-1,1]") if sigma_y_unit is None else sigma_y_unit
    return Task(name, component(OPERATOR, own["operator"], arguments), sigma_to_sym(float(noise), unit))


def load_solver(name: str, *, schedule: str | Schedule | None = None, **arguments: Any) -> Solver:
    """A solver of conf/ on its schedule.

    Args:
        name: In conf/solver: ``map_ga``, ``pgdm``, ``ddrm``, ...
        schedule: In conf/schedule, or a ``mapga.schedules.Schedule``; None: that of a run, which the solver
            may bring, else ``karras``.
        arguments: In place of those in its file, ``eta=0.5``, or in its schedule's, ``steps=10``.

    Raises:
        ValueError: An unknown name or argument, or a value that it refuses.
    """
    own = stated("solver", name)
    takes = _takes(Node.read(SOLVER, own))
    levels: Schedule
    if schedule is None or isinstance(schedule, str):
        chosen = stated("schedule", schedule or brought("solver", name, "schedule"))
        of_schedule = _takes(Node.read(SCHEDULE, chosen))
        _refuse_unknown(f"solver {name}", arguments, [*takes, *of_schedule])
        levels = component(SCHEDULE, chosen, {k: v for k, v in arguments.items() if k not in takes}).build()
    else:
        _refuse_unknown(f"solver {name} on a schedule of your own", arguments, takes)
        levels = schedule
    keywords = {key: value for key, value in arguments.items() if key in takes}
    solver: Solver = component(SOLVER, own, keywords).build({"schedule": levels})
    return solver


def load_metrics(name: str, *, dataset: str | None = None, **arguments: Mapping[str, Any]) -> Metrics:
    """Metrics of conf/, called with restored and true images.

    Args:
        name: In conf/metrics: ``basic``, ``digits``, ``paper``, ...
        dataset: In conf/dataset, for a metric that compares with training images; None: that of a run, ``mnist``.
        arguments: By a metric's name its arguments in place of those in the file: ``ssim={"border": "crop"}``.

    Raises:
        ValueError: An unknown name or argument, or a metric whose library or files are not there.
    """
    own = stated("metrics", name)
    _refuse_unknown(f"metrics {name}", arguments, list(own))
    made = [component(metric(key), node, arguments.get(key, {})).build() for key, node in own.items()]
    needs: list[Need] = [need for one in made for need in one.needs()]
    if absent := missing(needs):
        raise ConfigError(absent)
    return Metrics(made, lambda: _dataset(dataset or default("dataset"), {}).training())


def _dataset(name: str, arguments: Mapping[str, Any]) -> Dataset:
    node = component(DATASET, stated("dataset", name), arguments)
    if absent := missing(list(node.card.files(node.namespace))):
        raise ConfigError(absent)
    dataset: Dataset = node.build()
    return dataset


def _takes(node: Node) -> list[str]:
    """The arguments that keywords may set."""
    return [key for key in inspect.signature(node.make).parameters if key not in node.card.given]


def _refuse_unknown(whose: str, arguments: Mapping[str, Any], known: list[str]) -> None:
    if unknown := [key for key in arguments if key not in known]:
        raise ConfigError(f"{whose} takes no {unknown[0]!r}{closest(unknown[0], known)} it takes {', '.join(known)}")


def _called(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
