"""``mapga.load_results``: every number of every image as a DataFrame, the same as in ``report/images.csv``."""

from __future__ import annotations

import io
import json

import pandas
import pytest

import mapga
from helpers.folders import finished, unfinished
from mapga.errors import ConfigError
from mapga.report import write_report


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


def test_a_folder_without_finished_runs(tmp_path):
    for folder in (tmp_path, tmp_path / "no"):
        with pytest.raises(ConfigError, match="holds no finished runs"):
            mapga.load_results(folder)
