"""A consumer of Secrets: it reads a blob again and again with the SAS that each holds, and counts the refusals."""

import base64
import contextlib
import http.client
import json
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sandbox.world import CONTAINER, PICTURE, World

APART = 0.02  # seconds
_SECONDS_TO_SEE = 10.0


class Consumer:
    """Sees its Secrets by a watch, and goes on with the last value while one is missing."""

    def __init__(self, world: World, names: frozenset[str]) -> None:
        self.requests = 0
        self.refused = 0
        self._kubeconfig = world.cluster.kubeconfig
        self._endpoint = urllib.parse.urlsplit(world.settings["STORAGE_BLOB_ENDPOINT"])
        self._context = world.authority.client_context()
        self._names = names
        self._held: dict[str, str] = {}
        self._sees_all = threading.Event()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read while the block runs; raises the consumer's error, unless storage refused a read."""
        path = "/api/v1/namespaces/default/secrets?watch=true"
        command = ["kubectl", "--kubeconfig", str(self._kubeconfig), "get", "--raw", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch, ThreadPoolExecutor(2) as threads:
            try:
                seeing = threads.submit(self._see, watch)
                if not self._sees_all.wait(_SECONDS_TO_SEE):
                    raise TimeoutError("the consumer does not see its Secrets")
                reading = threads.submit(self._read)
                yield
            finally:
                self._stop.set()
                watch.terminate()
        seeing.result()
        reading.result()

    def _see(self, watch: "subprocess.Popen[str]") -> None:
        assert watch.stdout
        for line in watch.stdout:
            event = json.loads(line)
            name = event["object"]["metadata"]["name"]
            if event["type"] in ("ADDED", "MODIFIED") and name in self._names:
                self._held[name] = base64.b64decode(event["object"]["data"]["secretKey"]).decode()
                if self._held.keys() == self._names:
                    self._sees_all.set()

    def _read(self) -> None:
        host, port = self._endpoint.hostname or "", self._endpoint.port
        storage = http.client.HTTPSConnection(host, port, context=self._context, timeout=10)
        with contextlib.closing(storage):
            while not self._stop.wait(APART):
                for name in self._names:
                    storage.request("GET", f"{self._endpoint.path}/{CONTAINER}/{PICTURE}?{self._held[name]}")
                    with storage.getresponse() as response:
                        response.read()
                    self.requests += 1
                    self.refused += response.status != http.HTTPStatus.OK
