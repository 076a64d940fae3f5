"""A run that lost images says so wherever it is spoken of: in one line, by its exit code, in the status."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import mapga
from mapga.run import batch

RUN = ("dataset=image_folder", "dataset.channels=1", "prior=none", "solver=pinv", "device=cpu", "task=supres4x")


@pytest.fixture
def images(tmp_path) -> Path:
    """Six pictures: the second is perfectly restored from its means, the fourth is cut short."""
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(6):
        pixels = np.random.default_rng(k).integers(0, 256, (32, 32)).astype(np.uint8)
        Image.fromarray(np.full_like(pixels, 77) if k == 1 else pixels).save(folder / f"{k}.png")
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def diverging(monkeypatch) -> set[int]:
    """The images in whose restoration a NaN turns up."""
    real, ill = batch.solve, {5}

    def solve(solver, problem, prior, noise, on_state=lambda state: None):
        x, at = real(solver, problem, prior, noise, on_state)
        for k, index in enumerate(noise.indices):
            at[k] = 2 if index in ill else at[k]
        return x, at

    monkeypatch.setattr(batch, "solve", solve)
    return ill


def test_a_run_that_lost_images_is_no_success(tmp_path, capsys, images, diverging):
    run = ["run", *RUN, "metrics=basic", f"dataset.root={images}", f"results_dir={tmp_path / 'results'}"]
    said = mapga(capsys, *run)
    lines = [line for line in said.err.splitlines() if line.startswith("mapga: ")]
    assert said.code == 1 and len(lines) == 1
    assert "2 of 6 images lost: 1 diverged, 1 could not be read" in lines[0]
    metrics = Path(said.last) / "metrics.json"
    summary = json.loads(metrics.read_text())
    assert [summary[key] for key in ("n_images", "n_failed", "n_diverged", "n_unreadable")] == [6, 2, 1, 1]

    before = metrics.stat().st_mtime_ns
    again = mapga(capsys, *run)
    assert (again.code, again.last) == (1, said.last) and lines[0] in again.err
    assert metrics.stat().st_mtime_ns == before

    status = mapga(capsys, "status", str(tmp_path / "results")).out
    assert "done, 2 of 6 lost" in status and "1 done (1 of them lost images)" in status
    assert "1 diverged, 1 could not be read" in status


def test_a_perfect_image_counts_as_the_best_that_its_size_can_have(tmp_path, capsys, images):
    said = mapga(capsys, "run", *RUN, f"dataset.root={images}", f"results_dir={tmp_path}", "dataset.limit=3")
    folder = Path(said.last)
    lines = map(json.loads, (folder / "scores.jsonl").read_text().splitlines())
    rows = [line["metrics"]["psnr"] for line in lines if "row" in line]
    assert said.code == 0 and rows[1] is None
    cell = json.loads((folder / "metrics.json").read_text())["metrics"]["psnr"]
    ceiling = 10 * np.log10(255**2 * 32 * 32)
    assert (cell["n"], cell["n_infinite"]) == (3, 1) and cell["ceiling"] == pytest.approx(ceiling, abs=1e-12)
    assert cell["mean"] == pytest.approx((rows[0] + ceiling + rows[2]) / 3, abs=1e-12)


def test_a_run_that_restored_nothing_has_failed(tmp_path, capsys, images, diverging):
    diverging.update(range(6))
    run = ["run", *RUN, f"dataset.root={images}", f"results_dir={tmp_path / 'results'}"]
    said = mapga(capsys, *run)
    assert said.code == 1 and "all 6 images lost: 5 diverged, 1 could not be read" in said.err and said.out == ""
    (journal,) = tmp_path.glob("results/image_folder*/journal.jsonl")
    solved = journal.read_text().count("diverged")
    assert solved == 5 and not (journal.parent / "done").exists()
    assert "all 6 images lost" in mapga(capsys, "status", str(tmp_path / "results")).out
    again = mapga(capsys, *run)
    assert (again.code, again.err.splitlines()[-1]) == (1, said.err.splitlines()[-1])
    assert journal.read_text().count("diverged") == solved  # that which could not be read is tried again, nothing else


def test_a_sweep_counts_runs_that_lost_images(tmp_path, capsys, images, diverging):
    sweep = [
        "run",
        "-m",
        *RUN,
        f"dataset.root={images}",
        f"results_dir={tmp_path / 'results'}",
        "rounding=round,truncate",
    ]
    said = mapga(capsys, *sweep)
    assert said.code == 1 and "2 runs: 2 lossy" in said.err
    assert said.err.count("2 of 6 images lost: 1 diverged, 1 could not be read") == 2


def test_a_run_that_lost_images_is_no_candidate_of_a_search(tmp_path, capsys, images, diverging):
    from mapga.commands.run import run_one
    from mapga.config.compose import compose_run, spec_of

    (images / "3.png").write_bytes((images / "2.png").read_bytes())
    where = [*RUN, f"dataset.root={images}", f"results_dir={tmp_path / 'results'}", "objective=psnr"]
    with pytest.raises(ValueError, match="1 of 6 images lost"):
        float(run_one(spec_of(compose_run(where))))
    diverging.clear()
    assert float(run_one(spec_of(compose_run([*where, "seed=1"])))) > 0
