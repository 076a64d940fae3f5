"""``mapga compare``: numbers and pixels of the same runs in two folders; exit 1 where numbers differ."""

from __future__ import annotations

import json

import numpy as np
import pytest

from helpers.commands import mapga, tiny
from helpers.folders import finished


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same run twice, as a sweep of other code would have made it: one image of the second is another one."""
    from mapga.cli import main

    root = tmp_path_factory.mktemp("folders")
    for name in ("a", "b"):
        assert main(["run", "-q", *tiny(root / name, "solver=pinv")]) == 0
    return root / "a", root / "b"


def _changed(folder, by: float) -> None:
    """Every PSNR of the run is another, in its journal and its summary."""
    (run,) = folder.glob("mnist-*")
    summary = json.loads((run / "metrics.json").read_text())
    summary["metrics"]["psnr"]["mean"] += by
    (run / "metrics.json").write_text(json.dumps(summary))
    lines = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    for line in lines:
        if "row" in line:
            line["metrics"]["psnr"] += by
            line.pop("check", None)
    from mapga.files.jsonl import JSONLines

    JSONLines(run / "scores.jsonl").replace({k: v for k, v in line.items() if k != "crc32"} for line in lines)


def test_the_same_numbers_and_pixels(folders, capsys):
    said = mapga(capsys, "compare", *map(str, folders))
    assert said.code == 0 and "identical images: 2 of 2" in said.out
    assert said.out.splitlines()[-1] == "3 numbers, none different by more than 0"


def test_other_numbers_and_other_pixels(folders, tmp_path, capsys):
    import shutil

    other = shutil.copytree(folders[1], tmp_path / "b")
    _changed(other, 0.25)
    (run,) = other.glob("mnist-*")
    images = np.load(run / "images.npy", mmap_mode="r+")
    images[1, 0, 0] ^= 1
    images.flush()
    argv = ("compare", str(folders[0]), str(other), "--metric", "psnr")
    said = mapga(capsys, *argv)
    assert said.code == 1 and "identical images: 1 of 2" in said.out
    line = next(line for line in said.out.splitlines() if "psnr" in line)
    assert "difference +0.25" in line and "over 2 images" in line and line.endswith("DIFFERENT")
    assert mapga(capsys, *argv, "--tolerance", "0.3").code == 0
    assert mapga(capsys, "compare", *map(str, folders), "--tolerance", "-1").code == 2


def test_what_cannot_be_compared_is_one_line(tmp_path, capsys):
    for name in "ab":
        finished(tmp_path / name, name)
    (tmp_path / "empty").mkdir()
    a, b, empty = (str(tmp_path / name) for name in ("a", "b", "empty"))
    for argv, says in (
        ((a, b), "share no run"),
        ((a, empty), "holds no finished runs"),
        ((a, f"{empty}/no"), "is not a folder"),
        ((a, a, "--metric", "psnrr"), "no run has a metric 'psnrr'; did you mean 'psnr'?"),
    ):
        said = mapga(capsys, "compare", *argv)
        assert said.code == 2 and says in said.err and said.err.count("\n") == 1, said


def test_runs_of_one_folder_alone_are_said(tmp_path, capsys):
    finished(tmp_path / "a", "alpha")
    for name in ("alpha", "beta"):
        finished(tmp_path / "b", name)
    said = mapga(capsys, "compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert said.code == 0 and f"only in {tmp_path / 'b'}: tiny-half-beta" in said.out
