"""The app's own storage in the settings, and the settings that would die with an account's keys."""

import base64

import pytest

from rotator.azure.errors import OwnStorageError
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.redaction import SecretText

KEY = base64.b64encode(b"a key that nobody may see").decode()
SAS = "sv=2022-11-02&ss=b&srt=sco&sp=rw&sig=c2VjcmV0c2lnbmF0dXJl"
BY_KEY = f"DefaultEndpointsProtocol=https;AccountName=mine;AccountKey={KEY};EndpointSuffix=core.windows.net"


def test_without_settings_there_is_no_storage() -> None:
    assert storage_settings.find({"KEYVAULT_BASEURL": "https://v.vault.azure.net"}) is None


def test_a_connection_string_is_kept_secret() -> None:
    found = storage_settings.find({"AzureWebJobsStorage": BY_KEY})
    assert found == HostStorage(SecretText(BY_KEY), None, None)
    assert KEY not in repr(found)


def test_an_account_s_name_makes_its_url_in_the_vault_s_cloud() -> None:
    environment = {"AzureWebJobsStorage__accountName": "mine", "AzureWebJobsStorage__clientId": "c1"}
    assert storage_settings.find(environment) == HostStorage(None, "https://mine.blob.core.windows.net", "c1")
    found = storage_settings.find(environment, "blob.core.chinacloudapi.cn")
    assert found == HostStorage(None, "https://mine.blob.core.chinacloudapi.cn", "c1")


def test_a_url_is_taken_as_it_is() -> None:
    environment = {"AzureWebJobsStorage__blobServiceUri": "https://127.0.0.1:10000/mine/"}
    assert storage_settings.find(environment) == HostStorage(None, "https://127.0.0.1:10000/mine", None)


def test_of_several_settings_the_one_counts_that_the_functions_host_takes() -> None:
    by_url = {"AzureWebJobsStorage__blobServiceUri": "https://other.example.com"}
    by_name = {**by_url, "AzureWebJobsStorage__accountName": "mine"}
    assert storage_settings.find(by_name) == HostStorage(None, "https://mine.blob.core.windows.net", None)
    by_string = {**by_name, "AzureWebJobsStorage": BY_KEY}
    assert storage_settings.find(by_string) == HostStorage(SecretText(BY_KEY), None, None)


def test_blank_settings_count_as_absent() -> None:
    blank = {"AzureWebJobsStorage": " ", "AzureWebJobsStorage__accountName": "", "AzureWebJobsStorage__clientId": ""}
    assert storage_settings.find(blank) is None
    by_url = {**blank, "AzureWebJobsStorage__blobServiceUri": "https://mine.example.com"}
    assert storage_settings.find(by_url) == HostStorage(None, "https://mine.example.com", None)


@pytest.mark.parametrize(
    "value",
    [
        BY_KEY,
        f"accountname=MINE;accountkey={KEY}",
        f" AccountName = mine ; AccountKey = {KEY} ;",
        f"BlobEndpoint=https://mine.blob.core.windows.net/;SharedAccessSignature={SAS}",
        f"QueueEndpoint=https://MINE.queue.core.windows.net;SharedAccessSignature={SAS}",
        f"TableEndpoint=https://mine.table.core.windows.net;SharedAccessSignature={SAS}",
        f"FileEndpoint=https://mine.file.core.windows.net;SharedAccessSignature={SAS}",
        f"BlobEndpoint=http://127.0.0.1:10000/mine;SharedAccessSignature={SAS}",
        f"AccountName=mine;SharedAccessSignature={SAS}",
        f"https://mine.blob.core.windows.net/packages/app.zip?{SAS}",
    ],
)
def test_a_setting_that_opens_the_account_by_key_or_sas_is_found_under_any_name(value: str) -> None:
    assert storage_settings.settings_with_key({"ANY": value, "PATH": "/bin"}, "mine") == ("ANY",)
    with pytest.raises(OwnStorageError):
        storage_settings.check({"ANY": value}, "mine")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "mine",
        "https://mine.blob.core.windows.net",
        "https://mine.blob.core.windows.net/packages/app.zip",
        "https://[mine?sig=x",
        "BlobEndpoint=https://[mine;SharedAccessSignature=x",
        "AccountName=mine;EndpointSuffix=core.windows.net",
        f"AccountName=mine2;AccountKey={KEY}",
        f"AccountName=other;AccountKey={KEY};BlobEndpoint=https://other.blob.core.windows.net",
        f"AccountEndpoint=https://mine.documents.azure.com:443/;AccountKey={KEY}",
        f"BlobEndpoint=https://minelike.blob.core.windows.net/;SharedAccessSignature={SAS}",
        "UseDevelopmentStorage=true",
    ],
)
def test_a_setting_that_does_not_is_let_be(value: str) -> None:
    assert storage_settings.settings_with_key({"AzureWebJobsStorage": value}, "mine") == ()
    storage_settings.check({"AzureWebJobsStorage": value}, "mine")


def test_the_emulator_s_account_is_known_by_its_name() -> None:
    environment = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    assert storage_settings.settings_with_key(environment, "devstoreaccount1") == ("AzureWebJobsStorage",)


def test_a_setting_that_the_platform_gives_twice_is_named_once() -> None:
    environment = {"APPSETTING_AzureWebJobsStorage": BY_KEY, "AzureWebJobsStorage": BY_KEY, "A": BY_KEY}
    assert storage_settings.settings_with_key(environment, "mine") == ("A", "AzureWebJobsStorage")


REMEDIES = {
    "AzureWebJobsStorage": "AzureWebJobsStorage__accountName=<account>",
    "CUSTOMCONNSTR_PICTURES": "PICTURES__blobServiceUri",
    "DEPLOYMENT_STORAGE_CONNECTION_STRING": "managed identity",
    "PICTURES": "PICTURES__blobServiceUri",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING": "Flex Consumption",
    "WEBSITE_RUN_FROM_PACKAGE": "without a SAS",
}


@pytest.mark.parametrize("name", REMEDIES)
def test_each_setting_is_named_with_what_mends_it(name: str) -> None:
    with pytest.raises(OwnStorageError) as raised:
        storage_settings.check({name: BY_KEY}, "mine")
    assert name in str(raised.value)
    assert "'mine'" in str(raised.value)
    assert f"{name}: " in raised.value.remedy
    assert REMEDIES[name] in raised.value.remedy


def test_the_refusal_names_all_settings_and_shows_no_secret() -> None:
    environment = {**dict.fromkeys(REMEDIES, BY_KEY), "ANY": f"https://mine.blob.core.windows.net/x?{SAS}"}
    with pytest.raises(OwnStorageError) as raised:
        storage_settings.check(environment, "mine")
    message = f"{raised.value} {raised.value.remedy}"
    assert all(name in message for name in environment)
    assert KEY not in message
    assert "c2VjcmV0c2lnbmF0dXJl" not in message
