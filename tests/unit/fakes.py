"""Stateful stand-ins for what a run works with: a vault, storage, the way to the masters, and the time."""

import base64
import contextlib
import datetime
from collections.abc import Iterator

from rotator.redaction import Secret
from rotator.sas import Sas, SasDefinition
from rotator.targets import Cluster
from tests.unit.examples import NOW, token
from tests.unit.fake_master import Master


class Vault:
    """An Issuer. `failing` gives an exception for a method's name; `grants` changes what is minted."""

    def __init__(self) -> None:
        self.secrets = {"privatekey": "the private key", "passphrase": "the passphrase"}
        self.definitions: dict[str, SasDefinition] = {}
        self.grants: dict[str, str | None] = {}
        self.endpoint: str | None = None
        self.failing: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.minted = 0
        self.writes = 0

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.failing:
            raise self.failing[method]

    def secret(self, name: str) -> Secret:
        self._called("secret")
        return Secret(self.secrets[name])

    def definition_differs(self, definition: SasDefinition) -> bool:
        self._called("definition_differs")
        return self.definitions.get(definition.name) != definition

    def ensure_definition(self, definition: SasDefinition) -> bool:
        self._called("ensure_definition")
        differs = self.definitions.get(definition.name) != definition
        self.writes += differs
        self.definitions[definition.name] = definition
        return differs

    def mint(self, definition: SasDefinition) -> Secret:
        self._called("mint")
        self.minted += 1
        signature = base64.b64encode(f"signature number {self.minted:15}".encode()).decode()
        return Secret(token(**{"sig": signature, **self.grants}))

    def blob_endpoint(self) -> str | None:
        self._called("blob_endpoint")
        return self.endpoint


class Storage:
    """A Prover that accepts everything but for `failing`."""

    def __init__(self) -> None:
        self.tried: list[tuple[str, str]] = []
        self.failing: Exception | None = None

    def prove(self, sas: Sas, endpoint: str) -> str:
        self.tried.append((sas.fingerprint, endpoint))
        if self.failing:
            raise self.failing
        return "accepted"


class Network:
    """A Connector to masters by host; `failing` gives an exception for a host."""

    def __init__(self, **masters: Master) -> None:
        self.masters = masters
        self.failing: dict[str, Exception] = {}
        self.connections: list[tuple[str, str, str | None]] = []
        self.open = 0

    @contextlib.contextmanager
    def connect(self, cluster: Cluster, key: Secret, passphrase: Secret | None) -> Iterator[Master]:
        phrase = passphrase.reveal() if passphrase else None
        self.connections.append((cluster.host, key.reveal(), phrase))
        if cluster.host in self.failing:
            raise self.failing[cluster.host]
        self.open += 1
        try:
            yield self.masters[cluster.host]
        finally:
            self.open -= 1


class Clock:
    def __init__(self) -> None:
        self.now: datetime.datetime = NOW

    def __call__(self) -> datetime.datetime:
        return self.now
