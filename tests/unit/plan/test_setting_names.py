"""Misspelt and unknown settings are errors; what others set is left alone."""

import json
import re
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator import errors
from rotator.plan import loader, setting_names
from tests.unit.plan.test_loader import SAMPLE, problems

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KUBERNETES_NAMESPCE", "KUBERNETES_NAMESPACE"),
        ("KUBERNETES_NAMESPACES", "KUBERNETES_NAMESPACE"),
        ("kubernetes_namespace", "KUBERNETES_NAMESPACE"),
        ("Kubernetes-Namespace", "KUBERNETES_NAMESPACE"),
        ("KUBERNTES_NAMESPACE", "KUBERNETES_NAMESPACE"),
        ("KUBERNETES_SECRET_STRATEGIE", "KUBERNETES_SECRET_STRATEGY"),
        ("KUBERNETES_SSH_PROT", "KUBERNETES_SSH_PORT"),
        ("KUBERNETES_SHH_PORT", "KUBERNETES_SSH_PORT"),
        ("SAS_VALIDTY", "SAS_VALIDITY"),
        ("SAS_PERMISSION", "SAS_PERMISSIONS"),
        ("ROTATION_SCHEDUEL", "ROTATION_SCHEDULE"),
        ("ROTATIONSCHEDULE", "ROTATION_SCHEDULE"),
        ("KEYROTATION_PERIOD", "KEY_ROTATION_PERIOD"),
        ("KEY_VAULT_BASEURL", "KEYVAULT_BASEURL"),
        ("REVOKE_GARCE", "REVOKE_GRACE"),
        ("REPORTS_CONTAINER", "REPORT_CONTAINER"),
        ("NOTIFY_WEBHOOK_URI", "NOTIFY_WEBHOOK_URL"),
        ("STORAGE_BLOB_ENDPIONT", "STORAGE_BLOB_ENDPOINT"),
        ("AZURE_CLIENTID", "AZURE_CLIENT_ID"),
        ("AZURE_RESOURCE_MANGER", "AZURE_RESOURCE_MANAGER"),
        ("AzureWebJobsStorage__acountName", "AzureWebJobsStorage__accountName"),
        ("AzureWebJobsStorage__blobServiceUrl", "AzureWebJobsStorage__blobServiceUri"),
    ],
)
def test_misspelt_setting_is_an_error_that_says_what_was_meant(name: str, meant: str) -> None:
    (problem,) = problems(**{name: "42"})
    assert problem == f"{name} is not a setting of the rotator: did you mean {meant}? Rename it, or remove it"


@pytest.mark.parametrize(
    "name",
    [
        "KUBERNETES_CONTEXT",
        "KUBERNETES_SECRET_FORMAT",
        "KUBERNETES_SSH_PASSPHRASE",
        "KEYVAULT_TENANT",
        "SAS_ADDRESS",
        "ROTATION_TIME_ZONE",
        "KEY_ROTATION_GRACE",
        "REVOKE_WAIT",
        "NOTIFY_WEBHOOK",
        "REPORT_CONTAINER_URL",
        "STORAGE_BLOB_URL",
    ],
)
def test_unknown_setting_of_our_families_is_an_error(name: str) -> None:
    (problem,) = problems(**{name: "42"})
    assert problem.startswith(f"{name} is not a setting of the rotator")
    assert "remove it" in problem.lower()


def test_misspelt_settings_are_reported_with_what_is_missing_and_without_their_values() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        loader.load({"KUBERNETES_SSH_PASSPHRASE": "hunter2", "SAS_VALIDTY": "PT8H"})
    assert "hunter2" not in str(caught.value)
    assert [problem.split()[0] for problem in caught.value.problems][-2:] == [
        "KUBERNETES_SSH_PASSPHRASE",
        "SAS_VALIDTY",
    ]


def test_emptied_setting_is_none_whatever_its_name() -> None:
    loader.load({**SAMPLE, "KUBERNETES_NAMESPCE": " ", "SAS_ADDRESS": ""})


IN_A_POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.0.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.0.0.1:443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.0.0.1",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_DASHBOARD_PORT": "tcp://10.0.0.7:443",
    "KUBERNETES_DASHBOARD_SERVICE_PORT_HTTPS": "443",
    "SAS_WEB_PORT_80_UDP": "udp://10.0.0.8:80",
}
IN_AZURE = [
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPSETTING_KUBERNETES_NAMESPACE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLOUD",
    "AZURE_CONFIG_DIR",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_FUNCTIONS_ENVIRONMENT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_REGIONAL_AUTHORITY_NAME",
    "AZURE_SDK_TRACING_IMPLEMENTATION",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AzureWebJobs.rotate_on_schedule.Disabled",
    "AzureWebJobsDashboard",
    "AzureWebJobsFeatureFlags",
    "AzureWebJobsScriptRoot",
    "AzureWebJobsSecretStorageType",
    "AzureWebJobsStorage__AccountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__managedIdentityResourceId",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__serviceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__tenantId",
    "CUSTOMCONNSTR_PICTURES",
    "DEPLOYMENT_STORAGE_CONNECTION_STRING",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "PYTHON_ENABLE_OPENTELEMETRY",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_AUTH_ENABLED",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_INSTANCE_ID",
    "WEBSITE_SITE_NAME",
]
IN_A_TERMINAL = [
    "HTTPS_PROXY",
    "KEY_VAULT_NAME",
    "KUBEBUILDER_ASSETS",
    "KUBECONFIG",
    "KUBERNETES_EXEC_INFO",
    "KUBERNETES_MASTER",
    "KUBERNETES_CPU_LIMIT",
    "KUBERNETES_NAMESPACE_OVERWRITE",
    "KUBERNETES_SERVICE_ACCOUNT_OVERWRITE",
    "KUBE_NAMESPACE",
    "NAMESPACE",
    "NOTIFY_SOCKET",
    "REPORT_PATH",
    "REPORT_RETENTION_DAYS",
    "REQUESTS_CA_BUNDLE",
    "SAS_TOKEN",
    "SECRET_NAME",
    "SAP_SERVICES",
    "SSH_AUTH_SOCK",
    "SSL_PROTOCOL",
    "STORAGE_ACCOUNT_NAME",
    "TZ",
]


def test_what_kubernetes_azure_and_terminals_set_is_left_alone() -> None:
    others = IN_A_POD | dict.fromkeys(IN_AZURE + IN_A_TERMINAL, "42")
    assert loader.load({**SAMPLE, **others}) == loader.load(SAMPLE)


def test_variables_of_the_azd_environment_are_left_alone() -> None:
    parameters = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    names = {re.findall(r"\$\{(\w+)", entry["value"])[0] for entry in parameters.values()}
    names |= set(re.findall(r"^output (\w+)", (ROOT / "infra/main.bicep").read_text(), re.MULTILINE))
    assert len(names) > 40
    assert setting_names.unknown(dict.fromkeys(names, "42"), loader.NAMES) == []


def test_every_setting_is_known_and_no_two_are_taken_for_each_other() -> None:
    assert setting_names.unknown(dict.fromkeys(loader.NAMES, "42"), loader.NAMES) == []
    assert all(setting_names.closest(name, loader.NAMES) == name for name in loader.NAMES)


# The host takes its own names in any case; a short name is noticed only where it begins like ours.
@pytest.mark.parametrize("name", sorted(loader.NAMES - {"AzureWebJobsStorage"}))
def test_a_letter_lost_doubled_or_swapped_is_noticed(name: str) -> None:
    for at in range(1, len(name) - 1):
        swapped = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        for typo in {name[:at] + name[at + 1 :], name[: at + 1] + name[at:], swapped}:
            if typo.lower() != name.lower() and (len(name) >= 10 or typo.startswith("SAS_")):
                assert len(setting_names.unknown({typo: "42"}, loader.NAMES)) == 1, typo


@hypothesis.settings(deadline=None)
@hypothesis.given(st.dictionaries(st.text(max_size=40), st.text(max_size=40), max_size=10))
def test_any_environment_is_a_plan_or_a_settings_error(environment: dict[str, str]) -> None:
    with pytest.raises(errors.SettingsError):
        loader.load(environment)


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(
    st.sampled_from(sorted(loader.NAMES)), st.text(max_size=60) | st.text("PT0123456789DHMYSW.,-", max_size=12)
)
def test_any_value_is_taken_or_a_settings_error_that_names_the_setting(name: str, value: str) -> None:
    assert all(re.match(r"[A-Za-z_]+ is ", problem) for problem in _problems_with({**SAMPLE, name: value}))


def _problems_with(environment: dict[str, str]) -> list[str]:
    try:
        loader.load(environment)
    except errors.SettingsError as error:
        return error.problems
    return []
