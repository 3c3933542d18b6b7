import datetime
import json
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest, HttpResponse
from azure.keyvault.secrets import SecretClient

from sandbox.azure import account_sas, service_sas
from sandbox.key_vault.state import SAMPLE_PERMISSIONS
from tests.sandbox.conftest import ACCOUNT, Azure

DEFINITION = {
    "templateUri": "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
    "sasType": "account",
    "validityPeriod": "PT4H",
}
RECORDED = Path(__file__).parents[3] / "shared/azure/recorded/keyvault-managed-storage.json"
PATH = f"/storage/{ACCOUNT}/sas/blobs"


@pytest.fixture(autouse=True)
def _every_permission(azure: Azure) -> None:
    names = "get list set update delete regeneratekey recover setsas getsas listsas deletesas purge"
    azure.vault.permissions |= {f"storage/{name}" for name in names.split()}


def send(client: SecretClient, method: str, path: str, body: dict[str, Any] | None = None) -> HttpResponse:
    return client.send_request(HttpRequest(method, path, json=body) if body else HttpRequest(method, path))


def fields(token: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(token.removeprefix("?")))


def read_sas(client: SecretClient) -> dict[str, str]:
    return fields(client.get_secret(f"{ACCOUNT}-blobs").value or "")


def test_a_definition_is_set_read_changed_and_listed(client: SecretClient) -> None:
    assert send(client, "GET", PATH).status_code == 404
    made = send(client, "PUT", PATH, DEFINITION).json()
    assert made["sid"].endswith(f"/secrets/{ACCOUNT}-blobs")
    assert send(client, "GET", PATH).json() == made
    assert {key: made[key] for key in DEFINITION} == DEFINITION
    changed = send(client, "PATCH", PATH, {"validityPeriod": "PT1H"}).json()
    assert (changed["validityPeriod"], changed["templateUri"]) == ("PT1H", DEFINITION["templateUri"])
    listed = send(client, "GET", f"/storage/{ACCOUNT}/sas").json()["value"]
    assert [item["id"] for item in listed] == [made["id"]]


def test_put_and_regeneration_set_both_times_anew_and_a_patch_the_second(azure: Azure, client: SecretClient) -> None:
    """As recorded from the service: ../shared/azure/recorded."""
    account = azure.vault.storage.accounts[ACCOUNT]
    send(client, "PUT", PATH, DEFINITION)
    definition = account.definitions["blobs"]

    def times(subject: dict[str, Any]) -> tuple[bool, bool]:
        """Which of created and updated are new."""
        for kept in (account, account.definitions["blobs"], definition):
            kept.created = kept.updated = 1642574173
        attributes = send(client, **subject).json()["attributes"]
        return attributes["created"] != 1642574173, attributes["updated"] != 1642574173

    path = f"/storage/{ACCOUNT}"
    bundle = {"resourceId": account.account.resource_id, "activeKeyName": "key2", "autoRegenerateKey": False}
    assert times({"method": "PUT", "path": PATH, "body": DEFINITION}) == (True, True)
    assert times({"method": "PATCH", "path": PATH, "body": {"tags": {"a": "b"}}}) == (False, True)
    assert times({"method": "PUT", "path": path, "body": bundle}) == (True, True)
    assert times({"method": "PATCH", "path": path, "body": {"activeKeyName": "key1"}}) == (False, True)
    assert times({"method": "POST", "path": f"{path}/regeneratekey", "body": {"keyName": "key2"}}) == (True, True)


def test_each_read_mints_a_sas_signed_with_the_active_key(azure: Azure, client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    before = datetime.datetime.now(datetime.UTC)
    secret = client.get_secret(f"{ACCOUNT}-blobs")
    assert secret.properties.content_type == "application/vnd.ms-sastoken-storage"
    assert secret.properties.managed
    assert secret.properties.version is None
    sas = fields(secret.value or "")
    assert set(sas) == {"sv", "ss", "srt", "sp", "spr", "se", "sig"}
    assert account_sas.is_signed_by(ACCOUNT, azure.account.keys["key1"], sas)
    expiry = account_sas.parse_time(sas["se"])
    assert secret.properties.expires_on == expiry
    assert abs(expiry - before - datetime.timedelta(hours=4)) < datetime.timedelta(seconds=5)
    assert read_sas(client)["se"] > sas["se"]


def test_a_sas_has_the_recorded_form(client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    value = client.get_secret(f"{ACCOUNT}-blobs").value or ""
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(rf"\?sv=2018-03-28&ss=b&srt=sco&sp=rwu&se={time}&spr=https&sig=[0-9A-Za-z%]+%3D", value)


def test_the_recorded_sas_are_written_as_the_sandbox_writes_them() -> None:
    if not RECORDED.exists():
        pytest.skip(f"the recorded exchanges are missing ({RECORDED})")
    recorded = json.loads(RECORDED.read_text("utf-8"))
    values = [recorded["earlier"]["account sas"]]
    values += [each["response"]["value"] for each in recorded["exchanges"] if each["path"].startswith("/secrets/")]
    assert len(values) >= 3
    for value in values:
        known = fields(value)
        assert f"?{account_sas.encode(known, known['sig'])}" == value


def test_a_sas_lives_by_the_vault_s_clock(azure: Azure, client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    azure.vault.clock_skew = datetime.timedelta(minutes=10)
    ahead = account_sas.parse_time(read_sas(client)["se"])
    azure.vault.clock_skew = datetime.timedelta()
    right = account_sas.parse_time(read_sas(client)["se"])
    assert abs(ahead - right - datetime.timedelta(minutes=10)) < datetime.timedelta(seconds=5)


def test_a_start_time_is_minted_when_wanted(azure: Azure, client: SecretClient) -> None:
    azure.vault.sas_start_offset = datetime.timedelta(minutes=-15)
    send(client, "PUT", PATH, DEFINITION)
    sas = read_sas(client)
    assert account_sas.parse_time(sas["st"]) < datetime.datetime.now(datetime.UTC)
    assert account_sas.is_signed_by(ACCOUNT, azure.account.keys["key1"], sas)


def test_a_later_version_is_passed_through_but_wrongly_signed(azure: Azure, client: SecretClient) -> None:
    for version in ("2018-11-09", "2022-11-02"):
        later = DEFINITION | {"templateUri": DEFINITION["templateUri"].replace("2018-03-28", version)}
        assert send(client, "PUT", PATH, later).status_code == 200
        sas = read_sas(client)
        assert sas["sv"] == version
        assert not account_sas.is_signed_by(ACCOUNT, azure.account.keys["key1"], sas)


def test_a_sas_can_be_tampered_with(azure: Azure, client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    azure.vault.tamper = lambda token: token.replace("sp=rwu", "sp=rwdlacu")
    assert read_sas(client)["sp"] == "rwdlacu"
    assert len(azure.vault.minted) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"sasType": "service"},
        {"sasType": "service", "templateUri": "sv=2018-03-28&sr=b&sp=r"},
        {"sasType": "user"},
        {"templateUri": "sv=2018-03-28&ss=b&srt=sco"},
        {"templateUri": ""},
        {"validityPeriod": "4 hours"},
        {"validityPeriod": "PT"},
        {"validityPeriod": None},
    ],
)
def test_a_wrong_definition_is_refused(client: SecretClient, change: dict[str, Any]) -> None:
    response = send(client, "PUT", PATH, DEFINITION | change)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadParameter")


def test_a_service_sas_is_signed_for_its_blob_and_comes_in_the_recorded_form(
    azure: Azure, client: SecretClient
) -> None:
    template = f"https://{ACCOUNT}.blob.core.windows.net/cont1/test_secret.txt?sp=r&sv=2018-03-28&sr=b&sig=bY19%3D"
    made = send(client, "PUT", PATH, DEFINITION | {"templateUri": template, "sasType": "service"})
    assert (made.status_code, made.json()["templateUri"]) == (200, template)
    value = client.get_secret(f"{ACCOUNT}-blobs").value or ""
    form = r"\?sv=2018-03-28&sr=b&sp=r&se=\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ&sig=[\w%]+%3D"
    assert re.fullmatch(form, value)
    sas = fields(value.removeprefix("?"))
    signed = service_sas.signature(ACCOUNT, azure.account.keys["key1"], "/cont1/test_secret.txt", sas)
    assert sas["sig"] == signed


def test_a_disabled_definition_mints_nothing(client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION | {"attributes": {"enabled": False}})
    with pytest.raises(HttpResponseError) as raised:
        read_sas(client)
    assert raised.value.error is not None
    assert raised.value.error.innererror == {"code": "SecretDisabled"}
    send(client, "PATCH", PATH, {"attributes": {"enabled": True}})
    assert read_sas(client)["sp"] == "rwu"


def test_a_name_with_a_hyphen_is_refused(client: SecretClient) -> None:
    assert send(client, "PUT", f"/storage/{ACCOUNT}/sas/my-blobs", DEFINITION).status_code == 400


def test_a_definition_of_an_unknown_account_is_a_404(client: SecretClient) -> None:
    assert send(client, "PUT", "/storage/unknown/sas/blobs", DEFINITION).status_code == 404


def test_a_deleted_definition_has_to_be_recovered_before_it_is_set(azure: Azure, client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    deleted = send(client, "DELETE", PATH).json()
    assert deleted["recoveryId"].endswith(f"/deletedstorage/{ACCOUNT}/sas/blobs")
    with pytest.raises(ResourceNotFoundError):
        client.get_secret(f"{ACCOUNT}-blobs")
    assert send(client, "GET", f"/deleted{PATH[1:]}").json()["recoveryId"] == deleted["recoveryId"]
    assert len(send(client, "GET", f"/deletedstorage/{ACCOUNT}/sas").json()["value"]) == 1
    refused = send(client, "PUT", PATH, DEFINITION)
    assert refused.status_code == 409
    assert refused.json()["error"]["innererror"]["code"] == "ObjectIsDeletedButRecoverable"
    azure.vault.recovery_seconds = 0.2
    assert send(client, "POST", f"/deleted{PATH[1:]}/recover").status_code == 200
    refused = send(client, "PUT", PATH, DEFINITION)
    assert refused.status_code == 409
    assert refused.json()["error"]["innererror"]["code"] == "ObjectIsBeingRecovered"
    assert send(client, "GET", PATH).status_code == 404
    time.sleep(0.25)
    assert send(client, "PUT", PATH, DEFINITION).status_code == 200
    assert [event.detail for event in azure.journal.events("vault") if event.action == "recover-definition"] == [
        "blobs",
        "blobs",
    ]


def test_regenerating_a_key_replaces_it_and_makes_it_active(azure: Azure, client: SecretClient) -> None:
    send(client, "PUT", PATH, DEFINITION)
    before, old = read_sas(client), dict(azure.account.keys)
    answer = send(client, "POST", f"/storage/{ACCOUNT}/regeneratekey", {"keyName": "key2"}).json()
    assert answer["activeKeyName"] == "key2"
    assert azure.account.keys["key1"] == old["key1"]
    assert azure.account.keys["key2"] != old["key2"]
    assert account_sas.is_signed_by(ACCOUNT, azure.account.keys["key1"], before)
    assert account_sas.is_signed_by(ACCOUNT, azure.account.keys["key2"], read_sas(client))


def test_regenerating_is_refused_when_the_caller_may_not_manage_keys(azure: Azure, client: SecretClient) -> None:
    azure.vault.caller_may_manage_keys = False
    old = dict(azure.account.keys)
    response = send(client, "POST", f"/storage/{ACCOUNT}/regeneratekey", {"keyName": "key2"})
    assert response.status_code == 403
    assert "does not have authorization to perform action" in response.json()["error"]["message"]
    assert azure.account.keys == old


def test_an_account_is_read_switched_deleted_recovered_and_set(azure: Azure, client: SecretClient) -> None:
    path = f"/storage/{ACCOUNT}"
    read = send(client, "GET", path).json()
    assert read["resourceId"] == azure.account.resource_id
    assert send(client, "PATCH", path, {"activeKeyName": "key2"}).json()["activeKeyName"] == "key2"
    assert send(client, "DELETE", path).status_code == 200
    assert send(client, "GET", path).status_code == 404
    body = {"resourceId": azure.account.resource_id, "activeKeyName": "key1", "autoRegenerateKey": False}
    assert send(client, "PUT", path, body).status_code == 409
    assert send(client, "POST", f"/deletedstorage/{ACCOUNT}/recover").status_code == 200
    assert send(client, "PUT", path, body).json()["autoRegenerateKey"] is False
    assert send(client, "PUT", "/storage/other", body | {"resourceId": "/nowhere"}).status_code == 400


def test_the_sample_s_access_policy_does_not_let_the_account_be_read(azure: Azure, client: SecretClient) -> None:
    azure.vault.permissions = set(SAMPLE_PERMISSIONS)
    assert send(client, "PUT", PATH, DEFINITION).status_code == 200
    response = send(client, "GET", f"/storage/{ACCOUNT}")
    assert response.status_code == 403
    assert "does not have storage get permission" in response.json()["error"]["message"]


def refused(client: SecretClient, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    response = send(client, method, path, body)
    error = response.json()["error"]
    return response.status_code, error.get("innererror", error)["code"]


def test_a_deletion_and_a_recovery_of_an_account_can_take_a_while(azure: Azure, client: SecretClient) -> None:
    """Recorded: a purge four seconds after the deletion found nothing."""
    send(client, "PUT", PATH, DEFINITION)
    azure.vault.deletion_seconds = azure.vault.recovery_seconds = 3600
    path, gone = f"/storage/{ACCOUNT}", f"/deletedstorage/{ACCOUNT}"
    body = {"resourceId": azure.account.resource_id, "activeKeyName": "key1", "autoRegenerateKey": False}
    deleted = send(client, "DELETE", path).json()
    absent = (404, "StorageAccountNotFound")
    assert [refused(client, *one) for one in (("GET", path), ("GET", gone), ("DELETE", gone))] == [absent] * 3
    assert refused(client, "POST", f"{gone}/recover") == absent
    assert refused(client, "PUT", path, body) == (409, "ObjectIsBeingDeleted")
    azure.vault.storage.settle()
    assert send(client, "GET", gone).json() == deleted
    assert [one["recoveryId"] for one in send(client, "GET", "/deletedstorage").json()["value"]] == [
        deleted["recoveryId"]
    ]
    assert refused(client, "PUT", path, body) == (409, "ObjectIsDeletedButRecoverable")
    assert send(client, "POST", f"{gone}/recover").status_code == 200
    assert [refused(client, *one) for one in (("GET", path), ("PATCH", path), ("GET", gone))] == [absent] * 3
    assert refused(client, "PUT", path, body) == (409, "ObjectIsBeingRecovered")
    with pytest.raises(ResourceNotFoundError):
        read_sas(client)
    azure.vault.storage.settle()
    assert send(client, "PUT", path, body).status_code == 200
    assert read_sas(client)["sp"] == "rwu"


def test_a_purge_is_for_good_unless_the_vault_protects_from_it(azure: Azure, client: SecretClient) -> None:
    path, gone = f"/storage/{ACCOUNT}", f"/deletedstorage/{ACCOUNT}"
    assert send(client, "DELETE", path).json()["attributes"]["recoveryLevel"] == "Recoverable"
    assert refused(client, "DELETE", gone) == (403, "Forbidden")
    azure.vault.purge_protection, azure.vault.retention_days = False, 7
    found = send(client, "GET", gone).json()
    assert found["attributes"]["recoveryLevel"] == "CustomizedRecoverable+Purgeable"
    assert found["scheduledPurgeDate"] - found["deletedDate"] == 7 * 24 * 3600
    purged = send(client, "DELETE", gone)
    assert (purged.status_code, purged.text()) == (204, "")
    assert refused(client, "GET", gone) == (404, "StorageAccountNotFound")


def test_the_days_of_recovery_came_with_a_later_version(azure: Azure, client: SecretClient) -> None:
    for version, days in (("7.0", None), ("7.1", 90), ("7.4", 90)):
        listed = send(client, "GET", f"/storage?api-version={version}").json()["value"]
        read = send(client, "GET", f"/storage/{ACCOUNT}?api-version={version}").json()
        assert [one["attributes"].get("recoverableDays") for one in (*listed, read)] == [days, days]


def test_bundles_have_their_fields_in_the_recorded_order(client: SecretClient) -> None:
    made = send(client, "PUT", PATH, DEFINITION).json()
    assert list(made) == ["id", "sid", "templateUri", "sasType", "validityPeriod", "attributes"]
    account = send(client, "GET", f"/storage/{ACCOUNT}").json()
    managed = ["id", "resourceId", "activeKeyName", "autoRegenerateKey", "regenerationPeriod", "attributes"]
    assert list(account) == managed
    assert list(account["attributes"]) == ["enabled", "created", "updated", "recoveryLevel", "recoverableDays"]
    deletion = ["recoveryId", "deletedDate", "scheduledPurgeDate"]
    assert list(send(client, "DELETE", PATH).json()) == [*deletion, *made]
    assert list(send(client, "DELETE", f"/storage/{ACCOUNT}").json()) == [*deletion, *managed]
