"""``mapga report``: what it writes, what it refuses, and that it needs no torch."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from helpers.folders import finished, unfinished
from mapga.cli import main
from mapga.errors import ConfigError
from mapga.records import WHOLE
from mapga.records.measured import Measured
from mapga.records.trace import Trace, append_trace, read_trace
from mapga.report import write_report


def _grid(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L")).astype(int)


def test_every_file_is_written(tmp_path):
    finished(tmp_path, "alpha")
    finished(tmp_path, "beta", names={"task": "box"}, task={"sigma_y": 0.1, "sigma_y_unit": "[-1,1]"})
    folder = write_report(tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert folder == tmp_path / "report" and {"table.md", "table.csv", "table.tex", "index.html"} <= names
    assert {"images.csv", "images.parquet", "pairs.csv", "published.csv"} <= names
    assert {path.name for path in (folder / "latex").iterdir()} == {"tiny-psnr.tex", "tiny-noise-0.1-on-1-1-psnr.tex"}
    for suffix in (".png", ".pdf"):
        assert len([name for name in names if name.startswith("grid-") and name.endswith(suffix)]) == 2


def test_convergence_is_drawn_where_states_were_traced(tmp_path):
    finished(tmp_path, "alpha")
    assert not list(write_report(tmp_path).glob("convergence-*"))
    beta = finished(tmp_path, "beta")
    append_trace(beta.path, WHOLE, Trace([0, 2], [1.0, 0.0], [4, 6], [[10.0, 12.0], [20.0, None]]))
    append_trace(beta.path, WHOLE, Trace([1], [1.0, 0.0], [4, 6], [[11.0], [24.0]]))
    passes, psnr = read_trace(beta.path)
    assert passes.tolist() == [4, 6] and psnr.tolist()[:2] == [[10.0, 20.0], [11.0, 24.0]] and np.isnan(psnr[2, 1])
    assert len(list(write_report(tmp_path).glob("convergence-*"))) == 2
    assert "PSNR of the estimate (dB) against network passes" in (tmp_path / "report/index.html").read_text()


def test_a_second_report_is_the_same(tmp_path):
    finished(tmp_path, "alpha")
    first = {path.name: path.read_bytes() for path in write_report(tmp_path).rglob("*.*")}
    assert {path.name: path.read_bytes() for path in write_report(tmp_path).rglob("*.*")} == first


def test_the_page_escapes_names_and_carries_its_pictures(tmp_path):
    root = tmp_path / "<b>root</b> & co"
    folder = finished(root, "alpha", names={"task": "<img src=x onerror=alert(1)>"})
    unfinished(root, "beta").skip("because <script>alert(1)</script>")
    page = (write_report(root) / "index.html").read_text()
    assert "<script>alert" not in page and "<img src=x" not in page and "<b>root" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    (group,) = data["gallery"]
    for image in group["images"]:
        stored = np.load(folder.path / "images.npy")[image["index"] - 10, ..., 0]
        shown = Image.open(io.BytesIO(base64.b64decode(image["pictures"]["alpha"])))
        assert np.array_equal(np.asarray(shown), stored)
        assert image["metrics"]["alpha"] == {"psnr": "20.00"}
    assert '"reduced":""' in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)


def test_a_grid_shows_the_images(tmp_path):
    """Truth, measurement and two methods: four columns of three pictures, each the picture that was stored."""
    runs = [finished(tmp_path, solver) for solver in ("alpha", "beta")]
    for folder, level in zip(runs, (60, 180), strict=True):
        images = np.load(folder.path / "images.npy", mmap_mode="r+")
        images[:] = level
    problem = runs[0].problem_path
    np.load(problem / "truth.npy", mmap_mode="r+")[:] = 100
    np.load(problem / "measurement.npy", mmap_mode="r+")[:] = 140
    (grid,) = write_report(tmp_path, images=2).glob("grid-*.png")
    pixels = _grid(grid)
    areas = {level: (abs(pixels - level) <= 1).sum() for level in (60, 100, 140, 180)}
    assert min(areas.values()) > 5000 and max(areas.values()) < 1.1 * min(areas.values())
    columns = [np.flatnonzero((abs(pixels - level) <= 1).any(axis=0)).mean() for level in (100, 140, 60, 180)]
    assert columns == sorted(columns)


@pytest.mark.parametrize("side", [32, 256])
def test_what_is_unknown_of_a_measurement_is_hatched(tmp_path, side):
    """No longer a grey, on the page and in the grid; the run's own picture and the known half stay as they were."""
    folder = finished(tmp_path, "alpha", shape=(3, side, side, 1))
    np.load(folder.problem_path / "measurement.npy", mmap_mode="r+")[:] = 128
    np.load(folder.path / "images.npy", mmap_mode="r+")[:] = 128
    Measured(folder.problem_path).mark(np.arange(side) >= np.full((side, 1), side // 2))
    report = write_report(tmp_path, images=1)
    page = (report / "index.html").read_text()
    found = dict(re.findall(r'"(measurement|alpha)":"([^"]{100,})"', page))
    shown = {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for name, text in found.items()
    }
    picture = shown["measurement"].astype(int)
    assert picture.shape[:2] == (128, 128) and (shown["alpha"] == 128).all() and (picture[:, :60] == 128).all()
    colour, lightness = np.ptp(picture[:, 68:], axis=-1), picture[:, 68:].mean(axis=-1)
    assert colour.min() > 30 and lightness.std(axis=0).min() > 20  # violet, and lines
    assert "Hatched: unknown." in page
    (grid,) = report.glob("grid-*.png")
    pixels = np.asarray(Image.open(grid).convert("RGB")).astype(int)
    assert (pixels[..., 2] - pixels[..., 1] > 40).sum() > 3000


def test_nothing_is_hatched_where_all_is_known(tmp_path):
    """Runs of earlier versions, whose problems say nothing of it, are reported as they were."""
    finished(tmp_path, "alpha")
    assert "Hatched" not in (write_report(tmp_path) / "index.html").read_text()


def test_more_images_make_a_taller_grid(tmp_path):
    finished(tmp_path)
    heights = []
    for images in (1, 3, 99):
        (grid,) = write_report(tmp_path, images=images).glob("grid-*.png")
        pixels = _grid(grid)
        assert pixels.std() > 10
        heights.append(pixels.shape[0])
    assert heights[0] < heights[1] == heights[2]


def test_colour_pictures_stay_coloured(tmp_path):
    folder = finished(tmp_path, shape=(3, 8, 8, 3))
    np.load(folder.path / "images.npy", mmap_mode="r+")[:] = (200, 30, 90)
    (grid,) = write_report(tmp_path).glob("grid-*.png")
    pixels = np.asarray(Image.open(grid).convert("RGB"))
    assert ((pixels == (200, 30, 90)).all(axis=-1)).sum() > 5000


def test_a_broken_run_is_reported_beside_the_others(tmp_path, capsys):
    finished(tmp_path, "sound")
    broken = finished(tmp_path, "broken")
    (broken.path / "metrics.json").write_text("{")
    (finished(tmp_path, "blind").path / "images.npy").write_bytes(b"no array")
    (finished(tmp_path, "odd").path / "journal.jsonl").write_bytes(b"\xff{ no row\n")
    text = (write_report(tmp_path) / "table.md").read_text()
    assert "| sound |" in text and "| blind |" in text and "| odd |" in text
    assert re.search(r"^\* .*broken.* incomplete: .*metrics.json is damaged", text, re.MULTILINE)
    assert "cannot be read" in capsys.readouterr().out


def test_only_broken_runs_are_a_report_too(tmp_path):
    (finished(tmp_path).path / "config.yaml").write_text("")
    assert "cannot be read" in (write_report(tmp_path) / "table.md").read_text()


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_nothing_to_report_is_bad_input(tmp_path, capsys, make):
    root = tmp_path / "results"
    if make:
        root.mkdir()
    assert main(["report", str(root)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"mapga: {root}") and said.err.count("\n") == 1 and said.out == ""
    assert root.exists() == make and not (root / "report").exists()


def test_bad_counts_and_places_are_refused(tmp_path, capsys):
    finished(tmp_path)
    assert main(["report", str(tmp_path), "--images", "0"]) == 2
    assert "--images=0" in capsys.readouterr().err
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report(tmp_path)


def test_the_command_prints_the_table_and_the_folder(tmp_path, capsys):
    finished(tmp_path, "alpha")
    assert main(["report", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("alpha" in line and "20.00" in line for line in lines)
    folder = tmp_path / "report"
    named = [line.split("  ")[0].removeprefix(f"{folder}/") for line in lines[-6:]]
    assert named == ["images.csv", "table.csv", "table.md", "table.tex", "latex/", "index.html"]
    assert lines[-1].endswith(f": mapga report {tmp_path} --open")


def test_no_torch(tmp_path):
    finished(tmp_path, "alpha")
    code = (
        "import sys; from mapga.cli import main; code = main(['report', sys.argv[1]]); "
        "heavy = sorted({'torch', 'hydra', 'mapga.run.job', 'mapga.config.compose'} & set(sys.modules)); "
        "print(heavy, file=sys.stderr); sys.exit(code or len(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "table.md").exists()


def test_a_zipped_and_moved_folder_is_reported_there(tmp_path):
    finished(tmp_path / "here", "alpha")
    before = write_report(tmp_path / "here")
    archive = shutil.make_archive(str(tmp_path / "results"), "zip", tmp_path / "here")
    shutil.unpack_archive(archive, tmp_path / "elsewhere" / "here")
    after = write_report(tmp_path / "elsewhere" / "here")
    assert (after / "index.html").read_bytes() == (before / "index.html").read_bytes()
    assert (after / "table.csv").read_bytes() == (before / "table.csv").read_bytes()
    assert set(re.findall(r'href="([^"]*)"', (after / "index.html").read_text())) == {"data:,"}


def test_missing_pictures_are_named_and_the_rest_is_shown(tmp_path, capsys):
    finished(tmp_path, "alpha")
    blind = finished(tmp_path, "blind")
    (blind.path / "images.npy").unlink()
    folder = write_report(tmp_path)
    line = f"{blind.path.name}/images.npy: cannot be read; its pictures are missing"
    assert line in (folder / "table.md").read_text() and line in (folder / "index.html").read_text()
    assert line in " ".join(capsys.readouterr().out.split())
    assert "| blind |" in (folder / "table.md").read_text()


def test_a_page_is_bounded_whatever_the_pictures_are(tmp_path, monkeypatch):
    monkeypatch.setattr("mapga.report.gallery._BYTES", 40_000)
    for solver in ("alpha", "beta"):
        finished(tmp_path, solver, shape=(3, 160, 160, 3))
    folder = write_report(tmp_path)
    page = (folder / "index.html").read_text()
    pictures = re.findall(r'"(?:truth|measurement|alpha|beta)":"([^"]{100,})"', page)
    assert 0 < len(pictures) < 12
    assert max(Image.open(io.BytesIO(base64.b64decode(text))).size[0] for text in pictures) == 128
    assert '"reduced":"reduced from 160 x 160"' in page
    assert "MB of pictures" in (folder / "table.md").read_text()


def test_wide_pictures_get_a_zoomed_box(tmp_path):
    finished(tmp_path, shape=(3, 64, 64, 1))
    (grid,) = write_report(tmp_path, images=1).glob("grid-*.png")
    pixels = np.asarray(Image.open(grid).convert("RGB")).astype(int)
    assert (abs(pixels - (216, 67, 46)).max(axis=-1) < 3).sum() > 500


def test_of_repeats_the_first_seed_is_drawn(tmp_path, capsys):
    """Hundreds of seeds were hundreds of grids."""
    for seed in (1, 0, 2):
        finished(tmp_path, "alpha", seed=seed)
    folder = write_report(tmp_path)
    (grid,) = folder.glob("grid-*.png")
    assert "seed" not in grid.name
    assert "pictures are of the first seed" in capsys.readouterr().out
    assert len((folder / "table.csv").read_text().splitlines()) == 4
