"""The composition root: from settings to a wired run. One run at a time, in this process and by a lease beyond it."""

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rotator import config, outlook, redaction
from rotator.key_rotation import KeyRotation
from rotator.keys import AccountKeys
from rotator.pending import Operation
from rotator.report import Report
from rotator.rotation import Run
from rotator.services import Services
from rotator.targets import Plan
from rotator.turn import Turn, take

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from rotator.onboarding import Onboarding, Step, Wish

logger = logging.getLogger(__name__)


def rotate(
    *,
    trigger: str,
    forced: bool = False,
    operation: Operation | None = None,
    lease: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Report:
    """Run a rotation, or what is to be done to the account's keys; `forced` is for whichever of them was asked for.

    Raises SettingsError or BusyError before anything is done, and an error of ours when an operation on the keys is
    refused. Other failures are in the report. Without `lease` nobody is kept from running at the same time.
    """
    _prepare_logs()
    plan = config.load(environment)
    return perform(plan, trigger=trigger, forced=forced, operation=operation, lease=lease, environment=environment)


def perform(
    plan: Plan,
    *,
    trigger: str,
    forced: bool = False,
    operation: Operation | None = None,
    lease: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Report:
    """Do the same for a plan."""
    with (
        _credential(plan) as credential,
        take(plan, trigger, environment, credential, leased=lease) as turn,
        _services(plan, credential, turn) as services,
    ):
        run = Run(
            plan,
            services,
            trigger=trigger,
            forced=forced and operation is None,
            name=turn.holder.run,
            warnings=turn.warnings,
        )
        keys = KeyRotation(plan, services, run)
        if operation is None:
            report = keys.accompany(scheduled=trigger == "timer")
        else:
            report = dataclasses.replace(keys.perform(operation, forced=forced), forced=forced)
    level = logging.ERROR if report.failed else logging.INFO
    logger.log(level, "report %s", json.dumps(report.as_json(), separators=(",", ":")))
    return report


def plan(*, forced: bool = False, environment: Mapping[str, str] = os.environ) -> Report:
    """Say what a rotation would do, changing nothing; raises SettingsError or a VaultError."""
    _prepare_logs()
    found = config.load(environment)
    with _credential(found) as credential, _services(found, credential) as services:
        run = Run(found, services, trigger="plan", forced=forced)
        key, warnings = outlook.outlook(found, run.issuing, services.clock())
        report = run.plan()
    return dataclasses.replace(report, key=key, warnings=report.warnings + warnings)


@contextlib.contextmanager
def onboarding(wish: "Wish", announce: "Callable[[Step], None]") -> "Iterator[Onboarding]":
    """Give an onboarding that is wired to Azure and the master, as whoever is signed in."""
    _prepare_logs()
    from rotator import identity, keeper, privatekey, resource_manager, ssh
    from rotator.onboarding import Onboarding

    with (
        contextlib.closing(identity.credential(None)) as credential,
        contextlib.closing(keeper.Keeper(wish.plan.account, credential)) as store,
        contextlib.closing(resource_manager.ResourceManager(wish.plan.resource_manager, credential)) as directory,
    ):
        yield Onboarding(wish, directory=directory, store=store, host=ssh.Ssh(), keys=privatekey, announce=announce)


@contextlib.contextmanager
def _credential(plan: Plan) -> "Iterator[TokenCredential]":
    # Imported here: a bad setting is told, and the functions are indexed, without the SDKs' half second.
    from rotator import identity

    with contextlib.closing(identity.credential(plan.client_id)) as credential:
        yield credential


@contextlib.contextmanager
def _services(plan: Plan, credential: "TokenCredential", turn: Turn | None = None) -> Iterator[Services]:
    from rotator import ssh, storage, vault

    leave: dict[str, Any] = {"fence": turn.fence, "admit": turn.admit} if turn else {}
    with contextlib.closing(vault.Vault(plan.account, credential)) as issuer:
        ring = _Ring(plan, credential)
        yield Services(issuer=issuer, prover=storage.Prover(), connector=ssh.Ssh(), ring=ring, **leave)


class _Ring:
    """Resource Manager's list of keys; its SDKs are imported by the runs that need it only."""

    def __init__(self, plan: Plan, credential: "TokenCredential") -> None:
        self._url = plan.resource_manager
        self._credential = credential

    def keys(self, account_id: str) -> AccountKeys:
        """List an account's keys."""
        from rotator.resource_manager import ResourceManager

        with contextlib.closing(ResourceManager(self._url, self._credential)) as manager:
            return manager.keys(account_id)


def _prepare_logs() -> None:
    redaction.install()
    # Each vault request and SSH packet would be a line at the level at which the rotator tells its decisions.
    # What they call errors, we raise and report ourselves.
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "paramiko"):
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            library.setLevel(logging.CRITICAL)
