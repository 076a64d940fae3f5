"""Recorded images whose store is gone are not taken for done."""

from __future__ import annotations

import pytest

from mapga.cli import main

RUN = ["run", "mode=smoke", "prior=gaussian", "solver=pinv"]


@pytest.mark.parametrize("lost", ["*/images.npy", "problems/*/truth.npy"])
def test_a_lost_store_is_named_and_nothing_is_made_up(tmp_path, capsys, lost):
    assert main([*RUN, f"results_dir={tmp_path}"]) == 0
    (path,) = tmp_path.glob(lost)
    path.unlink()
    for done in tmp_path.glob("*/done"):
        done.unlink()  # as if it had been interrupted just before the end
    capsys.readouterr()
    assert main([*RUN, f"results_dir={tmp_path}"]) == 2
    assert str(path.name) in capsys.readouterr().err
    assert not path.exists()
