"""Roles and their bindings, as far as they take a denial away again; the administrator alone writes them.

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
class Asked:
    """What somebody wants to do; `name` is empty where the request doesn't say it, as for a create."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Place:
    """A role or a binding, or with an empty name all of them in a namespace."""

    namespace: str
    resource: str
    name: str

    @property
    def kind(self) -> str:
        """As in a manifest."""
        return ACCESS_KINDS[self.resource]


def place(path: str) -> Place | None:
    """Read a path, if it is one of these."""
    found = _PATH.fullmatch(path.rstrip("/"))
    return Place(found[1], found[2], found[3] or "") if found else None


def allows(api: KubernetesApi, asked: Asked) -> bool:
    """Whether nothing of it is denied, or a role of that user's grants what is."""
    if asked.user == api.administrator:
        return True
    if asked.resource in ACCESS_KINDS:
        return False
    denied = {verb for verb, resource in map(_denial, api.denied) if resource == asked.resource}
    refused = denied if asked.verb == "*" else denied & {asked.verb}
    return all(_granted(api, dataclasses.replace(asked, verb=verb)) for verb in refused)


def check(api: KubernetesApi, asked: Asked) -> None:
    """Refuse what isn't allowed."""
    if not allows(api, asked):
        group = GROUP if asked.resource in ACCESS_KINDS else ""
        raise refusals.forbidden(asked.user, asked.verb, asked.resource, asked.namespace, asked.name, group=group)


def respond(api: KubernetesApi, user: str, method: str, where: Place, body: bytes) -> tuple[Document, int]:
    """Carry a request out; gives the answer and its status."""
    match method, bool(where.name):
        case "POST", False:
            check(api, Asked(user, "create", where.resource, where.namespace))
            return create(api, where, body), 201
        case "GET", named:
            check(api, Asked(user, "get" if named else "list", where.resource, where.namespace, where.name))
            return read(api, where), 200
        case "PUT", True:
            check(api, Asked(user, "update", where.resource, where.namespace, where.name))
            return replace(api, where, body), 200
        case "DELETE", True:
            check(api, Asked(user, "delete", where.resource, where.namespace, where.name))
            return delete(api, where), 200
    raise refusals.not_allowed()


def create(api: KubernetesApi, where: Place, body: bytes) -> Document:
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


def replace(api: KubernetesApi, where: Place, body: bytes) -> Document:
    """Write one anew; what a binding binds stays the same."""
    document, before = manifest.parse(body, where.kind, f"{GROUP}/v1"), read(api, where)
    if document.get("roleRef") != before.get("roleRef"):
        raise refusals.bad_request("roleRef: Invalid value: cannot change roleRef")
    known = {name: before["metadata"][name] for name in ("namespace", "uid", "creationTimestamp")}
    made = {**document, "metadata": {**document["metadata"], **known, "resourceVersion": api.version}}
    api.access[where.resource][where.namespace, where.name] = made
    return made


def read(api: KubernetesApi, where: Place) -> Document:
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


def delete(api: KubernetesApi, where: Place) -> Document:
    """Take one away."""
    document = read(api, where)
    del api.access[where.resource][where.namespace, where.name]
    details = {"name": where.name, "group": GROUP, "kind": where.resource, "uid": document["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _denial(text: str) -> tuple[str, str]:
    """Read "get" or "get namespaces": verb and resource."""
    verb, _, resource = text.partition(" ")
    return verb, resource or "secrets"


def _granted(api: KubernetesApi, asked: Asked) -> bool:
    return any(_fits(rule, asked) for rule in _rules(api, asked))


def _rules(api: KubernetesApi, asked: Asked) -> Iterator[Document]:
    """Give the rules of the roles that are bound to the user in this namespace."""
    for (namespace, _), binding in api.access["rolebindings"].items():
        if namespace == asked.namespace and any(_user(one) == asked.user for one in binding.get("subjects", [])):
            yield from api.access["roles"].get((namespace, binding["roleRef"]["name"]), {}).get("rules", [])


def _user(subject: Document) -> str:
    name = str(subject["name"])
    return f"{_SERVICE_ACCOUNT}{subject.get('namespace')}:{name}" if subject["kind"] == "ServiceAccount" else name


def _fits(rule: Document, asked: Asked) -> bool:
    names = rule.get("resourceNames")
    return (
        bool({asked.verb, "*"} & set(rule.get("verbs", [])))
        and bool({asked.resource, "*"} & set(rule.get("resources", [])))
        and bool({"", "*"} & set(rule.get("apiGroups", [])))
        and (not names or asked.name in names)
    )
