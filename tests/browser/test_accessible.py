"""The page against the rules of axe-core: the page itself, its dialogs, everything unfolded."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

AXE = gzip.decompress((Path(__file__).parents[1] / "data/axe/axe.min.js.gz").read_bytes()).decode()


def _broken(page) -> list[str]:
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 15
    return [f"{one['id']}: {one['nodes'][0]['html']} ({one['help']})" for one in found["violations"]]


@pytest.fixture
def checked(screen):
    screen.evaluate(AXE)
    return screen


def test_the_page_is_accessible(checked):
    checked.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert _broken(checked) == []


@pytest.mark.parametrize("state", ["cell=half.pgdm", "image=half.10"])
def test_dialogs_are_accessible(checked, state):
    checked.evaluate(f"location.hash = '{state}'")
    checked.locator("dialog[open]").wait_for()
    assert _broken(checked) == []


def test_a_planted_fault_is_found(checked):
    checked.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
    checked.evaluate("document.querySelector('#theme').removeAttribute('title')")
    checked.evaluate("document.querySelector('#theme').textContent = ''")
    checked.evaluate("document.querySelector('h1').style.color = 'color-mix(in srgb, var(--paper), var(--ink) 10%)'")
    assert [one.partition(":")[0] for one in _broken(checked)] == ["button-name", "color-contrast"]
