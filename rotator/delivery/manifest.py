"""Manifests of Secrets: checks that the rotator may write what a cluster holds, and composes the new one.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
"""

import base64
import dataclasses
import datetime
import json
import re
from collections.abc import Callable, Mapping
from typing import Literal

from rotator import timestamps
from rotator.delivery import held_values, live_secret, owners, template
from rotator.delivery.errors import DeliveryError, NotOursError
from rotator.delivery.live_secret import Document, LiveSecret
from rotator.delivery.template import Values
from rotator.plan.plan import Encoding, Target
from rotator.redaction import SecretText
from rotator.sas import Sas

MANAGED_BY, OWNER = owners.MANAGED_BY, owners.OWNER
# `kubectl apply` writes the whole Secret into it, value included: a stale credential must not stay in an annotation.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation")


@dataclasses.dataclass(frozen=True)
class DesiredSecret:
    """What to deliver: a SAS, the label of what it is, the id of the run, and the time.

    `signing_key` is the name of the account key that signed the SAS, and `key_created` when that key was generated,
    if known. `key_lives` returns whether the key that signed a SAS is still one of the account's, as far as is known.
    `values` are for a target with templates.
    """

    sas: Sas
    definition: str
    run: str
    now: datetime.datetime
    signing_key: str | None = None
    key_created: datetime.datetime | None = None
    key_lives: Callable[[Sas], bool] = lambda _: True
    values: Values | None = None

    @property
    def annotations(self) -> dict[str, str | None]:
        """The annotations about the SAS; None for those to remove, because they are not known or no longer true."""
        return {
            live_secret.KEPT: None,
            live_secret.EXPIRES: timestamps.text(self.sas.expiry),
            live_secret.ROTATED: timestamps.text(self.now),
            live_secret.DEFINITION: self.definition,
            live_secret.FINGERPRINT: self.sas.fingerprint,
            live_secret.RUN: self.run,
            live_secret.SIGNING_KEY: self.signing_key,
            live_secret.KEY_CREATED: timestamps.text(self.key_created) if self.key_created else None,
            live_secret.RESOURCE: self.sas.path or None,
        }


def data_value(value: SecretText, encoding: Encoding) -> SecretText:
    """The value as a manifest's data has it: in the target's encoding, then in Kubernetes' base64."""
    raw = value.reveal().encode()
    if encoding is Encoding.BASE64:
        raw = base64.b64encode(raw)
    return SecretText(base64.b64encode(raw).decode())


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
    if not held.has_our_label and not _is_prepared(held, target):
        what = "data key" if len(target.data_keys) == 1 else "data keys"
        raise NotOursError(
            f"Secret {target} was not made by this tool and has no {what} "
            f"{', '.join(map(repr, target.data_keys))}; it was left alone",
            remedy=remedy,
        )


def _is_prepared(held: LiveSecret, target: Target) -> bool:
    """Whether somebody made the Secret for the target: it has all its data keys, or some of them and no other."""
    there, wanted = set(held.document.get("data") or {}), set(target.data_keys)
    return wanted <= there or (bool(there) and there <= wanted)


def secret_type(target: Target, held: LiveSecret | None) -> str:
    """The type that the Secret gets: as set, or else the one that it has, unless an earlier setting made it that."""
    kept = held.type if held and target.keep_foreign else "Opaque"
    ours = held is not None and held.annotations.get(live_secret.TYPE) == kept
    return target.form.type or ("Opaque" if ours else kept)


def compose(target: Target, held: LiveSecret | None, desired: DesiredSecret) -> Document:
    """Build the manifest that holds the SAS, with what others put into the held Secret if the target keeps that.

    Raises TemplateError for a template that needs what is not known.
    """
    foreign = held.document if held and target.keep_foreign else {}
    own = _own_data(target, desired)
    metadata = dict(held.metadata if held else {})
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    metadata |= {"name": target.secret, "namespace": target.namespace}
    metadata["labels"] = _others(held, "labels", live_secret.LABELS) if foreign else {}
    metadata["labels"] |= target.form.labels
    metadata["labels"].setdefault(MANAGED_BY, OWNER)
    annotations: dict[str, str | None] = {
        **(_others(held, "annotations", live_secret.ANNOTATIONS) if foreign else {}),
        **target.form.annotations,
        LAST_APPLIED: None,
        **_annotations_of_data(target, own, desired),
        **_annotations_of_form(target, held if foreign else None),
        **desired.annotations,
    }
    metadata["annotations"] = {name: text for name, text in annotations.items() if text is not None}
    data = dict(foreign.get("data") or {})
    for name in held_values.unchanged(held) if held else ():
        data.pop(name, None)  # which the settings of before named, or these name too
    data |= {name: value.reveal() for name, value in own.items()}
    document = {"apiVersion": "v1", "kind": "Secret", "type": secret_type(target, held), "metadata": metadata}
    if foreign.get("immutable") is not None:
        document["immutable"] = foreign["immutable"]
    return document | {"data": data}


def _own_data(target: Target, desired: DesiredSecret) -> dict[str, SecretText]:
    """The data values that the target's settings describe, as a manifest has them."""
    if not target.form.templates:
        # The original sample stored the SAS with its `?`, and its consumers expect that; most others expect none.
        value = desired.sas.issued if target.encoding is Encoding.BASE64 else desired.sas.token
        return {target.data_key: data_value(value, target.encoding)}
    values = desired.values or Values(desired.sas)
    return {
        name: data_value(template.render(each, values), Encoding.RAW) for name, each in target.form.templates.items()
    }


def _others(held: LiveSecret | None, kind: Literal["labels", "annotations"], ours: str) -> dict[str, str]:
    """The labels or annotations of the held Secret without those that an earlier delivery set."""
    if held is None:
        return {}
    removed = held.annotations.get(ours, "").split(" ")
    found: dict[str, str] = held.labels if kind == "labels" else held.annotations
    return {name: text for name, text in found.items() if name not in removed}


def _annotations_of_data(
    target: Target, own: Mapping[str, SecretText], desired: DesiredSecret
) -> dict[str, str | None]:
    """The annotations about our values; None for those of the other kind: with one data key, or by templates."""
    digests = {name: live_secret.digest(value) for name, value in own.items()}
    if not target.form.templates:
        digest, encoding = digests[target.data_key], target.encoding.value
        single = {live_secret.DIGEST: digest, live_secret.DATA_KEY: target.data_key, live_secret.ENCODING: encoding}
        return {**single, live_secret.DATA_DIGESTS: None, live_secret.ACCOUNT_KEY: None}
    listed = held_values.text_of_digests(digests)
    return {
        live_secret.DIGEST: live_secret.digest_of_text(listed),
        live_secret.DATA_DIGESTS: listed,
        live_secret.ACCOUNT_KEY: (desired.signing_key or "unknown") if target.form.has_account_key else None,
        live_secret.DATA_KEY: None,
        live_secret.ENCODING: None,
    }


def _annotations_of_form(target: Target, held: LiveSecret | None) -> dict[str, str | None]:
    """The annotations by which a later delivery notices changed settings, and removes what is no longer set.

    A label or annotation that others had set before is not removed then.
    """
    form = target.form
    labels = form.labels.keys() - _others(held, "labels", live_secret.LABELS).keys()
    annotations = form.annotations.keys() - _others(held, "annotations", live_secret.ANNOTATIONS).keys()
    return {
        live_secret.FORM: form.content_hash,
        live_secret.TYPE: form.type,
        live_secret.LABELS: " ".join(sorted(labels)) or None,
        live_secret.ANNOTATIONS: " ".join(sorted(annotations)) or None,
    }


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
    annotations = {**(document["metadata"].get("annotations") or {}), live_secret.KEPT: run}
    return with_version(document | {"metadata": document["metadata"] | {"annotations": annotations}}, held)


def is_usable(held: LiveSecret, target: Target, desired: DesiredSecret) -> bool:
    """Whether a consumer can use what the Secret holds, by its data alone: a SAS that is still valid, or other data."""
    current = held_values.held_sas(held, target)
    if current is None:
        return True
    valid = current.expiry > desired.now and desired.key_lives(current)
    own = held_values.unchanged(held)
    others = any(name not in own and not held_values.has_sas(held, name) for name in held.digests)
    return valid or others or held_values.has_like_account_key(held, target)


def text(document: Document) -> SecretText:
    """The manifest as one line of JSON."""
    return SecretText(json.dumps(document, separators=(",", ":")))
