"""Secret manifests: what a cluster holds, whose it is, and what it is to hold.

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
from rotator.plan.plan import Encoding, Target
from rotator.redaction import SecretText
from rotator.sas import Sas, SasDefinition

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
KEPT = "rotator/kept"  # set only to give a Secret another version, when a delete of it may still be under way
MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "rotator"
# An older tool's copy of the whole Secret, value included; a stale credential has no place in an annotation.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation")

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class LiveSecret:
    """What a cluster holds under a target's name. Its repr shows metadata only."""

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
        """Whether an earlier delivery of this tool made or adopted the Secret."""
        return DIGEST in self.annotations

    @property
    def labelled(self) -> bool:
        """Whether its label says that it is ours; that stays where somebody removed the annotations."""
        return (self.metadata.get("labels") or {}).get(MANAGED_BY) == OWNER

    @property
    def immutable(self) -> bool:
        """Whether the API server refuses to change its data."""
        return self.document.get("immutable") is True

    def moment(self, annotation: str) -> datetime.datetime | None:
        """The time that an annotation of ours tells, or None where it is absent or malformed."""
        return untrusted.moment(self.annotations.get(annotation))


@dataclasses.dataclass(frozen=True)
class DesiredSecret:
    """What to deliver: a SAS, the definition that it comes from, the run that asks for it and the time of that.

    `signing_key` names the account key that signed it and `key_created` says when that was made, where that is known.
    `key_lives` says whether the key that signed a SAS is still one of the account's, as far as that is known.
    """

    sas: Sas
    definition: SasDefinition
    run: str
    now: datetime.datetime
    signing_key: str | None = None
    key_created: datetime.datetime | None = None
    key_lives: Callable[[Sas], bool] = lambda _: True

    @property
    def annotations(self) -> dict[str, str | None]:
        """What the Secret is to say of the SAS; None for what is not known, or no longer true."""
        return {
            KEPT: None,
            EXPIRES: timestamps.text(self.sas.expiry),
            ROTATED: timestamps.text(self.now),
            DEFINITION: self.definition.label,
            FINGERPRINT: self.sas.fingerprint,
            RUN: self.run,
            SIGNING_KEY: self.signing_key,
            KEY_CREATED: timestamps.text(self.key_created) if self.key_created else None,
        }


def parse(text: str) -> LiveSecret:
    """Read the JSON of a Secret, or of kubectl's list of one; raises ValueError when it is none."""
    document = untrusted.json_value(text)
    if isinstance(document, dict) and document.get("kind") == "List":
        document = next(iter(untrusted.records(document.get("items"))), None)
    if not isinstance(document, dict) or document.get("kind") != "Secret":
        raise ValueError("not a Secret")
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(map(_is_texts, (metadata.get("annotations"), metadata.get("labels")))):
        raise ValueError("metadata that are none")
    data = document.get("data") or {}
    if not _is_texts(data):
        raise ValueError("data that is not text")
    secrets = tuple(SecretText(value, foreign=True) for value in data.values())
    return LiveSecret(document, secrets, digests(document))


def _is_texts(found: object) -> bool:
    return not found or (isinstance(found, dict) and all(isinstance(value, str) for value in found.values()))


def stored(value: SecretText, encoding: Encoding) -> SecretText:
    """The value as it stands in the manifest's data: encoded for consumers, then in Kubernetes' base64."""
    raw = value.reveal().encode()
    if encoding is Encoding.BASE64:
        raw = base64.b64encode(raw)
    return SecretText(base64.b64encode(raw).decode())


def held_sas(held: LiveSecret, target: Target) -> Sas | None:
    """Read the SAS that the Secret holds, perhaps under the data key's former name; None when that is no SAS."""
    names = (held.annotations.get(DATA_KEY, ""), target.data_key)
    return next(filter(None, (_sas_under(held, name) for name in names)), None)


def _sas_under(held: LiveSecret, data_key: str) -> Sas | None:
    try:
        text = base64.b64decode((held.document.get("data") or {}).get(data_key, ""), validate=True).decode()
        if "sig=" not in text:
            text = base64.b64decode(text, validate=True).decode()
        return sas.parse(SecretText(text))
    except (ValueError, errors.SasError):
        return None


def digest(data_value: SecretText) -> str:
    """Identify a data value without telling it: the SHA-256 of its bytes, as `sha256:<hex>`."""
    return _digest(data_value.reveal())


def digests(document: Document) -> dict[str, str]:
    """Identify each data value of a manifest in the same way."""
    return {name: _digest(value) for name, value in (document.get("data") or {}).items()}


def check_owner(held: LiveSecret, target: Target) -> None:
    """Raise NotOursError unless the Secret is ours or may be adopted.

    A copy is never ours, even where our annotations were copied with it.
    """
    if target.adopt or (held.ours and not owners.copied(held.metadata)):
        return
    owner = owners.keeper(held.metadata)
    remedy = "Choose another KUBERNETES_SECRET_NAME, or set KUBERNETES_SECRET_ADOPT=true to take this Secret over."
    if owner:
        raise NotOursError(f"Secret {target} belongs to {owner}; it was left alone", remedy=remedy)
    if not held.labelled and target.data_key not in (held.document.get("data") or {}):
        raise NotOursError(
            f"Secret {target} was not made by this tool and has no data key {target.data_key!r}; it was left alone",
            remedy=remedy,
        )


def compose(target: Target, held: LiveSecret | None, order: DesiredSecret) -> Document:
    """Build the manifest that holds the SAS, with what others put into the held Secret unless told otherwise."""
    kept = held.document if held and target.keep_foreign else {}
    # With its `?` where a consumer decodes what the original sample stored; nearly every other wants none.
    value = stored(order.sas.issued if target.encoding is Encoding.BASE64 else order.sas.token, target.encoding)
    metadata = dict(held.metadata if held else {})
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    metadata |= {"name": target.secret, "namespace": target.namespace}
    metadata["labels"] = dict(metadata.get("labels") or {}) if kept else {}
    metadata["labels"].setdefault(MANAGED_BY, OWNER)
    metadata["annotations"] = {
        name: text for name, text in ((held.annotations if held and kept else {}).items()) if name != LAST_APPLIED
    }
    told = {DIGEST: digest(value), DATA_KEY: target.data_key, ENCODING: target.encoding.value, **order.annotations}
    metadata["annotations"] |= told
    metadata["annotations"] = {name: text for name, text in metadata["annotations"].items() if text is not None}
    data = dict(kept.get("data") or {})
    if held:
        data.pop(_own_data_key(held) or "", None)  # perhaps under its former name
    data[target.data_key] = value.reveal()
    document = {"apiVersion": "v1", "kind": "Secret", "type": kept.get("type", "Opaque"), "metadata": metadata}
    if kept.get("immutable") is not None:
        document["immutable"] = kept["immutable"]
    return document | {"data": data}


def keeper(held: LiveSecret) -> str | None:
    """Name who else keeps the Secret and may write it back; None where there is no sign of one."""
    return owners.keeper(held.metadata)


def version(held: LiveSecret) -> dict[str, str]:
    """Identify the very version of the Secret, for preconditions; raises DeliveryError where the server names none.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    found = {name: held.metadata.get(name) for name in ("uid", "resourceVersion")}
    if not all(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text) for text in found.values()):
        raise DeliveryError(
            "the API server shows a Secret without uid or resourceVersion, so it can't be replaced safely; nothing was "
            "changed",
            remedy="Look at the Secret's metadata: kubectl get secret -o yaml.",
        )
    return {name: str(text) for name, text in found.items()}


def pinned(document: Document, held: LiveSecret) -> Document:
    """Add the version that an in-place update replaces: the API server refuses it if that has changed since."""
    return document | {"metadata": document["metadata"] | version(held)}


def restorable(held: LiveSecret) -> Document:
    """Give the held Secret in a form that can be created again."""
    metadata = {name: value for name, value in held.metadata.items() if name not in _SERVER_FIELDS}
    return held.document | {"metadata": metadata}


def kept(held: LiveSecret, run: str) -> Document:
    """Give the held Secret as it is, but for an annotation: once written, what names its former version fails."""
    document = restorable(held)
    annotations = {**(document["metadata"].get("annotations") or {}), KEPT: run}
    return pinned(document | {"metadata": document["metadata"] | {"annotations": annotations}}, held)


def worth_restoring(held: LiveSecret, target: Target, order: DesiredSecret) -> bool:
    """Whether anybody can use what the Secret holds, judged by that itself: a SAS that lives, or data of others."""
    found = held_sas(held, target)
    if found is None:
        return True
    lives = found.expiry > order.now and order.key_lives(found)
    return lives or any(_sas_under(held, name) is None for name in held.digests)


def text(document: Document) -> SecretText:
    """Write a manifest in one line of JSON."""
    return SecretText(json.dumps(document, separators=(",", ":")))


def _own_data_key(held: LiveSecret) -> str | None:
    """Name the data key that an earlier delivery wrote, by what is in it: an annotation alone may have been edited."""
    name = held.annotations.get(DATA_KEY, "")
    written = held.ours and held.digests.get(name) == held.annotations[DIGEST]
    return name if written and _sas_under(held, name) else None


def _digest(data_value: str) -> str:
    try:
        raw = base64.b64decode(data_value, validate=True)
    except binascii.Error as error:
        raise ValueError("data that is not base64") from error
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
