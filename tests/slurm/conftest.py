"""One cluster for the tests of this folder; without SLURM they are skipped, or fail where it is demanded."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.cluster import Cluster, absent


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if reason := absent():
        if os.environ.get("MAPGA_REQUIRE_SLURM") == "1":
            pytest.fail(f"MAPGA_REQUIRE_SLURM=1, but {reason}")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="mapga-slurm-"))  # munge's socket wants a short path
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)
