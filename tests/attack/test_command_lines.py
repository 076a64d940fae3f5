"""Hundreds of bad command lines: each is refused in one line that names what is wrong, and leaves nothing behind."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from helpers.hostile import hostile_folder
from mapga.cli import main

TABLE = yaml.safe_load(Path(__file__).with_name("command_lines.yaml").read_text())
CASES = [(group, given) for group, one in TABLE.items() for given in one["cases"]]
IMAGES = (
    "dataset=image_folder dataset.root=HERE/pictures dataset.channels=1 prior=none solver=pinv schedule.steps=2 "
    "device=cpu"
)
LONG = "x" * 5000


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    here = tmp_path_factory.mktemp("here")
    return {"RUN": str(hostile_folder(here)), "HERE": str(here), "LONG": LONG}


def _filled(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = re.sub(rf"\b{name}\b", value, text)
    return text


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("group", "given"), CASES, ids=[f"{group}: {given}" for group, given in CASES])
def test_it_is_refused_in_one_line_and_leaves_nothing(places, tmp_path, monkeypatch, capsys, group, given):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAPGA_CACHE", raising=False)
    for name, value in TABLE[group].get("environment", {}).items():
        monkeypatch.setenv(name, _filled(value, places))
    words = shlex.split(f"{TABLE[group]['argv'].replace('IMAGES', IMAGES)} {given}")
    try:
        code = main([_filled(word, places) for word in words])
    except SystemExit as ended:  # argparse
        code = ended.code
    said = capsys.readouterr()
    assert code == TABLE[group].get("code", 2), said.err
    assert said.err.startswith("mapga: ") and said.err.count("\n") == 1 and len(said.err) < 1500, said.err
    wanted = [re.escape(_filled(part, places)) for part in TABLE[group]["cases"][given].split(" ... ")]
    assert re.search(".*".join(wanted), said.err), said.err
    assert "Traceback" not in said.err + said.out and "unexpected" not in said.err
    assert list(tmp_path.iterdir()) == []
