"""Without the optional packages everything that does not need them works, and what does names the extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDDEN = (
    "wandb",
    "lpips",
    "cleanfid",
    "lmdb",
    "submitit",
    "torchvision",
    "torchmetrics",
    "accelerate",
    "joblib",
    "pyarrow",
)

CODE = f"""
import contextlib, io, pathlib, sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())

from mapga.cli import main

root = pathlib.Path(sys.argv[1])
tiny = ["mode=smoke", "prior=mixture", "prior.components=20", "prior.ode_steps=4", "solver=ct_zsie"]
tiny.append(f"results_dir={{root}}")
with contextlib.suppress(SystemExit):
    main(["--help"])
assert main(["run", *tiny]) == 0
assert main(["report", str(root)]) == 0
(summary,) = root.glob("mnist-*/metrics.json")
assert '"psnr"' in summary.read_text() and '"ssim"' in summary.read_text()

for command in (
    ["run", *tiny, "metrics=paper"],
    ["run", *tiny, "seed=1", "tracker=wandb"],
    ["train", f"output={{root}}/networks", "prior=mnist"],
):
    heard = io.StringIO()
    from rich.console import Console
    import mapga.terminal.voice
    mapga.terminal.voice.errors = Console(file=heard, soft_wrap=True)
    code = main(command)
    print("CODE", command[-1], code, "HEARD", heard.getvalue().strip())
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    root = tmp_path_factory.mktemp("results")
    return subprocess.run([sys.executable, "-c", CODE, str(root)], capture_output=True, text=True)


def test_import_help_run_and_report(done):
    assert done.returncode == 0, done.stderr
    assert "usage: mapga" in done.stdout


def test_a_metric_that_is_not_installed_names_its_extra(done):
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("CODE metrics=paper")]
    assert line.startswith("CODE metrics=paper 2 HEARD mapga: ") and "mapga[metrics]" in line


def test_training_names_its_extra(done):
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("CODE prior=mnist")]
    assert line.startswith("CODE prior=mnist 2 HEARD mapga: accelerate is not installed") and "mapga[train]" in line


def test_a_tracker_that_is_not_installed_is_noted_and_the_run_goes_on(done):
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("CODE tracker=wandb")]
    assert line.startswith("CODE tracker=wandb 0") and "mapga[wandb]" in done.stderr
