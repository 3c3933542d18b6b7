"""Manifests of Secrets: parses what a cluster holds, checks that the rotator may write it, and composes the new one.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
"""

import base64
import binascii
import dataclasses
import datetime
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from rotator import errors, sas, timestamps, untrusted
from rotator.delivery import owners
from rotator.delivery.errors import DeliveryError, NotOursError
from rotator.plan.account import Grant
from rotator.plan.plan import Encoding, Target
from rotator.redaction import SecretText
from rotator.sas import Sas

EXPIRES = "rotator/expires"
ROTATED = "rotator/rotated"
DIGEST = "rotator/digest"
DEFINITION = "rotator/definition"
FINGERPRINT = "rotator/fingerprint"
DATA_KEY = "rotator/data-key"
ENCODING = "rotator/encoding"
RUN = "rotator/run"
SIGNING_KEY = "rotator/signing-key"
KEY_CREATED = "rotator/key-created"
RESOURCE = "rotator/resource"  # what the SAS is for, if not for the account: `container` or `container/name`
KEPT = "rotator/kept"  # set only to give a Secret another version, if a delete of it may still be under way
MANAGED_BY, OWNER = owners.MANAGED_BY, owners.OWNER
# `kubectl apply` writes the whole Secret into it, value included: a stale credential must not stay in an annotation.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation")

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class LiveSecret:
    """The Secret that a cluster holds under a target's name. Its repr shows no data."""

    document: Document = dataclasses.field(repr=False)
    secrets: tuple[SecretText, ...] = dataclasses.field(repr=False)  # keeps each value masked while this lives
    digests: dict[str, str] = dataclasses.field(repr=False)

    @property
    def metadata(self) -> Document:
        """The Secret's metadata."""
        return dict(self.document.get("metadata") or {})

    @property
    def annotations(self) -> dict[str, str]:
        """The Secret's annotations."""
        return dict(self.metadata.get("annotations") or {})

    @property
    def ours(self) -> bool:
        """Whether an earlier delivery created or adopted the Secret."""
        return DIGEST in self.annotations

    @property
    def has_our_label(self) -> bool:
        """Whether its label names the rotator, as it still does after somebody removed the annotations."""
        return (self.metadata.get("labels") or {}).get(MANAGED_BY) == OWNER

    @property
    def immutable(self) -> bool:
        """Whether the API server refuses to change its data."""
        return self.document.get("immutable") is True

    def annotated_time(self, annotation: str) -> datetime.datetime | None:
        """The time in one of our annotations; None if it is absent or malformed."""
        return untrusted.iso_time(self.annotations.get(annotation))


@dataclasses.dataclass(frozen=True)
class DesiredSecret:
    """What to deliver: a SAS, its definition, the id of the run, and the time.

    `signing_key` is the name of the account key that signed the SAS, and `key_created` when that key was generated,
    if known. `key_lives` returns whether the key that signed a SAS is still one of the account's, as far as is known.
    """

    sas: Sas
    definition: Grant
    run: str
    now: datetime.datetime
    signing_key: str | None = None
    key_created: datetime.datetime | None = None
    key_lives: Callable[[Sas], bool] = lambda _: True

    @property
    def annotations(self) -> dict[str, str | None]:
        """The annotations about the SAS; None for those to remove, because they are not known or no longer true."""
        return {
            KEPT: None,
            EXPIRES: timestamps.text(self.sas.expiry),
            ROTATED: timestamps.text(self.now),
            DEFINITION: self.definition.label,
            FINGERPRINT: self.sas.fingerprint,
            RUN: self.run,
            SIGNING_KEY: self.signing_key,
            KEY_CREATED: timestamps.text(self.key_created) if self.key_created else None,
            RESOURCE: self.sas.path or None,
        }


def parse(text: str) -> LiveSecret:
    """Parse the JSON of a Secret, or of a List with one; raises ValueError."""
    document = untrusted.json_value(text)
    if isinstance(document, dict) and document.get("kind") == "List":
        document = next(iter(untrusted.records(document.get("items"))), None)
    if not isinstance(document, dict) or document.get("kind") != "Secret":
        raise ValueError("not a Secret")
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(map(_is_texts, (metadata.get("annotations"), metadata.get("labels")))):
        raise ValueError("invalid metadata")
    data = document.get("data") or {}
    if not _is_texts(data):
        raise ValueError("invalid data")
    secrets = tuple(SecretText(value, foreign=True) for value in data.values())
    return LiveSecret(document, secrets, digests(document))


def _is_texts(value: object) -> bool:
    return not value or (isinstance(value, dict) and all(isinstance(text, str) for text in value.values()))


def data_value(value: SecretText, encoding: Encoding) -> SecretText:
    """The value as a manifest's data has it: in the target's encoding, then in Kubernetes' base64."""
    raw = value.reveal().encode()
    if encoding is Encoding.BASE64:
        raw = base64.b64encode(raw)
    return SecretText(base64.b64encode(raw).decode())


def held_sas(held: LiveSecret, target: Target) -> Sas | None:
    """The SAS in the Secret, under the data key of the last delivery or the target's; None if there is none."""
    names = (held.annotations.get(DATA_KEY, ""), target.data_key)
    return next(filter(None, (_sas_under(held, name) for name in names)), None)


def _sas_under(held: LiveSecret, data_key: str) -> Sas | None:
    try:
        text = base64.b64decode((held.document.get("data") or {}).get(data_key, ""), validate=True).decode()
        if "sig=" not in text:
            text = base64.b64decode(text, validate=True).decode()
        return sas.parse(SecretText(text), path=held.annotations.get(RESOURCE, ""))
    except (ValueError, errors.SasError):
        return None


def digest(data_value: SecretText) -> str:
    """Identify a data value without revealing it: the SHA-256 of its decoded bytes, as `sha256:<hex>`."""
    return _digest(data_value.reveal())


def digests(document: Document) -> dict[str, str]:
    """The digest of each data value of a manifest, by data key; raises ValueError."""
    return {name: _digest(value) for name, value in (document.get("data") or {}).items()}


def check_owner(held: LiveSecret, target: Target) -> None:
    """Raise NotOursError unless the Secret is ours or may be adopted.

    A copy that a controller made is not ours, even if our annotations were copied with it.
    """
    if target.adopt or (held.ours and not owners.find_copier(held.metadata)):
        return
    owner = owners.find_owner(held.metadata)
    name, adopt = target.origin("secret"), target.assignment("adopt", "true")
    remedy = f"Choose another {name}, or set {adopt} to take this Secret over."
    if owner:
        raise NotOursError(f"Secret {target} belongs to {owner}; it was left alone", remedy=remedy)
    if not held.has_our_label and target.data_key not in (held.document.get("data") or {}):
        raise NotOursError(
            f"Secret {target} was not made by this tool and has no data key {target.data_key!r}; it was left alone",
            remedy=remedy,
        )


def compose(target: Target, held: LiveSecret | None, desired: DesiredSecret) -> Document:
    """Build the manifest that holds the SAS, with what others put into the held Secret if the target keeps that."""
    foreign = held.document if held and target.keep_foreign else {}
    # The original sample stored the SAS with its `?`, and its consumers expect that; most others expect none.
    value = data_value(desired.sas.issued if target.encoding is Encoding.BASE64 else desired.sas.token, target.encoding)
    metadata = dict(held.metadata if held else {})
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    metadata |= {"name": target.secret, "namespace": target.namespace}
    metadata["labels"] = dict(metadata.get("labels") or {}) if foreign else {}
    metadata["labels"].setdefault(MANAGED_BY, OWNER)
    annotations: dict[str, str | None] = {**(held.annotations if held and foreign else {}), LAST_APPLIED: None}
    annotations |= {DIGEST: digest(value), DATA_KEY: target.data_key, ENCODING: target.encoding.value}
    annotations |= desired.annotations
    metadata["annotations"] = {name: text for name, text in annotations.items() if text is not None}
    data = dict(foreign.get("data") or {})
    if held:
        data.pop(_own_data_key(held) or "", None)  # the data key may have been another one before
    data[target.data_key] = value.reveal()
    document = {"apiVersion": "v1", "kind": "Secret", "type": foreign.get("type", "Opaque"), "metadata": metadata}
    if foreign.get("immutable") is not None:
        document["immutable"] = foreign["immutable"]
    return document | {"data": data}


def version(held: LiveSecret) -> dict[str, str]:
    """The uid and resourceVersion of the Secret, for preconditions; raises DeliveryError if it has none.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    fields = {name: held.metadata.get(name) for name in ("uid", "resourceVersion")}
    if not all(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text) for text in fields.values()):
        raise DeliveryError(
            "the API server returned a Secret without uid or resourceVersion, so it can't be replaced safely; nothing "
            "was changed",
            remedy="Look at the Secret's metadata: kubectl get secret -o yaml.",
        )
    return {name: str(text) for name, text in fields.items()}


def with_version(document: Document, held: LiveSecret) -> Document:
    """Add the version that a replace expects: the API server answers Conflict if the Secret has another one by then."""
    return document | {"metadata": document["metadata"] | version(held)}


def restorable(held: LiveSecret) -> Document:
    """The manifest that creates the held Secret again."""
    metadata = {name: value for name, value in held.metadata.items() if name not in _SERVER_FIELDS}
    return held.document | {"metadata": metadata}


def reversioned(held: LiveSecret, run: str) -> Document:
    """The held Secret with one more annotation. Once it is written, a delete that names the former version fails."""
    document = restorable(held)
    annotations = {**(document["metadata"].get("annotations") or {}), KEPT: run}
    return with_version(document | {"metadata": document["metadata"] | {"annotations": annotations}}, held)


def is_usable(held: LiveSecret, target: Target, desired: DesiredSecret) -> bool:
    """Whether a consumer can use what the Secret holds, by its data alone: a SAS that is still valid, or other data."""
    current = held_sas(held, target)
    if current is None:
        return True
    valid = current.expiry > desired.now and desired.key_lives(current)
    return valid or any(_sas_under(held, name) is None for name in held.digests)


def text(document: Document) -> SecretText:
    """The manifest as one line of JSON."""
    return SecretText(json.dumps(document, separators=(",", ":")))


def _own_data_key(held: LiveSecret) -> str | None:
    """The data key that an earlier delivery wrote. Its digest must match, as the annotation may have been edited."""
    name = held.annotations.get(DATA_KEY, "")
    written = held.ours and held.digests.get(name) == held.annotations[DIGEST]
    return name if written and _sas_under(held, name) else None


def _digest(data_value: str) -> str:
    try:
        raw = base64.b64decode(data_value, validate=True)
    except binascii.Error as error:
        raise ValueError("invalid base64") from error
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
