"""The comparison with a specification finds what is wrong with an exchange."""

import dataclasses
import json
from typing import Any

import pytest

from sandbox.server.journal import Exchange
from tests.conformance import data
from tests.conformance.specification import Specification

BUNDLE = {
    "id": "https://vault.example/storage/account",
    "resourceId": "/subscriptions/0/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/account",
    "activeKeyName": "key1",
    "autoRegenerateKey": False,
    "attributes": {"enabled": True, "created": 1, "updated": 1, "recoveryLevel": "Recoverable"},
}
RIGHT = Exchange(
    service="vault",
    method="PUT",
    target="/storage/account?api-version=7.4",
    headers={"Content-Type": "application/json"},
    body=json.dumps({name: BUNDLE[name] for name in ("resourceId", "activeKeyName", "autoRegenerateKey")}).encode(),
    status=200,
    answer_headers={"Content-Type": "application/json"},
    answer=json.dumps(BUNDLE).encode(),
)


@pytest.fixture(scope="module")
def specification() -> Specification:
    return Specification(
        data.folder("specification") / "keyvault/data-plane/Microsoft.KeyVault/stable/7.4/storage.json"
    )


def answering(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in {**BUNDLE, **changes}.items() if value is not None}).encode()


def test_what_is_right_has_no_problems(specification: Specification) -> None:
    assert specification.operation(RIGHT) == "SetStorageAccount"
    assert specification.problems(RIGHT) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target": "/storage/account"}, "request, api-version"),
        ({"target": "/storage/account?api-version=7.4&force=true"}, "request: unknown parameter force"),
        ({"target": "/storage/an_account?api-version=7.4"}, "request, storage-account-name"),
        ({"target": "/warehouse/account?api-version=7.4"}, "no such operation"),
        ({"method": "POST"}, "no such operation"),
        ({"body": b"{}"}, "request, parameters: : 'resourceId' is a required property"),
        ({"body": b"["}, "request, parameters"),
        ({"body": RIGHT.body[:-1] + b', "activeKey": "key1"}'}, "request: unknown member activeKey"),
        ({"headers": {**RIGHT.headers, "x-ms-surprise": "1"}}, "request: unknown header x-ms-surprise"),
        ({"status": 201}, "the answer's status 201 is none of"),
        ({"answer": b""}, "answer: the body cannot be read"),
        ({"answer": answering(autoRegenerateKey="no")}, "answer: autoRegenerateKey: 'no' is not of type 'boolean'"),
        ({"answer": answering(attributes={"enabled": 1})}, "answer: attributes/enabled"),
        ({"answer": answering(color="red")}, "answer: unknown member color"),
        ({"answer": answering(attributes={"made": 1})}, "answer, attributes: unknown member made"),
        ({"status": 403, "answer": b'{"message": "no"}'}, "answer: unknown member message"),
    ],
)
def test_what_is_wrong_is_found(specification: Specification, changes: dict[str, Any], problem: str) -> None:
    found = specification.problems(dataclasses.replace(RIGHT, **changes))
    assert any(problem in each for each in found), found
