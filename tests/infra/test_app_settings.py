"""The template's parameters, app settings and outputs fit azd, the app and each other."""

import json
import re

from rotator.plan.account import Grant
from tests.infra import FOLDER, deployments
from tests.infra.deployments import Deployment

PARAMETERS = json.loads((FOLDER / "main.parameters.json").read_text())["parameters"]
MAIN = (FOLDER / "main.bicep").read_text()
# Each parameter's type, and its default where it has one.
DECLARED = {name: (kind, value) for name, kind, value in re.findall(r"(?m)^param (\w+) (\w+)(?: = (.+))?$", MAIN)}
OUTPUTS = {
    "AZURE_LOCATION",
    "AZURE_TENANT_ID",
    "AZURE_RESOURCE_GROUP",
    "SERVICE_ROTATOR_NAME",
    "SERVICE_ROTATOR_URI",
    "FUNCTION_APP_ID",
    "KEY_VAULT_ID",
    "AZURE_RESOURCE_MANAGER",
    "KEYVAULT_BASEURL",
    "SAS_ISSUER",
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
}


def test_the_values_of_all_parameters_differ_so_that_none_can_be_swapped() -> None:
    switches = {"true", "false"}  # each of which some parameter has as text and another as a value
    values = [value for value in deployments.parameters_of("everything").values() if value not in switches]
    assert len(set(values)) == len(values)


def test_by_default_a_setting_is_empty_and_means_the_apps_own_default(sets: dict[str, Deployment]) -> None:
    defaults = {name.lower(): value.strip("'") for name, (_, value) in DECLARED.items()}
    without_own = {"kubernetesdns", "keyvaultstoragename", "notifywebhookurl"}
    settings = {deployments.parameter(name): value for name, value in sets["no-principal"].settings.items()}
    for name in settings.keys() & defaults.keys() - without_own:
        assert settings[name] == defaults[name], name


def test_the_role_on_a_container_fits_what_the_app_delegates_by_default() -> None:
    (permissions,) = re.findall(r"empty\(sasPermissions\) \? '(\w+)'", MAIN)
    assert permissions == Grant(container="pictures").permissions


def test_a_confirmed_fingerprint_outlives_a_redeployment() -> None:
    assert PARAMETERS["kubernetesSshFingerprint"]["value"] == "${KUBERNETES_SSH_FINGERPRINT=}"


def test_each_parameter_is_another_than_its_default_in_some_set() -> None:
    given = [deployments.parameters_of(path.stem) for path in deployments.PARAMETERS.glob("*.bicepparam")]
    for name, (_, default) in DECLARED.items():
        assert any(one.get(name, default.strip("'")) != default.strip("'") for one in given), name


def test_azd_maps_every_parameter() -> None:
    assert set(PARAMETERS) == set(DECLARED)


def test_azd_asks_for_the_master_and_nothing_else_of_ours() -> None:
    asked = {name for name, (_, value) in DECLARED.items() if not value}
    assert asked - {"environmentName", "location"} == {"kubernetesDns"}
    assert {name for name, each in PARAMETERS.items() if "=" not in each["value"]} == asked


def test_a_parameter_has_the_same_default_in_both_files() -> None:
    """Where the variable is not set, azd passes on its own default, be it an empty string."""
    for name, (_, value) in DECLARED.items():
        _, has_default, default = PARAMETERS[name]["value"].rstrip("}").partition("=")
        if has_default:
            assert default == value.strip("'"), name


def test_azd_finds_what_it_is_promised(sets: dict[str, Deployment]) -> None:
    for deployment in sets.values():
        assert set(deployment.outputs) == OUTPUTS


def test_no_name_has_an_abbreviation_that_is_not_there() -> None:
    """The compiler refuses one that is used and not there; this finds the reverse."""
    known = json.loads((FOLDER / "abbreviations.json").read_text())
    assert set(re.findall(r"\$\{abbreviations\.(\w+)", MAIN)) == set(known)
