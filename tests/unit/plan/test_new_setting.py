"""A new setting is one field: it is read, listed, validated and explained by its name."""

from typing import Annotated

import pytest
from pydantic.dataclasses import dataclass

from rotator import errors
from rotator.plan import settings
from rotator.plan.model import CONFIG
from rotator.plan.plan import Plan, Target
from rotator.plan.setting import Setting
from rotator.plan.setting_types import Port
from tests.unit.plan.test_loader import SAMPLE

NAME = "KUBERNETES_HISTORY"


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class RememberingTarget(Target):
    """A target with a field more."""

    history: Annotated[Port, Setting(NAME, "how many values are kept", example="3")] = 1


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class LabelledTarget(Target):
    """A target with a field more, which must be set, and whose value may be a secret."""

    label: Annotated[Port, Setting(NAME, "what it is called", example="3", shown=False)]


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class RememberingPlan(Plan):
    """A plan of such targets."""

    targets: tuple[RememberingTarget, ...]


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class LabelledPlan(Plan):
    """A plan of such targets."""

    targets: tuple[LabelledTarget, ...]


def refusal(root: type[Plan], **texts: str) -> list[str]:
    with pytest.raises(errors.SettingsError) as caught:
        settings.read(root, {**SAMPLE, **texts})
    return caught.value.problems


def test_it_is_read_from_the_environment() -> None:
    assert settings.read(RememberingPlan, {**SAMPLE, NAME: "7"}).targets[0].history == 7


def test_without_it_its_default_counts() -> None:
    assert settings.read(RememberingPlan, SAMPLE).targets[0].history == 1


def test_it_is_listed_with_its_model_and_default() -> None:
    found = settings.of(RememberingPlan)[NAME]
    assert (found.model, found.field, found.required, found.default) == (RememberingTarget, "history", False, 1)
    assert found.setting.description == "how many values are kept"
    assert list(settings.of(LabelledPlan)).index(NAME) < list(settings.of(LabelledPlan)).index("SAS_SERVICES")


def test_a_wrong_one_is_refused_by_its_name_with_an_example() -> None:
    assert refusal(RememberingPlan, **{NAME: "0"}) == [
        f"{NAME} is wrong (0): input should be greater than or equal to 1; for example 3"
    ]


def test_a_missing_one_is_reported_by_its_name() -> None:
    assert refusal(LabelledPlan) == [f"{NAME} is missing: what it is called; for example 3"]


def test_one_that_must_not_be_shown_is_not() -> None:
    assert refusal(LabelledPlan, **{NAME: "0"}) == [
        f"{NAME} is wrong: input should be greater than or equal to 1; for example 3"
    ]


def test_its_value_knows_its_name() -> None:
    assert settings.read(RememberingPlan, SAMPLE).targets[0].origin("history") == NAME
