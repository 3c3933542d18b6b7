"""What the Kubernetes API refuses, as Status objects with the real server's words; kubectl prints them as they are.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

import dataclasses
import datetime
import json
import re
from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]

MOST_DATA_BYTES = 1024 * 1024
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
_WHEN_IMMUTABLE = "field is immutable when `immutable` is set"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DATA_KEY = "[-._a-zA-Z0-9]+"
_LABEL = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_REQUIRED_DATA = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}


class RefusedError(Exception):
    """An answer other than success; an empty `reason` is what the real server has for its own mishaps."""

    def __init__(self, status: int, reason: str, message: str, details: Document | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Document:
        """Return the Status object."""
        document: Document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        document["message"] = self.message
        if self.reason:
            document["reason"] = self.reason
        if self.details is not None:
            document["details"] = self.details
        return {**document, "code": self.status}


@dataclasses.dataclass(frozen=True)
class Cause:
    """One field that is wrong; `kind` as in "Invalid value" and `reason` as in "FieldValueInvalid"."""

    field: str
    reason: str
    message: str


def bad_request(message: str) -> RefusedError:
    """400: the request can't even be read as what it should be."""
    return RefusedError(400, "BadRequest", message)


def not_allowed() -> RefusedError:
    """405: the resource doesn't have this verb."""
    return RefusedError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def not_found(kind: str, name: str, *, group: str = "") -> RefusedError:
    """404; `kind` is the resource, as in "secrets"."""
    details = _details(kind, group, name)
    return RefusedError(404, "NotFound", f"{_qualified(kind, group)} {quoted(name)} not found", details)


def already_exists(name: str, kind: str = "secrets", *, terminating: bool = False, group: str = "") -> RefusedError:
    """409: the name is taken, possibly by a Secret whose finalizers haven't been dealt with."""
    message = f"{_qualified(kind, group)} {quoted(name)} already exists"
    message = f"object is being deleted: {message}" if terminating else message
    return RefusedError(409, "AlreadyExists", message, _details(kind, group, name))


def conflict(name: str, message: str, kind: str = "secrets") -> RefusedError:
    """409: the Secret isn't the one, or not the version, that the caller has in mind."""
    text = f"Operation cannot be fulfilled on {kind} {quoted(name)}: {message}"
    return RefusedError(409, "Conflict", text, {"name": name, "kind": kind})


def apply_conflict(owned: Sequence[tuple[str, str]]) -> RefusedError:
    """409 for a server-side apply: pairs of another field manager and the field that it owns."""
    managers = {manager: [field for owner, field in owned if owner == manager] for manager, _ in owned}
    parts = [_owned_by(manager, fields) for manager, fields in managers.items()]
    count = f"{len(owned)} conflict{'s' if len(owned) > 1 else ''}"
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {quoted(manager)} using v1", "field": field}
        for manager, field in owned
    ]
    return RefusedError(409, "Conflict", f"Apply failed with {count}: " + "\n".join(parts), {"causes": causes})


def _owned_by(manager: str, fields: list[str]) -> str:
    if len(fields) == 1:
        return f"conflict with {quoted(manager)} using v1: {fields[0]}"
    return f"conflicts with {quoted(manager)} using v1:\n" + "\n".join(f"- {field}" for field in fields)


def forbidden(user: str, verb: str, kind: str, namespace: str, name: str, *, group: str = "") -> RefusedError:
    """403 of RBAC. A name is only known when it is in the path."""
    where = f" in the namespace {quoted(namespace)}" if namespace else " at the cluster scope"
    what = f"User {quoted(user)} cannot {verb} resource {quoted(kind)} in API group {quoted(group)}{where}"
    subject = f"{_qualified(kind, group)} {quoted(name)}" if name else _qualified(kind, group)
    return RefusedError(403, "Forbidden", f"{subject} is forbidden: {what}", _details(kind, group, name))


def over_quota(name: str, used: int, limit: int) -> RefusedError:
    """403 of the admission plugin ResourceQuota."""
    counts = f"requested: count/secrets=1, used: count/secrets={used}, limited: count/secrets={limit}"
    text = f"secrets {quoted(name)} is forbidden: exceeded quota: sandbox, {counts}"
    return RefusedError(403, "Forbidden", text, {"name": name, "kind": "secrets"})


def invalid(name: str, causes: Sequence[Cause], kind: str = "Secret", group: str = "") -> RefusedError:
    """422 with every field that is wrong."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Document = {"name": name} if name else {}
    details |= {"group": group} if group else {}
    details |= {"kind": kind, "causes": [dataclasses.asdict(cause) for cause in causes]}
    return RefusedError(422, "Invalid", f"{_qualified(kind, group)} {quoted(name)} is invalid: {listed}", details)


def check(secret: Document, decoded_bytes: int) -> None:
    """Refuse a Secret that isn't valid by itself."""
    causes = wrong_fields(secret, decoded_bytes)
    if causes:
        raise invalid(secret["metadata"].get("name", ""), causes)


def check_change(old: Document, new: Document, decoded_bytes: int) -> None:
    """Refuse what an update may not change, and what isn't valid by itself."""
    causes = []
    if old["type"] != new["type"]:
        causes.append(_wrong("type", new["type"], "field is immutable"))
    if old.get("immutable"):
        if not new.get("immutable"):
            causes.append(Cause("immutable", "FieldValueForbidden", f"Forbidden: {_WHEN_IMMUTABLE}"))
        if old.get("data", {}) != new.get("data", {}):
            causes.append(Cause("data", "FieldValueForbidden", f"Forbidden: {_WHEN_IMMUTABLE}"))
    causes += wrong_fields(new, decoded_bytes)
    if causes:
        raise invalid(new["metadata"]["name"], causes)


def check_labels(secret: Document, required: set[str]) -> None:
    """Refuse a Secret without one of these labels, as an admission webhook does that insists on them."""
    missing = sorted(required - set(secret["metadata"].get("labels") or {}))
    if missing:
        text = f'admission webhook "policy.example.com" denied the request: {", ".join(missing)} must be labelled'
        raise RefusedError(403, "Forbidden", text, {})


def wrong_fields(secret: Document, decoded_bytes: int) -> list[Cause]:
    """List what is wrong with a Secret, in the order in which the real server does."""
    metadata, data = secret["metadata"], secret.get("data", {})
    causes = _wrong_name(metadata.get("name", ""))
    for key, value in metadata.get("labels", {}).items():
        causes += _wrong_label_key("metadata.labels", key)
        if not re.fullmatch(_LABEL, value) or len(value) > 63:
            causes.append(_wrong("metadata.labels", value, f"{_LABEL_RULE}, regex used for validation is '{_LABEL}')"))
    for key in metadata.get("annotations", {}):
        causes += _wrong_label_key("metadata.annotations", key.lower())
    for key in sorted(data):
        causes += [_wrong(f"data[{key}]", key, words) for words in _key_errors(key)]
    if decoded_bytes > MOST_DATA_BYTES:
        text = f"Too long: may not be more than {MOST_DATA_BYTES} bytes"
        causes.append(Cause("data", "FieldValueTooLong", text))
    for key in _REQUIRED_DATA.get(secret["type"], ()):
        if key not in data:
            causes.append(Cause(f"data[{key}]", "FieldValueRequired", "Required value"))
    return causes


def _qualified(kind: str, group: str) -> str:
    return f"{kind}.{group}" if group else kind


def _details(kind: str, group: str, name: str) -> Document:
    details = {"name": name, "group": group, "kind": kind}
    return {field: text for field, text in details.items() if text}


def _wrong_name(name: str) -> list[Cause]:
    if not name:
        text = "Required value: name or generateName is required"
        return [Cause("metadata.name", "FieldValueRequired", text)]
    if len(name) > 253:
        return [_wrong("metadata.name", name, "must be no more than 253 characters")]
    if not re.fullmatch(_SUBDOMAIN, name):
        return [_wrong("metadata.name", name, f"{_NAME_RULE}, regex used for validation is '{_SUBDOMAIN}')")]
    return []


def _wrong_label_key(field: str, key: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        return [_wrong(field, key, f"prefix part {_NAME_RULE}, regex used for validation is '{_SUBDOMAIN}')")]
    rule = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    if not re.fullmatch(rule, name) or len(name) > 63:
        return [_wrong(field, key, f"name part {_KEY_RULE}, regex used for validation is '{rule}')")]
    return []


def _key_errors(key: str) -> list[str]:
    problems = []
    if len(key) > 253:
        problems.append("must be no more than 253 characters")
    if not re.fullmatch(_DATA_KEY, key):
        problems.append(f"{_DATA_KEY_RULE}, regex used for validation is '{_DATA_KEY}')")
    if key in (".", ".."):
        problems.append(f"must not be '{key}'")
    elif key.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def _wrong(field: str, value: str, words: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {words}")


def now() -> str:
    """Write the time as the API does, without fractions."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def quoted(text: str) -> str:
    """Quote as Go's %q does."""
    return json.dumps(text, ensure_ascii=False)


_ENDS = "and must start and end with an alphanumeric character"
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    f"{_ENDS} (e.g. 'example.com'"
)
_KEY_RULE = (
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS} (e.g. 'MyName',  or 'my.name',  or '123-abc'"
)
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    f"{_ENDS} (e.g. 'MyValue',  or 'my_value',  or '12345'"
)
_DATA_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name'"
)
