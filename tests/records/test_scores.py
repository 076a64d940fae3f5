"""Scores: numbers count while the pixels they are of are those recorded, whatever was torn, added or made again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapga.records import Row, Shard
from mapga.records.protocol import Protocol
from mapga.records.scores import ScoreLog, read_numbers

PSNR = Protocol("psnr", {"_target_": "mapga.metrics.PSNR"}, {}, False, 70.0, None, {"mapga": "aaaa"})
SSIM = Protocol("ssim", {"_target_": "mapga.metrics.SSIM"}, {}, False, None, None, {"mapga": "aaaa"})
FID = Protocol("fid", {"reference": "truth"}, {"inception": "1234"}, True, None, None, {"mapga": "aaaa"})


def _rows(n: int, **crcs: int) -> list[Row]:
    return [Row(k, 10 + k, None, "done", None, crc=crcs.get(f"row{k}", 100 + k)) for k in range(n)]


def _scored(log: ScoreLog, rows: list[Row], *protocols: Protocol, value: float = 0.0) -> None:
    by = log.begin(protocols)
    log.add_images(by, rows, [{one.name: value + row.row for one in protocols} for row in rows])


def test_numbers_come_back_under_their_protocols(tmp_path):
    rows = _rows(3)
    _scored(ScoreLog(tmp_path), rows, PSNR, SSIM)
    found = read_numbers(tmp_path, rows)
    assert found.by_row() == {k: {"psnr": float(k), "ssim": float(k)} for k in range(3)}
    assert found.protocols == {PSNR.key: PSNR, SSIM.key: SSIM}


def test_a_metric_is_added_without_touching_what_is_there(tmp_path):
    rows, path = _rows(3), tmp_path / "scores.jsonl"
    _scored(ScoreLog(tmp_path), rows, PSNR)
    before = path.read_bytes()
    other = replace(PSNR, science={**PSNR.science, "peak": 1})
    _scored(ScoreLog(tmp_path), rows, SSIM, value=5.0)
    _scored(ScoreLog(tmp_path), rows, other, value=9.0)
    assert path.read_bytes().startswith(before)
    assert read_numbers(tmp_path, rows).by_row()[1] == {"psnr": 1.0, "ssim": 6.0, other.key: 10.0}


def test_torn_at_any_byte_loses_the_torn_numbers_only(tmp_path):
    rows, path = _rows(2), tmp_path / "scores.jsonl"
    log = ScoreLog(tmp_path)
    by = log.begin([PSNR])
    log.add_images(by, rows[:1], [{"psnr": 1.0}])
    kept = len(path.read_bytes())
    log.add_images(by, rows[1:], [{"psnr": 2.0}])
    whole = path.read_bytes()
    for cut in range(kept, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert read_numbers(tmp_path, rows).lacking(PSNR) == [1], cut
    path.write_bytes(whole)
    assert read_numbers(tmp_path, rows).lacking(PSNR) == []


@pytest.mark.parametrize("harm", ["number", "pixels", "scoring"])
def test_what_was_changed_does_not_count(tmp_path, harm):
    rows, path = _rows(2), tmp_path / "scores.jsonl"
    _scored(ScoreLog(tmp_path), rows, PSNR, value=3.0)
    if harm == "number":
        path.write_text(path.read_text().replace('{"psnr": 3.0}', '{"psnr": 8.0}'))
    if harm == "scoring":
        path.write_text(path.read_text().replace("aaaa", "bbbb", 1))
    found = read_numbers(tmp_path, _rows(2, row0=7) if harm == "pixels" else rows)
    assert found.lacking(PSNR) == {"number": [0], "pixels": [0], "scoring": [0, 1]}[harm]
    assert found.columns() == {}


def test_the_number_of_a_set_is_of_all_its_pixels(tmp_path):
    rows, log = _rows(3), ScoreLog(tmp_path)
    log.add_sets(log.begin([FID]), rows, {"fid": {"mean": 3.5}})
    assert read_numbers(tmp_path, rows).sets == {FID.key: {"mean": 3.5}}
    assert read_numbers(tmp_path, _rows(3, row2=7)).lacking(FID) == [0, 1, 2]
    assert read_numbers(tmp_path, [*rows[:2], replace(rows[2], status="diverged")]).sets == {}


def test_numbers_of_other_code_are_made_again_on_request_and_those_of_before_stay(tmp_path):
    rows = _rows(2)
    _scored(ScoreLog(tmp_path), rows, PSNR)
    now = replace(PSNR, code={"mapga": "bbbb"})
    found = read_numbers(tmp_path, rows)
    assert found.lacking(now) == [] and found.lacking(now, anew=True) == [0, 1]
    _scored(ScoreLog(tmp_path), rows[:1], now, value=50.0)
    found = read_numbers(tmp_path, rows)
    assert found.lacking(now, anew=True) == [1] and found.by_row() == {0: {"psnr": 50.0}, 1: {"psnr": 1.0}}
    assert (tmp_path / "scores.jsonl").read_text().count('"row": 0') == 2


def test_shards_merge(tmp_path):
    rows = _rows(4)
    for shard in (Shard(1, 2), Shard(0, 2)):
        _scored(ScoreLog(tmp_path, shard), [rows[k] for k in shard.rows(4)], PSNR, SSIM)
    apart = read_numbers(tmp_path, rows)
    ScoreLog(tmp_path).merge()
    for path in tmp_path.glob("scores-*"):
        path.unlink()
    merged = read_numbers(tmp_path, rows)
    assert merged.by_row() == apart.by_row() and merged.columns() == {PSNR.key: "psnr", SSIM.key: "ssim"}
    places = [line.partition('"row": ')[2][:1] for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert places == ["", "0", "1", "2", "3"]  # how, once, then the images in order


@pytest.mark.parametrize(
    "other", [{"science": {"border": "crop"}}, {"weights": {"net": "1"}}, {"science": {"reference": "training"}}]
)
def test_settings_weights_and_references_are_other_protocols_and_code_is_not(other):
    assert replace(PSNR, **other).key != PSNR.key and replace(PSNR, **other).key.startswith("psnr@")
    assert replace(PSNR, code={"mapga": "bbbb"}, floor=0.1, ceiling=None).key == PSNR.key
