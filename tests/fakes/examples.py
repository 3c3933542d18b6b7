"""One rotation's values, as literals that the tests name."""

import base64
import dataclasses
import datetime
import json
import urllib.parse
from typing import Any, TypeVar

from rotator import sas
from rotator.azure.host_storage.lease import Holder
from rotator.delivery import live_secret, manifest
from rotator.delivery.live_secret import Document, LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.plan import host_keys
from rotator.plan.account import Account, Grant
from rotator.plan.model import Model, Origins
from rotator.plan.plan import Cluster, Plan, Target
from rotator.redaction import SecretText

_M = TypeVar("_M", bound=Model)

NOW = datetime.datetime(2026, 7, 1, 12, 0, 0, tzinfo=datetime.UTC)
LONG_AGO = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DEFINITION = Grant()
LABEL = "blobrwu4hours@e995dd1560ef"
CLUSTER = Cluster(
    host="master.example.com",
    port=22,
    user="rotator",
    fingerprints=host_keys.parse("ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"),
    key_secret="privatekey",
    passphrase_secret=None,
    kubectl=("kubectl",),
)
TARGET = Target(cluster=CLUSTER, secret="storage-sas")
ACCOUNT = Account(
    vault="https://myvault.vault.azure.net",
    managed_account="mystorage",
    blob_endpoint="https://mystorage.blob.core.windows.net",
)
RESOURCE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mygroup/providers/Microsoft.Storage"
    "/storageAccounts/mystorage"
)

HOLDER = Holder(run="20260701T115900Z-0d1e2f", trigger="timer", host="worker-1", since=NOW)
BUSY = {
    "error": "BusyError",
    "message": "a run is in progress: run 20260701T115900Z-0d1e2f (timer) on host worker-1 since 2026-07-01T12:00:00Z",
    "remedy": "Wait for the run in progress to end, then try again.",
    "holder": "run 20260701T115900Z-0d1e2f (timer) on host worker-1",
    "since": "2026-07-01T12:00:00Z",
}

# A SAS until 16:00 on the day of NOW, as it is and as a Secret's data holds it.
TOKEN = (
    "sv=2018-03-28&ss=b&srt=sco&sp=rwu&se=2026-07-01T16%3A00%3A00Z&spr=https"
    "&sig=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY%3D"
)
FINGERPRINT = "3eb1bd439947eb76"
STORED = (
    "c3Y9MjAxOC0wMy0yOCZzcz1iJnNydD1zY28mc3A9cnd1JnNlPTIwMjYtMDctMDFUMTYlM0EwMCUzQTAwWiZzcHI9aHR0cHMmc2lnPU1ERXlNelEx"
    "TmpjNE9XRmlZMlJsWmpBeE1qTTBOVFkzT0RsaFltTmtaV1klM0Q="
)
DIGEST = "sha256:23265bb491245806d8c892e31fd1be2cf414561107ef03220303ee7c6608dd27"


def plan(*targets: Target, **changes: Any) -> Plan:
    """A plan for these targets, or for TARGET; changes are to the plan or its account."""
    return changed(Plan(account=ACCOUNT, grant=DEFINITION, targets=targets or (TARGET,)), **changes)


def changed(whole: Plan, **changes: Any) -> Plan:
    """The plan with other values of its own, or of its account."""
    names = {field.name for field in dataclasses.fields(Account)} - {field.name for field in dataclasses.fields(Plan)}
    account = {name: changes.pop(name) for name in names & changes.keys()}
    whole = dataclasses.replace(whole, **changes)
    return dataclasses.replace(whole, account=dataclasses.replace(whole.account, **account))


def in_a_file(model: _M) -> _M:
    """The model as if each of its values, and of the models in it, were written on line 12 of a plan file."""
    changes: dict[str, Any] = {"origins": Origins()}
    for name in (field.name for field in dataclasses.fields(model)):
        value = getattr(model, name)
        if isinstance(value, Model):
            changes[name] = in_a_file(value)
        elif name == "targets":
            changes[name] = tuple(map(in_a_file, value))
        else:
            changes["origins"][name] = f"{name} in rotation.yaml, line 12"
    return dataclasses.replace(model, **changes)


def order(token: str = TOKEN, now: datetime.datetime = NOW) -> DesiredSecret:
    return DesiredSecret(sas.parse(SecretText(token)), LABEL, "20260701T120000Z-abc123", now)


def templated(data: dict[str, str], target: Target = TARGET, **changes: Any) -> Target:
    """The target with these templates by data key, and other changes; mappings as operators write them."""
    written = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in changes.items()}
    return dataclasses.replace(target, data=json.dumps(data), **written)  # type: ignore[arg-type]  # it is validated


def token(**changes: str | None) -> str:
    """TOKEN with other fields; None leaves a field out."""
    fields: dict[str, str | None] = dict(urllib.parse.parse_qsl(TOKEN))
    fields |= changes
    return urllib.parse.urlencode({name: value for name, value in fields.items() if value is not None})


def document(data: dict[str, str], **metadata: Any) -> Document:
    """A Secret as the API server gives it; `data` in clear."""
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": "storage-sas",
            "namespace": "default",
            "uid": "2f4c0b9e-0000-4000-8000-000000000001",
            "resourceVersion": "41",
            "creationTimestamp": "2026-06-30T00:00:00Z",
            **metadata,
        },
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in data.items()},
        "type": "Opaque",
    }


def held(found: Document) -> LiveSecret:
    return live_secret.parse(json.dumps(found))


def delivered(**changes: Any) -> Document:
    """The Secret as an earlier delivery of TOKEN, at NOW, left it; changes are to its annotations, None removes."""
    composed = manifest.compose(TARGET, None, order())
    annotations: dict[str, str | None] = {**composed["metadata"]["annotations"], **changes}
    kept = {name: text for name, text in annotations.items() if text is not None}
    return document({"secretKey": TOKEN}, annotations=kept, labels=composed["metadata"]["labels"])


def lasting(until: datetime.datetime, since: datetime.datetime = NOW) -> Document:
    """The Secret as a delivery at `since` left it, of a SAS that ends then."""
    return manifest.compose(TARGET, None, order(token(se=f"{until:%Y-%m-%dT%H:%M:%SZ}"), since))
