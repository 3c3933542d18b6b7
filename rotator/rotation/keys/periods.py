"""Whether the vault's regeneration of keys, the SAS' validity and the schedule fit each other."""

from collections.abc import Iterator

from isodate import duration_isoformat as text

from rotator import untrusted
from rotator.azure.managed_account import StorageBundle
from rotator.plan.loader import MARGIN
from rotator.plan.plan import Plan


def warnings(managed: StorageBundle, plan: Plan) -> tuple[str, ...]:
    """Say which SAS would die before its time, and by what.

    Key Vault regenerates the key that is not active and makes it the active one, so a key lives two periods, of which
    it signs in the first. So said Microsoft's documentation of managed storage, which was withdrawn in
    April 2026.
    """
    twice = regenerated_twice(managed, plan)
    return (*early_ends(managed, plan), *([twice] if twice else []))


def early_ends(managed: StorageBundle, plan: Plan) -> tuple[str, ...]:
    """Warn of SAS that the vault's regeneration of keys may end early."""
    return tuple(_early_ends(managed, plan))


def regenerated_twice(managed: StorageBundle, plan: Plan) -> str | None:
    """Warn where both the vault and the rotator regenerate keys."""
    if plan.key_rotation_period is None or managed.period is None or not managed.auto_regenerate:
        return None
    return (
        "KEY_ROTATION_PERIOD is set and the vault regenerates keys by itself too: when both do so within "
        f"SAS_VALIDITY ({text(plan.definition.validity)}), SAS issued before die early; switch one off "
        "(onboard --no-auto-regenerate)"
    )


def _early_ends(managed: StorageBundle, plan: Plan) -> Iterator[str]:
    period, validity = managed.period, plan.definition.validity
    if not managed.auto_regenerate:
        return
    if period is None:
        if managed.every:
            yield (
                f"the vault's regeneration period ({untrusted.one_line(managed.every)}) cannot be read, so whether SAS "
                "die before their time is not known; set another one (onboard --regeneration-period P90D)"
            )
        return
    if validity > period:
        yield (
            f"SAS_VALIDITY ({text(validity)}) is longer than the vault's regeneration period ({managed.every}): a SAS "
            f"issued shortly before a regeneration dies up to {text(validity - period)} early, with its key's next turn"
        )
    if plan.longest + MARGIN > period:
        yield (
            f"runs of ROTATION_SCHEDULE are up to {text(plan.longest)} apart and the vault regenerates a key every "
            f"{managed.every}: the SAS in a Secret may die before the next run replaces it"
        )
