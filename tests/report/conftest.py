"""Reports without their figures, for tests that read the rest: drawing takes most of a report's time."""

from __future__ import annotations

import pytest


@pytest.fixture
def undrawn(monkeypatch) -> None:
    monkeypatch.setattr("mapga.report.write._figures", lambda *_: None)
