"""What holds for the operator of every task, linear or not."""

from __future__ import annotations

import pytest

from helpers.operators import TASKS, Case
from mapga.testing import operators

CHECKS = [
    pytest.param(case, check, id=f"{case.name}-{check.__name__}")
    for case in TASKS
    for check in operators.checks(case.operator)
]


@pytest.mark.parametrize(("case", "check"), CHECKS)
def test_it_is_what_the_suite_takes_for_granted(case: Case, check):
    check(case.operator)
