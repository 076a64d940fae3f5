"""``mapga score``: numbers that finished runs do not have yet, from what they have stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.records import LockedError, RunFolder
from mapga.records.collect import Run, check_folder, collect, no_runs
from mapga.records.documents import read_summary
from mapga.records.protocol import unscored
from mapga.spec import RunSpec

__all__ = ["score"]

_OVERRIDES = ("metrics", "device", "batch_size", "redo")


def score(root: Path, overrides: Sequence[str], say: Callable[[str], object]) -> tuple[list[str], list[str]]:
    """Score every finished run at or below a folder by the metrics that overrides choose.

    Args:
        root: A results folder, or a run's.
        overrides: Of ``metrics``, ``device``, ``batch_size`` and ``redo``, as for ``mapga run``.
        say: Told of each run, in one line.

    Returns:
        Which runs could not be scored, a line each, and which another process works on.

    Raises:
        ConfigError: No such folder, no finished run in it, or overrides of anything else.
        InterruptedRun: A signal has come; the same command goes on.
    """
    if others := [text for text in overrides if _key(text) not in _OVERRIDES]:
        raise ConfigError(f"{others[0]}: what was restored stays as it is; score takes {', '.join(_OVERRIDES)}")
    asked = spec_of(compose_run(overrides))
    check_folder(root, "a run's folder, or the results_dir of your runs")
    runs, refused = collect(root)
    finished = [run for run in runs if run.status == "done"]
    if not finished and not refused:
        if not runs:
            raise no_runs(root)
        raise ConfigError(f"{root} holds {len(runs)} runs, none of them finished; 'mapga run' finishes them")
    locked = []
    for run in finished:
        try:
            say(f"{run.folder.name}: {_scored(run, asked)}")
        except LockedError as error:
            locked.append(str(error))
        except ConfigError as error:
            refused.append(str(error) if run.folder.name in str(error) else f"{run.folder.name}: {error}")
    return refused, locked


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").partition(".")[0].partition("@")[0]


def _scored(run: Run, asked: RunSpec) -> str:
    """Score a run; what it has now, in words."""
    chosen = {key: asked.config[key] for key in ("metrics", "device", "batch_size")}
    spec = RunSpec({**run.spec.config, **chosen}, run.names)
    folder = RunFolder(spec, run.folder, run.problem_folder)
    if lacking := unscored(run.metrics, spec.metrics, anew=asked.redo):
        from mapga.run.progress import ProgressDisplay
        from mapga.run.rescore import rescore

        rescore(folder, ProgressDisplay(), anew=asked.redo)
    cells = read_summary(folder.path)["metrics"]
    keys = {name: cell for name, cell in cells.items() if name.partition("@")[0] in spec.metrics}
    told = ", ".join(f"{name} {_number(cell['mean'])}" for name, cell in keys.items())
    kept = {name: node for name, node in spec.metrics.items() if name not in lacking}
    stale = unscored(run.metrics, kept, anew=True)
    note = (
        f" ({', '.join(stale)} made under other sources; redo=true makes them again)"
        if stale and not asked.redo
        else ""
    )
    return f"{told}{note}" if lacking else f"has them: {told}{note}"


def _number(mean: float | None) -> str:
    return "none" if mean is None else f"{mean:.6g}"
