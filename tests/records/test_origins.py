"""Under what a run was made: known again, told apart, and no fault of what earlier versions did not write down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mapga.records.origins import add_origin, mixtures, origins, other_code
from mapga.records.provenance import provenance, results_code


def _origin(code: str = "", **more) -> dict:
    return {"code": {"mapga": code}} | more if code else more


def _written(folder: Path, record: object) -> Path:
    (folder / "provenance.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return folder


def test_todays_sources_are_no_others(tmp_path):
    assert other_code(_written(tmp_path, provenance({}))) == ""


def test_other_sources_are_told_with_their_date(tmp_path):
    said = other_code(_written(tmp_path, _origin("0123456789ab", date="2024-05-06T07:08:09Z")))
    now = results_code()["mapga"]
    assert said == f"begun on 2024-05-06 under other sources (0123456789ab, now {now})"


def test_of_several_origins_the_last_counts(tmp_path):
    old, today = _origin("0123456789ab"), _origin(results_code()["mapga"])
    assert other_code(_written(tmp_path, old | {"continued": [today]})) == ""
    assert other_code(_written(tmp_path, today | {"continued": [old]})).startswith("begun under other sources")


@pytest.mark.parametrize("record", [None, "", "{", "[]", "{}", {"sources": "0123456789ab"}, {"code": None}])
def test_what_nobody_knows_is_no_fault(tmp_path, record):
    if record is not None:
        _written(tmp_path, record)
    assert other_code(tmp_path) == ""
    assert mixtures({"one": origins(tmp_path), "other": [_origin("0123456789ab")]}) == []


def test_an_origin_is_added_where_it_is_another_and_takes_the_place_of_the_first_where_nothing_is_recorded(tmp_path):
    first, other = _origin("a", date="1", dataset="d"), _origin("b", date="2")
    _written(tmp_path, first)
    add_origin(tmp_path, _origin("a", date="2"), anew=False)
    assert origins(tmp_path) == [first]
    for _ in range(2):
        add_origin(tmp_path, other, anew=False)
        assert origins(tmp_path) == [first | {"continued": [other]}, other]
    add_origin(tmp_path, _origin("c"), anew=True)
    assert origins(tmp_path) == [_origin("c", dataset="d")]


def test_mixtures_name_the_runs():
    here, there = {"commit": "c", "dirty": True}, {"commit": "c", "dirty": False}
    runs = {f"run{k}": [_origin("aaa", git=there, versions={"torch": "2.4"})] for k in range(4)}
    assert mixtures(runs) == []
    runs["late"] = [_origin("aaa", versions={"torch": "2.4"}), _origin("bbb", git=here, versions={"torch": "2.5"})]
    assert mixtures(runs) == [
        "made under 2 sources: aaa: 5 runs; bbb: late",
        "made under 2 versions of torch: 2.4: 5 runs; 2.5: late",
        "made under 2 states of the checkout: as committed: 4 runs; with changes: late",
    ]


def test_a_package_with_components_of_its_own_is_told_apart():
    runs = {"one": [_origin("aaa")], "other": [{"code": {"mapga": "aaa", "ours": "1"}}]}
    assert mixtures(runs) == ["made under 2 sources: aaa: one; aaa ours 1: other"]
