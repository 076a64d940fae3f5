"""What would go wrong on other systems: text without an encoding, and POSIX outside of the one module that has it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mapga

SOURCES = sorted(Path(mapga.__file__).parent.rglob("*.py"))
SYSTEM = "files/system.py"
POSIX = {"fcntl", "pwd", "grp", "resource", "termios"}
LINUX = {
    "os": {"posix_fallocate", "posix_fadvise", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "pidfd_open",
           "memfd_create", "eventfd", "splice", "copy_file_range", "getrandom", "getxattr", "setxattr", "listxattr",
           "removexattr", "pipe2", "fdatasync", "getresuid", "O_DIRECT", "O_NOATIME", "O_PATH"},
    "signal": {"SIGSTKFLT", "SIGPWR", "SIGPOLL", "SIGCLD", "SIGRTMIN", "SIGRTMAX", "sigtimedwait", "sigwaitinfo",
               "pidfd_send_signal"},
    "time": {"CLOCK_BOOTTIME", "CLOCK_TAI", "pthread_getcpuclockid"},
    "select": {"epoll"},
}  # fmt: skip  # what macOS has not
POSIX_CALLS = {"fork", "pread", "pwrite", "kill", "killpg", "register_at_fork", "getuid", "uname", "mkfifo"}
CALLS = LINUX | {"os": LINUX["os"] | POSIX_CALLS, "sys": {"platform"}}
SIGNALS = {"SIGUSR1", "SIGUSR2", "SIGKILL", "SIGHUP", "SIGALRM", "SIGBREAK"}


def _without_encoding(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text in whatever encoding the machine happens to have."""
    entered = {id(item.context_expr) for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        method, words = isinstance(call.func, ast.Attribute), {one.arg for one in call.keywords}
        texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if "encoding" in words or "force_zip64" in words:  # what is in an archive is bytes
            continue
        if method and ((name == "read_text" and not call.args) or (name == "write_text" and len(call.args) < 2)):
            yield call.lineno
        elif name == "fdopen" or (name == "open" and not method):
            if not any("b" in text for text in texts):
                yield call.lineno
        elif name == "open":  # of a path, in whatever way it is told from other things that can be opened
            bare = not call.args and not words and id(call) in entered
            if bare or words & {"newline", "errors", "mode"} or any(set(text) <= set("rwax+t") for text in texts):
                yield call.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_text_is_utf_8_on_every_machine(path: Path) -> None:
    assert [*_without_encoding(ast.parse(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_posix_is_asked_for_in_one_module(path: Path) -> None:
    if path.as_posix().endswith(SYSTEM):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not POSIX & {name.name for name in node.names}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in CALLS.get(node.value.id, set()), f"line {node.lineno}"
            assert node.value.id != "signal" or node.attr not in SIGNALS, f"line {node.lineno}"


AWAY = """
import os, signal, sys
sys.modules.update(dict.fromkeys(["fcntl", "pwd", "grp", "resource", "termios"]))
for name in ("SIGUSR1", "SIGUSR2", "SIGKILL", "SIGHUP"):
    delattr(signal, name)
for name in ("pread", "pwrite", "posix_fallocate", "sched_getaffinity"):
    delattr(os, name)
from mapga.cli import main
sys.argv[0] = "mapga"
sys.exit(main(["run", "dataset.limit=2", "prior=none", "solver=pinv", "task=half", "results_dir=" + sys.argv[1]]))
"""


def test_a_run_is_made_and_found_where_posix_is_not(tmp_path: Path) -> None:
    """As on Windows, as far as Linux can: without the modules, signals and calls that only POSIX has."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", AWAY, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (run,) = tmp_path.glob("mnist-half-pinv-*")
    assert (run / "done").is_file() and len((run / "journal.jsonl").read_text(encoding="utf-8").splitlines()) == 2


MACOS = f"""
import os, select, signal, sys, time
import matplotlib.pyplot, numpy, pandas, PIL.Image, torch  # which ask for their own systems, on their own account
from pathlib import Path

for name, words in {LINUX!r}.items():
    for word in words:
        vars(sys.modules[name]).pop(word, None)

def without_proc(call):
    def asked(path, *more, **words):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return call(path, *more, **words)
    return asked

os.stat, Path.open = without_proc(os.stat), without_proc(Path.open)
sys.platform = "darwin"
from mapga.cli import main
from mapga.files.system import forks

assert forks() == 1
sweep = ["dataset.limit=2", "prior=none", "solver=pinv", "task=half,box50", "results_dir=" + sys.argv[1]]
codes = [main(["run", "-m", *sweep]), main(["run", "-m", *sweep]), main(["report", sys.argv[1]]), main(["status"])]
sys.exit(str(codes) if any(codes) else 0)
"""


def test_a_sweep_is_made_and_reported_where_linux_is_not(tmp_path: Path) -> None:
    """As on macOS, as far as Linux can: without the calls, signals and /proc that only Linux has, and without forks."""
    command = [sys.executable, "-c", MACOS, str(tmp_path / "results")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 runs: 2 done (2 were finished before)" in done.stderr
    assert len([*tmp_path.glob("results/mnist-*/done")]) == 2 and (tmp_path / "results/report/index.html").is_file()


def test_the_package_is_a_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mapga", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "prefetch" in done.stdout
