"""A consumer of a Secret, as a pod is one that has it in a volume."""

import base64
import collections
import contextlib
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.world import CONTAINER, PICTURE, SECRET_NAME, World

APART = 0.02  # seconds


class Secret:
    """One Secret of the namespace `default`, read over a connection that stays open, as kubectl would take too long."""

    def __init__(self, kubeconfig: Path, name: str) -> None:
        document = json.loads(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        server = urllib.parse.urlsplit(cluster["server"])
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._connection = http.client.HTTPSConnection(server.hostname or "", server.port, context=context, timeout=10)
        self._headers = {"Authorization": f"Bearer {user['token']}"}
        self._path = f"/api/v1/namespaces/default/secrets/{name}"

    def value(self) -> str | None:
        """What it holds; None while it is missing."""
        self._connection.request("GET", self._path, headers=self._headers)
        with self._connection.getresponse() as response:
            document = json.loads(response.read())
        if response.status == http.HTTPStatus.NOT_FOUND:
            return None
        assert response.status == http.HTTPStatus.OK, document
        return base64.b64decode(document["data"]["secretKey"]).decode()

    def close(self) -> None:
        self._connection.close()


class Consumer:
    """Reads a blob every 20 ms with the SAS that the Secret holds.

    It sees a change `late` seconds after it was made, and goes on with what it has while the Secret is missing.
    """

    def __init__(self, world: World, name: str = SECRET_NAME, *, late: float = 0.0) -> None:
        self.reads = 0
        self.refusals: list[str] = []
        self._secret = Secret(world.cluster.administrator_kubeconfig, name)
        self._late = late
        self._endpoint = urllib.parse.urlsplit(world.settings["STORAGE_BLOB_ENDPOINT"])
        self._context = world.authority.client_context()
        self._seen: collections.deque[tuple[float, str]] = collections.deque()
        self._over = threading.Event()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read while the block runs; raises what befell the reader, unless it is a refusal."""
        with ThreadPoolExecutor(1) as threads:
            reader = threads.submit(self._read)
            try:
                yield
            finally:
                self._over.set()
            reader.result()

    def _read(self) -> None:
        address = self._endpoint.hostname or "", self._endpoint.port
        connection = http.client.HTTPSConnection(*address, context=self._context, timeout=10)
        with contextlib.closing(connection), contextlib.closing(self._secret):
            while not self._over.wait(APART):
                sas = self._sas()
                connection.request("GET", f"{self._endpoint.path}/{CONTAINER}/{PICTURE}?{sas}")
                with connection.getresponse() as response:
                    response.read()
                self.reads += 1
                if response.status != http.HTTPStatus.OK:
                    self.refusals.append(f"read {self.reads}: {response.status}")

    def _sas(self) -> str:
        now, value = time.monotonic(), self._secret.value()
        if value is not None and (not self._seen or self._seen[-1][1] != value):
            self._seen.append((now, value))
        while len(self._seen) > 1 and self._seen[1][0] + self._late <= now:
            self._seen.popleft()
        return self._seen[0][1]
