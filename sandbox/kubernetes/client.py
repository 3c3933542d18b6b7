"""What tests and the demo do in a cluster as its administrator, without a process of kubectl for each request."""

import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any


class Client:
    """An API server, as the user of a kubeconfig that `kubeconfig.write` wrote."""

    def __init__(self, kubeconfig: Path) -> None:
        document = json.loads(kubeconfig.read_text())
        cluster = document["clusters"][0]["cluster"]
        self._server = urllib.parse.urlsplit(cluster["server"])
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {document['users'][0]['user']['token']}"}

    def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Read a Secret; None when there is none."""
        with self.connected() as connection:
            return self.secret_by(connection, namespace, name)

    def secret_by(self, connection: http.client.HTTPSConnection, namespace: str, name: str) -> dict[str, Any] | None:
        """Do the same over a connection that stays open."""
        return self._request(connection, "GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")

    def delete_secrets(self, namespace: str) -> None:
        """Delete all Secrets of a namespace, one by one as kubectl does."""
        path = f"/api/v1/namespaces/{namespace}/secrets"
        with self.connected() as connection:
            found = self._request(connection, "GET", path) or {"items": []}
            for item in found["items"]:
                self._request(connection, "DELETE", f"{path}/{item['metadata']['name']}")

    @contextlib.contextmanager
    def connected(self) -> Iterator[http.client.HTTPSConnection]:
        """Connect to the server."""
        address = self._server.hostname or "", self._server.port
        with contextlib.closing(http.client.HTTPSConnection(*address, context=self._context, timeout=30)) as connection:
            yield connection

    def _request(self, connection: http.client.HTTPSConnection, method: str, path: str) -> dict[str, Any] | None:
        connection.request(method, path, headers=self._headers)
        with connection.getresponse() as response:
            document: dict[str, Any] = json.loads(response.read())
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {response.status} {document.get('message', '')}")
        return document
