"""Files that were damaged between two commands: each command's right answer, and a `mapga run` that mends what it can.

Every kind of damage is done to a finished run and to one that was stopped half-way. Whatever the command, there is no
traceback and no exception's name; the file is named; what is refused says in one line what to do, and that works.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.commands import Said, mapga
from mapga.commands.run import run_one
from mapga.config import typed
from mapga.config.compose import compose_run, spec_of
from mapga.report import write
from mapga.spec import RunSpec

N, SIDE = 6, 16
ROW, HEADER = SIDE * SIDE, 128
HALF = 3  # rows of a run that was stopped


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    """A run of six pictures in batches of one."""
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for k in range(N):
        Image.fromarray(draw.integers(1, 256, (SIDE, SIDE), dtype=np.uint8)).save(root / f"{k}.png")
    overrides = ["dataset=image_folder", f"dataset.root={root}", "dataset.channels=1", "prior=none", "solver=pinv"]
    return spec_of(compose_run([*overrides, "task=half", "metrics=basic", "batch_size=1", "device=cpu"]))


class Place:
    """A results folder with one run, and commands on it."""

    def __init__(self, results: Path, spec: RunSpec, capsys, monkeypatch, caplog) -> None:
        self.results, self.capsys, self.caplog = results, capsys, caplog
        self.spec = RunSpec({**spec.config, "results_dir": str(results)}, spec.names)
        self.run_path, self.problem = self.spec.folder, self.spec.problem_folder
        monkeypatch.setattr(typed, "one_run", lambda overrides: self.spec)
        monkeypatch.setattr(write, "_figures", lambda content, folder, images: [])

    def file(self, name: str) -> Path:
        shared = name.startswith(("truth", "measurement", "checksums", "problem/"))
        return (self.problem if shared else self.run_path) / name.removeprefix("problem/")

    def __call__(self, command: str) -> Said:
        """Run a command; what must hold of every answer."""
        self.caplog.clear()
        argv = {"run": ["run", "-q"], "export": ["export", str(self.run_path)]}
        said = mapga(self.capsys, *argv.get(command, [command, str(self.results)]))
        whole = said.out + said.err + self.caplog.text
        assert "Traceback" not in whole and not re.search(r"\b[A-Z]\w*(Error|Exception)\b", whole), whole
        assert said.code in (0, 1, 2) and said.err.count("\n") == (said.code != 0 and command != "verify"), said
        return said

    def lasting(self) -> dict[str, Any]:
        """What must not depend on what happened."""
        numbers = json.loads(self.file("metrics.json").read_text())
        for what_it_cost in ("compute", "notes"):
            numbers.pop(what_it_cost, None)
        stores = ("images.npy", "truth.npy", "measurement.npy", "journal.jsonl")
        return {"numbers": numbers} | {name: self.file(name).read_bytes() for name in stores}

    def stop_half_way(self) -> None:
        """As a kill leaves it after the third batch."""
        for name in ("done", "metrics.json"):
            self.file(name).unlink()
        for name in ("journal.jsonl", "batches.jsonl", "checksums.jsonl"):
            path = self.file(name)
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:HALF]))
        path = self.file("scores.jsonl")
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + HALF]))
        for name in ("images.npy", "truth.npy", "measurement.npy"):
            data = self.file(name).read_bytes()[: HEADER + HALF * ROW]
            self.file(name).write_bytes(data + bytes((N - HALF) * ROW))


@pytest.fixture(scope="module")
def finished(spec, tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("finished")
    outcome = run_one(RunSpec({**spec.config, "results_dir": str(results)}, spec.names))
    assert outcome.status == "done", outcome
    return results


@pytest.fixture
def place(finished, tmp_path, spec, capsys, monkeypatch, caplog) -> Place:
    shutil.copytree(finished, tmp_path / "results")
    return Place(tmp_path / "results", spec, capsys, monkeypatch, caplog)


def changed(place: int, bit: int = 16) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


def zeroed(begin: int, end: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:begin] + bytes(end - begin) + data[end:]


def cut(size: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:size]


def text(new: str) -> Callable[[bytes], bytes]:
    return lambda data: new.encode()


def number_changed(after: bytes) -> Callable[[bytes], bytes]:
    """A digit of the first number of that name."""
    return lambda data: changed(data.index(after) + len(after), 1)(data)


def fortran(data: bytes) -> bytes:
    return data.replace(b"'fortran_order': False", b"'fortran_order': True ")


def longer(n: int) -> Callable[[bytes], bytes]:
    return lambda data: data + b"x" * n


def shifted(data: bytes) -> bytes:
    return data[:IN_ROW] + b"x" + data[IN_ROW:]


def other_mean(data: bytes) -> bytes:
    return re.sub(rb'"mean": \d', b'"mean": 9', data, count=1)


@dataclass(frozen=True)
class Damage:
    """What is done to a file, and the right answers; "" is the answer to what is no damage to a command.

    Attributes:
        file, harm: Which, and how; a harm of None removes it.
        verify: What `mapga verify` says.
        export, report, status: What these say, of a finished run.
        refused: What `mapga run` says where it does not mend; removing the file is the remedy then.
        half: Whether a run that was stopped half-way has the file, and is harmed by it.
    """

    file: str
    harm: Callable[[bytes], bytes] | None
    verify: str
    export: str = ""
    report: str = ""
    status: str = ""
    refused: str = ""
    half: bool = True


IN_ROW = HEADER + ROW + 7
NUMBERS = ("metrics.json is (damaged|gone)", "", *["metrics.json is (damaged|gone)"] * 2)
CONFIG = ("config.yaml is damaged", "", *["config.yaml is damaged"] * 2)
PROVENANCE = ("provenance.json is damaged", "", "", "", "provenance.json is damaged .*remove it")
PICTURES = {
    "images flipped": Damage(
        *("images.npy", changed(IN_ROW), "images.npy: row 1 not what was recorded"),
        export="images.npy: row 1 not what was recorded",
        report="images.npy: row 1 not",
    ),
    "images zeroed": Damage(
        *("images.npy", zeroed(HEADER + ROW, HEADER + 3 * ROW), "images.npy: rows 1, 2 not"),
        export="images.npy: rows 1, 2 not",
        report="images.npy: rows 1, 2 not",
    ),
    "images cut": Damage("images.npy", cut(HEADER + 2 * ROW + 9), *["images.npy is damaged: 649 bytes"] * 4),
    "images lengthened": Damage("images.npy", longer(77), *["images.npy is damaged: 1741 bytes"] * 4),
    "images shifted": Damage("images.npy", shifted, *["images.npy is damaged: 1665 bytes"] * 4),
    "images without header": Damage("images.npy", zeroed(0, 60), *["images.npy is damaged: its header"] * 5),
    "images in Fortran order": Damage("images.npy", fortran, *["images.npy holds uint8 .* in Fortran order"] * 5),
    "images empty": Damage("images.npy", cut(0), *["images.npy is damaged: its header"] * 5),
    "images gone": Damage("images.npy", None, "images.npy is gone", "holds no images.npy", "images.npy is gone"),
    "truth flipped": Damage("truth.npy", changed(IN_ROW), "truth or measurement: row 1 not", report="row 1 not"),
    "truth cut": Damage("truth.npy", cut(393), "truth.npy is damaged: 393", "", *["truth.npy is damaged: 393"] * 2),
    "truth without header": Damage(
        *("truth.npy", zeroed(0, 60), "truth.npy is damaged: its header", ""),
        *["truth.npy is damaged: its header"] * 3,
    ),
    "truth gone": Damage("truth.npy", None, "truth.npy is gone", report="truth.npy is gone"),
    "measurement zeroed": Damage(
        "measurement.npy", zeroed(HEADER, HEADER + 2 * ROW), "rows 0, 1 not", report="rows 0, 1 not"
    ),
    "measurement lengthened": Damage(
        *("measurement.npy", longer(1), "measurement.npy is damaged: 1665", ""),
        *["measurement.npy is damaged: 1665"] * 2,
    ),
}
NOTHING_LEFT = "journal.jsonl: rows 0, 1, 2, 3 and 2 more not in it"
NO_NUMBERS = "scores.jsonl: psnr of rows 0, 1, 2, 3 and 2 more not in it"
LOGS = {
    "journal changed": Damage(
        *("journal.jsonl", number_changed(b'"index": '), "journal.jsonl: row 0 not in it"),
        report="journal.jsonl: line 1 cannot be read",
    ),
    "journal torn": Damage(
        *("journal.jsonl", lambda data: data[:-20], "journal.jsonl: row 5 not in it"),
        report="journal.jsonl: line 6 cannot be read",
    ),
    "journal garbled": Damage(
        "journal.jsonl", text("\0\0{]\n"), NOTHING_LEFT, "no restored image is recorded", "cannot be read"
    ),
    "journal gone": Damage("journal.jsonl", None, NOTHING_LEFT, "no restored image is recorded", "0 images recorded"),
    "scores changed": Damage(
        *("scores.jsonl", number_changed(b'"psnr": '), "scores.jsonl: psnr of row 0 not in it"),
        report="scores.jsonl: psnr of 1 images is not there",
    ),
    "scores torn": Damage(
        *("scores.jsonl", lambda data: data[:-20], "scores.jsonl: psnr of row 5 not in it"),
        report="scores.jsonl: psnr of 1 images is not there",
    ),
    "scores garbled": Damage("scores.jsonl", text("\0\0{]\n"), NO_NUMBERS, report="psnr of 6 images is not there"),
    "scores gone": Damage("scores.jsonl", None, NO_NUMBERS, report="psnr of 6 images is not there"),
    "checksums garbled": Damage("checksums.jsonl", text("[]\n{}\n"), ""),
    "costs of another kind": Damage("batches.jsonl", text('[]\n{"a": 1}\n'), ""),
    "costs gone": Damage("batches.jsonl", None, ""),
    "trace garbled": Damage("trace.jsonl", text("{"), ""),
}
DOCUMENTS = {
    "numbers garbled": Damage("metrics.json", text("{"), *NUMBERS, half=False),
    "numbers of another kind": Damage("metrics.json", text("[]"), *NUMBERS, half=False),
    "numbers without a part": Damage("metrics.json", text('{"metrics": {}}'), *NUMBERS, half=False),
    "numbers gone": Damage("metrics.json", None, *NUMBERS, half=False),
    "a mean changed": Damage("metrics.json", other_mean, "psnr 9.* is not the mean of scores.jsonl", half=False),
    "config garbled": Damage("config.yaml", text("a: [\n\t"), *CONFIG),
    "config empty": Damage("config.yaml", text(""), *CONFIG),
    "config gone": Damage("config.yaml", None, "config.yaml"),
    "provenance garbled": Damage("provenance.json", text("{"), *PROVENANCE),
    "the problem's provenance garbled": Damage("problem/provenance.json", text("[1"), *PROVENANCE),
    "a dead lock": Damage("lock", text("\0garbage"), ""),
    "an error of before": Damage("error.txt", lambda data: b"\xff\xfe", ""),
    "a skip garbled": Damage("skipped.json", text("{"), ""),
}
DAMAGES = PICTURES | LOGS | DOCUMENTS


def done_to(place: Place, damage: Damage) -> Path:
    path = place.file(damage.file)
    if damage.harm is None:
        path.unlink()
    else:
        path.write_bytes(damage.harm(path.read_bytes() if path.exists() else b""))
        if damage.file == "lock":  # its writer is long gone
            os.utime(path, (1000, 1000))
    return path


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_of_a_finished_run_it_is_named_by_every_command_that_reads_it(place, damage):
    done_to(place, damage)
    for command, expected in (("verify", damage.verify), ("report", damage.report), ("status", damage.status)):
        said = place(command)
        told = re.sub(r"\s+", " ", said.out + said.err)
        assert re.search(expected, told), (command, told)
        assert said.code == {"verify": 1 if expected else 0}.get(command, said.code)
    exported = place("export")
    assert exported.code == (2 if damage.export else 0) and re.search(damage.export, exported.err), exported


@pytest.mark.parametrize(
    ("damage", "half"),
    [
        pytest.param(damage, half, id=f"{name}-{'half-done' if half else 'finished'}")
        for name, damage in DAMAGES.items()
        for half in (False, True)
        if damage.half or not half  # a run that is not finished has not every file
    ],
)
def test_run_mends_it_or_says_what_to_do(place, damage, half):
    expected = place.lasting()
    if half:
        place.stop_half_way()
    path = done_to(place, damage)
    said = place("run")
    if damage.refused:
        assert said.code == 2 and re.search(damage.refused, said.err), said
        path.unlink()
        said = place("run")
    assert said.code == 0, said
    assert place.lasting() == expected
    lost = half and damage.file == "batches.jsonl"  # nothing brings back what was measured, and it is said
    assert ("what 3 images cost is not known" in place.file("metrics.json").read_text()) is lost
    assert place("verify").code == 0
    assert place("run").code == 0 and not place.caplog.text  # nothing is left to do


def test_the_advice_to_replace_a_picture_works(place, tmp_path):
    """A picture cut short fails alone; once it is replaced the same command restores it, finished run or not."""
    root = Path(place.spec.config["dataset"]["root"])
    own = shutil.copytree(root, tmp_path / "own")
    dataset = {**place.spec.config["dataset"], "root": str(own)}
    place.spec = RunSpec(
        {**place.spec.config, "dataset": dataset, "results_dir": str(tmp_path / "new")}, place.spec.names
    )
    place.run_path, place.problem = place.spec.folder, place.spec.problem_folder
    (own / "2.png").write_bytes((root / "2.png").read_bytes()[:150])
    for _ in range(2):  # tried again, in vain
        said = place("run")
        assert said.code == 1 and "1 of 6 images lost: 1 could not be read" in said.err
    shutil.copyfile(root / "2.png", own / "2.png")
    assert place("run").code == 0 and "row 2 can be read now" in place.caplog.text
    there = RunSpec({**place.spec.config, "results_dir": str(tmp_path / "results")}, place.spec.names)
    for name in ("images.npy", "journal.jsonl"):
        assert (place.run_path / name).read_bytes() == (there.folder / name).read_bytes()
    shutil.copyfile(root / "3.png", own / "2.png")
    said = place("run")
    assert said.code == 2 and "was begun with other images" in said.err
