"""Azurite as the blob storage: Microsoft's emulator, in a Node process of its own.

https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContentSettings

from sandbox import programs
from sandbox.azure import accounts
from sandbox.server import certificates, processes

PRELOAD = Path(__file__).with_name("azurite_keys.js")


class Azurite:
    """Blobs, queues and tables over HTTPS, in memory, with path-style URLs.

    A key that is regenerated while it runs is known to it a moment later: see azurite_keys.js.
    """

    def __init__(
        self, directory: Path, accounts: dict[str, accounts.StorageAccount], authority: certificates.Authority
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._authority = authority
        self._child: processes.Child | None = None
        self._writing = threading.Lock()
        self._ports = {"blob": 0, "queue": 0, "table": 0}

    def blob_url(self, account: str) -> str:
        """Return an account's blob endpoint, without a trailing slash."""
        return self._url("blob", account)

    def connection_string(self, name: str) -> str:
        """Return an account's, with its first key and its three endpoints."""
        account = self._accounts[name]
        fields = {
            "DefaultEndpointsProtocol": "https",
            "AccountName": account.name,
            "AccountKey": account.keys["key1"],
            **{f"{service.title()}Endpoint": self._url(service, account.name) for service in self._ports},
        }
        return "".join(f"{name}={value};" for name, value in fields.items())

    def fill(self, account: str, container: str, blobs: Mapping[str, tuple[bytes, str]]) -> None:
        """Create a container and its blobs, given as data and content type by name; it has to run."""
        credential = {"account_name": account, "account_key": self._accounts[account].keys["key1"]}
        verify = str(self._authority.ca_path)
        with BlobServiceClient(self.blob_url(account), credential=credential, connection_verify=verify) as service:
            client = service.create_container(container)
            for name, (data, content_type) in blobs.items():
                client.upload_blob(name, data, content_settings=ContentSettings(content_type=content_type))

    async def start(self) -> None:
        """Return once all three services listen."""
        if not any(self._ports.values()):
            self._ports = dict(zip(self._ports, processes.free_ports(len(self._ports)), strict=True))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._child = processes.Child(self._command(), self._directory / "azurite.log", self._environment())
        self._write_accounts()
        for account in self._accounts.values():
            account.observers.append(self._write_accounts)
        await self._child.start(self._listens)

    async def stop(self) -> None:
        """Stop it; what it held is gone, and so is the file with the keys."""
        child, self._child = self._child, None
        if child is None:
            return
        await child.stop()
        for account in self._accounts.values():
            account.observers.remove(self._write_accounts)
        self._accounts_file.unlink()

    @property
    def _accounts_file(self) -> Path:
        return self._directory / "accounts"

    def _write_accounts(self) -> None:
        with self._writing:
            descriptor, name = tempfile.mkstemp(dir=self._directory)  # readable by its owner only
            with os.fdopen(descriptor, "w") as file:
                file.write(";".join(map(_entry, self._accounts.values())))
            Path(name).replace(self._accounts_file)

    def _environment(self) -> dict[str, str]:
        # By NODE_OPTIONS it also reaches a Node that a shell script starts, as some package managers install one.
        options = f'{os.environ.get("NODE_OPTIONS", "")} --require "{PRELOAD}"'
        return {**os.environ, "NODE_OPTIONS": options, "SANDBOX_AZURITE_ACCOUNTS": str(self._accounts_file)}

    def _command(self) -> list[str]:
        certificate, key = self._authority.server_certificate_files()
        # Without the version check Azurite takes requests of SDKs that are newer than itself.
        switches = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence")
        options = {f"--{service}Port": str(port) for service, port in self._ports.items()}
        # It takes any bearer token for storage, and looks at no signature and no role.
        options |= {"--cert": str(certificate), "--key": str(key), "--oauth": "basic"}
        return [*programs.require_azurite(), *switches, *(word for option in options.items() for word in option)]

    async def _listens(self) -> bool:
        return all([await processes.accepts_connections(port) for port in self._ports.values()])

    def _url(self, service: str, account: str) -> str:
        return f"https://127.0.0.1:{self._ports[service]}/{account}"


def _entry(account: accounts.StorageAccount) -> str:
    return ":".join((account.name, *account.keys.values()))
