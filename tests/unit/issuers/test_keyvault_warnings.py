"""Whether the vault's own regeneration, the SAS' validity and the schedule fit each other."""

import dataclasses
import datetime
from typing import Any

import pytest

from rotator.azure import managed_account
from rotator.azure.managed_account import StorageBundle
from rotator.issuers import keyvault
from tests.fakes.examples import DEFINITION, RESOURCE_ID, plan

DAY = datetime.timedelta(days=1)


def warnings(period: datetime.timedelta | None, *, automatic: bool = True, **changes: Any) -> tuple[str, ...]:
    return keyvault.period_warnings(StorageBundle(RESOURCE_ID, "key1", automatic, period), plan(**changes))


def test_long_period_fits() -> None:
    assert warnings(90 * DAY) == ()


def test_vault_that_regenerates_nothing_breaks_nothing() -> None:
    assert warnings(DAY / 24, automatic=False, key_rotation_period=90 * DAY) == ()
    assert warnings(None, key_rotation_period=90 * DAY) == ()


@pytest.mark.parametrize(("text", "count"), [("P3M", 0), ("P1Y", 0), ("P1M", 1)])
def test_period_in_months_counts_as_short_as_it_can_be(text: str, count: int) -> None:
    found = managed_account.parse({"autoRegenerateKey": True, "regenerationPeriod": text})
    lasting = dataclasses.replace(DEFINITION, validity=29 * DAY)
    warned = keyvault.period_warnings(found, plan(grant=lasting))
    assert [text in warning for warning in warned] == [True] * count


@pytest.mark.parametrize("text", ["every 90 days", "P", "-P1D", "P1X\nERROR all is lost"])
def test_period_that_cannot_be_read_is_a_warning(text: str) -> None:
    found = managed_account.parse({"autoRegenerateKey": True, "regenerationPeriod": text})
    (warning,) = keyvault.period_warnings(found, plan())
    assert warning.startswith("the vault's regeneration period (")
    assert warning.isprintable()
    assert found.regeneration["regenerationPeriod"] == text


def test_sas_that_outlives_the_period_dies_early_by_the_difference() -> None:
    lasting = dataclasses.replace(DEFINITION, validity=3 * DAY)
    assert warnings(2 * DAY, grant=lasting) == (
        "SAS_VALIDITY (P3D) is longer than the vault's regeneration period (P2D): a SAS issued shortly before a "
        "regeneration dies up to P1D early, when its key is regenerated",
    )
    assert warnings(3 * DAY, grant=lasting) == ()


def test_schedule_must_come_round_between_two_regenerations() -> None:
    assert warnings(DAY, schedule="0 0 6 * * *") == (
        "runs of ROTATION_SCHEDULE are up to P1D apart and the vault regenerates a key every P1D: the SAS in a Secret "
        "may die before the next run replaces it",
    )
    # At night there are 10 or 9 minutes between two runs, so that the longest interval is shorter than a day by that.
    assert warnings(DAY, schedule="0 0,10 1 * * *") == ()
    assert len(warnings(DAY, schedule="0 0,9 1 * * *")) == 1


def test_two_that_regenerate_are_one_too_many() -> None:
    assert warnings(90 * DAY, key_rotation_period=30 * DAY) == (
        "KEY_ROTATION_PERIOD is set and the vault regenerates keys by itself too: when both do so within SAS_VALIDITY "
        "(PT4H), SAS issued before die early; switch one off (onboard --no-auto-regenerate)",
    )


def test_all_that_does_not_fit_is_told() -> None:
    lasting = dataclasses.replace(DEFINITION, validity=3 * DAY)
    assert len(warnings(DAY, grant=lasting, schedule="0 0 6 * * *", key_rotation_period=90 * DAY)) == 3
