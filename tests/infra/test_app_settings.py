"""The template's parameters, app settings and outputs fit azd, the app and each other."""

import json
import re

from rotator.settings import Settings
from tests.infra import bicep
from tests.infra.bicep import Template
from tests.infra.edits import edited

# What the platform reads besides the app.
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__credential",
}
# Other ways to the app's own storage; the first would be a key, the second knows the public cloud only.
LEFT_OUT = {"AzureWebJobsStorage", "AzureWebJobsStorage__accountName"}
PARAMETERS = json.loads((bicep.FOLDER / "main.parameters.json").read_text())["parameters"]
OUTPUTS = [
    "AZURE_LOCATION",
    "AZURE_TENANT_ID",
    "AZURE_RESOURCE_GROUP",
    "SERVICE_ROTATOR_NAME",
    "SERVICE_ROTATOR_URI",
    "FUNCTION_APP_ID",
    "KEY_VAULT_ID",
    "AZURE_RESOURCE_MANAGER",
    "KEYVAULT_BASEURL",
    "KEYVAULT_STORAGE_NAME",
    "STORAGE_ACCOUNT_ID",
    "STORAGE_BLOB_ENDPOINT",
    "KUBERNETES_DNS",
    "KUBERNETES_SSH_USERNAME",
    "KUBERNETES_SECRET_NAME",
    "KUBERNETES_NAMESPACE",
    "ROTATOR_PRINCIPAL_ID",
    "ROTATOR_CLIENT_ID",
    "KEY_VAULT_SERVICE_PRINCIPAL_ID",
]


def given(template: Template) -> dict[str, str]:
    """The app settings that main.bicep passes on and function.bicep adds, as code."""
    (function,) = [each for each in template.of("module", "main.bicep") if each.name == "function"]
    (config,) = template.resources("Microsoft.Web/sites/config")
    parameters = function.body["params"]
    assert isinstance(parameters, dict)
    added = re.findall(r"(?m)^\s*(\w+): (.+)$", str(config.body["properties"]))
    return {**parameters["settings"], **dict(added)}


def strays(template: Template) -> set[str]:
    """Settings that only the app or only the template knows."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    return set(given(template)) ^ (known - LEFT_OUT | PLATFORM)


def test_the_template_sets_what_the_app_knows_and_nothing_else(template: Template) -> None:
    assert strays(template) == set()


def test_a_misspelt_setting_is_noticed() -> None:
    assert strays(edited("main.bicep", "SAS_VALIDITY:", "SAS_VALIDTY:")) == {"SAS_VALIDITY", "SAS_VALIDTY"}


def test_a_connection_string_is_noticed() -> None:
    more = edited("app/function.bicep", "AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage")
    assert "AzureWebJobsStorage" in strays(more)


def test_no_setting_is_swapped_with_another(template: Template) -> None:
    parameters = {each.name for each in template.of("param", "main.bicep")}
    for name, code in given(template).items():
        if code in parameters:
            assert name.replace("_", "").lower() == code.lower(), name


def test_the_app_reads_its_storage_by_identity(template: Template) -> None:
    settings = given(template)
    assert settings["AzureWebJobsStorage__credential"] == "'managedidentity'"
    assert settings["AzureWebJobsStorage__clientId"] == settings["AZURE_CLIENT_ID"] == "identityClientId"


def test_reports_are_kept_in_the_container_that_is_protected(template: Template) -> None:
    assert given(template)["REPORT_CONTAINER"] == "storage.outputs.reportContainer"
    (output,) = [each for each in template.of("output", "app/storage.bicep") if each.name == "reportContainer"]
    assert output.value == "reports.name"


def test_a_setting_may_refer_to_the_vault(template: Template) -> None:
    (app,) = template.resources("Microsoft.Web/sites")
    properties = app.body["properties"]
    assert isinstance(properties, dict)
    assert properties["keyVaultReferenceIdentity"] == "identityId"


def test_a_confirmed_fingerprint_outlives_a_redeployment(template: Template) -> None:
    assert given(template)["KUBERNETES_SSH_FINGERPRINT"] == "kubernetesSshFingerprint"
    assert PARAMETERS["kubernetesSshFingerprint"]["value"] == "${KUBERNETES_SSH_FINGERPRINT=}"


def test_azd_maps_every_parameter(template: Template) -> None:
    assert set(PARAMETERS) == {each.name for each in template.of("param", "main.bicep")}


def test_azd_asks_for_the_master_and_nothing_else_of_ours(template: Template) -> None:
    asked = {each.name for each in template.of("param", "main.bicep") if each.value is None}
    assert asked - {"environmentName", "location"} == {"kubernetesDns"}
    without_default = {name for name, each in PARAMETERS.items() if "=" not in each["value"]}
    assert without_default == asked


def test_a_parameter_has_the_same_default_in_both_files(template: Template) -> None:
    """Where the variable is not set, azd passes on its own default, be it an empty string."""
    for each in template.of("param", "main.bicep"):
        _, has_default, default = PARAMETERS[each.name]["value"].rstrip("}").partition("=")
        if has_default:
            assert default == (str(each.value).lower() if each.target in ("bool", "int") else each.value), each


def test_azd_finds_what_it_is_promised(template: Template) -> None:
    assert [each.name for each in template.of("output", "main.bicep")] == OUTPUTS


def test_no_name_has_an_abbreviation_that_is_not_there(template: Template) -> None:
    known = json.loads((bicep.FOLDER / "abbreviations.json").read_text())
    used = set(re.findall(r"\$\{abbreviations\.(\w+)", bicep.text(template.roots["main.bicep"])))
    assert used == set(known)
