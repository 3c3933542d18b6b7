"""Checks of a world: what each found, and, every time, that it changed nothing and disclosed no secret."""

import contextlib
import dataclasses
import datetime
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator import app
from rotator.checks.findings import Checkup, Finding, Level
from rotator.reporting.report import Trigger
from sandbox.key_vault.secret_store import SecretVersion
from sandbox.key_vault.state import Vault
from sandbox.kubernetes.state import KubernetesApi
from sandbox.master.server import Master
from sandbox.server.journal import Event
from sandbox.world import APP_ACCOUNT, World
from tests import secrets_in
from tests.integration.conftest import PROOF_SECONDS, Keys, settings_for
from tests.remedies.shell import Shell

READING = ("get", "list", "dry-run-", "connect", "auth", "exec", "refuse", "issue-token")


@dataclasses.dataclass
class Examiner:
    """Checks a world, and runs the commands of findings in its administrator's shell."""

    world: World
    shell: Shell
    log: pytest.LogCaptureFixture

    def check(self, **settings: str) -> Checkup:
        """Check, and assert that nothing was changed and that no secret is in what was found or logged."""
        before, seen = state(self.world), len(self.world.journal.events())
        self.log.clear()
        with self.log.at_level(logging.DEBUG, "rotator"):
            checkup = app.check(
                environment=settings_for(self.world, **self._exported() | settings), proof_seconds=PROOF_SECONDS
            )
        assert state(self.world) == before
        assert written(self.world, seen) == []
        shown = json.dumps(checkup.as_json(), ensure_ascii=False) + repr(checkup) + self.log.text
        assert secrets_in.found(self.world, shown) == []
        return checkup

    def _exported(self) -> dict[str, str]:
        """The variables that commands of findings have exported so far."""
        return {
            name: text
            for name, text in self.shell.environment.items()
            if name.startswith(("KUBERNETES_", "ROTATION_", "STORAGE_", "AzureWebJobsStorage"))
            and self.world.settings.get(name) != text
        }

    def failing(self, check: str, **settings: str) -> Finding:
        """Check and return the failure of this check, which must have one; a rotation must fail, too."""
        finding = only(self.check(**settings), check, Level.FAILURE)
        assert not self.rotates(**settings)
        return finding

    def warning(self, check: str, **settings: str) -> Finding:
        """Check and return the warning of this check, which must have one."""
        return only(self.check(**settings), check, Level.WARNING)

    def harmless(self, check: str, **settings: str) -> Finding:
        """Check and return the warning of this check; there must be no failure, and a rotation must succeed."""
        checkup = self.check(**settings)
        finding = only(checkup, check, Level.WARNING)
        assert not checkup.failed, checkup.findings
        assert self.rotates(**settings)
        return finding

    def rotates(self, **settings: str) -> bool:
        """Rotate, fresh or not, with what commands have exported; returns whether that succeeded.

        With a KEY_ROTATION_PERIOD it is the timer's run, which finds old keys.
        """
        environment = settings_for(self.world, **self._exported() | settings)
        timed = "KEY_ROTATION_PERIOD" in settings
        if timed:
            Keys(self.world).age(days=365)
        trigger = Trigger.TIMER if timed else Trigger.CLI
        return not app.rotate(trigger=trigger, forced=True, environment=environment, proof_seconds=PROOF_SECONDS).failed

    def repaired(self, finding: Finding, **settings: str) -> Checkup:
        """Run a finding's command as it is printed, after which that check must be ok; return that checkup."""
        assert finding.command
        self.shell.carry_out(finding.command)
        checkup = self.check(**settings)
        assert levels(checkup, finding.check) == {Level.OK}
        return checkup


@contextlib.contextmanager
def examined(world: World, directory: Path, log: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    """An examiner of a world, in which nothing is left of what the remedies did, or of what they were for."""
    accounts = [(account, dict(vars(account))) for account in world.storage.values()]
    vault, master, cluster = world.vault, world.master, world.cluster
    managed, secrets, policies = dict(vault.storage.accounts), _versions(vault), dict(vault.policies)
    keys = list(master.authorized_keys)
    yield Examiner(world, Shell(world, directory), log)
    for account, attributes in accounts:
        vars(account).update(attributes)
    for one in managed.values():
        one.deleted_definitions.clear()
    vault.storage.accounts, vault.secrets.secrets, vault.policies = managed, secrets, policies
    master.authorized_keys[:] = keys
    if isinstance(master, Master):
        master.clock_skew = datetime.timedelta()
    if isinstance(cluster, KubernetesApi):
        cluster.namespaces &= {"default"}
        for documents in cluster.access.values():
            documents.clear()


def _versions(service: Vault) -> dict[str, list[SecretVersion]]:
    return {name: list(versions) for name, versions in service.secrets.secrets.items()}


def only(checkup: Checkup, check: str, level: Level) -> Finding:
    found = [finding for finding in checkup.findings if (finding.check, finding.level) == (check, level)]
    assert len(found) == 1, checkup.findings
    return found[0]


def levels(checkup: Checkup, check: str) -> set[Level]:
    return {finding.level for finding in checkup.findings if finding.check == check}


def wrong(checkup: Checkup) -> set[tuple[str, Level]]:
    """Every check that failed or warned."""
    return {(one.check, one.level) for one in checkup.findings if one.level in (Level.FAILURE, Level.WARNING)}


def written(world: World, since: int) -> list[Event]:
    """What services were asked to change, and did, from this event on."""
    events = world.journal.events()[since:]
    return [event for event in events if event.phase == "after" and not event.action.startswith(READING)]


def state(world: World) -> dict[str, Any]:
    """All that a rotation changes: in the vault, in the cluster, and in the app's own storage."""
    return {"vault": _vault(world), "cluster": _cluster(world), "own storage": _own_storage(world)}


def _vault(world: World) -> dict[str, Any]:
    managed = world.vault.storage.accounts
    return {
        "accounts": {name: _fields(one, "account", "definitions") for name, one in managed.items()},
        "definitions": {
            (name, label): _fields(definition, "last_minted", "last_expiry")
            for name, one in managed.items()
            for label, definition in one.definitions.items()
        },
        "keys": {name: dict(account.keys) for name, account in world.storage.items()},
        "secrets": {name: [one.version for one in versions] for name, versions in world.vault.secrets.secrets.items()},
    }


def _fields(record: Any, *without: str) -> dict[str, str]:
    names = [field.name for field in dataclasses.fields(record)]
    return {name: repr(getattr(record, name)) for name in names if name not in without}


def _cluster(world: World) -> Any:
    if isinstance(world.cluster, KubernetesApi):
        cluster = world.cluster
        return len(cluster.history), set(cluster.namespaces), json.dumps(sorted(map(str, cluster.access.items())))
    return world.read_secret("default", "storage-sas")


def _own_storage(world: World) -> list[Any]:
    containers = world.blob.containers.get(APP_ACCOUNT, {})
    return sorted(
        (container, one.etag, [(name, blob.etag, blob.data) for name, blob in one.blobs.items()])
        for container, one in containers.items()
    )
