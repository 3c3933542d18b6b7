"""The API over HTTP: who asks, which verb on what a request is, the journal and the faults around it, the answer."""

import asyncio
import dataclasses
import json
from typing import Any

from aiohttp import web

from sandbox.kubernetes import calls, discovery, lists, manifest, rbac, refusals, reviews, watch
from sandbox.kubernetes.refusals import Document, RefusedError
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.server import faults

_PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml")
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclasses.dataclass(frozen=True)
class Call:
    """One request of a known user for Secrets or Namespaces; `name` is empty for a whole collection."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    query: dict[str, str]
    body: bytes
    content_type: str
    manager: str
    dry_run: bool

    @property
    def action(self) -> str:
        """The journal's word for it."""
        return f"dry-run-{self.verb}" if self.dry_run else self.verb

    def check(self, api: KubernetesApi) -> None:
        """Refuse what the user may not do; a selector for one name counts as the name."""
        name = self.name or lists.selected_name(self.query)
        rbac.check(api, rbac.AccessRequest(self.user, self.verb, self.resource, self.namespace, name))

    def write(self) -> calls.Write:
        """Where this request writes."""
        manager = self.query.get("fieldManager") or self.manager
        force = self.query.get("force") == "true"
        return calls.Write(self.namespace, self.name, manager, self.dry_run, force)


async def answer(api: KubernetesApi, request: web.Request) -> web.StreamResponse:
    """Answer one request, or drop the connection while the server is `down`."""
    if api.delay:
        await asyncio.sleep(api.delay)
    if api.down:
        return faults.cut(request)
    try:
        return await _respond(api, request, await request.read())
    except RefusedError as refusal:
        return _json(refusal.body(), refusal.status)


async def _respond(api: KubernetesApi, request: web.Request, body: bytes) -> web.StreamResponse:
    if request.path in discovery.HEALTH:
        return web.Response(text="ok")
    user = api.caller(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if user is None:
        raise RefusedError(401, "Unauthorized", "Unauthorized")
    if request.path == "/openapi/v2" and "protobuf" in request.headers.get("Accept", ""):
        return web.Response(body=discovery.OPENAPI_V2_PROTOBUF, content_type="application/octet-stream")
    document = discovery.document(request.path, request.host)
    if document is not None and request.method == "GET":
        return _json(document)
    return await _served(api, request, body, user)


async def _served(api: KubernetesApi, request: web.Request, body: bytes, user: str) -> web.StreamResponse:
    review = reviews.REVIEWS.get(request.path)
    if review is not None and request.method == "POST":
        return _json(review(api, user, body), 201)
    role_path = rbac.role_path(request.path)
    if role_path is not None:
        return _json(*rbac.respond(api, user, request.method, role_path, body))
    call = _call(request, body, user)
    call.check(api)
    if call.resource == "namespaces":
        return _namespaces(api, call)
    return await _secrets(api, call, request)


def _call(request: web.Request, body: bytes, user: str) -> Call:
    query = dict(request.query)
    namespace, resource, name = _place(request.path)
    verb = _VERBS.get(request.method, "")
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") in ("true", "1") else "list"
    if not verb or (verb in ("update", "patch", "delete") and not name) or (verb == "create" and name):
        raise refusals.not_allowed()
    manager = request.headers.get("User-Agent", "unknown").partition("/")[0]
    dry_run = _dry_run(verb, request.query.getall("dryRun", []))
    return Call(user, verb, resource, namespace, name, query, body, request.content_type, manager, dry_run)


def _place(path: str) -> tuple[str, str, str]:
    """Find namespace, resource and name in a path."""
    match path.strip("/").split("/"):
        case ["api", "v1", "namespaces", namespace, "secrets", *name] if len(name) < 2:
            return namespace, "secrets", "".join(name)
        case ["api", "v1", "secrets"]:
            return "", "secrets", ""
        case ["api", "v1", "namespaces", *name] if len(name) < 2:
            return "".join(name), "namespaces", "".join(name)
    raise RefusedError(404, "NotFound", "the server could not find the requested resource", {})


def _dry_run(verb: str, values: list[str]) -> bool:
    if set(values) <= {"All"}:
        return bool(values)
    words = f"Unsupported value: []string{{{', '.join(map(refusals.quoted, values))}}}: supported values: "
    cause = refusals.Cause("dryRun", "FieldValueNotSupported", f'{words}"All"')
    raise refusals.invalid("", [cause], f"{verb.capitalize()}Options", "meta.k8s.io")


async def _secrets(api: KubernetesApi, call: Call, request: web.Request) -> web.StreamResponse:
    document: Document = {}
    preconditions: dict[str, str] = {}
    if call.verb == "delete":
        preconditions, dry_run = calls.preconditions(call.body, call.query)
        call = dataclasses.replace(call, dry_run=call.dry_run or dry_run)
    elif call.verb in ("create", "update", "patch"):
        document = _document(call)
    fault = _next_fault(api, call)
    if fault is not None and not fault.carried_out:
        return _faulty(fault, document)
    detail = f"{call.namespace}/{call.name or _name_of(call, document)}"
    api.journal.record("cluster", call.action, detail)
    if call.verb == "watch":
        return await watch.stream(api, call.namespace, call.query, request)
    result, status = _carry_out(api, call, document, preconditions, request.headers.get("Accept", ""))
    api.journal.record("cluster", call.action, detail, "after")
    return _faulty(fault, document) if fault else _json(result, status)


def _carry_out(
    api: KubernetesApi, call: Call, document: Document, preconditions: dict[str, str], accept: str
) -> tuple[Document, int]:
    write = call.write()
    match call.verb:
        case "get":
            result = lists.one(calls.get(api, write.key), accept)
        case "list":
            result = lists.many(api, call.namespace, call.query, accept)
        case "update":
            result = calls.update(api, write, document)
        case "delete":
            result = calls.delete(api, write, preconditions)
        case "create":
            return calls.create(api, write, document), 201
        case _:
            return _patch(api, call, document)
    return result, 200


def _patch(api: KubernetesApi, call: Call, document: Document) -> tuple[Document, int]:
    write = call.write()
    if call.content_type != "application/apply-patch+yaml":
        return calls.patch(api, write, document), 200
    if write.key not in api.secrets:
        dataclasses.replace(call, verb="create").check(api)
    result, created = calls.apply(api, write, document)
    return result, 201 if created else 200


def _document(call: Call) -> Document:
    if call.verb == "patch" and call.content_type not in _PATCHES:
        types = f"accepted media types include: {', '.join(_PATCHES)}"
        text = f"the body of the request was in an unknown format - {types}"
        raise RefusedError(415, "UnsupportedMediaType", text, {})
    document = manifest.parse(call.body)
    if call.query.get("fieldValidation") == "Strict":
        manifest.check_unknown_fields(document, patch=call.verb == "patch")
    return document


def _name_of(call: Call, document: Document) -> str:
    """Find the name outside of the path: in a manifest to create, in the selector of a list."""
    name = document.get("metadata", {}).get("name") or document.get("metadata", {}).get("generateName")
    return str(name or lists.selected_name(call.query))


def _namespaces(api: KubernetesApi, call: Call) -> web.Response:
    if call.verb == "list":
        items = [lists.namespace(name) for name in sorted(api.namespaces)]
        metadata = {"resourceVersion": api.version}
        return _json({"kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items})
    if call.verb == "create":
        name = manifest.parse(call.body, "Namespace")["metadata"].get("name", "")
        if name in api.namespaces:
            raise refusals.already_exists(name, kind="namespaces")
        if not call.dry_run:
            api.namespaces.add(name)
        return _json(lists.namespace(name), 201)
    if call.verb != "get":
        raise refusals.not_allowed()
    if call.name not in api.namespaces:
        raise refusals.not_found("namespaces", call.name)
    return _json(lists.namespace(call.name))


def _next_fault(api: KubernetesApi, call: Call) -> KubernetesFault | None:
    for fault in list(api.faults):
        if fault.matches(call.verb, dry_run=call.dry_run):
            fault.times -= 1
            return fault
    return None


def _faulty(fault: KubernetesFault, document: Document) -> web.Response:
    message = fault.message + (fault.quotes(document) if fault.quotes else "")
    return _json(RefusedError(fault.status, fault.reason, message).body(), fault.status)


def _json(document: Any, status: int = 200) -> web.Response:
    text = json.dumps(document, separators=(",", ":")) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")
