"""A consumer of a Secret, as a pod is one that has it in a volume."""

import base64
import collections
import contextlib
import http.client
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox.kubernetes.client import Client
from sandbox.world import CONTAINER, PICTURE, SECRET_NAME, World

APART = 0.02  # seconds


class Consumer:
    """Reads a blob every 20 ms with the SAS that the Secret holds.

    It sees a change `late` seconds after it was made, and goes on with what it has while the Secret is missing.
    """

    def __init__(self, world: World, name: str = SECRET_NAME, *, late: float = 0.0) -> None:
        self.reads = 0
        self.refusals: list[str] = []
        self._client, self._name = Client(world.cluster.administrator_kubeconfig), name
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
        with contextlib.closing(connection), self._client.connected() as cluster:
            while not self._over.wait(APART):
                sas = self._sas(self._client.secret_by(cluster, "default", self._name))
                connection.request("GET", f"{self._endpoint.path}/{CONTAINER}/{PICTURE}?{sas}")
                with connection.getresponse() as response:
                    response.read()
                self.reads += 1
                if response.status != http.HTTPStatus.OK:
                    self.refusals.append(f"read {self.reads}: {response.status}")

    def _sas(self, secret: dict[str, Any] | None) -> str:
        now = time.monotonic()
        value = base64.b64decode(secret["data"]["secretKey"]).decode() if secret else None
        if value is not None and (not self._seen or self._seen[-1][1] != value):
            self._seen.append((now, value))
        while len(self._seen) > 1 and self._seen[1][0] + self._late <= now:
            self._seen.popleft()
        return self._seen[0][1]
