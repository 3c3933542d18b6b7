"""The composition root: from settings to a wired run. One run at a time in this process."""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping

from rotator import config, errors, redaction
from rotator.report import Report
from rotator.rotation import Run, Services
from rotator.targets import Plan

logger = logging.getLogger(__name__)

_running = threading.Lock()


def rotate(*, trigger: str, forced: bool, environment: Mapping[str, str] = os.environ) -> Report:
    """Run a rotation; raises SettingsError or BusyError before anything is done. Failures are in the report."""
    redaction.install()
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
    redaction.install()
    found = config.load(environment)
    with _services(found) as services:
        return Run(found, services, trigger="plan", forced=forced).plan()


@contextlib.contextmanager
def _services(plan: Plan) -> Iterator[Services]:
    # Imported here: a bad setting is told, and the functions are indexed, without the SDKs' half second.
    from rotator import identity, ssh, storage, vault

    with contextlib.closing(vault.Vault(plan.account, identity.credential(plan.client_id))) as issuer:
        yield Services(issuer=issuer, prover=storage.Prover(), connector=ssh.Ssh())
