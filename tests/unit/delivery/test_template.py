"""What becomes of placeholders, and that a connection string is one that parsers take."""

import dataclasses

import pytest
from azure.storage.blob import BlobServiceClient

from rotator import sas
from rotator.delivery import template
from rotator.delivery.errors import TemplateError
from rotator.delivery.template import Values
from rotator.plan import secret_template
from rotator.plan.secret_template import Placeholder
from rotator.redaction import SecretText
from tests.fakes.examples import TOKEN

ENDPOINT = "https://mystorage.blob.core.windows.net"
KEY = "a2V5" * 21 + "aw=="
VALUES = Values(
    sas=sas.parse(SecretText(f"?{TOKEN}")),
    account="mystorage",
    blob_endpoint=ENDPOINT,
    container="pictures",
    previous=SecretText("sv=before&sig=x"),
    account_key=SecretText(KEY),
)
ACCOUNT_WIDE = dataclasses.replace(VALUES, container=None)


def rendered(text: str, values: Values = VALUES) -> str:
    return template.render(secret_template.parse(text), values).reveal()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{sas}", TOKEN),
        ("{sas_query}", f"?{TOKEN}"),
        ("{url}", f"{ENDPOINT}/pictures?{TOKEN}"),
        ("{container_url}", f"{ENDPOINT}/pictures?{TOKEN}"),
        ("{account}", "mystorage"),
        ("{container}", "pictures"),
        ("{blob_endpoint}", ENDPOINT),
        ("{expires}", "2026-07-01T16:00:00Z"),
        ("{previous}", "sv=before&sig=x"),
        ("{account_key}", KEY),
        ("A={account}\nB='{{{sas}}}'\n", f"A=mystorage\nB='{{{TOKEN}}}'\n"),
        ("{account}{account}", "mystoragemystorage"),
        ("", ""),
    ],
)
def test_placeholder_stands_for_its_value(text: str, expected: str) -> None:
    assert rendered(text) == expected


def test_every_placeholder_has_a_value() -> None:
    for each in Placeholder:
        assert rendered(each.written)


def test_url_of_a_sas_for_the_whole_account_is_the_endpoint_with_it() -> None:
    assert rendered("{url}", ACCOUNT_WIDE) == f"{ENDPOINT}/?{TOKEN}"


def test_url_of_a_sas_for_one_blob_is_the_blobs() -> None:
    one = dataclasses.replace(VALUES, blob="2026/a picture&more.png")
    assert rendered("{url}", one) == f"{ENDPOINT}/pictures/2026/a%20picture%26more.png?{TOKEN}"
    assert rendered("{container_url}", one) == f"{ENDPOINT}/pictures?{TOKEN}"


def test_previous_sas_that_is_no_more_is_empty() -> None:
    assert rendered("<{previous}>", dataclasses.replace(VALUES, previous=None)) == "<>"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (ENDPOINT, "DefaultEndpointsProtocol=https;AccountName=mystorage;EndpointSuffix=core.windows.net;"),
        (
            "https://mystorage.blob.core.chinacloudapi.cn",
            "DefaultEndpointsProtocol=https;AccountName=mystorage;EndpointSuffix=core.chinacloudapi.cn;",
        ),
        *(
            (other, f"BlobEndpoint={other};AccountName=mystorage;")
            for other in (
                "https://mystorage.z21.blob.storage.azure.net",
                "https://mystorage.privatelink.blob.core.windows.net",
                "https://files.example.com",
                "https://another.blob.core.windows.net",
                "https://mystorage.blob.core.windows.net:8443",
                "https://127.0.0.1:10000/mystorage",
            )
        ),
    ],
)
def test_connection_string_names_the_endpoint_only_where_it_is_not_the_usual_one(endpoint: str, expected: str) -> None:
    found = rendered("{connection_string}", dataclasses.replace(VALUES, blob_endpoint=endpoint))
    assert found == f"{expected}SharedAccessSignature={TOKEN}"
    with BlobServiceClient.from_connection_string(found) as client:
        assert client.url.partition("?")[0].rstrip("/") == endpoint
        assert client.url.partition("?")[2] == TOKEN


@pytest.mark.parametrize(
    ("text", "missing", "needed"),
    [
        ("{account}", {"account": None}, "{account}"),
        ("{connection_string}", {"account": None}, "{account}"),
        ("{connection_string}", {"blob_endpoint": None}, "{blob_endpoint}"),
        ("{url}", {"blob_endpoint": None, "container": None}, "{blob_endpoint}"),
        ("{container_url}", {"container": None}, "{container}"),
        ("{container}", {"container": None}, "{container}"),
        ("{account_key}", {"account_key": None}, "{account_key}"),
    ],
)
def test_value_that_is_not_known_is_an_error_with_a_remedy(text: str, missing: dict[str, None], needed: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(text, dataclasses.replace(VALUES, **missing))  # type: ignore[arg-type]  # each of them is optional
    assert str(caught.value) == (f"the Secret's template needs {needed}, which is not known; nothing was changed")
    assert caught.value.remedy


def test_value_that_no_template_asks_for_need_not_be_known() -> None:
    assert rendered("{sas}", Values(VALUES.sas)) == TOKEN


@pytest.mark.parametrize(
    ("endpoint", "account"),
    [
        (ENDPOINT, "mystorage"),
        ("https://mystorage.z1.blob.storage.azure.net", None),
        ("https://files.example.com", None),
        ("https://127.0.0.1:10000/mystorage", None),
        (None, None),
    ],
)
def test_account_is_concluded_from_an_endpoint_of_the_usual_form_only(
    endpoint: str | None, account: str | None
) -> None:
    assert template.account_in(endpoint) == account


def test_neither_values_nor_what_is_made_of_them_show_a_secret() -> None:
    shown = f"{VALUES!r} {VALUES} {template.render(secret_template.parse('{connection_string}'), VALUES)!r}"
    assert not [secret for secret in (KEY, TOKEN[-20:], "sv=before") if secret in shown]
