"""Azurite as the blob storage: Microsoft's emulator, in a Node process of its own.

https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

import os
from pathlib import Path

from sandbox import accounts, certificates, parts, processes


class Azurite:
    """Blobs, queues and tables over HTTPS, in memory, with path-style URLs.

    A key that is regenerated while it runs stays the old one here: Azurite reads its accounts at the start.
    """

    def __init__(
        self, directory: Path, accounts: dict[str, accounts.StorageAccount], authority: certificates.Authority
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._authority = authority
        self._child: processes.Child | None = None
        self._ports = {"blob": 0, "queue": 0, "table": 0}

    def blob_url(self, account: str) -> str:
        """Return an account's blob endpoint, without a trailing slash."""
        return self._url("blob", account)

    @property
    def connection_string(self) -> str:
        """The first account's, with its three endpoints."""
        account = next(iter(self._accounts.values()))
        fields = {
            "DefaultEndpointsProtocol": "https",
            "AccountName": account.name,
            "AccountKey": account.keys["key1"],
            **{f"{service.title()}Endpoint": self._url(service, account.name) for service in self._ports},
        }
        return "".join(f"{name}={value};" for name, value in fields.items())

    async def start(self) -> None:
        """Return once all three services listen."""
        if not any(self._ports.values()):
            self._ports = dict(zip(self._ports, processes.free_ports(len(self._ports)), strict=True))
        self._directory.mkdir(parents=True, exist_ok=True)
        # Keys in the environment, where other users can't see them, as they can see arguments.
        environment = {**os.environ, "AZURITE_ACCOUNTS": ";".join(map(_entry, self._accounts.values()))}
        child = processes.Child(self._command(), self._directory / "azurite.log", environment)
        await child.start(self._listens)
        self._child = child

    async def stop(self) -> None:
        """Stop it; what it held is gone."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    def _command(self) -> list[str]:
        certificate, key = self._authority.server_certificate_files()
        # Without the version check Azurite takes requests of SDKs that are newer than itself.
        switches = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence")
        options = {f"--{service}Port": str(port) for service, port in self._ports.items()}
        options |= {"--cert": str(certificate), "--key": str(key)}
        return [*parts.require_azurite(), *switches, *(word for option in options.items() for word in option)]

    async def _listens(self) -> bool:
        return all([await processes.accepts_connections(port) for port in self._ports.values()])

    def _url(self, service: str, account: str) -> str:
        return f"https://127.0.0.1:{self._ports[service]}/{account}"


def _entry(account: accounts.StorageAccount) -> str:
    return ":".join((account.name, *account.keys.values()))
