"""Roles and their bindings, which allow again what is denied; only the administrator writes them.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

import dataclasses
import re
import uuid
from collections.abc import Iterator

from sandbox.kubernetes import manifest, refusals
from sandbox.kubernetes.refusals import Document
from sandbox.kubernetes.state import ACCESS_KINDS, KubernetesApi

GROUP = "rbac.authorization.k8s.io"
_PATH = re.compile(rf"/apis/{re.escape(GROUP)}/v1/namespaces/([^/]+)/({'|'.join(ACCESS_KINDS)})(?:/([^/]+))?")
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclasses.dataclass(frozen=True)
class AccessRequest:
    """What a user wants to do; `name` is empty where the request doesn't have it, as for a create."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str = ""


@dataclasses.dataclass(frozen=True)
class RolePath:
    """Where a role or a binding is, or with an empty name all of them in a namespace."""

    namespace: str
    resource: str
    name: str

    @property
    def kind(self) -> str:
        """As in a manifest."""
        return ACCESS_KINDS[self.resource]


def role_path(path: str) -> RolePath | None:
    """Read a request's path, if it leads to roles or bindings."""
    found = _PATH.fullmatch(path.rstrip("/"))
    return RolePath(found[1], found[2], found[3] or "") if found else None


def allows(api: KubernetesApi, request: AccessRequest) -> bool:
    """Whether nothing of it is denied, or a role of that user's grants what is."""
    if request.user == api.administrator:
        return True
    if request.resource in ACCESS_KINDS:
        return False
    denied = {verb for verb, resource in map(_denial, api.denied) if resource == request.resource}
    refused = denied if request.verb == "*" else denied & {request.verb}
    return all(_granted(api, dataclasses.replace(request, verb=verb)) for verb in refused)


def check(api: KubernetesApi, request: AccessRequest) -> None:
    """Refuse what isn't allowed."""
    if not allows(api, request):
        group = GROUP if request.resource in ACCESS_KINDS else ""
        raise refusals.forbidden(
            request.user, request.verb, request.resource, request.namespace, request.name, group=group
        )


def respond(api: KubernetesApi, user: str, method: str, where: RolePath, body: bytes) -> tuple[Document, int]:
    """Carry a request out; return the answer and its status."""
    match method, bool(where.name):
        case "POST", False:
            check(api, AccessRequest(user, "create", where.resource, where.namespace))
            return create(api, where, body), 201
        case "GET", named:
            check(api, AccessRequest(user, "get" if named else "list", where.resource, where.namespace, where.name))
            return read(api, where), 200
        case "PUT", True:
            check(api, AccessRequest(user, "update", where.resource, where.namespace, where.name))
            return replace(api, where, body), 200
        case "DELETE", True:
            check(api, AccessRequest(user, "delete", where.resource, where.namespace, where.name))
            return delete(api, where), 200
    raise refusals.not_allowed()


def create(api: KubernetesApi, where: RolePath, body: bytes) -> Document:
    """Make a role or a binding; a role that is bound may come later."""
    document = manifest.parse(body, where.kind, f"{GROUP}/v1")
    name = document["metadata"].get("name", "")
    if where.namespace not in api.namespaces:
        raise refusals.not_found("namespaces", where.namespace)
    known = api.access[where.resource]
    if (where.namespace, name) in known:
        raise refusals.already_exists(name, where.resource, group=GROUP)
    own = {"namespace": where.namespace, "uid": str(uuid.uuid4()), "creationTimestamp": refusals.now()}
    made = {**document, "metadata": {**document["metadata"], **own, "resourceVersion": api.version}}
    known[where.namespace, name] = made
    return made


def replace(api: KubernetesApi, where: RolePath, body: bytes) -> Document:
    """Replace one; the role that a binding refers to can't be changed."""
    document, before = manifest.parse(body, where.kind, f"{GROUP}/v1"), read(api, where)
    if document.get("roleRef") != before.get("roleRef"):
        raise refusals.bad_request("roleRef: Invalid value: cannot change roleRef")
    known = {name: before["metadata"][name] for name in ("namespace", "uid", "creationTimestamp")}
    made = {**document, "metadata": {**document["metadata"], **known, "resourceVersion": api.version}}
    api.access[where.resource][where.namespace, where.name] = made
    return made


def read(api: KubernetesApi, where: RolePath) -> Document:
    """Return one, or a list."""
    known = api.access[where.resource]
    if not where.name:
        items = [document for (namespace, _), document in sorted(known.items()) if namespace == where.namespace]
        metadata = {"resourceVersion": api.version}
        return {"kind": f"{where.kind}List", "apiVersion": f"{GROUP}/v1", "metadata": metadata, "items": items}
    try:
        return known[where.namespace, where.name]
    except KeyError:
        raise refusals.not_found(where.resource, where.name, group=GROUP) from None


def delete(api: KubernetesApi, where: RolePath) -> Document:
    """Take one away."""
    document = read(api, where)
    del api.access[where.resource][where.namespace, where.name]
    details = {"name": where.name, "group": GROUP, "kind": where.resource, "uid": document["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _denial(text: str) -> tuple[str, str]:
    """Read "get" or "get namespaces": verb and resource."""
    verb, _, resource = text.partition(" ")
    return verb, resource or "secrets"


def _granted(api: KubernetesApi, request: AccessRequest) -> bool:
    return any(_fits(rule, request) for rule in _rules(api, request))


def _rules(api: KubernetesApi, request: AccessRequest) -> Iterator[Document]:
    """Yield the rules of the roles that are bound to the user in this namespace."""
    for (namespace, _), binding in api.access["rolebindings"].items():
        if namespace == request.namespace and any(_user(one) == request.user for one in binding.get("subjects", [])):
            yield from api.access["roles"].get((namespace, binding["roleRef"]["name"]), {}).get("rules", [])


def _user(subject: Document) -> str:
    name = str(subject["name"])
    return f"{_SERVICE_ACCOUNT}{subject.get('namespace')}:{name}" if subject["kind"] == "ServiceAccount" else name


def _fits(rule: Document, request: AccessRequest) -> bool:
    names = rule.get("resourceNames")
    return (
        bool({request.verb, "*"} & set(rule.get("verbs", [])))
        and bool({request.resource, "*"} & set(rule.get("resources", [])))
        and bool({"", "*"} & set(rule.get("apiGroups", [])))
        and (not names or request.name in names)
    )
