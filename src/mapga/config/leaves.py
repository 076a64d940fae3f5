"""A composition as its leaves: values by their paths, so that two can be compared and joined. Imports no torch.

Interpolations stand as they are written; they are filled in when leaves are made a run of.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import check_tuned, stated
from mapga.config.messages import one_line
from mapga.config.schema import check_keys
from mapga.errors import ConfigError
from mapga.files.system import forks
from mapga.garbage import settled
from mapga.spec import NAMED, RunSpec

__all__ = ["GONE", "Leaves", "Point", "composing", "difference", "joined_spec", "leaves_in", "leaves_of"]

Point = tuple[str, ...]  # an override of each axis
Leaves = dict[tuple[str, ...], Any]
GONE = object()  # the value of a key that an option takes away
_CHOICES = "hydra.runtime.choices"
_PROCESSES = 8  # a composition is short, and login nodes are shared


@contextmanager
def composing(points: Sequence[Point]) -> Iterator[Callable[[Point], Leaves]]:
    """``leaves_of`` of these points, worked out ahead in processes of their own where the system forks cheaply."""
    workers = min(forks(), len(points), _PROCESSES)
    if workers < 2:
        yield cache(leaves_of)
        return
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, fork, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        with settled():  # or the first collection of each process copies all memory that it shares with this one
            ahead = {point: pool.submit(leaves_of, point) for point in points}
        try:
            yield lambda point: ahead[point].result()
        finally:
            pool.shutdown(cancel_futures=True)


def difference(first: Leaves, found: Leaves) -> Leaves:
    """What is other in ``found``; ``GONE`` where it has no such key."""
    paths = [path for path in {**first, **found} if not _same(first.get(path, GONE), found.get(path, GONE))]
    return {path: found.get(path, GONE) for path in paths}


def leaves_of(point: Point) -> Leaves:
    """The leaves of a point's composition."""
    return leaves_in(compose_run(point))


def leaves_in(cfg: DictConfig) -> Leaves:
    """The values of a composition by their paths, interpolations as they are written, and its choices."""
    own: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
    return dict(_walk({**own, _CHOICES: dict(cfg.hydra.runtime.choices)}))


def _walk(node: Mapping[Any, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _walk(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other  # 1, 1.0 and true are not


def joined_spec(leaves: Leaves, point: Point) -> RunSpec:
    """The run that leaves stand for; ``point`` is composed where they do not say it all.

    Raises:
        ConfigError: An unknown key, or what ``spec_of`` and ``RunSpec.of`` refuse.
    """
    config: dict[str, Any] = {}
    for path, value in leaves.items():
        node = config
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    choices = config.pop(_CHOICES)
    check_keys(config)
    plain = [name for name in config if not isinstance(config[name], dict)]
    if any(value == "???" or (path[0] in plain and "${" in str(value)) for path, value in leaves.items()):
        return spec_of(compose_run(point))  # which says what is missing, and holds the keys of the root to their kinds
    names = {name: str(choices.get(name) or "none") for name in NAMED}
    waiting = [name for name, node in config.items() if "${" in str(node)]
    if waiting:
        try:  # mostly the root's own keys are all that is asked for, which is quick
            found = _resolved(json.dumps({name: config[name] for name in [*plain, *waiting]}))
        except ConfigError:
            found = _resolved(json.dumps(config))
        config |= {name: found[name] for name in waiting}
    check_tuned(config, names)
    return RunSpec.of(stated(config, names), names)


@cache
def _resolved(text: str) -> dict[str, Any]:
    """A part of a config, as JSON, with its interpolations filled in."""
    try:
        found: Any = OmegaConf.to_container(OmegaConf.create(json.loads(text)), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    return {str(key): value for key, value in found.items()}
