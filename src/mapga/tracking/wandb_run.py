"""Weights & Biases. The only file that imports wandb, and only when a run is mirrored there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mapga.card import Card
from mapga.files.durable import write_text
from mapga.identity import digest
from mapga.tracking.base import Tracker
from mapga.tracking.credentials import check_key, find_key

__all__ = ["WandbTracker"]

_AGAIN: Any = {"resume": "allow", "reinit": "create_new"}  # the same run again, whatever else is open
_MARKER = Path("wandb") / "mirrored"  # in a run's folder: a hash of the results that are mirrored whole, and where
_log = logging.getLogger(__name__)


class WandbTracker(Tracker):
    """One Weights & Biases run a suite run: its id follows from the run's, so that launching again is the same run.

    Group = experiment, job type = solver, tags = dataset and task, config = the resolved config. Per-image metrics lie
    on an axis of their own, ``image``; means, counts and seconds are the summary; a grid of at most 16 restored images
    and a table of all rows (an artifact) are added at the end.

    Args:
        project: Project.
        entity: Team or user; None for the account's default.
        mode: ``"online"``, ``"offline"`` (files under the run's folder, ``mapga sync`` uploads them), or ``"auto"``:
            online if there is a key in ``WANDB_API_KEY`` or ``~/.netrc``, else offline.
        pictures: Most images in the grid, 0 to 16.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = Card(words=("project", "entity"))

    def __init__(
        self,
        project: str = "mapga",
        entity: str | None = None,
        mode: Literal["auto", "online", "offline"] = "auto",
        pictures: int = 16,
    ) -> None:
        if mode not in ("auto", "online", "offline"):
            raise ValueError(f"tracker.wandb.mode={mode!r}: choose auto, online or offline")
        if not 0 <= pictures <= 16:
            raise ValueError(f"tracker.wandb.pictures={pictures}: choose 0..16")
        self.project, self.entity, self.mode, self.pictures = project, entity, mode, pictures
        self._run: Any = None
        self._kept = ""  # how the run that is open is mirrored
        self._folder = Path()
        self._rows: list[Mapping[str, Any]] = []

    def check(self) -> None:
        if self._resolved_mode() == "online":
            check_key(find_key())

    def begin_run(self, run_id: str, config: Mapping[str, Any], folder: Path) -> None:
        names = config["names"]
        experiment = names.get("experiment")
        self._folder, self._rows, self._kept = folder, [], self._resolved_mode()
        self._run = _wandb().init(
            project=self.project,
            entity=self.entity,
            id=f"mapga-{digest(run_id)}",
            name=run_id,
            group=None if experiment in (None, "None", "none", "null") else experiment,
            job_type=names["solver"],
            tags=[names["dataset"], names["task"]],
            config=dict(config),
            mode=self._kept,
            dir=str(folder),
            **_AGAIN,
            settings=_settings(),
        )
        self._run.define_metric("image", hidden=True)
        self._run.define_metric("image/*", step_metric="image")

    def row(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        numbers = {f"image/{name}": value for name, value in row["metrics"].items() if value is not None}
        failed = {"image/failed": int(row["status"] != "done")}
        self._run.log({"image": row["index"], **failed, **numbers}, step=row["row"])

    def end_run(self, summary: Mapping[str, Any]) -> None:
        from mapga.records.store import ImageStore  # brings numpy, which no plan waits for

        wandb = _wandb()
        for name, cell in summary["metrics"].items():
            self._run.summary[name] = cell["mean"]
            self._run.summary[f"{name}_sem"] = cell["sem"]
        for key in ("n_images", "n_failed"):
            self._run.summary[key] = summary[key]
        for key, value in summary["compute"].items():
            self._run.summary[f"compute/{key}"] = value
        done = [row for row in self._rows if row["status"] == "done"][: self.pictures]
        if done:
            shown = ImageStore.open(self._folder / "images.npy").read([row["row"] for row in done])
            pictures = [
                wandb.Image(picture.squeeze(), caption=str(row["index"]))
                for picture, row in zip(shown, done, strict=True)
            ]
            self._run.log({"restored": pictures})
        names = list(summary["metrics"])
        data = [[row["index"], row["status"], *(row["metrics"].get(name) for name in names)] for row in self._rows]
        artifact = wandb.Artifact(f"images-{self._run.id}", type="images")
        artifact.add(wandb.Table(columns=["index", "status", *names], data=data), "images")
        self._run.log_artifact(artifact)
        self._run.finish()
        self._run = None
        write_text(self._folder / _MARKER, f"{_of_results(summary)} {self._kept}")
        if self._kept == "offline":
            _kept_offline(f"mapga sync --mode online {self._folder.parent}")

    def begin_training(self, name: str, config: Mapping[str, Any], folder: Path) -> None:
        self._kept = self._resolved_mode()
        self._run = _wandb().init(
            project=self.project,
            entity=self.entity,
            id=f"mapga-{digest([name, config])}",
            name=name,
            group=name.partition("/")[0],
            job_type="training",
            config=dict(config),
            mode=self._kept,
            dir=str(folder),
            **_AGAIN,
            settings=_settings(),
        )

    def step(self, row: Mapping[str, float]) -> None:
        self._run.log({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))

    def end_training(self) -> None:
        where = Path(self._run.dir).parent
        self._run.finish()
        self._run = None
        if self._kept == "offline":
            _kept_offline(f"wandb sync {where}")

    def mirrored(self, folder: Path, summary: Mapping[str, Any]) -> bool:
        """Whether a run with these results was mirrored whole; offline is not enough where online is wanted."""
        marker = folder / _MARKER
        found = marker.read_text(encoding="utf-8").split() if marker.exists() else []
        return found[:1] == [_of_results(summary)] and ("online" in found or self._resolved_mode() == "offline")

    def close(self) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1)
            self._run = None

    def _resolved_mode(self) -> str:
        if self.mode != "auto":
            return self.mode
        return "offline" if find_key() is None else "online"


@cache
def _kept_offline(command: str) -> None:
    """Say once what uploads the runs of a folder."""
    _log.warning("Weights & Biases has heard nothing: mirrored offline; `%s` uploads it", command)


def _settings() -> Any:
    return _wandb().Settings(silent=True, console="off", init_timeout=60)


def _of_results(summary: Mapping[str, Any]) -> str:
    return digest({"run_id": summary["run_id"], "metrics": summary["metrics"], "n_failed": summary["n_failed"]})


def _wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise ModuleNotFoundError('wandb is not installed; pip install "mapga[wandb]"') from None
    return wandb
