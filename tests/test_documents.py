"""What documents show is what is done: Python is run as it stands, figures are what it draws, commands are read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.documents import blocks, run
from helpers.folders import finished
from mapga.config.compose import compose_run
from mapga.config.files import options, use_conf
from mapga.config.groups import GROUPS, keys
from mapga.report import write_report
from mapga.terminal.parser import parse

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/README.md")])
GALLERY = sorted(path.stem for path in ROOT.glob("docs/gallery/*.md") if path.stem != "index")
TUTORIALS = sorted(path.stem for path in ROOT.glob("docs/tutorials/*.md") if blocks(path))
ELSEWHERE = {"diffpir", "unet", "npy", "maskfile", "mae", "mine", "landweber", "site"}  # choices of a reader's own


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_library_page_and_its_figures(elsewhere: Path, capsys):
    names = run(ROOT / "docs/library.md")
    assert "prior mnist is for (1, 32, 32), got (1, 28, 28)" in capsys.readouterr().out
    assert all(np.isfinite(names["numbers"]["ddrm"]["psnr"]))
    shown = {path.name for path in (ROOT / "docs/images").glob("library-*.png")}
    assert {path.name for path in elsewhere.iterdir()} == shown


@pytest.mark.parametrize("page", GALLERY)
def test_a_page_of_the_gallery_draws_its_figure(page: str, elsewhere: Path):
    run(ROOT / f"docs/gallery/{page}.md")
    (drawn,) = elsewhere.iterdir()
    shown = IMAGES / f"gallery-{page}.webp"
    assert drawn.name == shown.name and shown.stat().st_size < 100_000
    new, old = (np.asarray(Image.open(path).convert("L"), dtype=float) for path in (drawn, shown))
    assert new.shape == old.shape and np.abs(new - old).mean() < 3  # of 255: fonts differ, curves and pictures do not


@pytest.mark.parametrize("page", TUTORIALS)
def test_the_python_of_a_tutorial(page: str, elsewhere: Path, capsys):
    run(ROOT / f"docs/tutorials/{page}.md")
    assert capsys.readouterr().out


def test_the_page_of_results(elsewhere: Path, capsys):
    finished(elsewhere / "results", "alpha")
    write_report(elsewhere / "results")
    capsys.readouterr()
    run(ROOT / "docs/results.md")
    *_, row, best = capsys.readouterr().out.splitlines()
    assert row.split()[:3] == ["half", "alpha", "psnr"]
    assert best.startswith("tiny-half-alpha-") and best.endswith(" 20.00 +- 0.00 dB, 3 images")


def _commands() -> list[str]:
    """Every command that a page shows, in a block of its own."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```(?:sh|bash)?\n(.*?)^```$", page.read_text(), flags=re.M | re.S):
            lines = block.replace("\\\n", " ").splitlines()
            found += [text for line in lines if (text := re.search(r"(?:^|/|&& |srun )(mapga [a-z].*)", line))]
    return sorted({text[1].partition(" && ")[0].partition("; ")[0] for text in found})


@pytest.mark.parametrize("command", _commands())
def test_a_command_that_is_shown_is_understood(command: str):
    _, *words = shlex.split(command, comments=True)
    arguments = parse(words)
    of = {"train": "train", "check": None}.get(arguments.command, "run")
    for override in getattr(arguments, "overrides", []):
        key, is_override, value = override.lstrip("+").partition("=")
        if not is_override or of is None:
            continue
        group = key.partition(".")[0]
        assert of == "train" or group in {*GROUPS, *keys(), "hydra", "hydra/launcher", "hydra/sweeper"}, override
        if of == "run" and key in GROUPS:
            chosen = re.findall(r"\w+", value)
            assert set(chosen) <= {*options(key), *ELSEWHERE}, override


def test_the_experiment_of_a_cluster_is_a_sweep_with_its_launcher(tmp_path: Path):
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/tutorials/cluster.md").read_text(), flags=re.M | re.S)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/site.yaml").write_text(text)
    with use_conf(tmp_path):
        composed = compose_run(["experiment=site"])
    assert (
        composed.batch_size == 100
        and composed.prior.precision == "bfloat16"
        and composed.dataset.root == "/data/imagenet/val"
    )
    assert composed.hydra.launcher.account == "vision" and composed.hydra.launcher.array_parallelism == 16
    assert (
        "map_ga" in composed.hydra.sweeper.params.solver and composed.hydra.runtime.choices["hydra/launcher"] == "slurm"
    )


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    targets = [one for one in re.findall(r"\]\(([^)\s#]+)", text) if "://" not in one]
    assert targets and [one for one in targets if not (ROOT / one).exists()] == []


def test_the_readme(elsewhere: Path):
    names = run(ROOT / "README.md")
    assert names["restored"].shape == names["truth"].shape == (4, 1, 32, 32)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_pages_have_python_that_is_found(page: str):
    assert blocks(ROOT / page)
