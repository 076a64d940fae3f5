"""What a resolved config needs from elsewhere: which files, where they come from, whether they are here.

Nothing is computed and no network is built, so that a run with missing files stops within seconds and lists all of
them. The same list is what ``mapga prefetch`` fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapga.datasets.lists import list_path
from mapga.errors import ConfigError
from mapga.files.fetch import FileRefusedError, fetch, sha256_of
from mapga.priors.checkpoints.sources import WeightsSource, sources_of
from mapga.priors.networks.shipped import shipped_fingerprint

if TYPE_CHECKING:
    from mapga.metrics.base import Metric

__all__ = ["Need", "missing", "needs", "obtain", "pinned"]

PUBLISHED = "mapga.priors.PublishedPrior"
SHIPPED = "mapga.priors.NetworkPrior.shipped"
TRAINED = "mapga.priors.NetworkPrior.from_files"


@dataclass(frozen=True)
class Need:
    """One file, or folder, from elsewhere.

    Attributes:
        key: Who needs it.
        what: Its name, and where it comes from.
        problem: None if it is here, else one line: what is wrong and what to do.
        get: Fetches it and returns its path; None for what a person must put in place.
    """

    key: str
    what: str
    problem: str | None
    get: Callable[[], Path] | None


def needs(config: Mapping[str, Any], metrics: Sequence[Metric]) -> list[Need]:
    """Everything from elsewhere that a run of this config works with, here or not.

    Args:
        config: A resolved config.
        metrics: Its metrics.

    Raises:
        ConfigError: A published network that there is not.
    """
    found = _of_dataset(config.get("dataset"))
    for role, source in _sources(config.get("prior")).items():
        key, what = f"prior.{role}", f"{source.entry.name} from {source.described()}"
        found.append(Need(key, what, source.problem(), source.fetch))
    for metric in metrics:
        files = metric.files()
        for file in files:
            get = None if file.local is not None else lambda file=file: fetch(file)
            found.append(Need(f"metric {metric.name}", f"{file.name} from {file.source()}", file.problem(), get))
        known = {file.problem() for file in files}
        found += [Need(f"metric {metric.name}", line, line, None) for line in metric.missing() if line not in known]
    return found


def missing(found: Sequence[Need]) -> str | None:
    """None if everything is here, else one line that lists what is not, each with its source."""
    lines = [f"[{need.key}] {need.problem}" for need in found if need.problem is not None]
    if not lines:
        return None
    return f"{len(lines)} missing or damaged: {'; '.join(dict.fromkeys(lines))}"


def obtain(found: Sequence[Need], tell: Callable[[str], None]) -> list[str]:
    """Fetch what is not here, one after another; an address that fails does not stop the others.

    Args:
        found: What is needed.
        tell: Called with one line for each thing that is here or was fetched.

    Returns:
        One line for each thing that is still missing.
    """
    failures = []
    for need in found:
        if need.problem is None:
            tell(f"{need.key}: {need.what}: here")
            continue
        if need.get is None:
            failures.append(f"[{need.key}] {need.problem}")
            continue
        tell(f"{need.key}: fetching {need.what}")
        try:
            tell(f"{need.key}: {need.get()}")
        except FileRefusedError as error:
            failures.append(f"[{need.key}] {error}")
    return failures


def pinned(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the SHA-256 of the weights and lists that it names or places, where they are here.

    A run's identity has these in it, and not the places.

    Raises:
        ConfigError: A published network that there is not.
    """
    stated: dict[str, Any] = dict(config)
    if sources := _sources(config.get("prior")):
        digests = {f"{role}_sha256": source.sha256 or source.digest() for role, source in sources.items()}
        stated["prior"] = {**config["prior"], **digests}
    elif isinstance(config.get("prior"), Mapping):
        stated["prior"] = {**config["prior"], **_digests(config["prior"])}
    dataset = config.get("dataset")
    if isinstance(dataset, Mapping) and dataset.get("list") and not dataset.get("list_sha256"):
        path = list_path(str(dataset["list"]))
        if path is not None and path.is_file():
            stated["dataset"] = {**dataset, "list_sha256": sha256_of(path)}
    return stated


def _digests(prior: Mapping[str, Any]) -> dict[str, str]:
    """What tells the weights of a shipped or trained pair from others, unless the config states it."""
    if prior.get("_target_") == SHIPPED and prior.get("fingerprint") is None:
        try:
            return {"fingerprint": shipped_fingerprint(str(prior.get("name", "mnist")))}
        except (OSError, ValueError):  # the prior will say what is wrong
            return {}
    if prior.get("_target_") != TRAINED:
        return {}
    roles = [role for role in ("denoiser", "consistency") if prior.get(role) and not prior.get(f"{role}_sha256")]
    paths = {role: Path(str(prior[role])).expanduser() for role in roles}
    return {f"{role}_sha256": sha256_of(path) for role, path in paths.items() if path.is_file()}


def _sources(node: object) -> dict[str, WeightsSource]:
    if not isinstance(node, Mapping) or node.get("_target_") != PUBLISHED:
        return {}
    try:
        return sources_of(node)
    except (ValueError, FileRefusedError) as error:
        raise ConfigError(str(error)) from error


def _of_dataset(node: object) -> list[Need]:
    """The place of a dataset's files, if it has one."""
    if not isinstance(node, Mapping) or "root" not in node:
        return []
    root, source = node["root"], node.get("source")
    if root is None and source is not None and node.get("variant") != "jpeg":
        from mapga.datasets.imagenet64 import fetched_file

        file = fetched_file(str(source))
        return [Need("dataset", f"{file.name} from {file.source()}", file.problem(), lambda: fetch(file))]
    if root is None:
        return []  # the dataset says what it wants there
    there = Path(str(root)).expanduser().exists()
    problem = None if there else f"dataset.root={root}: no such file or folder; put the data there or mend dataset.root"
    return [Need("dataset", str(root), problem, None)]
