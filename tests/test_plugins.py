"""Components of other packages: named, refused, told apart; and configs of one's own."""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import pytest
import yaml

from helpers.commands import mapga
from helpers.foreign import PULL, forget_code, installed
from mapga import plugins
from mapga.commands.sweep import Task
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import own_conf, use_conf
from mapga.errors import ConfigError
from mapga.node import SOLVER as SOLVER_SLOT
from mapga.node import Node
from mapga.records.provenance import code_identity, results_code
from mapga.run import batch

SOLVER = {"mapga.solvers/Pull": "mypackage.solver:Pull"}
CONF = {"mapga.conf/mypackage": "mypackage.conf"}
FILES = {"solver.py": PULL, "conf/solver/pull.yaml": "# Pulls.\n_target_: mapga.solvers.Pull\nfactor: 1.0\n"}
RUN = ("run", "prior=none", "solver=pull", "device=cpu", "dataset.limit=4", "batch_size=2", "schedule.steps=2")


@pytest.fixture
def package(tmp_path):
    with installed(tmp_path / "site", FILES, SOLVER | CONF) as root:
        yield root


def test_a_solver_of_another_package_runs_by_its_name(package, tmp_path, capsys):
    said = mapga(capsys, *RUN, f"results_dir={tmp_path / 'results'}")
    assert said.code == 0, said.err
    folder = Path(said.last)
    assert folder.name.startswith("mnist-box50-pull-")
    config, record = (
        yaml.safe_load((folder / "config.yaml").read_text()),
        json.loads((folder / "provenance.json").read_text()),
    )
    assert config["solver"] == {"_target_": "mapga.solvers.Pull", "_package_": "mypackage 1.0", "factor": 1.0}
    assert record["code"].keys() == {"mapga", "mypackage"}


def test_its_package_is_part_of_the_id_and_cannot_be_made_up(package, tmp_path, capsys):
    ids = set()
    for version in ("1.0", "1.1"):
        (tmp_path / "site/mypackage-1.0.dist-info/METADATA").write_text(f"Name: mypackage\nVersion: {version}\n")
        plugins._declared.cache_clear()
        ids.add(spec_of(compose_run(RUN[1:])).run_id)
    assert len(ids) == 2
    assert spec_of(compose_run([*RUN[1:], "+solver._package_=other"])).run_id in ids
    said = mapga(capsys, *RUN, "solver=pinv", "+solver._package_=other")
    assert said.code == 2 and "unknown key 'solver._package_'" in said.err


def test_its_code_is_part_of_what_a_run_knows(package, tmp_path, capsys, monkeypatch):
    run = [*RUN, f"results_dir={tmp_path / 'results'}"]
    real = batch.Restorer.restore
    with monkeypatch.context() as patch:
        patch.setattr(batch.Restorer, "restore", lambda self, rows, on: 1 / 0 if 2 in rows else real(self, rows, on))
        assert mapga(capsys, *run).code == 1
    edit(package / "solver.py")
    said = mapga(capsys, *run)
    assert said.code == 2 and "under other sources" in said.err and "now " in said.err, said.err
    assert " mypackage " in said.err
    assert mapga(capsys, *run, "allow_code_change=true").code == 0
    assert "sources" not in mapga(capsys, *run).err
    edit(package / "solver.py")
    said = mapga(capsys, *run)
    assert said.code == 0 and "its numbers are theirs" in said.err


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "# another\n")
    forget_code()


def test_neither_its_configs_nor_other_packages_code_make_a_run_another(package, tmp_path):
    before = results_code(["mypackage"])
    (package / "conf/solver/pull.yaml").write_text("# Pulls more.\n_target_: mapga.solvers.Pull\nfactor: 2.0\n")
    forget_code()
    assert results_code(["mypackage"]) == before
    assert results_code(["mypackage", "absent"])["absent"] == "" and results_code().keys() == {"mapga"}


def test_a_sweep_is_held_to_it(package, tmp_path):
    found = [code_identity()]
    for name in ("solver.py", "conf/solver/pull.yaml"):
        edit(package / name)
        found.append(code_identity())
    assert len(set(found)) == 3


def test_nothing_is_imported_before_a_config_names_it(package):
    spec_of(compose_run(["solver=pinv", "prior=none"]))
    assert "mypackage" not in sys.modules
    spec_of(compose_run(RUN[1:]))
    assert "mypackage.solver" in sys.modules


def test_plan_doctor_and_passes_know_it(package, tmp_path, capsys):
    planned = mapga(capsys, "plan", *RUN[1:], "solver=pull,pinv", f"results_dir={tmp_path / 'results'}")
    assert planned.code == 0 and "mnist-box50-pull-" in planned.out, planned.err
    said = mapga(capsys, "doctor", "prior=none", "solver=pinv").out
    assert "package mypackage 1.0 brings mapga.solvers.Pull" in said and "WRONG" not in said
    assert any(line.split()[1:2] == ["pull"] for line in said.splitlines()), said


BROKEN = {
    "raises": ("1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero .*solver.py, line 1"),
    "exits": ("import sys; sys.exit(3)\n", "cannot be imported: SystemExit: 3"),
    "no such name": ("", "cannot be imported: AttributeError: .*Pull"),
    "no solver": ("class Pull: ...\n", "is no Solver: mypackage.solver:Pull does not derive from it"),
    "no class": ("Pull = 5\n", "is no Solver"),
    "abstract": (PULL.replace("def iterate", "def iterates"), "lacks iterate"),
    "no card": (PULL.replace("    card =", "    cards ="), "has no SolverCard of its own as 'card'"),
    "another card": (PULL.replace("card = SolverCard(", "card = (lambda **k: 1)("), "has no SolverCard"),
    "half a card": (PULL.replace("passes=lambda a, steps: 0, ", ""), "the card of Pull does not state 'passes'"),
    "a hidden place": (PULL.replace("factor: float = 1.0", "root: str = ''"), "does not say whether 'root' is a place"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_that_is_broken_is_refused_by_name_and_leaves_the_others(tmp_path, name):
    text, wanted = BROKEN[name]
    with installed(tmp_path / "site", FILES | {"solver.py": text}, SOLVER | CONF):
        for _ in range(2):
            with pytest.raises(ValueError, match=wanted) as caught:
                Node.read(SOLVER_SLOT, {"_target_": "mapga.solvers.Pull"})
            assert str(caught.value).startswith("entry point 'Pull' of mapga.solvers in package mypackage 1.0")
            assert "pip uninstall mypackage" in str(caught.value)
        Node.read(SOLVER_SLOT, {"_target_": "mapga.solvers.PGDM"})


def test_doctor_names_what_is_broken(tmp_path, capsys):
    entries = SOLVER | CONF | {"mapga.conf/nothing": "mypackage.nothing", "mapga.priors/Pull": "mypackage.solver:Pull"}
    with installed(tmp_path / "site", FILES | {"conf/solver/pgdm.yaml": "# Ours.\n"}, entries):
        said = mapga(capsys, "doctor", "prior=none", "solver=pinv")
        with pytest.raises(
            ConfigError, match=r"solver=pgdm: .*rename the second, entry point 'mypackage' of mapga\.conf"
        ):
            compose_run(["solver=pgdm"])
    _, *wrong = said.out.replace("\n", " ").split("WRONG: ")
    assert said.code == 0 and len(wrong) == 3
    assert "is no Prior" in wrong[0] and "mypackage.nothing is no folder" in wrong[1]
    assert "solver=pgdm: " in wrong[2] and "in package mypackage 1.0" in wrong[2]


def test_one_of_our_names_is_refused_where_it_is_named(tmp_path, capsys):
    with installed(tmp_path / "site", FILES, {"mapga.solvers/PGDM": "mypackage.solver:Pull"}):
        said = mapga(capsys, *RUN, "solver=pgdm")
        spec_of(compose_run(["solver=ddrm"]))
    assert said.code == 2 and said.err.count("\n") == 1
    assert "entry point 'PGDM' of mapga.solvers in package mypackage 1.0 has the name of one of ours" in said.err


def test_one_name_of_two_packages_is_refused_where_it_is_named(package, tmp_path, capsys):
    entries = {"mapga.solvers/Pull": "second.solver:Pull"}
    with installed(tmp_path / "more", {"solver.py": PULL}, entries, name="second"):
        said = mapga(capsys, *RUN)
        spec_of(compose_run(["solver=ddrm"]))
    assert said.code == 2 and "has the name of one in package second 1.0" in said.err


def test_a_run_of_a_package_that_is_gone_can_be_read(tmp_path, capsys):
    results = tmp_path / "results"
    with installed(tmp_path / "site", FILES, SOLVER | CONF):
        folder = Path(mapga(capsys, *RUN, f"results_dir={results}").last)
    for command in ("status", "report"):
        assert mapga(capsys, command, str(results)).code == 0
    node = yaml.safe_load((folder / "config.yaml").read_text())["solver"]
    with pytest.raises(ConfigError, match=r"is of package mypackage 1\.0, which is not installed here"):
        Node.read(SOLVER_SLOT, node)


def test_only_what_is_declared_can_be_named(package):
    for target in ("mypackage.solver.Pull", "mapga.solvers.State", "mapga.solvers.Pull.iterate", "os.system"):
        with pytest.raises(ConfigError, match=r"^solver\._target_="):
            Node.read(SOLVER_SLOT, {"_target_": target})


PRIOR = """
from mapga.card import PriorCard
from mapga.priors.base import Prior


class Bare(Prior):
    card, name, image_shape, has_consistency = PriorCard(), "bare", (1, 32, 32), False

    def __init__(self, kind: int):
        self.kind = kind

    def denoise(self, x, sigma):
        answer = x / (1 + float(sigma) ** 2)
        if self.kind == 2 and len(x) == 1:  # the last batch alone
            return answer * float("nan")
        return [answer * float("nan"), answer[:, :, :4], answer][self.kind]
"""


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        (0, 2, "denoise of prior bare answers with NaN or infinity to finite images; look at its weights"),
        (1, 2, "denoise of prior bare answers with the shape (2, 1, 4, 32) to x of (2, 1, 32, 32)"),
        (2, 1, "1 of 3 images lost: 1 diverged"),
    ],
)
def test_a_denoiser_that_answers_with_no_images_ends_a_run_and_later_nan_is_the_images_own(
    tmp_path, capsys, kind, code, says
):
    files = {"prior.py": PRIOR, "conf/prior/bare.yaml": "# Bare.\n_target_: mapga.priors.Bare\nkind: 0\n"}
    with installed(tmp_path / "site", files, {"mapga.priors/Bare": "mypackage.prior:Bare"} | CONF):
        asked = [*RUN, "solver=ddrm", "prior=bare", f"prior.kind={kind}", "dataset.limit=3"]
        said = mapga(capsys, *asked, f"results_dir={tmp_path / 'results'}")
    assert said.code == code and says in said.err and "Traceback" not in said.err, said.err


# A folder of one's own


@pytest.fixture
def own(tmp_path) -> Path:
    for path, text in {
        "solver/gentle.yaml": "# PGDM without noise.\n_target_: mapga.solvers.PGDM\neta: 0.0\n",
        "solver/evil.yaml": "# No.\n_target_: os.system\ncommand: touch sprung\n",
        "experiment/mine.yaml": "# @package _global_\nhydra:\n  sweeper:\n    params:\n      task: box50,half\n",
        "experiment/worse.yaml": "# @package _global_\nhydra:\n  callbacks:\n    x: {_target_: os.remove}\n",
        "dataset/few.yaml": "# Three digits.\n_target_: mapga.datasets.MNIST\nlimit: 3\n",
    }.items():
        (tmp_path / "own" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / path).write_text(text)
    return tmp_path / "own"


FEW = ("dataset=few", "prior=gaussian", "device=cpu", "schedule.steps=2", "solver=gentle")


def test_a_folder_of_configs_serves_every_command_that_composes(own, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = mapga(capsys, "run", *FEW, "--config-dir", "own")
    assert said.code == 0 and "few-box50-gentle-" in said.last, said.err
    for command in (["plan"], ["doctor"], ["prefetch", "--list"]):
        assert mapga(capsys, *command, *FEW, "--config-dir", "own").code == 0
    assert "gentle" in mapga(capsys, "doctor", *FEW, "--config-dir", "own").out
    assert mapga(capsys, "run", *FEW).code == 2 and "MAPGA_CONF" not in os.environ


def test_a_training_reads_it_too(own, tmp_path, capsys):
    (own / "train").mkdir()
    (own / "train/tiny.yaml").write_text("stages: {}\n")
    said = mapga(capsys, "train", "prior=tiny", "only=x", "--config-dir", str(own), f"output={tmp_path / 'out'}")
    assert said.code == 2 and "only=x: the recipe's stages are" in said.err


def test_the_jobs_of_a_sweep_find_it(own, tmp_path, capsys):
    results = tmp_path / "results"
    given = [*FEW, "experiment=mine", "hydra/launcher=joblib", f"results_dir={results}"]
    said = mapga(capsys, "run", "-m", *given, "--config-dir", str(own))
    assert said.code == 0 and "2 runs: 2 done" in said.err, said.err
    noted = json.loads((results / "submissions.jsonl").read_text().splitlines()[0])
    assert noted["config_dir"] == str(own)


def test_a_job_elsewhere_looks_into_the_same_folder(own, tmp_path):
    """SLURM's jobs are pickled, and have the environment that their cluster gives them."""
    with use_conf(own):
        task = Task(code_identity(), config_dir=own_conf())
        spec = spec_of(compose_run([*FEW, f"results_dir={tmp_path / 'results'}"]))
    forget_code()
    assert "MAPGA_CONF" not in os.environ
    assert pickle.loads(pickle.dumps(task)).again(spec).status == "done"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["solver=evil"], "solver._target_='os.system' is not one of ours"),
        (["experiment=worse"], "hydra.callbacks cannot be set here"),
        (["solver=gentel"], "did you mean 'gentle'"),
    ],
)
def test_what_is_in_it_can_name_nothing_else(own, tmp_path, capsys, monkeypatch, given, wanted):
    monkeypatch.chdir(tmp_path)
    said = mapga(capsys, "run", "-m", *FEW, *given, "--config-dir", str(own))
    assert said.code == 2 and said.err.count("\n") == 1 and wanted in said.err, said.err
    assert not (tmp_path / "sprung").exists()


def test_a_folder_that_is_not_there_and_a_name_of_ours_are_refused(own, tmp_path, capsys):
    said = mapga(capsys, "run", "--config-dir", str(tmp_path / "nowhere"))
    assert said.code == 2 and "nowhere (MAPGA_CONF): no such folder" in said.err
    (own / "solver/pgdm.yaml").write_text("_target_: mapga.solvers.PGDM\neta: 0.0\n")
    said = mapga(capsys, "run", "solver=pgdm", "--config-dir", str(own))
    assert said.code == 2 and "own/solver/pgdm.yaml have one name; rename the second" in said.err
