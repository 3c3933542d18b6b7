"""Selectors, lists, and the tables that kubectl prints; Namespaces as far as they are shown at all."""

import datetime
import hashlib
import uuid
from typing import Any

from sandbox.kubernetes.refusals import Document, bad_request
from sandbox.kubernetes.state import KubernetesApi

_COLUMNS = ("Name", "Type", "Data", "Age")


def one(secret: Document, accept: str) -> Document:
    """Return a Secret the way that the client wants it."""
    return table([secret], secret["metadata"]["resourceVersion"]) if "as=Table" in accept else secret


def many(api: KubernetesApi, namespace: str, query: dict[str, str], accept: str) -> Document:
    """Return the Secrets of one namespace, or of all of them."""
    check_selectors(query)
    found = [secret for secret in _sorted(api, namespace) if selected(secret, query)]
    if "as=Table" in accept:
        return table(found, api.version)
    items = [{key: value for key, value in secret.items() if key not in ("kind", "apiVersion")} for secret in found]
    metadata = {"resourceVersion": api.version}
    return {"kind": "SecretList", "apiVersion": "v1", "metadata": metadata, "items": items}


def selected(secret: Document, query: dict[str, str]) -> bool:
    """Whether a Secret fits the field selector and the label selector of a request."""
    metadata = secret["metadata"]
    values = {"metadata.name": metadata["name"], "metadata.namespace": metadata["namespace"], "type": secret["type"]}
    labels = metadata.get("labels", {})
    requirements = _requirements(query.get("fieldSelector", ""))
    for field, _, _ in requirements:
        if field not in values:
            raise bad_request(f"field label not supported: {field}")
    if any((values[field] == wanted) != equal for field, wanted, equal in requirements):
        return False
    return all((labels.get(label) == wanted) == equal for label, wanted, equal in _requirements(_labels(query)))


def check_selectors(query: dict[str, str]) -> None:
    """Refuse a selector that nothing here understands, even when there is nothing to select from."""
    selected({"metadata": {"name": "", "namespace": ""}, "type": ""}, query)


def selected_name(query: dict[str, str]) -> str:
    """Return the one name that a field selector asks for, if it does."""
    requirements = _requirements(query.get("fieldSelector", ""))
    return next((wanted for field, wanted, equal in requirements if field == "metadata.name" and equal), "")


def table(secrets: list[Document], version: str) -> Document:
    """Return the columns of `kubectl get secrets`; each row carries the metadata only."""
    columns = [
        {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": "", "priority": 0}
        for name in _COLUMNS
    ]
    rows = [{"cells": _cells(secret), "object": _partial(secret)} for secret in secrets]
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version}}
    return {**head, "columnDefinitions": columns, "rows": rows}


def namespace(name: str) -> Document:
    """Return a Namespace; it always has been there."""
    uid = str(uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4))
    metadata: dict[str, Any] = {"name": name, "uid": uid, "resourceVersion": "1"}
    metadata |= {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"kubernetes.io/metadata.name": name}}
    head = {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}
    return {**head, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _sorted(api: KubernetesApi, namespace: str) -> list[Document]:
    return [secret for key, secret in sorted(api.secrets.items()) if namespace in ("", key[0])]


def _labels(query: dict[str, str]) -> str:
    selector = query.get("labelSelector", "")
    if "(" in selector or (selector and "=" not in selector):
        raise bad_request(f"unable to parse requirement: the sandbox knows only equality: {selector}")
    return selector


def _requirements(selector: str) -> list[tuple[str, str, bool]]:
    """Split "a=b,c!=d" into names, values and whether they are to be equal."""
    found = []
    for part in filter(None, selector.split(",")):
        name, _, wanted = part.partition("=")
        found.append((name.removesuffix("!"), wanted.removeprefix("="), not name.endswith("!")))
    return found


def _cells(secret: Document) -> list[str]:
    metadata = secret["metadata"]
    born = datetime.datetime.fromisoformat(metadata["creationTimestamp"])
    age = int((datetime.datetime.now(datetime.UTC) - born).total_seconds())
    shown = f"{age}s" if age < 120 else f"{age // 60}m"
    return [metadata["name"], secret["type"], str(len(secret.get("data", {}))), shown]


def _partial(secret: Document) -> Document:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": secret["metadata"]}
