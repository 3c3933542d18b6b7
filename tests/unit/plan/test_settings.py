import datetime

import pytest

from rotator.plan import loader, secret_template, settings
from rotator.plan.account import IssuerKind
from rotator.plan.secret_template import Template
from rotator.redaction import SecretText
from tests.unit.plan.test_loader import SAMPLE, problems

HOOK = "https://prod-1.westeurope.logic.azure.com/workflows/0123/triggers/manual/paths/invoke"

ACCOUNT_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mygroup/providers/Microsoft.Storage"
    "/storageAccounts/mystorage"
)


IN_CONTAINER = ("SAS_CONTAINER", "SAS_PREFIX", "SAS_BLOB", "SAS_ENCRYPTION_SCOPE", "SAS_ISSUER")


def sample_for(name: str) -> dict[str, str]:
    """Settings beside which one setting is of use."""
    if name in (*IN_CONTAINER, "SAS_IP", "STORAGE_ACCOUNT_ID"):
        container = {"SAS_CONTAINER": "pictures"} if name in IN_CONTAINER else {}
        return {**SAMPLE, "SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": ACCOUNT_ID, **container}
    return SAMPLE


# What each setting takes, as it is written, and the value that comes of it.
GOOD: list[tuple[str, str, object]] = [
    ("REPORT_CONTAINER", "rotation-reports", "rotation-reports"),
    ("NOTIFY_WEBHOOK_URL", f"{HOOK}?api-version=1&sig=x", SecretText(f"{HOOK}?api-version=1&sig=x")),
    ("NOTIFY_WEBHOOK_URL", "http://hooks.example.com/x", None),
    ("NOTIFY_WEBHOOK_URL", "https://[half", None),
    ("NOTIFY_WEBHOOK_URL", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hook)", None),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net/", "https://myvault.vault.azure.net"),
    ("KEYVAULT_BASEURL", "https://localhost:8443", "https://localhost:8443"),
    ("KEYVAULT_STORAGE_NAME", "Account1", "Account1"),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net.", "https://myvault.vault.azure.net"),
    ("KEYVAULT_BASEURL", "HTTPS://my_vault.internal.:8443//", "https://my_vault.internal:8443"),
    ("KEYVAULT_BASEURL", "https://[::1]:8443/", "https://[::1]:8443"),
    ("AZURE_RESOURCE_MANAGER", "https://management.azure.com./", "https://management.azure.com"),
    (
        "STORAGE_BLOB_ENDPOINT",
        "https://my_account.internal./devstoreaccount1/",
        "https://my_account.internal/devstoreaccount1",
    ),
    ("KUBERNETES_DNS", "master.example.com.", "master.example.com."),
    ("KUBERNETES_DNS", "k8s_master-1.corp_net", "k8s_master-1.corp_net"),
    ("KUBERNETES_DNS", "_master_", "_master_"),
    ("KUBERNETES_DNS", "fe80::1%eth0", "fe80::1%eth0"),
    ("KUBERNETES_DNS", "10.0.0.4", "10.0.0.4"),
    ("KUBERNETES_DNS", "::1", "::1"),
    ("KUBERNETES_DNS", "[fe80::1]", "fe80::1"),
    ("KUBERNETES_SSH_USERNAME", "first.last@corp", "first.last@corp"),
    ("KUBERNETES_SECRET_NAME", "a.b-c.1", "a.b-c.1"),
    ("ROTATION_SCHEDULE", "0 0 * * * *", "0 0 * * * *"),
    ("SAS_DEFINITION_NAME", "Everything2", "Everything2"),
    ("SAS_ISSUER", "userdelegation", IssuerKind.USERDELEGATION),
    ("STORAGE_ACCOUNT_ID", f"{ACCOUNT_ID}/", ACCOUNT_ID),
    ("SAS_CONTAINER", "my-pictures", "my-pictures"),
    ("SAS_CONTAINER", "$web", "$web"),
    ("SAS_PREFIX", "/reports/2026/", "reports/2026"),
    ("SAS_BLOB", "a name/with spaces.txt", "a name/with spaces.txt"),
    ("SAS_IP", "203.0.113.7", "203.0.113.7"),
    ("SAS_IP", "203.0.113.0 - 203.0.113.255", "203.0.113.0-203.0.113.255"),
    ("SAS_ENCRYPTION_SCOPE", "team-1", "team-1"),
    ("SAS_SERVICES", "tb", "bt"),
    ("SAS_RESOURCE_TYPES", "o", "o"),
    ("SAS_PERMISSIONS", "puacldwr", "rwdlacup"),
    ("SAS_PROTOCOL", "https,http", "https,http"),
    ("SAS_PROTOCOL", "http,https", "https,http"),
    ("SAS_VALIDITY", "P1DT30M", datetime.timedelta(days=1, minutes=30)),
    ("KUBERNETES_SSH_PORT", "65535", 65535),
    ("KUBERNETES_SSH_KEY_SECRET", "my-key-2", "my-key-2"),
    ("KUBERNETES_SSH_PASSPHRASE_SECRET", "my-passphrase", "my-passphrase"),
    ("KUBERNETES_NAMESPACE", "team-1", "team-1"),
    ("KUBERNETES_SECRET_KEY", "AZURE_STORAGE_SAS.token-1", "AZURE_STORAGE_SAS.token-1"),
    ("KUBERNETES_SECRET_KEY", ".hidden", ".hidden"),
    ("KUBERNETES_SECRET_ENCODING", "base64", "base64"),
    ("KUBERNETES_SECRET_DATA", '{"url": "{url}"}', {"url": secret_template.parse("{url}")}),
    ("KUBERNETES_SECRET_DATA", "a: '{sas}'\nb: x", {"a": secret_template.parse("{sas}"), "b": Template("x", ("x",))}),
    ("KUBERNETES_SECRET_PRESET", "connection-string", "connection-string"),
    ("KUBERNETES_SECRET_TYPE", "example.com/sas", "example.com/sas"),
    ("KUBERNETES_SECRET_LABELS", '{"cnpg.io/reload": "true"}', {"cnpg.io/reload": "true"}),
    ("KUBERNETES_SECRET_ANNOTATIONS", "note: mind the gap", {"note": "mind the gap"}),
    ("KUBERNETES_SECRET_STRATEGY", "apply", "apply"),
    ("KUBERNETES_SECRET_ADOPT", "true", True),
    ("KUBERNETES_SECRET_KEEP_FOREIGN", "False", False),
    ("KUBERNETES_KUBECTL", "sudo k3s kubectl", ("sudo", "k3s", "kubectl")),
    ("KUBERNETES_KUBECTL", "'/opt/my tools/kubectl' --context=prod", ("/opt/my tools/kubectl", "--context=prod")),
    ("KUBERNETES_KUBECTL", "env KUBECONFIG=/etc/k kubectl", ("env", "KUBECONFIG=/etc/k", "kubectl")),
    ("STORAGE_BLOB_ENDPOINT", "https://a.blob.core.windows.net/", "https://a.blob.core.windows.net"),
    ("STORAGE_BLOB_ENDPOINT", "https://127.0.0.1:10000/devstoreaccount1", "https://127.0.0.1:10000/devstoreaccount1"),
    ("ROTATION_PROVE", "no", False),
    ("KEY_ROTATION_PERIOD", "P90D", datetime.timedelta(days=90)),
    ("REVOKE_GRACE", "PT0S", datetime.timedelta(0)),
    ("REVOKE_GRACE", "PT3M", datetime.timedelta(minutes=3)),
    ("AZURE_RESOURCE_MANAGER", "https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net"),
    ("AzureWebJobsStorage", "UseDevelopmentStorage=true", "UseDevelopmentStorage=true"),
    ("AzureWebJobsStorage__accountName", "myappstorage", "myappstorage"),
    ("AzureWebJobsStorage__blobServiceUri", "https://a.blob.core.windows.net", "https://a.blob.core.windows.net"),
    (
        "AzureWebJobsStorage__clientId",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
    (
        "AZURE_CLIENT_ID",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
]

# What each setting refuses, and words of the reason.
BAD: list[tuple[str, str, str]] = [
    ("REPORT_CONTAINER", "Reports", "a blob container's name"),
    ("REPORT_CONTAINER", "no--double", "a blob container's name"),
    ("REPORT_CONTAINER", "ab", "a blob container's name"),
    ("KEYVAULT_BASEURL", "http://myvault.vault.azure.net", "must be an https:// URL"),
    ("KEYVAULT_BASEURL", "myvault.vault.azure.net", "must be an https:// URL"),
    ("KEYVAULT_BASEURL", "https://", "must be an https:// URL"),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net?x=1", "plain URL"),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net#top", "plain URL"),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net?", "plain URL"),
    ("KEYVAULT_BASEURL", "https://:secret@myvault.vault.azure.net", "plain URL"),
    ("KEYVAULT_BASEURL", "https://myvault.vault.azure.net/secrets/privatekey", "leave out what follows the host"),
    ("KEYVAULT_BASEURL", "https://my vault.net", "host name or an address"),
    ("KEYVAULT_BASEURL", "https://myvault..net", "host name or an address"),
    ("KEYVAULT_BASEURL", "https://myvault.net:99999", "must be an https:// URL"),
    ("AZURE_RESOURCE_MANAGER", "https://management.azure.com/subscriptions", "leave out what follows the host"),
    ("STORAGE_BLOB_ENDPOINT", "https://a.blob.core.windows.net/container", "leave out what follows the host"),
    ("AzureWebJobsStorage__blobServiceUri", "https://a.blob.core.windows.net/c", "leave out what follows the host"),
    ("KUBERNETES_DNS", "master..example.com", "host name or an address"),
    ("KUBERNETES_DNS", f"{'a' * 64}.example.com", "host name or an address"),
    ("KUBERNETES_DNS", "master-", "host name or an address"),
    ("KUBERNETES_DNS", ":::", "host name or an address"),
    ("KUBERNETES_DNS", "[master]:22", "host name or an address"),
    ("KUBERNETES_DNS", "master\nother", "host name or an address"),
    ("KEYVAULT_STORAGE_NAME", "my-storage", "letters and digits only"),
    ("KEYVAULT_STORAGE_NAME", "a" * 128, "letters and digits only"),
    ("KUBERNETES_DNS", "ssh://master", "host name or an address"),
    ("KUBERNETES_DNS", "rotator@master", "host name or an address"),
    ("KUBERNETES_DNS", "master.example.com:22", "host name or an address"),
    ("KUBERNETES_DNS", "-oProxyCommand=x", "host name or an address"),
    ("KUBERNETES_SSH_USERNAME", "two words", "must be a user name"),
    ("KUBERNETES_SSH_USERNAME", "-l", "must be a user name"),
    ("KUBERNETES_SSH_FINGERPRINT", "nonsense", "neither a SHA256 fingerprint"),
    ("KUBERNETES_SSH_FINGERPRINT", ",", "it holds no fingerprint"),
    ("KUBERNETES_SECRET_NAME", "Storage", "lower-case letters"),
    ("KUBERNETES_SECRET_NAME", "a_b", "lower-case letters"),
    ("KUBERNETES_SECRET_NAME", "a..b", "lower-case letters"),
    ("KUBERNETES_SECRET_NAME", "-a", "lower-case letters"),
    ("KUBERNETES_SECRET_NAME", ".".join(["a" * 50] * 5) + ".", "lower-case letters"),
    ("KUBERNETES_SECRET_NAME", "../../kube-system", "lower-case letters"),
    ("ROTATION_SCHEDULE", "0 0 25 * * *", "25 is out of range: the hour is 0 to 23"),
    ("ROTATION_SCHEDULE", "every hour", "six fields"),
    ("SAS_DEFINITION_NAME", "blob-rwu", "letters and digits only"),
    ("SAS_SERVICES", "bx", "letters bfqt once"),
    ("SAS_SERVICES", "bb", "letters bfqt once"),
    ("SAS_RESOURCE_TYPES", "scoz", "letters sco once"),
    ("SAS_PERMISSIONS", "rwt", "letters rwdlacup once"),
    ("SAS_ISSUER", "vault", "'keyvault', 'storagekey' or 'userdelegation'"),
    ("STORAGE_ACCOUNT_ID", "mystorage", "it must be a resource id"),
    (
        "STORAGE_ACCOUNT_ID",
        ACCOUNT_ID.replace("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"),
        "Storage",
    ),
    ("SAS_CONTAINER", "My_Pictures", "a blob container's name"),
    ("SAS_PREFIX", "a//b", "a blob's or directory's name"),
    ("SAS_PREFIX", "/", "a blob's or directory's name"),
    ("SAS_BLOB", "a" * 1025, "at most 1024 characters"),
    ("SAS_IP", "203.0.113.0/24", "an IPv4 address, or the first and the last"),
    ("SAS_IP", "203.0.113.9-203.0.113.1", "an IPv4 address, or the first and the last"),
    ("SAS_IP", "::1", "an IPv4 address"),
    ("SAS_ENCRYPTION_SCOPE", "No Scope", "an encryption scope's name"),
    ("SAS_PROTOCOL", "http", "must be one of https and https,http"),
    ("SAS_PROTOCOL", "https,https", "must be one of https and https,http"),
    ("SAS_VALIDITY", "4h", "ISO 8601 duration"),
    ("SAS_VALIDITY", "P1M", "months or years"),
    ("SAS_VALIDITY", "PT0S", "longer than nothing"),
    ("SAS_VALIDITY", "P365001D", "not be longer than P365000D"),
    ("SAS_VALIDITY", "P999999999D", "not be longer than P365000D"),
    ("KEY_ROTATION_PERIOD", "P999999999D", "not be longer than P365000D"),
    ("SAS_VALIDITY", "-PT4H", "longer than nothing"),
    ("KUBERNETES_SSH_PORT", "0", "greater than or equal to 1"),
    ("KUBERNETES_SSH_PORT", "65536", "less than or equal to 65535"),
    ("KUBERNETES_SSH_PORT", "ssh", "valid integer"),
    ("KUBERNETES_SSH_KEY_SECRET", "my_key", "name of a vault secret"),
    ("KUBERNETES_SSH_PASSPHRASE_SECRET", "a/b", "name of a vault secret"),
    ("KUBERNETES_NAMESPACE", "a.b", "lower-case letters, digits and -"),
    ("KUBERNETES_NAMESPACE", "a" * 64, "lower-case letters, digits and -"),
    ("KUBERNETES_SECRET_KEY", "a/b", "letters, digits, -, _ and ."),
    ("KUBERNETES_SECRET_KEY", "..a", "letters, digits, -, _ and ."),
    ("KUBERNETES_SECRET_KEY", ".", "letters, digits, -, _ and ."),
    ("KUBERNETES_SECRET_ENCODING", "hex", "'raw' or 'base64'"),
    ("KUBERNETES_SECRET_DATA", "secretKey: {sas}", "in YAML, one with braces needs quotes"),
    ("KUBERNETES_SECRET_PRESET", "postgres", "'connection-string'"),
    ("KUBERNETES_SECRET_TYPE", "not a type", "must be a Secret's type"),
    ("KUBERNETES_SECRET_LABELS", "team: the blue", "at most 63 letters"),
    ("KUBERNETES_SECRET_ANNOTATIONS", "rotator/digest: x", "written by the rotator itself"),
    ("KUBERNETES_SECRET_STRATEGY", "patch", "'recreate' or 'apply'"),
    ("KUBERNETES_SECRET_ADOPT", "maybe", "valid boolean"),
    ("KUBERNETES_SECRET_KEEP_FOREIGN", "2", "valid boolean"),
    ("KUBERNETES_KUBECTL", f"kubectl {'a' * 4_000}", "longer than 4000 characters"),
    ("KUBERNETES_KUBECTL", "kubectl; reboot", "without shell operators"),
    ("KUBERNETES_KUBECTL", "kubectl $(id)", "without shell operators"),
    ("KUBERNETES_KUBECTL", "kubectl 'x", "no closing quotation"),
    ("KUBERNETES_KUBECTL", "KUBECONFIG=/etc/k kubectl", "write `env NAME=value kubectl`"),
    ("STORAGE_BLOB_ENDPOINT", "http://a.blob.core.windows.net", "must be an https:// URL"),
    ("ROTATION_PROVE", "sometimes", "valid boolean"),
    ("KEY_ROTATION_PERIOD", "90 days", "ISO 8601 duration"),
    ("KEY_ROTATION_PERIOD", "P3M", "months or years"),
    ("KEY_ROTATION_PERIOD", "PT0S", "longer than nothing"),
    ("REVOKE_GRACE", "2m", "ISO 8601 duration"),
    ("REVOKE_GRACE", "PT3M1S", "between PT0S and PT3M"),
    ("REVOKE_GRACE", "-PT1S", "between PT0S and PT3M"),
    ("AZURE_RESOURCE_MANAGER", "management.azure.com", "must be an https:// URL"),
    ("AzureWebJobsStorage__accountName", "My-App", "must be a storage account's name"),
    ("AzureWebJobsStorage__blobServiceUri", "http://a", "must be an https:// URL"),
    ("AzureWebJobsStorage__clientId", "my-identity", "which is a GUID"),
    ("AZURE_CLIENT_ID", "my-identity", "which is a GUID"),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_good_value_is_taken(name: str, text: str, value: object) -> None:
    assert settings.value(settings.ALL[name], {name: text}) == value
    loader.load({**sample_for(name), "SAS_VALIDITY": "P2D", name: text})


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_bad_value_is_refused_with_its_name_the_reason_and_an_example(name: str, text: str, reason: str) -> None:
    (problem,) = problems(**{**sample_for(name), name: text})
    assert problem.startswith(f"{name} is wrong")
    assert reason in problem
    assert "; for example " in problem


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("SAS_ISSUER", "UserDelegation", "userdelegation"),
        ("SAS_ISSUER", "user-delegation", "userdelegation"),
        ("SAS_ISSUER", "key_vault", "keyvault"),
        ("KUBERNETES_SECRET_PRESET", "csi_blob", "csi-blob"),
        ("KUBERNETES_SECRET_PRESET", "Velero", "velero"),
        ("KUBERNETES_SECRET_ENCODING", "Base64", "base64"),
        ("KUBERNETES_SECRET_STRATEGY", "Apply", "apply"),
    ],
)
def test_value_that_is_similar_to_one_of_a_few_is_refused_with_that_one(name: str, text: str, meant: str) -> None:
    (problem,) = problems(**{name: text})
    assert f"; did you mean {meant}; for example " in problem


def test_every_setting_has_good_and_bad_values_here() -> None:
    names = set(settings.ALL)
    assert {name for name, _, _ in GOOD} == names - {"KUBERNETES_SSH_FINGERPRINT"}
    # What is wrong with the app's own storage, or the webhook, keeps no rotation from going on, with a warning.
    assert {name for name, _, _ in BAD} == names - {"AzureWebJobsStorage", "NOTIFY_WEBHOOK_URL"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://hooks.example.com/T0/secret", "is no https:// URL"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hook)", "could not resolve"),
    ],
)
def test_a_webhook_that_is_none_is_a_warning_without_its_value(text: str, expected: str) -> None:
    (warning,) = loader.load({**SAMPLE, "NOTIFY_WEBHOOK_URL": text}).warnings
    assert expected in warning
    assert text not in warning


def test_an_account_id_that_is_none_is_a_warning_where_key_vault_needs_none() -> None:
    plan = loader.load({**SAMPLE, "STORAGE_ACCOUNT_ID": "mystorage"})
    assert plan.account.storage_account is None
    assert plan.warnings == (
        "STORAGE_ACCOUNT_ID is no storage account's resource id, and was ignored: keyvault needs none",
    )


@pytest.mark.parametrize("name", settings.ALL)
def test_every_example_is_a_value_that_works(name: str) -> None:
    setting = settings.ALL[name].setting
    assert setting.description
    loader.load({**sample_for(name), name: setting.example})
