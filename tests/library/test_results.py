"""``mapga.load_results``: every number of every image as a DataFrame, the same as in ``report/images.csv``."""

from __future__ import annotations

import io
import json
import sys

import pandas
import pytest

import mapga
from helpers.folders import finished, unfinished
from mapga.errors import ConfigError
from mapga.report import image_numbers, write_report


def test_a_row_an_image_and_metric(tmp_path):
    for solver, steps in (("alpha", 3), ("alpha", 4), ("beta", 3)):
        folder = finished(tmp_path, solver, schedule={"steps": steps})
    unfinished(tmp_path, "gamma")
    table = mapga.load_results(tmp_path)
    assert len(table) == 9 and set(table["metric"]) == {"psnr"} and set(table["value"]) == {20.0}
    assert table.groupby("run").size().to_dict()[folder.path.name] == 3
    assert set(table[table["solver"] == "alpha"]["settings"]) == {"steps=3", "steps=4"}
    assert sorted(table["index"].unique()) == [10, 11, 12]
    report = write_report(tmp_path)
    written = pandas.read_csv(io.StringIO((report / "images.csv").read_text()))
    assert list(written.columns) == ["run", "index", "metric", "value"]
    key = ["run", "index", "metric"]
    assert written.sort_values(key).values.tolist() == table[[*key, "value"]].sort_values(key).values.tolist()
    json.dumps(table.to_dict("records"))
    for file in ("images.parquet", "images.csv"):
        pandas.testing.assert_frame_equal(mapga.load_results(report / file), written)


def test_numbers_without_an_end_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(image_numbers, "image_rows", lambda runs: iter([("alpha", 7, "psnr", float("inf"))]))
    parquet = image_numbers.images_parquet([])
    assert parquet is not None
    (tmp_path / "images.parquet").write_bytes(parquet)
    (tmp_path / "images.csv").write_text(image_numbers.images_csv([]))
    for path in tmp_path.iterdir():
        assert mapga.load_results(path).values.tolist() == [["alpha", 7, "psnr", float("inf")]]


def test_without_pyarrow_there_is_the_csv_and_a_word(tmp_path, monkeypatch, capsys):
    finished(tmp_path, "alpha")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    report = write_report(tmp_path)
    assert (report / "images.csv").exists() and not (report / "images.parquet").exists()
    assert 'pip install "mapga[parquet]"' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["table.csv", "images.parquet", "index.html"])
def test_a_file_that_is_no_table_of_numbers(tmp_path, name):
    finished(tmp_path, "alpha")
    path = write_report(tmp_path) / name
    if name == "images.parquet":
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"give (its )?images\.parquet or images\.csv"):
        mapga.load_results(path)


def test_a_folder_without_finished_runs(tmp_path):
    for folder in (tmp_path, tmp_path / "no"):
        with pytest.raises(ConfigError, match="holds no finished runs"):
            mapga.load_results(folder)
