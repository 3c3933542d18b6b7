"""The list of all checks: none is left out, and each comes after those whose results it uses."""

import datetime
import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from rotator.checks import checkup
from rotator.checks.interface import Check
from tests.fakes import examples

Kind = type[Check[Any]]
_USED = re.compile(r"results\.(?:of|find|require|require_any)\(([\w, ]+)\)")
_USED_OF_ONE = re.compile(r"results\.(?:of|find|require)\(([\w, ]+)\)")
ROTATING = examples.plan(key_rotation_period=datetime.timedelta(days=90))
NAMES = [check.__name__ for check in checkup.CHECKS]


def kinds(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from kinds(each)


source = functools.cache(inspect.getsource)


def used(check: Kind, pattern: re.Pattern[str] = _USED) -> set[str]:
    """The checks that this one, or the class that it is made from, names."""
    sources = [source(base) for base in check.__mro__ if base.__module__.startswith("rotator.checks.")]
    words = {word for source in sources for names in pattern.findall(source) for word in re.findall(r"[A-Z]\w+", names)}
    return words & {each.__name__ for each in kinds(Check)}


def test_every_check_is_in_the_list_once() -> None:
    named = {each for each in kinds(Check) if "name" in vars(each) and each.__module__.startswith("rotator.")}
    assert set(checkup.CHECKS) == named
    assert len(checkup.CHECKS) == len(named)


@pytest.mark.parametrize("check", checkup.CHECKS, ids=NAMES)
def test_a_check_comes_after_those_that_it_uses(check: Kind) -> None:
    assert used(check) <= set(NAMES[: NAMES.index(check.__name__)])


def test_most_checks_use_others() -> None:
    assert sum(1 for check in checkup.CHECKS if used(check)) > len(checkup.CHECKS) / 2


@pytest.mark.parametrize("check", checkup.CHECKS, ids=NAMES)
def test_a_check_depends_on_a_single_result_of_each_that_it_uses(check: Kind) -> None:
    """None about the whole plan needs the result of one cluster, for example."""
    needed = [each for each in checkup.CHECKS if each.__name__ in used(check, _USED_OF_ONE)]
    for subject in check.subjects(ROTATING):
        for each in needed:
            each.subject_for(subject)  # raises SubjectError where there may be many
