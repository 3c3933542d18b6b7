"""Which settings are shown in a command, and how the others are handed over."""

import shlex

import pytest
from hypothesis import given, strategies

from rotator import redaction
from rotator.azure import az_commands
from rotator.azure.permissions import Policy
from rotator.plan import loader, secret_settings
from tests.unit.plan.test_loader import SAMPLE

HOOK = "https://hooks.example.com/services/T000/B000/0123456789abcdef"
KEY = "bm90IGEga2V5IGF0IGFsbA=="
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hook)"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_WEBHOOK_URL", HOOK),
        ("NOTIFY_WEBHOOK_URL", HOOK.replace("https", "http")),  # wrong, and a secret all the same
        ("NOTIFY_WEBHOOK_URL", "@Microsoft.KeyVault(" + HOOK),
        ("AzureWebJobsStorage", f"AccountName=a;AccountKey={KEY}"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=00000000-0000-0000-0000-000000000000"),
        ("OTHER_ACCESS_KEY", KEY),
        ("AZURE_CLIENT_SECRET", KEY),
        ("PROXY_PASSWORD", "correct horse"),
        ("KUBERNETES_KUBECTL", "kubectl --token=abcdef"),
        ("KUBERNETES_KUBECTL", "kubectl --token abcdef"),
        ("ANYTHING", "https://user:password@host"),
        ("ANYTHING", "sv=2018-03-28&sig=abc"),
        ("ANYTHING", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY}"),
    ],
)
def test_a_value_that_may_be_secret_is_left_to_a_file(name: str, value: str) -> None:
    words = shlex.split(secret_settings.arguments({"A": "b", name: value}))
    assert words == ["A=b", f"@<JSON file with {name}>"]


@pytest.mark.parametrize(("name", "value"), [*SAMPLE.items(), ("NOTIFY_WEBHOOK_URL", REFERENCE)])
def test_a_value_that_is_none_is_shown(name: str, value: str) -> None:
    assert shlex.split(secret_settings.arguments({name: value})) == [f"{name}={value}"]


def test_of_our_settings_those_are_secret_whose_type_or_meaning_says_so() -> None:
    ours = dict.fromkeys(loader.NAMES, "x")
    assert {name for name, value in ours.items() if secret_settings.may_hold_secret(name, value)} == {
        "NOTIFY_WEBHOOK_URL",
        "AzureWebJobsStorage",
    }


def test_a_secret_that_is_known_is_shown_in_no_setting() -> None:
    known = redaction.SecretText("correct horse battery staple")
    assert secret_settings.may_hold_secret("KUBERNETES_NAMESPACE", f"x {known.reveal()}")


@given(strategies.dictionaries(strategies.from_regex(r"[A-Z]{1,9}", fullmatch=True), strategies.text(), max_size=4))
def test_whatever_is_shown_comes_through_a_shell_as_it_is(settings: dict[str, str]) -> None:
    words = shlex.split(secret_settings.arguments(settings))
    shown = {name: text for name, text in settings.items() if not secret_settings.may_hold_secret(name, text)}
    assert [word for word in words if not word.startswith("@")] == [f"{name}={text}" for name, text in shown.items()]


def test_the_environments_secrets_are_masked_while_they_are_held() -> None:
    environment = {
        "NOTIFY_WEBHOOK_URL": HOOK,
        "AzureWebJobsStorage": f"AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net",
        "KUBERNETES_KUBECTL": "kubectl --token=0123456789",
        "KUBERNETES_SECRET_KEY": "secretKey",
        "AZURE_CLIENT_SECRET": "short",
        "HOME": "/home/anna",
    }
    held = secret_settings.secret_values(environment)
    assert redaction.scrub(f"{HOOK} {KEY} 0123456789") == "[secret] [secret] [secret]"
    assert redaction.scrub("secretKey short /home/anna AccountName=a") == "secretKey short /home/anna AccountName=a"
    del held
    assert HOOK in redaction.scrub(HOOK)


@given(strategies.text(min_size=1), strategies.text(min_size=1))
def test_foreign_words_in_the_command_for_a_policy_are_words(vault: str, object_id: str) -> None:
    command = az_commands.add_policy(vault, object_id, Policy(frozenset({"get"})))
    words = shlex.split(command, posix=True)
    assert words[:4] == ["az", "keyvault", "set-policy", "--name"]
    assert words[4] == vault
