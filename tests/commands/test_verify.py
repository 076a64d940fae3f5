"""``mapga verify``: a line a run, exit 1 where something is damaged, and pixels that come out again."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from helpers.commands import mapga
from helpers.folders import finished, unfinished
from mapga.cli import main
from mapga.files.durable import neighbour_of, write_json
from mapga.files.jsonl import JSONLines
from mapga.records import Journal

RUN = ["run", "mode=smoke", "prior=gaussian", "solver=pgdm", "device=cpu"]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("results")
    assert main([*RUN, f"results_dir={root}"]) == 0
    return root


def test_a_sound_run_is_a_line_and_what_is_solved_again_is_identical(results, capsys):
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    said = mapga(capsys, "verify", str(results), "--replay", "2")
    assert said.code == 0 and not said.err
    line, summary = said.out.splitlines()
    assert re.fullmatch(
        r"mnist-\S+: sound \(done, 2 of 2 images, 2 solved again on cpu, 2 of them identical\)", line
    ), line
    assert summary == "1 runs: 1 sound, 0 damaged"
    assert before == {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}


def test_pixels_that_no_solver_makes_are_found_by_solving_again_alone(results, tmp_path, capsys):
    """A run whose journal was written for the changed pixels: everything fits, but it is not what comes out."""
    root = tmp_path / "results"
    shutil.copytree(results, root)
    (folder,) = root.glob("mnist-*")
    images = np.load(folder / "images.npy")
    images[1, 3, 3] ^= 128
    np.save(folder / "images.npy", images)
    rows = [row.as_dict() for row in Journal(folder / "journal.jsonl").rows()]
    rows[1]["crc"] = zlib.crc32(images[1].tobytes())
    JSONLines(folder / "journal.jsonl").replace(rows)
    numbers = list(JSONLines(folder / "scores.jsonl").read())
    JSONLines(folder / "scores.jsonl").replace(
        {**one, "crc": rows[1]["crc"]} if one.get("row") == 1 else one for one in numbers
    )
    assert mapga(capsys, "verify", str(root)).code == 0
    said = mapga(capsys, "verify", str(root), "--replay", "2")
    assert said.code == 1 and "DAMAGED: row 1 solved again on cpu: other pixels, by up to 128 levels" in said.out
    said = mapga(capsys, "verify", str(root), "--replay", "1")
    assert said.code == 0 and "1 solved again on cpu, 1 of them identical" in said.out


def test_what_is_no_damage_is_said_too(tmp_path, capsys):
    folder = finished(tmp_path)  # its journal has no checksums
    neighbour_of(folder.path / "images.npy").write_bytes(b"half")
    unfinished(tmp_path, "begun")
    said = mapga(capsys, "verify", str(tmp_path))
    assert said.code == 0, said.out
    assert "3 of an older version, without checksums" in said.out
    assert "left over by a killed process: .images.npy." in said.out
    assert re.search(r"tiny-half-begun-\w+: sound \(incomplete\)", said.out)


def test_a_config_of_another_run_is_damage(tmp_path, capsys):
    one, other = finished(tmp_path, "one"), finished(tmp_path, "other")
    (one.path / "config.yaml").write_text((other.path / "config.yaml").read_text())
    said = mapga(capsys, "verify", str(tmp_path))
    assert said.code == 1 and f"config.yaml is that of {other.run_id}" in said.out
    assert (
        said.out.splitlines()[-1] == "of each that is damaged: its own command, started again, makes what is lost again"
    )


def test_the_command_that_repairs_is_the_one_that_made_the_run(tmp_path, capsys):
    for solver in ("one", "two"):
        folder = finished(tmp_path, solver)
        (folder.path / "metrics.json").unlink()
        argv = ["/somewhere/bin/mapga", "run", "-m", "solver=one,two", "results_dir=my results"]
        write_json(folder.path / "provenance.json", {"command": argv, "dataset": "2:1234"})
    said = mapga(capsys, "verify", str(tmp_path))
    assert said.code == 1
    assert said.out.splitlines()[-1].strip() == "mapga run -m solver=one,two 'results_dir=my results'"


def test_a_features_file_of_other_images_is_damage(tmp_path, capsys):
    folder = finished(tmp_path)
    np.save(folder.path / "features-clean.npy", np.zeros((3, 4)))
    assert mapga(capsys, "verify", str(tmp_path)).code == 0
    for harm in (lambda path: np.save(path, np.zeros((2, 4))), lambda path: path.write_bytes(path.read_bytes()[:-1])):
        harm(folder.path / "features-clean.npy")
        said = mapga(capsys, "verify", str(tmp_path))
        assert said.code == 1 and "features-clean.npy: not the features of 3 images" in said.out


def test_counts_that_are_not_the_journals_are_damage(tmp_path, capsys):
    folder = finished(tmp_path)
    told = json.loads((folder.path / "metrics.json").read_text())
    (folder.path / "metrics.json").write_text(json.dumps(told | {"n_failed": 1}))
    said = mapga(capsys, "verify", str(tmp_path))
    assert said.code == 1 and "3 images and 1 failed are not the journal's" in said.out


def test_a_folder_without_runs_is_bad_input(tmp_path, capsys):
    for argv in (["verify", str(tmp_path)], ["verify", str(tmp_path / "x")], ["verify", str(tmp_path), "--replay=-1"]):
        said = mapga(capsys, *argv)
        assert said.code == 2 and said.err.count("\n") == 1 and not said.out
