"""What is typed wrongly is answered with what comes nearest to it."""

from __future__ import annotations

import pytest

from mapga.cli import main


def _refused(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(list(argv))
    said = capsys.readouterr()
    assert caught.value.code == 2 and said.out == "" and said.err.count("\n") == 1
    return said.err


def test_nothing_typed_is_answered_with_help(capsys):
    assert main([]) == 0
    said = capsys.readouterr()
    assert "restore images and score them" in said.out and said.err == ""


@pytest.mark.parametrize(
    ("argv", "nearest"), [(["runn"], "run"), (["report", "--imags", "3"], "--images"), (["run", "--cgf"], "--cfg")]
)
def test_a_typo_is_answered_with_the_nearest_name(capsys, argv: list[str], nearest: str):
    assert f"did you mean {nearest!r}?" in _refused(capsys, *argv)
