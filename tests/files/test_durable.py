"""Whole files or none: a block that fails leaves what was there, and of processes that race the first wins."""

from __future__ import annotations

import os

import pytest

from helpers.forks import forked, waited
from mapga.files.durable import (
    creating,
    neighbour_of,
    remove_leftovers,
    replacing,
    settle,
    write_bytes,
    write_json,
    write_text,
)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with replacing(path) as neighbour:
        neighbour.write_text("new")
        assert path.read_text() == "old" and neighbour.parent == tmp_path
    assert path.read_text() == "new" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("way", [replacing, creating])
def test_a_block_that_fails_leaves_nothing(tmp_path, way):
    with pytest.raises(ZeroDivisionError), way(tmp_path / "file") as neighbour:
        neighbour.write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_what_cannot_be_made_durable_replaces_nothing(tmp_path, monkeypatch):
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old" and names(tmp_path) == ["file"]


def test_it_is_on_disk_before_it_is_renamed(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync") or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *paths: calls.append("replace") or replace(*paths))
    write_text(tmp_path / "file", "text")
    (tmp_path / "part").write_text("all of it")
    settle(tmp_path / "part", tmp_path / "other")
    assert calls == ["fsync", "replace"] * 2 and names(tmp_path) == ["file", "other"]


def test_of_two_that_create_a_file_the_first_wins(tmp_path):
    path = tmp_path / "file"
    with creating(path) as neighbour:
        neighbour.write_text("second")
        path.write_text("first")
    assert path.read_text() == "first" and names(tmp_path) == ["file"]


def test_json_without_numbers_that_are_none(tmp_path):
    write_json(tmp_path / "file", {"name": "é", "psnr": None})
    assert (tmp_path / "file").read_text(encoding="utf-8") == '{\n  "name": "é",\n  "psnr": null\n}\n'
    with pytest.raises(ValueError):
        write_json(tmp_path / "file", {"psnr": float("nan")})


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    """Neighbours of the living, of other machines, other files of the same look, and folders stay."""

    def dies() -> None:
        for name in ("images.npy", "config.yaml"):
            neighbour_of(tmp_path / name).write_bytes(b"half")
        neighbour_of(tmp_path / "folder").mkdir()
        neighbour_of(tmp_path / "link").symlink_to(tmp_path / "images.npy")
        os._exit(0)  # no block is left in order

    child = forked(dies)
    assert waited(child) == 0
    dead = neighbour_of(tmp_path / "x").name.removesuffix(str(os.getpid())).removeprefix(".x.")
    kept = [
        neighbour_of(tmp_path / "truth.npy"),
        tmp_path / f".lock.elsewhere-1-{child}",
        tmp_path / f"x.{dead}{child}",
    ]
    for path in (*kept, lock := tmp_path / f".lock.{dead}{child}-123"):
        path.write_text("")
    assert len(names(tmp_path)) == 8
    remove_leftovers(tmp_path)
    folder, link = (f".{name}.{dead}{child}" for name in ("folder", "link"))
    assert names(tmp_path) == sorted([*(path.name for path in kept), folder, link]) and not lock.exists()
