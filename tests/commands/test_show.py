"""``mapga list`` and ``mapga show``: every choice of every group can be shown, a line or a page."""

from __future__ import annotations

import re

import pytest

from helpers.commands import mapga
from mapga.commands.show import choices, component
from mapga.config.files import options
from mapga.config.groups import GROUPS, about, keys

SHOWN = [(group, name) for group in GROUPS for name in options(group)]


def test_every_choice_says_what_it_is():
    assert all(about(group, name) for group, name in SHOWN)
    assert all(line.split(maxsplit=1)[1:] for group in GROUPS for line in choices(group))
    assert [line.split()[0] for line in choices(None)] == list(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_can_be_shown(group):
    for name in options(group):
        first, *_ = list(component(f"{group}={name}"))
        assert first == f"{group}={name}: {about(group, name)}"


def test_a_solver_shows_its_source_its_arguments_what_it_costs_and_serves(capsys):
    said = mapga(capsys, "show", "solver=ddrm").out
    assert "Source: Kawar" in said and "eta: In [0, 1]; the published 0.85." in said
    assert re.search(r"^  solver\.eta +0\.85 +float$", said, re.MULTILINE) and "solver.schedule" not in said
    assert "costs: 20 network passes per image with schedule.steps=20" in said
    assert "asks the prior for: a denoiser\n" in said
    assert "box50" in next(line for line in said.splitlines() if line.startswith("serves, with and without noise:"))
    assert "asks the prior for: nothing" in mapga(capsys, "show", "solver=pinv").out


def test_a_step_shows_its_arguments_where_a_config_has_them(capsys):
    said = mapga(capsys, "show", "step=anderson").out
    assert re.search(r"^  solver\.step\.memory +3 +int$", said, re.MULTILINE)
    assert "costs: 2 network passes per image and level with num_iter=1\nasks the prior for: gradients\n" in said


def test_words_of_a_list_are_shown(capsys):
    said = mapga(capsys, "show", "solver=pgdm").out
    assert re.search(r"^  solver\.guidance +adaptive +adaptive or posterior_mean$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("argv", "nearest"),
    [(("list", "solverz"), "'solver'"), (("show", "solver=pgmd"), "'pgdm'"), (("show", "slover=pgdm"), "'solver'")],
)
def test_what_there_is_not_is_answered_with_the_nearest(capsys, argv, nearest):
    said = mapga(capsys, *argv)
    assert said.code == 2 and f"did you mean {nearest}?" in said.err and said.err.count("\n") == 1


def test_help_names_groups_choices_keys_and_examples(capsys):
    with pytest.raises(SystemExit):
        mapga(capsys, "run", "--help")
    said = capsys.readouterr().out
    assert all(f"\n  {group} " in said for group in GROUPS) and all(f"\n  {key}" in said for key in keys())
    assert "map_ga_d_np" in said and said.count("\n  mapga run ") == 3
