"""Storage with one container, what a Secret of each preset has for it, and a consumer's process."""

import contextlib
import dataclasses
import datetime
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from rotator import sas
from rotator.delivery import template
from rotator.delivery.template import Values
from rotator.plan import presets, secret_template
from rotator.plan.presets import Preset
from rotator.redaction import SecretText
from sandbox import programs
from sandbox.azure import account_sas, accounts
from sandbox.blob import azurite, server
from sandbox.server import background, certificates, journal
from tests.integration.public_names import PublicNames

ACCOUNT = "sandboxaccount"
CONTAINER = "backups"
WAL = "main/wals/0000000100000000/000000010000000000000001"  # where Barman looks for it
BLOBS = dict.fromkeys(("hello.txt", "pg/hello.txt", WAL), (b"hello", "text/plain"))
FIELDS = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "rwdlac", "spr": "https", "se": "2099-01-01T00:00:00Z"}


@dataclasses.dataclass(frozen=True)
class Storage:
    """An account's blobs under Azure's public names."""

    account: accounts.StorageAccount
    front: PublicNames

    @property
    def endpoint(self) -> str:
        return f"https://{self.front.host}"

    def account_sas(self) -> str:
        """As Key Vault mints it."""
        return account_sas.token(ACCOUNT, self.account.keys["key1"], FIELDS)

    def container_sas(self) -> str:
        """As it is signed from an account key now; what is signed as Microsoft Entra differs in fields alone."""
        now = datetime.datetime.now(datetime.UTC)
        return generate_container_sas(
            ACCOUNT,
            CONTAINER,
            account_key=self.account.keys["key1"],
            permission=ContainerSasPermissions.from_string("racwdl"),
            start=now - datetime.timedelta(minutes=15),
            expiry=now + datetime.timedelta(hours=1),
            protocol="https",
        )


@dataclasses.dataclass(frozen=True)
class Grant:
    """A SAS for that storage, and the Secrets that have it."""

    storage: Storage
    sas: str = dataclasses.field(repr=False)
    container: str = ""

    def secret(self, preset: Preset) -> dict[str, str]:
        """The data of a Secret of that form."""
        data = presets.of(preset).data
        return {
            key: template.render(secret_template.parse(text), self._values()).reveal() for key, text in data.items()
        }

    def run(self, command: Sequence[str], secret: Mapping[str, str], **beside: str) -> str:
        """What a consumer prints that has the Secret as its environment, and no other credential."""
        here = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.storage.front.environment}
        done = subprocess.run(
            command, env={**here, **beside, **secret}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _values(self) -> Values:
        return Values(
            sas=sas.parse(SecretText(self.sas), path=self.container),
            account=ACCOUNT,
            blob_endpoint=self.storage.endpoint,
            container=self.container or None,
            account_key=SecretText(self.storage.account.keys["key1"]),
        )


def account_grant(storage: Storage) -> Grant:
    return Grant(storage, storage.account_sas())


def container_grant(storage: Storage) -> Grant:
    return Grant(storage, storage.container_sas(), CONTAINER)


GRANTS: Mapping[str, Callable[[Storage], Grant]] = {"account": account_grant, "container": container_grant}


@contextlib.contextmanager
def sandbox_storage(directory: Path) -> Iterator[Storage]:
    """The sandbox's own blob service."""
    account, authority = accounts.StorageAccount(ACCOUNT), certificates.Authority(directory / "tls")
    service = server.BlobService(journal.Journal(), authority, {ACCOUNT: account})
    service.put_container(ACCOUNT, CONTAINER)
    for name, (data, content_type) in BLOBS.items():
        service.put_blob(ACCOUNT, CONTAINER, name, data, content_type)
    with background.Background() as running, running.serving(service):
        front = PublicNames(ACCOUNT, service.url(ACCOUNT), authority.client_context(), directory / "front")
        with front.serving():
            yield Storage(account, front)


@contextlib.contextmanager
def azurite_storage(directory: Path) -> Iterator[Storage]:
    """Azurite; the test is skipped where that is missing."""
    try:
        programs.require_azurite()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    account, authority = accounts.StorageAccount(ACCOUNT), certificates.Authority(directory / "tls")
    emulator = azurite.Azurite(directory / "azurite", {ACCOUNT: account}, authority)
    with background.Background() as running, running.serving(emulator):
        emulator.fill(ACCOUNT, CONTAINER, BLOBS)
        front = PublicNames(ACCOUNT, emulator.blob_url(ACCOUNT), authority.client_context(), directory / "front")
        with front.serving():
            yield Storage(account, front)
