"""What each verb does to Secrets, with the checks in the real server's order.

A create: namespace, validation, webhooks, quota, existence; a dry run takes the same way up to the write.
"""

import copy
import dataclasses
import json
import secrets
import uuid

from sandbox.kubernetes import fields, manifest, protobuf, refusals
from sandbox.kubernetes.fields import Manager
from sandbox.kubernetes.refusals import Document
from sandbox.kubernetes.state import Key, KubernetesApi

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of generateName, apimachinery's util/rand


@dataclasses.dataclass(frozen=True)
class Write:
    """Where a write goes, who writes, and whether it is for real."""

    namespace: str
    name: str
    manager: str
    dry_run: bool = False
    force: bool = False

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name


def get(api: KubernetesApi, key: Key) -> Document:
    """Return one Secret."""
    try:
        return api.secrets[key]
    except KeyError:
        raise refusals.not_found("secrets", key[1]) from None


def create(api: KubernetesApi, write: Write, document: Document) -> Document:
    """Make a new Secret; the name comes from the manifest."""
    secret = manifest.secret(document)
    return _create(api, write, secret, Manager(write.manager))


def update(api: KubernetesApi, write: Write, document: Document) -> Document:
    """Replace a Secret as a whole; a resourceVersion or uid in the manifest is a precondition."""
    secret = manifest.secret(document)
    metadata = secret["metadata"]
    if not metadata.get("name"):
        text = f"the name of the object ({write.name} based on URL) was undeterminable: name must be provided"
        raise refusals.bad_request(text)
    if metadata["name"] != write.name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({write.name})"
        raise refusals.bad_request(text)
    _check_namespace(
        metadata,
        write.namespace,
        f"the namespace of the object ({metadata.get('namespace')}) does not match "
        f"the namespace on the request ({write.namespace})",
    )
    _check_uid(api, write, metadata.get("uid"))
    return _update(api, write, get(api, write.key), secret, Manager(write.manager))


def patch(api: KubernetesApi, write: Write, changes: Document) -> Document:
    """Merge changes into a Secret; also what is left of a strategic merge, for Secrets have no lists to merge."""
    current = get(api, write.key)
    document = fields.merged(current, changes)
    _check_uid(api, write, document["metadata"].get("uid"))
    secret = manifest.secret(document)
    # The Secret is read and written in one go here: only a version that the patch itself names can be stale.
    return _update(api, write, current, secret, Manager(write.manager))


def apply(api: KubernetesApi, write: Write, document: Document) -> tuple[Document, bool]:
    """Merge what a field manager applies, by server-side apply; also says whether that made the Secret."""
    manager = Manager(write.manager, applies=True)
    wanted = manifest.secret(document)
    if "type" not in document:
        del wanted["type"]  # only defaulted, not applied
    current = api.secrets.get(write.key)
    if current is None:
        born = manifest.secret(wanted)
        return _create(api, write, born, manager), True
    _check_uid(api, write, wanted["metadata"].get("uid"))
    uid = current["metadata"]["uid"]
    owners = api.owners.get(uid, {})
    secret = fields.applied(current, wanted, owners, manager, force=write.force)
    secret["metadata"]["resourceVersion"] = wanted["metadata"].get("resourceVersion", "")
    secret = manifest.secret(secret)
    result = _update(api, write, current, secret, None)
    if not write.dry_run:
        api.owners[uid] = fields.owners_after_apply(owners, manager, wanted, current)
    return result, False


def delete(api: KubernetesApi, write: Write, preconditions: dict[str, str]) -> Document:
    """Delete a Secret, or only mark it for deletion while it has finalizers."""
    secret = get(api, write.key)
    metadata = secret["metadata"]
    for field, label, happened in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        wanted = preconditions.get(field)
        if wanted is not None and wanted != metadata[field]:
            mismatch = f"({wanted}) does not match the {label} in record ({metadata[field]})"
            text = f"the {label} in the precondition {mismatch}. The object might have been {happened}"
            # Here, and only here, the real server names the kind and not the resource.
            raise refusals.conflict(write.name, text, "Secret")
    if metadata.get("finalizers"):
        return _mark_deleted(api, secret, dry_run=write.dry_run)
    if not write.dry_run:
        api.remove(write.key)
    details = {"name": write.name, "kind": "secrets", "uid": metadata["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _kind(options: object) -> str:
    return str(options.get("kind", "")) if isinstance(options, dict) else ""


def _create(api: KubernetesApi, write: Write, secret: Document, manager: Manager) -> Document:
    metadata = secret["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
    name = metadata.get("name", "")
    _check_namespace(
        metadata,
        write.namespace,
        "the namespace of the provided object does not match the namespace sent on the request",
    )
    if write.namespace not in api.namespaces:
        raise refusals.not_found("namespaces", write.namespace)
    refusals.check(secret, manifest.decoded_bytes(secret))
    refusals.check_labels(secret, api.required_labels)
    used = api.used_quota(write.namespace)
    if api.quota is not None and used + 1 > api.quota:
        raise refusals.over_quota(name, used, api.quota)
    existing = api.secrets.get((write.namespace, name))
    if metadata.get("resourceVersion") and not write.dry_run:
        text = "resourceVersion should not be set on objects to be created"
        raise refusals.RefusedError(500, "", text)
    if existing is not None:
        raise refusals.already_exists(name, terminating="deletionTimestamp" in existing["metadata"])
    born = _newborn(secret, write.namespace)
    if write.dry_run:
        return born
    api.owners[born["metadata"]["uid"]] = {manager: set(fields.leaves(born))}
    return api.persist(born)


def _update(api: KubernetesApi, write: Write, current: Document, secret: Document, manager: Manager | None) -> Document:
    """Write a new state; without a manager, the caller keeps the books about who owns what."""
    old = current["metadata"]
    wanted_version = secret["metadata"].get("resourceVersion")
    if wanted_version and wanted_version != old["resourceVersion"]:
        raise refusals.conflict(write.name, refusals.MODIFIED)
    kept = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    metadata = {field: value for field, value in secret["metadata"].items() if field not in kept}
    metadata |= {field: old[field] for field in kept if field in old} | {"resourceVersion": old["resourceVersion"]}
    new = {**secret, "metadata": metadata}
    refusals.check_change(current, new, manifest.decoded_bytes(new))
    refusals.check_labels(new, api.required_labels)
    if write.dry_run or new == current:
        return new
    if manager is not None:
        owners = api.owners.get(old["uid"], {})
        api.owners[old["uid"]] = fields.written(owners, manager, current, new)
    if "deletionTimestamp" in old and not metadata.get("finalizers"):
        api.remove(write.key)
        return new
    return api.persist(new)


def _mark_deleted(api: KubernetesApi, secret: Document, *, dry_run: bool) -> Document:
    if "deletionTimestamp" in secret["metadata"]:
        return secret
    marked = copy.deepcopy(secret)
    marked["metadata"] |= {"deletionTimestamp": refusals.now(), "deletionGracePeriodSeconds": 0}
    return marked if dry_run else api.persist(marked)


def _check_namespace(metadata: Document, namespace: str, message: str) -> None:
    if metadata.get("namespace", namespace) != namespace:
        raise refusals.bad_request(message)


def _check_uid(api: KubernetesApi, write: Write, wanted: str | None) -> None:
    current = api.secrets.get(write.key)
    actual = current["metadata"]["uid"] if current else ""
    if wanted and wanted != actual:
        # A uid is checked in storage, even before it is known that there is nothing.
        place = f"Key: /registry/secrets/{write.namespace}/{write.name}, ResourceVersion: 0"
        precondition = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}"
        text = f"StorageError: invalid object, Code: 4, {place}, AdditionalErrorMsg: {precondition}"
        raise refusals.conflict(write.name, text)


def preconditions(body: bytes, query: dict[str, str]) -> tuple[dict[str, str], bool]:
    """Read DeleteOptions: the preconditions, and whether it is a dry run.

    Without a body they are in the query (apimachinery's Convert_url_Values_To_v1_DeleteOptions).
    """
    if not body:
        return {name: query[name] for name in ("uid", "resourceVersion") if query.get(name)}, False
    try:
        binary = body.startswith(protobuf.MAGIC)
        options = protobuf.decode(body) if binary else json.loads(body)
    except ValueError as error:
        raise refusals.RefusedError(500, "", "couldn't get version/kind; json parse error") from error
    if not isinstance(options, dict) or options.get("kind", "DeleteOptions") != "DeleteOptions":
        text = 'no kind "{}" is registered for version "v1" in scheme "internalversion/scheme/register.go:27"'
        raise refusals.RefusedError(500, "", text.format(_kind(options)))
    return options.get("preconditions") or {}, "All" in (options.get("dryRun") or [])


def _newborn(secret: Document, namespace: str) -> Document:
    """Give a Secret what the server fills in at its creation."""
    metadata = {
        **secret["metadata"],
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": refusals.now(),
    }
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.pop(field, None)
    return {**secret, "metadata": metadata}
