"""``mapga export``: the PNG files are the stored images, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from helpers.folders import finished, unfinished
from mapga.cli import main
from mapga.errors import ConfigError
from mapga.records import Row, Shard
from mapga.report import export_images


@pytest.mark.parametrize("shape", [(3, 8, 8, 1), (3, 8, 6, 3), (3, 1, 6, 1)], ids=["grey", "colour", "flat"])
def test_pictures_are_the_stored_images(tmp_path, shape):
    folder = finished(tmp_path, shape=shape)
    images = np.load(folder.path / "images.npy")
    to = export_images(folder.path)
    assert to == tmp_path / "png" / folder.path.name
    assert sorted(path.name for path in to.iterdir()) == ["000010.png", "000011.png", "000012.png"]
    for row in range(3):
        picture = Image.open(to / f"{10 + row:06d}.png")
        assert picture.mode == ("L" if shape[-1] == 1 else "RGB")
        assert np.array_equal(np.asarray(picture).reshape(shape[1:]), images[row])


def test_failed_images_are_left_out(tmp_path):
    folder = finished(tmp_path)
    folder.journal(Shard(0, 1)).path.unlink()
    folder.journal(Shard(1, 2)).append([Row(1, 11, None, "done", None, {})])
    folder.journal(Shard(0, 2)).append([Row(0, 10, None, "diverged", 3, {}), Row(2, 12, None, "failed", None, {})])
    assert [path.name for path in export_images(folder.path, tmp_path / "to").iterdir()] == ["000011.png"]


def test_the_command_prints_where(tmp_path, capsys):
    folder = finished(tmp_path)
    assert main(["export", str(folder.path), "--to", str(tmp_path / "a" / "b")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a" / "b")
    assert len(list((tmp_path / "a" / "b").iterdir())) == 3


def test_a_results_folder_is_every_finished_run_and_none_of_them_is_written_to(tmp_path, capsys):
    runs = [finished(tmp_path, name).path for name in ("alpha", "beta")]
    unfinished(tmp_path, "gamma")
    before = {path: sorted(path.iterdir()) for path in runs}
    assert main(["export", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "png")
    assert {path.name for path in (tmp_path / "png").iterdir()} == {path.name for path in runs}
    assert len(list((tmp_path / "png").glob("*/*.png"))) == 6 and before == {
        path: sorted(path.iterdir()) for path in runs
    }


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mapga: {tmp_path} holds no finished runs; make one") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_in_the_way_is_refused(tmp_path):
    folder = finished(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        export_images(folder.path, tmp_path / "file" / "png")
