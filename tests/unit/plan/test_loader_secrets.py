"""A secret put into the wrong setting is refused, and no message contains it."""

import pytest

from rotator import errors
from rotator.plan import loader
from tests.fakes.examples import TOKEN
from tests.unit.plan.test_loader import SAMPLE

NAMES = sorted(loader.NAMES)
KEY = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vdGhpbmcgZWxzZSwgbm8gYWNjb3VudCBoYXMgdGhpcyBrZXkgYXQgYWxsISEhISEhISE="
SECRETS = {
    "private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----",
    "private key on one line": "-----BEGIN RSA PRIVATE KEY----- b3BlbnNzaC1rZXktdjE -----END RSA PRIVATE KEY-----",
    "cut private key": "-----BEGIN PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
    "SAS": TOKEN,
    "short SAS": "sv=2018-03-28&sig=b3BlbnNzaC1rZXkt",
    "SAS URL": "https://a.blob.core.windows.net/?sv=2018-03-28&sig=b3BlbnNzaC1rZXkt",
    "account key": KEY,
    "connection string": f"DefaultEndpointsProtocol=https;AccountName=app;AccountKey={KEY}",
    "short connection string": "AccountName=app;AccountKey=b3BlbnNzaC1rZXkt;",
}
PIECES = ("b3BlbnNz", "MDEyMzQ1", "Zm9yIHRl")


def shown(name: str, text: str) -> str:
    """All that an operator, a log or an HTTP answer sees of an error; nothing if the setting takes the text."""
    try:
        loader.load({**SAMPLE, name: text})
    except errors.SettingsError as error:
        return f"{error} {error.problems} {error!r} {error.__cause__!r} {error.__context__!r} {error.remedy}"
    return ""


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", NAMES)
def test_secret_in_any_setting_is_never_echoed(name: str, kind: str) -> None:
    words = shown(name, SECRETS[kind])
    assert [piece for piece in PIECES if piece in words] == []


@pytest.mark.parametrize("name", ["KEYVAULT_BASEURL", "KUBERNETES_DNS", "SAS_PERMISSIONS", "KUBERNETES_NAMESPACE"])
def test_secret_in_a_setting_is_refused_by_the_settings_name(name: str) -> None:
    assert f"{name} is wrong: " in shown(name, SECRETS["SAS"])


def test_ordinary_wrong_value_is_shown_as_it_helps() -> None:
    assert "KUBERNETES_NAMESPACE is wrong (Team A): " in shown("KUBERNETES_NAMESPACE", "Team A")


def test_very_long_value_is_not_shown() -> None:
    assert "KUBERNETES_NAMESPACE is wrong: " in shown("KUBERNETES_NAMESPACE", "Team A " * 20)


@pytest.mark.parametrize("name", ["KUBERNETES_SSH_PASSPHRASE_SECRET", "KUBERNETES_SSH_KEY_SECRET"])
def test_passphrase_in_place_of_its_secrets_name_is_never_echoed(name: str) -> None:
    assert "battery" not in shown(name, "correct horse battery")


@pytest.mark.parametrize("name", ["KEYVAULT_BASEURL", "STORAGE_BLOB_ENDPOINT", "AZURE_RESOURCE_MANAGER"])
def test_password_in_a_url_is_never_echoed(name: str) -> None:
    assert "hunter2" not in shown(name, "https://bob:hunter2@myvault.vault.azure.net")


def test_client_secret_in_place_of_the_client_id_is_never_echoed() -> None:
    assert "8Q~Kd9" not in shown("AZURE_CLIENT_ID", "xYz8Q~Kd9s8fJ3k2lM5n7p0q1r4t6u8w9y2A3b4C")


def test_reason_of_a_library_does_not_echo_what_is_not_shown() -> None:
    assert "b3BlbnNz" not in shown("KEYVAULT_BASEURL", "https://[b3BlbnNzaC1rZXkt]/?sig=b3BlbnNzaC1rZXkt")
