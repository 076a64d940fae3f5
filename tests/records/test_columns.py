"""Columns: one for a metric, more where its numbers were made under several protocols."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.folders import finished, summary
from mapga.records.collect import Run, collect
from mapga.records.columns import card_of, columns, named, settings_of
from mapga.records.protocol import Protocol

FID = Protocol("fid_clean", {"_target_": "mapga.metrics.FID", "reference": "truth"}, {"inception": "f58c"}, True)


def _runs(results: Path, *protocols: Protocol) -> list[Run]:
    for k, one in enumerate(protocols):
        cell = {"mean": float(k), "sem": None, "n": 3, "lower_is_better": True, "protocol": one.key}
        told = summary(metrics={"fid_clean": cell}, protocols={one.key: one.as_dict()})
        finished(results, f"solver{k}", told)
    return columns(collect(results)[0])


def test_of_one_protocol_it_is_the_name(tmp_path):
    runs = _runs(tmp_path, FID, replace(FID, code={"mapga": "other"}))
    assert [list(run.metrics["metrics"]) for run in runs] == [["fid_clean"]] * 2
    assert card_of(runs[0], "fid_clean").digits == 2 and settings_of(runs[0], "fid_clean") == "reference=truth"


@pytest.mark.parametrize(
    ("other", "headings"),
    [
        ({"science": {**FID.science, "reference": "training"}}, ["reference=truth", "reference=training"]),
        ({"weights": {"inception": "6726"}}, ["inception=f58c", "inception=6726"]),
    ],
)
def test_of_two_each_says_what_is_different(tmp_path, other, headings):
    runs = _runs(tmp_path, FID, replace(FID, **other))
    assert [list(run.metrics["metrics"]) for run in runs] == [[f"fid_clean {one}"] for one in headings]
    assert named(runs[0], "fid_clean") == f"fid_clean {headings[0]}" and named(runs[0], "psnr") == "psnr"
