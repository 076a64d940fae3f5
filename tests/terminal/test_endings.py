"""How runs and sweeps end: their numbers on stderr, the path alone on stdout."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.commands import mapga, tiny


def test_a_run_ends_with_its_numbers_what_they_cost_and_the_next_command(tmp_path, capsys):
    said = mapga(capsys, "run", *tiny(tmp_path, "solver=pgdm"))
    folder = Path(said.last)
    assert said.out == f"{folder}\n"
    head, *metrics, following = said.err.splitlines()
    assert re.fullmatch(rf"{folder.name}: 2 images, 4 passes each, [\d.]+ \w+", head)
    assert [line.split()[0] for line in metrics] == ["psnr", "ssim", "consistency"]
    assert re.fullmatch(r"  psnr +\d+\.\d\d \+- \d+\.\d\d dB", metrics[0])
    assert re.fullmatch(r"  ssim +-?\d\.\d{3} \+- \d\.\d{3}", metrics[1])
    assert following == f"next: mapga report {tmp_path}"
    again = mapga(capsys, "run", *tiny(tmp_path, "solver=pgdm"))
    first, rest = again.err.split("\n", 1)
    assert (again.code, again.out, rest) == said
    assert re.fullmatch(r"finished before, begun on 20\d\d-\d\d-\d\d: .*redo=true runs it again", first)


def test_a_sweep_says_a_line_a_run(tmp_path, capsys):
    overrides = tiny(tmp_path, "solver=pgdm,ct_zsie", "schedule.steps=2,3")
    mapga(capsys, "run", *tiny(tmp_path, "solver=pgdm"))
    said = mapga(capsys, "run", "-m", *overrides)
    assert said.out == f"{tmp_path}\n"
    *lines, last = said.err.splitlines()
    assert last == "4 runs: 4 done (1 were finished before)"
    assert [line.split()[0] for line in lines] == ["[2/4]", "[3/4]", "[4/4]"]
    number = r"psnr \d+\.\d\d \+- \d+\.\d\d dB  [\d.]+ \w+"
    assert re.fullmatch(rf"\[2/4\] mnist-box50-pgdm-\w{{12}}  {number}  about [\d.]+ \w+ left", lines[0])
    assert re.fullmatch(rf"\[4/4\] mnist-box50-ct_zsie-\w{{12}}  {number}", lines[2])


def test_names_are_short_where_they_tell_runs_apart_and_what_was_not_run_is_said(tmp_path, capsys):
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "solver=pinv,map_ga_pgdm"))  # the latter needs noise
    lines = said.err.splitlines()
    assert re.match(r"\[1/2\] mnist-box50-pinv  psnr ", lines[0])
    assert lines[1] == "[2/2] mnist-box50-map_ga_pgdm  skipped"


def test_quiet_says_what_is_wrong_alone(tmp_path, capsys):
    said = mapga(capsys, "run", "-q", *tiny(tmp_path, "solver=pinv"))
    assert (said.code, said.err) == (0, "") and Path(said.last).is_dir()
    said = mapga(capsys, "run", "-m", *tiny(tmp_path, "solver=pinv"), "-q")
    assert (said.code, said.err) == (0, "")
    assert mapga(capsys, "run", "-q", "sede=1").err.startswith("mapga: unknown key 'sede'")
    assert mapga(capsys, "run", *tiny(tmp_path, "solver=pinv")).err


def test_a_shard_says_that_it_is_one(tmp_path, capsys):
    said = mapga(capsys, "run", *tiny(tmp_path, "solver=pinv", "shard=0/2"))
    assert said.code == 0 and said.err == (
        f"this shard is done, 1 of 2 images are; the run is when the others are: mapga status {tmp_path}\n"
    )


def test_more_is_said_on_request(tmp_path, capsys, caplog):
    mapga(capsys, "run", "-v", *tiny(tmp_path, "solver=pinv"))
    assert re.search(r"mnist-box50-pinv-\w+: 2 of 2 images to do, 32 at a time, on cpu in float32", caplog.text)
