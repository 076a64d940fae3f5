"""A finished run scored again from what it has stored; its images are left as they are."""

from __future__ import annotations

from mapga.errors import ConfigError
from mapga.files.durable import remove_leftovers, write_json
from mapga.garbage import settled
from mapga.records import WHOLE, Recorded, RunFolder
from mapga.records.audit import spoiled
from mapga.records.documents import read_summary, rows_text
from mapga.records.origins import command_of
from mapga.records.store import ImageStore
from mapga.run.assemble import make_scoring
from mapga.run.progress import ProgressDisplay
from mapga.run.scoring import Scorer
from mapga.run.signals import listening
from mapga.run.summary import told

__all__ = ["check_stored", "rescore"]


@settled()
def rescore(run: RunFolder, display: ProgressDisplay, *, anew: bool = False) -> None:
    """Make the numbers that a finished run lacks, keep those that it has, and state all of them in ``metrics.json``.

    Args:
        run: The run, with a spec that holds the metrics which are asked for.
        display: Shows how far it is.
        anew: Whether numbers that other code made are made again; those of before stay in ``scores.jsonl``.

    Raises:
        ConfigError: Pixels that are gone, or are not what was recorded; metrics that cannot score them.
        InterruptedRun: A signal has come; what was made is kept, and the same command goes on.
        LockedError: Another process works on it.
    """
    with listening() as notice, run.lock(WHOLE):
        remove_leftovers(run.path)
        recorded = check_stored(run)
        scorer = Scorer(make_scoring(run), anew=anew)
        with display.run(f"scoring {run.run_id}", done=0, total=scorer.left(recorded)) as advance:
            at_work = 0

            def on_batch(images: int) -> None:
                nonlocal at_work
                notice.check()
                if at_work:
                    advance(at_work)
                at_work = images

            scorer.catch_up(recorded, recorded.rows, on_batch)
            numbers = scorer.finish(recorded, on_batch)
        write_json(run.path / "metrics.json", {**read_summary(run.path), **told(numbers, run.spec.samples)})


def check_stored(run: RunFolder) -> Recorded:
    """What a finished run has recorded, once all of it, with truth and measurements, was found as it was recorded.

    Raises:
        ConfigError: Naming what is gone or damaged, and the command that restores it.
    """
    wrong = spoiled(run.path, run.problem_path)
    if not wrong:
        recorded = run.recorded(len(ImageStore.open(run.path / "images.npy")))
        if recorded.complete:
            return recorded
        wrong = [f"journal.jsonl: {rows_text(sorted(set(range(recorded.total)) - recorded.rows.keys()))} not in it"]
    remedy = command_of(run.path) or "its own command"
    raise ConfigError(f"{run.run_id} cannot be scored: {'; '.join(wrong)}; restore it first: {remedy}")
