"""Debian's Chromium, headless, on a page that a report wrote. Without it these tests are skipped, with a reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from helpers.folders import unfinished
from helpers.tables import HOSTILE, measured
from mapga.report import write_report

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

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
    """A report of two tasks, three methods of which one has an ablation, a hostile name and a skipped run.

    The one of hostile name is ours, the best by PSNR, and has an error so small that it is written as a power of ten.
    """
    root = tmp_path_factory.mktemp("results")
    draw = np.random.default_rng(0)
    other = {"names": {"task": "box50"}, "task": {"sigma_y": 0.0, "sigma_y_unit": "[-1,1]", "operator": BOX}}
    for task in ({}, other):
        for k, solver in enumerate(("ddrm", "pgdm", HOSTILE)):
            for steps in (3, 9) if solver == "pgdm" else (3,):
                numbers = {"psnr": draw.normal(20 + k, 1, 12).tolist(), "ssim": draw.normal(0.5, 0.1, 12).tolist()}
                numbers["error"] = [1e-5 if solver == HOSTILE else 0.01 + k] * 12
                config = measured(root, solver, numbers, steps=steps, **task).path / "config.yaml"
                if solver == HOSTILE:
                    config.write_text(config.read_text().replace("PseudoInverse", "MAPGN"))
    unfinished(root, "ct_zsie", dataset={"limit": 3}).skip(f"because {HOSTILE}")
    with patch("mapga.report.write._figures"):  # beside the page, and slow
        return write_report(root, images=3)


@pytest.fixture(scope="session")
def tab(browser):
    """One for all tests: a new one for each would take longer than the tests."""
    return browser.new_page()


@contextmanager
def _opened(tab, report: Path, width: int, height: int, scheme: str) -> Iterator:
    """The page, opened; at the end, nothing was complained of and nothing was asked of the network."""
    said, asked, dialogs = [], [], []
    listeners = {
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
        "request": lambda sent: asked.append(sent.url.partition("#")[0]),
        "dialog": lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()),
    }
    tab.goto("about:blank")
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme, media="screen")
    for event, does in listeners.items():
        tab.on(event, does)
    tab.goto((report / "index.html").as_uri())
    yield tab
    for event, does in listeners.items():
        tab.remove_listener(event, does)
    assert said == [] and dialogs == []
    assert {url for url in asked if not url.startswith("data:")} == {(report / "index.html").as_uri()}


@pytest.fixture
def page(tab, report) -> Iterator:
    """The page on a wide screen."""
    with _opened(tab, report, 1400, 900, "light") as page:
        yield page


@pytest.fixture(params=[(1400, 900, "light"), (400, 844, "dark")], ids=["wide-light", "phone-dark"])
def screen(tab, report, request) -> Iterator:
    """The page on a wide screen, and on a phone in the dark."""
    with _opened(tab, report, *request.param) as page:
        yield page
