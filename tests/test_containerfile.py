"""The Containerfile copies what it names, and all that the wheel is made of. No image is built here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Containerfile").read_text()


def test_what_is_copied_is_there_and_makes_the_wheel():
    copied = {name for line in re.findall(r"^COPY (.*)$", TEXT, re.MULTILINE) for name in line.split()[:-1]}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    hook = project["tool"]["hatch"]["build"]["hooks"]["custom"]["path"]
    wanted = {project["project"]["readme"], *project["project"]["license-files"], *wheel["force-include"], hook}
    wanted |= {Path(package).parts[0] for package in wheel["packages"]}
    assert wanted <= copied


def test_its_python_is_one_that_is_served():
    (version,) = re.findall(r"^FROM \S*python:3\.(\d+)", TEXT, re.MULTILINE)
    assert 11 <= int(version) < 14
