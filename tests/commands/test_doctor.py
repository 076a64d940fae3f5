"""``mapga doctor``: versions, what is not installed, and the whole support matrix."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import re

import pytest
from PIL import Image

from helpers.commands import mapga
from mapga import __version__
from mapga.cli import main
from mapga.config.files import options

PRIOR = ("prior=mixture", "prior.components=5", "device=cpu")


@pytest.fixture(scope="module")
def said() -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["doctor", *PRIOR]) == 0
    return out.getvalue()


def test_versions_and_devices(said):
    assert f"mapga {__version__}, Python 3." in said and "CPU with" in said
    assert f"torch {importlib.metadata.version('torch')}" in said


def test_every_pair_has_a_verdict(said):
    lines = _verdicts(said)
    assert set(lines) == set(options("solver"))
    assert all(set(of) == set(options("task")) for of in lines.values())
    assert set(lines["pinv"].values()) == {"yes", "no"} and lines["pinv"]["phase"] == "no"
    assert set(lines["map_ga_pgdm"].values()) == {"noisy only", "no"} and set(lines["dps"].values()) == {"yes"}
    assert max(map(len, re.findall(r"^│.*│$", said, re.MULTILINE))) < 120


def _verdicts(said: str) -> dict[str, dict[str, str]]:
    """By solver and task, as a reader makes them out."""
    (tasks,) = re.findall(r"^tasks: (.*)$", said, re.MULTILINE)
    (heads,) = re.findall(r"^┃(.*)┃$", said, re.MULTILINE)
    found = {}
    for line in re.findall(r"^│(.*)│$", said, re.MULTILINE):
        solver, *cells = (cell.strip() for cell in line.split("│"))
        named = {
            task: head.strip() for head, cell in zip(heads.split("┃")[1:], cells, strict=True) for task in cell.split()
        }
        (rest,) = (named.pop(word) for word in ("all",) if word in named)
        named.pop("others", None)
        found[solver] = {task: named.get(task, rest) for task in tasks.split()}
    return found


def test_what_cannot_be_served_has_its_reason(said):
    assert re.search(r"^\* map_ga_pgdm\b.*: .*(noise|sigma_y)", said, re.MULTILINE)


def test_a_task_that_images_of_this_shape_cannot_have_is_a_no_with_its_reason(tmp_path, capsys):
    for k in range(2):
        Image.new("L", (15, 15), 100 * k).save(tmp_path / f"{k}.png")
    given = ["dataset=image_folder", f"dataset.root={tmp_path}", "dataset.channels=1", "prior=none", "device=cpu"]
    answer = mapga(capsys, "doctor", *given)
    assert answer.code == 0 and answer.err == ""
    assert answer.out.count("* task=supres4x: task.operator: factor=4 does not divide an image of 15x15") == 1
    verdicts = _verdicts(answer.out)["pinv"]
    assert verdicts["supres4x"] == "no" and verdicts["half"] == "yes"


def test_a_part_that_is_not_installed_names_its_extra(capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "lmdb" else find(name, *a))
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    answer = mapga(capsys, "doctor", *PRIOR)
    assert answer.code == 0 and 'lmdb is not installed; it comes with: pip install "mapga[lsun]"' in answer.out
    (extras,) = re.findall(r"^extras: (.*)$", answer.out, re.MULTILINE)
    assert {"wandb", "slurm"} <= set(extras.split()) and "lsun" not in extras.split()
    assert "wandb: a key is here\n" in answer.out and "a" * 40 not in answer.out


def test_bad_overrides_are_one_line(capsys):
    answer = mapga(capsys, "doctor", "prior=nothing")
    assert answer.code == 2 and answer.out == "" and answer.err.count("\n") == 1
