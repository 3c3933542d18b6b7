"""The Secret that a cluster holds: read strictly, with the digest of each value, and the names of our annotations.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
"""

import base64
import binascii
import dataclasses
import datetime
import hashlib
from typing import Any

from rotator import untrusted
from rotator.delivery import owners
from rotator.redaction import SecretText

EXPIRES = "rotator/expires"
ROTATED = "rotator/rotated"
DIGEST = "rotator/digest"
DEFINITION = "rotator/definition"
FINGERPRINT = "rotator/fingerprint"
RUN = "rotator/run"
SIGNING_KEY = "rotator/signing-key"
KEY_CREATED = "rotator/key-created"
RESOURCE = "rotator/resource"  # what the SAS is for, if not for the account: `container` or `container/name`
KEPT = "rotator/kept"  # set only to give a Secret another version, if a delete of it may still be under way
# Of a Secret that has the SAS alone:
DATA_KEY = "rotator/data-key"
ENCODING = "rotator/encoding"
# Of one that is made by templates: `key=sha256:…` of each data key, of which `rotator/digest` is the digest.
DATA_DIGESTS = "rotator/data-digests"
ACCOUNT_KEY = "rotator/account-key"  # the name of the account key whose value the Secret has
# Of one whose form is set: a hash of that, and what of it a later delivery has to remove when it is no longer set.
FORM = "rotator/template"
TYPE = "rotator/type"
LABELS = "rotator/labels"
ANNOTATIONS = "rotator/annotations"

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
    def labels(self) -> dict[str, str]:
        """The Secret's labels."""
        return dict(self.metadata.get("labels") or {})

    @property
    def type(self) -> str:
        """The Secret's type."""
        return str(self.document.get("type") or "Opaque")

    @property
    def ours(self) -> bool:
        """Whether an earlier delivery created or adopted the Secret."""
        return DIGEST in self.annotations

    @property
    def has_our_label(self) -> bool:
        """Whether its label names the rotator, as it still does after somebody removed the annotations."""
        return self.labels.get(owners.MANAGED_BY) == owners.OWNER

    @property
    def immutable(self) -> bool:
        """Whether the API server refuses to change its data."""
        return self.document.get("immutable") is True

    def annotated_time(self, annotation: str) -> datetime.datetime | None:
        """The time in one of our annotations; None if it is absent or malformed."""
        return untrusted.iso_time(self.annotations.get(annotation))

    def value(self, data_key: str) -> str | None:
        """The value under a data key, decoded; None if there is none, or if it is no text."""
        try:
            return base64.b64decode((self.document.get("data") or {})[data_key], validate=True).decode()
        except (KeyError, ValueError):
            return None


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
    if not _is_texts(document.get("data") or {}):
        raise ValueError("invalid data")
    return LiveSecret(document, data_secrets(document), digests(document))


def data_secrets(document: Document) -> tuple[SecretText, ...]:
    """Each data value of a manifest, which is masked as long as the result lives."""
    return tuple(SecretText(value, foreign=True) for value in (document.get("data") or {}).values())


def _is_texts(value: object) -> bool:
    return not value or (isinstance(value, dict) and all(isinstance(text, str) for text in value.values()))


def digest(data_value: SecretText) -> str:
    """Identify a data value without revealing it: the SHA-256 of its decoded bytes, as `sha256:<hex>`."""
    return _digest(data_value.reveal())


def digests(document: Document) -> dict[str, str]:
    """The digest of each data value of a manifest, by data key; raises ValueError."""
    return {name: _digest(value) for name, value in (document.get("data") or {}).items()}


def digest_of_text(text: str) -> str:
    """The SHA-256 of a text that is no secret, in the same form."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _digest(data_value: str) -> str:
    try:
        raw = base64.b64decode(data_value, validate=True)
    except binascii.Error as error:
        raise ValueError("invalid base64") from error
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
