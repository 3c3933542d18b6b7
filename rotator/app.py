"""The composition root: from settings to a wired run. One run at a time in this process."""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rotator import config, errors, redaction
from rotator.report import Report
from rotator.rotation import Run, Services
from rotator.targets import Plan

if TYPE_CHECKING:
    from rotator.onboarding import Onboarding, Step, Wish

logger = logging.getLogger(__name__)

_running = threading.Lock()


def rotate(*, trigger: str, forced: bool, environment: Mapping[str, str] = os.environ) -> Report:
    """Run a rotation; raises SettingsError or BusyError before anything is done. Failures are in the report."""
    _prepare_logs()
    plan = config.load(environment)
    if not _running.acquire(blocking=False):
        raise errors.BusyError("a rotation is running already")
    try:
        with _services(plan) as services:
            report = Run(plan, services, trigger=trigger, forced=forced).rotate()
    finally:
        _running.release()
    level = logging.ERROR if report.failed else logging.INFO
    logger.log(level, "report %s", json.dumps(report.as_json(), separators=(",", ":")))
    return report


def plan(*, forced: bool = False, environment: Mapping[str, str] = os.environ) -> Report:
    """Say what a rotation would do, changing nothing; raises SettingsError or a VaultError."""
    _prepare_logs()
    found = config.load(environment)
    with _services(found) as services:
        return Run(found, services, trigger="plan", forced=forced).plan()


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
def _services(plan: Plan) -> Iterator[Services]:
    # Imported here: a bad setting is told, and the functions are indexed, without the SDKs' half second.
    from rotator import identity, ssh, storage, vault

    with (
        contextlib.closing(identity.credential(plan.client_id)) as credential,
        contextlib.closing(vault.Vault(plan.account, credential)) as issuer,
    ):
        yield Services(issuer=issuer, prover=storage.Prover(), connector=ssh.Ssh())


def _prepare_logs() -> None:
    redaction.install()
    # Each vault request and SSH packet would be a line at the level at which the rotator tells its decisions.
    # What they call errors, we raise and report ourselves.
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "paramiko"):
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            library.setLevel(logging.CRITICAL)
