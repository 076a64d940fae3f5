"""Debian's Chromium, headless, on a page that a report wrote. Without it these tests are skipped, with a reason."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.folders import unfinished
from helpers.tables import measured
from mapga.report import write_report

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
HOSTILE = "<img src=x onerror=alert(1)>"

BOX = {"_target_": "mapga.operators.CentralBox", "width": 0.5}


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("MAPGA_REQUIRE_BROWSER") == "1":
            pytest.fail("MAPGA_REQUIRE_BROWSER=1, and there is no chromium: run .ci/services")
        pytest.skip("there is no chromium here: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=path, args=FLAGS.split()
        )
        yield context.browser or context
        context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """A report of two tasks, three methods of which one has an ablation, a hostile name and a skipped run."""
    root = tmp_path_factory.mktemp("results")
    draw = np.random.default_rng(0)
    other = {"names": {"task": "box50"}, "task": {"sigma_y": 0.0, "sigma_y_unit": "[-1,1]", "operator": BOX}}
    for task in ({}, other):
        for k, solver in enumerate(("ddrm", "pgdm", HOSTILE)):
            for steps in (3, 9) if solver == "pgdm" else (3,):
                numbers = {"psnr": draw.normal(20 + k, 1, 12).tolist(), "ssim": draw.normal(0.5, 0.1, 12).tolist()}
                measured(root, solver, numbers, steps=steps, **task)
    unfinished(root, "ct_zsie", dataset={"limit": 3}).skip(f"because {HOSTILE}")
    return write_report(root, images=3)
