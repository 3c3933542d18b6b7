"""What kubectl asks a server about itself: version, resources, schemas, and what the caller may do.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/
"""

from typing import Any

from sandbox import kubernetes_manifest
from sandbox.kubernetes_rules import Document

ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
HEALTH = frozenset({"/readyz", "/livez", "/healthz"})

# kubectl reads /openapi/v2 as protobuf only: a Document whose first field, swagger, is "2.0", and nothing else.
OPENAPI_V2_PROTOBUF = b"\x0a\x032.0"

_VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4+sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
_GROUP_VERSION = {"groupVersion": "authorization.k8s.io/v1", "version": "v1"}
_GROUP: Document = {"name": "authorization.k8s.io", "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}
_SECRET = {"group": "", "version": "v1", "kind": "Secret"}


def document(path: str, host: str) -> Document | None:
    """Return the document at a path, if there is one."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    documents: dict[str, Document] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses},
        "/api/v1": _resources("v1", _core()),
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
        "/apis/authorization.k8s.io": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
        "/apis/authorization.k8s.io/v1": _resources("authorization.k8s.io/v1", _authorization()),
        "/openapi/v2": {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.32.4"}, "paths": {}},
        "/openapi/v3": {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}}},
        "/openapi/v3/api/v1": _schema(),
    }
    return documents.get(path.rstrip("/"))


def review(body: bytes, denied: set[str]) -> Document:
    """Answer a SelfSubjectAccessReview, which is what `kubectl auth can-i` sends."""
    asked = kubernetes_manifest.parse(body, "SelfSubjectAccessReview", "authorization.k8s.io/v1")
    attributes: dict[str, Any] = asked.get("spec", {}).get("resourceAttributes") or {}
    verb, resource = attributes.get("verb", ""), attributes.get("resource", "")
    on_secrets = resource in ("secrets", "*") and attributes.get("group", "") in ("", "*")
    refused = on_secrets and (verb in denied or (verb == "*" and bool(denied)))
    return {**asked, "metadata": {"creationTimestamp": None}, "status": {"allowed": not refused}}


def _resources(group_version: str, resources: list[Document]) -> Document:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _core() -> list[Document]:
    secrets = {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret"}
    namespaces = {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace"}
    return [
        {**namespaces, "verbs": ["create", "get", "list"], "shortNames": ["ns"]},
        {**secrets, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]},
    ]


def _authorization() -> list[Document]:
    reviews: Document = {"name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview"}
    return [{**reviews, "namespaced": False, "kind": "SelfSubjectAccessReview", "verbs": ["create"]}]


def _schema() -> Document:
    """Return as much as kubectl looks for: that patches of Secrets know dryRun and fieldValidation."""
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]
    patch: Document = {"parameters": parameters, "responses": {}, "x-kubernetes-group-version-kind": _SECRET}
    namespace = {**patch, "x-kubernetes-group-version-kind": {**_SECRET, "kind": "Namespace"}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.4"},
        "paths": {
            "/api/v1/namespaces/{namespace}/secrets/{name}": {"patch": patch},
            "/api/v1/namespaces/{name}": {"patch": namespace},
        },
    }
