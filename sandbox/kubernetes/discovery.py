"""What kubectl asks a server about itself: version, resources and schemas.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/
"""

from sandbox.kubernetes.refusals import Document

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
_SECRET = {"group": "", "version": "v1", "kind": "Secret"}

_WRITABLE = ["create", "delete", "get", "list"]


def _resource(name: str, kind: str, verbs: list[str], *, namespaced: bool) -> Document:
    return {"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": verbs}


_GROUPS: dict[str, list[Document]] = {
    "authentication.k8s.io": [_resource("selfsubjectreviews", "SelfSubjectReview", ["create"], namespaced=False)],
    "authorization.k8s.io": [
        _resource("selfsubjectaccessreviews", "SelfSubjectAccessReview", ["create"], namespaced=False)
    ],
    "rbac.authorization.k8s.io": [
        _resource("roles", "Role", _WRITABLE, namespaced=True),
        _resource("rolebindings", "RoleBinding", _WRITABLE, namespaced=True),
    ],
}


def document(path: str, host: str) -> Document | None:
    """Return the document at a path, if there is one."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    documents: dict[str, Document] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses},
        "/api/v1": _resources("v1", _core()),
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _GROUPS]},
        "/openapi/v2": {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.32.4"}, "paths": {}},
        "/openapi/v3": {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}}},
        "/openapi/v3/api/v1": _schema(),
    }
    for name, resources in _GROUPS.items():
        documents[f"/apis/{name}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}
        documents[f"/apis/{name}/v1"] = _resources(f"{name}/v1", resources)
    return documents.get(path.rstrip("/"))


def _group(name: str) -> Document:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group_version: str, resources: list[Document]) -> Document:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _core() -> list[Document]:
    namespaces = _resource("namespaces", "Namespace", ["create", "get", "list"], namespaced=False)
    return [
        {**namespaces, "shortNames": ["ns"]},
        _resource("secrets", "Secret", [*_WRITABLE, "patch", "update", "watch"], namespaced=True),
    ]


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
