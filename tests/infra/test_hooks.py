"""The hooks run for real, with stand-ins for az, azd and Python."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra import FOLDER, hooks
from tests.infra.hooks import Surroundings

PUBLIC, GOVERNMENT = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "7e7c393b-45d0-48b1-a35e-2905ddf8183c"

WITH_CLUSTER = {
    "CREATE_CLUSTER": "true",
    "VNET_ENABLED": "true",
    "CLUSTER_SSH_PUBLIC_KEY": "ssh-ed25519 AAAA",
    "ROTATOR_ONBOARD": "skip",
}


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@pytest.fixture
def installed(surroundings: Surroundings) -> Surroundings:
    surroundings.executable(surroundings.folder / ".venv/bin/python", hooks.PYTHON)
    surroundings.known("installed", "")
    return surroundings


@pytest.fixture
def deployed(surroundings: Surroundings) -> Surroundings:
    """An app without functions: azd remembers nothing of it."""
    surroundings.lists()
    return surroundings


def test_key_vaults_principal_is_looked_up(deployed: Surroundings) -> None:
    done = deployed.run("preprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert deployed.written("azd-environment") == ["KEY_VAULT_SERVICE_PRINCIPAL_ID=object-public"]


def test_the_government_cloud_has_another_application(deployed: Surroundings) -> None:
    deployed.known("cloud", "AzureUSGovernment")
    deployed.run("preprovision")
    assert deployed.written("azd-environment") == ["KEY_VAULT_SERVICE_PRINCIPAL_ID=object-government"]


def test_a_named_application_is_taken(deployed: Surroundings) -> None:
    deployed.run("preprovision", KEY_VAULT_APPLICATION_ID=GOVERNMENT)
    assert deployed.written("azd-environment") == ["KEY_VAULT_SERVICE_PRINCIPAL_ID=object-government"]


def test_an_unchanged_principal_is_not_set_again(deployed: Surroundings) -> None:
    done = deployed.run("preprovision", KEY_VAULT_SERVICE_PRINCIPAL_ID="object-public")
    assert done.returncode == 0
    assert deployed.written("azd-environment") == []


def test_a_changed_principal_is_set(deployed: Surroundings) -> None:
    deployed.run("preprovision", KEY_VAULT_SERVICE_PRINCIPAL_ID="object-of-another-tenant")
    assert deployed.written("azd-environment") == ["KEY_VAULT_SERVICE_PRINCIPAL_ID=object-public"]


def test_a_pipeline_that_may_not_look_keeps_what_was_found(deployed: Surroundings) -> None:
    deployed.known(f"principal-{PUBLIC}", None)
    done = deployed.run("preprovision", KEY_VAULT_SERVICE_PRINCIPAL_ID="object-public")
    assert done.returncode == 0
    assert deployed.written("azd-environment") == []


def test_a_principal_that_nobody_knows_is_an_error(surroundings: Surroundings) -> None:
    surroundings.known(f"principal-{PUBLIC}", None)
    done = surroundings.run("preprovision")
    assert done.returncode == 1
    assert f"no service principal of Key Vault ({PUBLIC}) in tenant tenant-1" in done.stderr
    assert "azd env set KEY_VAULT_SERVICE_PRINCIPAL_ID" in done.stderr


def test_without_the_azure_cli_it_stops(surroundings: Surroundings) -> None:
    (surroundings.programs / "az").unlink()
    done = surroundings.run("preprovision")
    assert done.returncode == 1
    assert "the Azure CLI is needed" in done.stderr


def test_without_signing_in_it_stops(surroundings: Surroundings) -> None:
    surroundings.known("tenant", None)
    done = surroundings.run("preprovision")
    assert (done.returncode, done.stderr) == (1, "preprovision: nobody is signed in to the Azure CLI: az login\n")
    assert surroundings.written("azd-environment") == []


def test_another_tenants_principal_is_not_taken(surroundings: Surroundings) -> None:
    surroundings.known("subscription-tenant", "tenant-2")
    done = surroundings.run("preprovision", AZURE_SUBSCRIPTION_ID="subscription-2")
    assert done.returncode == 1
    assert "az account set --subscription subscription-2" in done.stderr
    assert surroundings.written("azd-environment") == []


def test_a_subscription_out_of_sight_stops_it(surroundings: Surroundings) -> None:
    surroundings.known("subscription-tenant", None)
    done = surroundings.run("preprovision", AZURE_SUBSCRIPTION_ID="subscription-2")
    assert done.returncode == 1
    assert "does not see subscription subscription-2" in done.stderr


def test_without_a_subscription_it_stops(surroundings: Surroundings) -> None:
    done = surroundings.run("preprovision", AZURE_SUBSCRIPTION_ID="")
    assert done.returncode == 1
    assert "azd env set AZURE_SUBSCRIPTION_ID" in done.stderr
    assert surroundings.written("azd-environment") == []


def test_the_trial_s_machine_is_the_master_nobody_is_asked_for(surroundings: Surroundings) -> None:
    assert surroundings.run("preprovision", **WITH_CLUSTER).returncode == 0
    (address,) = re.findall(r"var clusterAddress = '(.+)'", (FOLDER / "main.bicep").read_text())
    assert f"KUBERNETES_DNS={address}" in surroundings.written("azd-environment")


@pytest.mark.parametrize("missing", ["VNET_ENABLED", "CLUSTER_SSH_PUBLIC_KEY"])
def test_a_trial_that_lacks_something_stops_beforehand(surroundings: Surroundings, missing: str) -> None:
    done = surroundings.run("preprovision", **{**WITH_CLUSTER, missing: ""})
    assert done.returncode == 1
    assert f"azd env set {missing} " in done.stderr
    assert surroundings.written("azd-environment") == []


def test_a_vault_that_would_refuse_onboarding_stops_it_beforehand(surroundings: Surroundings) -> None:
    done = surroundings.run("preprovision", VNET_ENABLED="true")
    assert done.returncode == 1
    assert "azd env set OPERATOR_IP_ADDRESS <address>" in done.stderr
    assert "azd env set ROTATOR_ONBOARD skip" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("OPERATOR_IP_ADDRESS", "203.0.113.7"), ("ROTATOR_ONBOARD", "skip"), ("KEY_VAULT_NAME", "somebodys-own")],
)
def test_each_remedy_is_enough(surroundings: Surroundings, name: str, value: str) -> None:
    done = surroundings.run("preprovision", **{"VNET_ENABLED": "true", name: value})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "network",
    [{"VNET_ENABLED": "true", "ROTATOR_ONBOARD": "skip"}, {"INTEGRATION_SUBNET_ID": "/subscriptions/1/subnets/app"}],
)
def test_a_network_needs_a_resource_provider(surroundings: Surroundings, network: dict[str, str]) -> None:
    assert surroundings.run("preprovision", **network).returncode == 0
    (registered,) = surroundings.written("registered")
    assert registered == "provider register --namespace Microsoft.App --subscription subscription-1 --wait"


def test_a_registered_provider_is_left_alone(surroundings: Surroundings) -> None:
    surroundings.known("registration", "Registered")
    assert surroundings.run("preprovision", **WITH_CLUSTER).returncode == 0
    assert surroundings.written("registered") == []


def test_without_a_network_no_provider_is_registered(surroundings: Surroundings) -> None:
    assert surroundings.run("preprovision").returncode == 0
    assert surroundings.written("registered") == []


def test_who_may_not_register_the_provider_is_told(surroundings: Surroundings) -> None:
    surroundings.known("registering", "1")
    done = surroundings.run("preprovision", **WITH_CLUSTER)
    assert done.returncode == 1
    assert "az provider register --namespace Microsoft.App --subscription subscription-1" in done.stderr


# Whether a package was deployed, which the template must know


def test_the_function_that_an_alert_calls_is_found(surroundings: Surroundings) -> None:
    surroundings.lists("rotate_on_schedule", "rotate_due")
    assert surroundings.run("preprovision").returncode == 0
    assert "FUNCTIONS_DEPLOYED=true" in surroundings.written("azd-environment")


@pytest.mark.parametrize("name", ["AZURE_RESOURCE_GROUP", "RESOURCE_GROUP_NAME"])
def test_it_is_looked_for_in_the_group_that_azd_knows(surroundings: Surroundings, name: str) -> None:
    surroundings.lists("rotate_due", group="rg-shared")
    surroundings.run("preprovision", **{name: "rg-shared"})
    assert "FUNCTIONS_DEPLOYED=true" in surroundings.written("azd-environment")


def test_a_first_deployment_has_none(surroundings: Surroundings) -> None:
    done = surroundings.run("preprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert not [line for line in surroundings.written("azd-environment") if line.startswith("FUNCTIONS_DEPLOYED")]


def test_where_nothing_is_left_of_what_was_deployed_azd_is_told(surroundings: Surroundings) -> None:
    """After `azd down` the function's key cannot be read, and the template must not try to."""
    done = surroundings.run("preprovision", FUNCTIONS_DEPLOYED="true", SERVICE_ROTATOR_NAME="func-1")
    assert done.returncode == 0
    assert "FUNCTIONS_DEPLOYED=false" in surroundings.written("azd-environment")


@pytest.mark.parametrize("functions", [(), ("WarmUp",), ("rotate_on_schedule", "not_rotate_due")])
def test_an_app_without_that_function_has_none(surroundings: Surroundings, functions: tuple[str, ...]) -> None:
    surroundings.lists(*functions)
    surroundings.run("preprovision", FUNCTIONS_DEPLOYED="true")
    assert "FUNCTIONS_DEPLOYED=false" in surroundings.written("azd-environment")


def test_a_group_without_the_app_has_none(surroundings: Surroundings) -> None:
    surroundings.lists("rotate_due")
    surroundings.known("app", "")
    surroundings.run("preprovision", FUNCTIONS_DEPLOYED="true")
    assert "FUNCTIONS_DEPLOYED=false" in surroundings.written("azd-environment")


@pytest.mark.parametrize("refused", ["app", "functions"])
@pytest.mark.parametrize("known", ["true", "false"])
def test_where_nobody_can_tell_what_was_found_before_stays(
    surroundings: Surroundings, refused: str, known: str
) -> None:
    surroundings.lists("rotate_due")
    surroundings.known(refused, None)
    done = surroundings.run("preprovision", FUNCTIONS_DEPLOYED=known, KEY_VAULT_SERVICE_PRINCIPAL_ID="object-public")
    assert (done.returncode, done.stderr) == (0, "")
    assert surroundings.written("azd-environment") == []


def test_what_azd_knows_already_is_not_set_again(surroundings: Surroundings) -> None:
    surroundings.lists("rotate_due")
    surroundings.run("preprovision", FUNCTIONS_DEPLOYED="true", KEY_VAULT_SERVICE_PRINCIPAL_ID="object-public")
    assert surroundings.written("azd-environment") == []


@pytest.mark.parametrize("inherited", ["app", "listed", "there", "group", "now", "now_deployed"])
@pytest.mark.parametrize("functions", [None, (), ("rotate_due",)])
def test_variables_that_the_shell_inherits_do_no_harm(
    surroundings: Surroundings, inherited: str, functions: tuple[str, ...] | None
) -> None:
    if functions is not None:
        surroundings.lists(*functions)
    surroundings.run("preprovision", **{inherited: "true", "KEY_VAULT_SERVICE_PRINCIPAL_ID": "object-public"})
    expected = ["FIRST_RUN_SUCCEEDED=false"] if functions is None else ["FUNCTIONS_DEPLOYED=true"] if functions else []
    assert surroundings.written("azd-environment") == expected


# Whether a run has succeeded, until when a failed one is expected


@pytest.mark.parametrize("known", [{}, {"FIRST_RUN_SUCCEEDED": "true"}])
def test_before_there_is_an_app_no_run_has_succeeded(surroundings: Surroundings, known: dict[str, str]) -> None:
    surroundings.run("preprovision", **known)
    assert "FIRST_RUN_SUCCEEDED=false" in surroundings.written("azd-environment")


def test_a_group_that_lost_its_app_begins_anew(deployed: Surroundings) -> None:
    deployed.known("app", "")
    deployed.run("preprovision", FIRST_RUN_SUCCEEDED="true")
    assert "FIRST_RUN_SUCCEEDED=false" in deployed.written("azd-environment")


@pytest.mark.parametrize("known", [{}, {"FIRST_RUN_SUCCEEDED": "false"}, {"FIRST_RUN_SUCCEEDED": "true"}])
@pytest.mark.parametrize("functions", [(), ("rotate_due",)])
def test_of_an_app_that_is_there_what_azd_knows_stays(
    surroundings: Surroundings, known: dict[str, str], functions: tuple[str, ...]
) -> None:
    surroundings.lists(*functions)
    assert surroundings.run("preprovision", **known).returncode == 0
    assert not [line for line in surroundings.written("azd-environment") if line.startswith("FIRST_RUN_SUCCEEDED")]


def test_where_nobody_can_tell_whether_there_is_an_app_what_azd_knows_stays(deployed: Surroundings) -> None:
    deployed.known("app", None)
    assert deployed.run("preprovision", FIRST_RUN_SUCCEEDED="true").returncode == 0
    assert "FIRST_RUN_SUCCEEDED=false" not in deployed.written("azd-environment")


# Onboarding


def test_onboarding_sees_azds_environment(installed: Surroundings) -> None:
    done = installed.run("postprovision", "--dry-run", STORAGE_ACCOUNT_ID="/subscriptions/1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"onboard --save-settings \S+ --dry-run", installed.written("onboard")[0])
    assert "STORAGE_ACCOUNT_ID=/subscriptions/1" in installed.written("environment")


def test_what_onboarding_learnt_is_stored(installed: Surroundings) -> None:
    installed.known("lines", "KUBERNETES_SSH_FINGERPRINT=ssh-ed25519 SHA256:ab+c/=\nSAS_VALIDITY=PT4H")
    assert installed.run("postprovision").returncode == 0
    assert installed.written("azd-environment") == [
        "KUBERNETES_SSH_FINGERPRINT=ssh-ed25519 SHA256:ab+c/=",
        "SAS_VALIDITY=PT4H",
    ]


def test_a_failure_is_passed_on_and_what_was_learnt_is_stored(installed: Surroundings) -> None:
    installed.known("lines", "KUBERNETES_SSH_FINGERPRINT=SHA256:abc")
    installed.known("status", "3")
    assert installed.run("postprovision").returncode == 3
    assert installed.written("azd-environment") == ["KUBERNETES_SSH_FINGERPRINT=SHA256:abc"]


def test_nothing_temporary_stays(installed: Surroundings) -> None:
    installed.known("status", "1")
    installed.run("postprovision")
    assert not list(installed.state.glob("tmp.*"))


def test_a_setting_that_azd_refuses_fails_the_hook(installed: Surroundings) -> None:
    installed.known("lines", "SAS_VALIDITY=PT4H")
    installed.program("azd", "#!/bin/sh\nexit 7\n")
    assert installed.run("postprovision").returncode == 7


def test_a_pipeline_says_yes_beforehand(installed: Surroundings) -> None:
    installed.run("postprovision", ROTATOR_ONBOARD_YES="1")
    assert installed.written("onboard")[0].endswith(" --yes")


def test_onboarding_can_be_left_out(surroundings: Surroundings) -> None:
    done = surroundings.run("postprovision", ROTATOR_ONBOARD="skip")
    assert done.returncode == 0
    assert "left out" in done.stdout


@pytest.mark.parametrize("stored", ["", "run"])
def test_onboarding_does_not_follow_a_deployment_that_provisions_once_more(
    installed: Surroundings, stored: str
) -> None:
    """Whatever azd has stored, which wins over the variables of its own process."""
    assert installed.run("postprovision", ROTATOR_ONBOARD=stored, ROTATOR_HOOK="postdeploy").returncode == 0
    assert installed.written("onboard") == []


# The end of a deployment

CALLS = {"ALERT_EMAIL": "operators@example.com"}
LISTED, NOT_LISTED = [0, 3, 5, 6], [1, 2, 4, 130]
NO_RUN_YET = {"FIRST_RUN_SUCCEEDED": "false"}


def test_a_deployment_ends_with_what_the_app_does(installed: Surroundings) -> None:
    done = installed.run("postdeploy", "--timeout", "60", FUNCTION_APP_ID="/subscriptions/1", FUNCTIONS_DEPLOYED="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert installed.written("finished") == ["finish-deployment --timeout 60"]
    assert "FUNCTION_APP_ID=/subscriptions/1" in installed.written("environment")


@pytest.mark.parametrize("status", [*LISTED, *NOT_LISTED])
def test_of_a_later_deployment_each_ending_is_passed_on(installed: Surroundings, status: int) -> None:
    installed.known("finishing", str(status))
    assert installed.run("postdeploy", FUNCTIONS_DEPLOYED="true", **CALLS).returncode == status
    assert installed.written("provisioned") == []
    assert installed.written("azd-environment") == []


@pytest.mark.parametrize("status", [*(each for each in LISTED if each != 6), *NOT_LISTED])
@pytest.mark.parametrize("calls", [CALLS, {}])
def test_of_the_first_deployment_each_ending_but_one_is_passed_on(
    installed: Surroundings, status: int, calls: dict[str, str]
) -> None:
    installed.known("finishing", str(status))
    assert installed.run("postdeploy", **NO_RUN_YET, **calls).returncode == status


@pytest.mark.parametrize("known", [{}, {"FUNCTIONS_DEPLOYED": "false"}, {"FUNCTIONS_DEPLOYED": "true"}])
@pytest.mark.parametrize("calls", [CALLS, {}])
def test_a_run_may_fail_until_one_has_succeeded_as_the_master_is_not_set_up_yet(
    installed: Surroundings, known: dict[str, str], calls: dict[str, str]
) -> None:
    installed.known("finishing", "6")
    done = installed.run("postdeploy", **NO_RUN_YET, **known, **calls)
    assert done.returncode == 0
    assert "expected until the master is set up: README, Deploy" in done.stderr
    assert "FIRST_RUN_SUCCEEDED=true" not in installed.written("azd-environment")


@pytest.mark.parametrize("known", [{}, {"FIRST_RUN_SUCCEEDED": "true"}])
def test_a_failed_run_is_not_excused_once_one_has_succeeded_or_where_nobody_knows(
    installed: Surroundings, known: dict[str, str]
) -> None:
    installed.known("finishing", "6")
    done = installed.run("postdeploy", **known)
    assert (done.returncode, done.stderr) == (6, "")


@pytest.mark.parametrize("deployed_before", ["true", "false"])
@pytest.mark.parametrize("calls", [CALLS, {}])
def test_the_first_run_that_succeeds_is_remembered(
    installed: Surroundings, deployed_before: str, calls: dict[str, str]
) -> None:
    assert installed.run("postdeploy", **NO_RUN_YET, **calls, FUNCTIONS_DEPLOYED=deployed_before).returncode == 0
    assert "FIRST_RUN_SUCCEEDED=true" in installed.written("azd-environment")


@pytest.mark.parametrize("status", [*LISTED[1:], *NOT_LISTED])
def test_any_other_ending_is_not_remembered_as_a_success(installed: Surroundings, status: int) -> None:
    installed.known("finishing", str(status))
    installed.run("postdeploy", **NO_RUN_YET)
    assert "FIRST_RUN_SUCCEEDED=true" not in installed.written("azd-environment")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 4, 4), (0, 1, 1), (5, 0, 0), (3, 5, 5), (6, 0, 0), (0, 6, 0), (6, 3, 3)],
)
def test_after_provisioning_once_more_the_second_ending_counts(
    installed: Surroundings, first: int, second: int, expected: int
) -> None:
    """Writing the settings restarts the app, so that what was true before need not be true any more."""
    installed.known("finishing", f"{first}\n{second}")
    assert installed.run("postdeploy", "--timeout", "60", **NO_RUN_YET, **CALLS).returncode == expected
    assert installed.written("finished") == ["finish-deployment --timeout 60"] * 2
    succeeded = "FIRST_RUN_SUCCEEDED=true" in installed.written("azd-environment")
    assert succeeded is (second == 0)


@pytest.mark.parametrize("calls", [CALLS, {"SECOND_TRIGGER": "true"}, {**CALLS, "SECOND_TRIGGER": "true"}])
@pytest.mark.parametrize("status", LISTED)
def test_once_the_function_is_there_the_alert_that_calls_it_is_made(
    installed: Surroundings, calls: dict[str, str], status: int
) -> None:
    installed.known("finishing", str(status))
    installed.run("postdeploy", ROTATOR_ONBOARD="run", **calls)
    assert {"ROTATOR_ONBOARD=skip", "ROTATOR_HOOK=postdeploy"} <= {*installed.written("provisioned")}
    assert installed.written("provision-input") == []


@pytest.mark.parametrize("status", NOT_LISTED)
def test_without_the_function_it_is_not_made(installed: Surroundings, status: int) -> None:
    installed.known("finishing", str(status))
    installed.run("postdeploy", **CALLS)
    assert installed.written("provisioned") == []
    assert installed.written("azd-environment") == []


@pytest.mark.parametrize("calls", [{}, {**CALLS, "SECOND_TRIGGER": "false"}, {"SECOND_TRIGGER": "false"}])
def test_where_no_alert_calls_the_app_azd_only_remembers_the_deployment(
    installed: Surroundings, calls: dict[str, str]
) -> None:
    assert installed.run("postdeploy", **calls).returncode == 0
    assert installed.written("provisioned") == []
    assert installed.written("azd-environment") == ["FUNCTIONS_DEPLOYED=true"]


@pytest.mark.parametrize("status", LISTED)
def test_where_the_alert_cannot_be_made_the_deployment_fails(installed: Surroundings, status: int) -> None:
    installed.known("finishing", str(status))
    installed.known("provisioning", "7")
    done = installed.run("postdeploy", **NO_RUN_YET, **CALLS)
    assert done.returncode == 7
    assert "no alert calls it yet: azd provision" in done.stderr


def test_a_machine_that_only_deploys_gets_its_environment_as_well(surroundings: Surroundings) -> None:
    surroundings.executable(surroundings.state / "python", hooks.PYTHON)
    surroundings.program("python3.13", hooks.INTERPRETER.format(refuses=0))
    assert surroundings.run("postdeploy").returncode == 0
    assert surroundings.written("finished") == ["finish-deployment"]


# The hooks' Python


def test_an_environment_is_made_with_an_interpreter_that_fits(surroundings: Surroundings) -> None:
    surroundings.executable(surroundings.state / "python", hooks.PYTHON)
    surroundings.program("python3.13", hooks.INTERPRETER.format(refuses=1))
    surroundings.program("python3.12", hooks.INTERPRETER.format(refuses=0))
    done = surroundings.run("postprovision")
    assert (done.returncode, done.stderr) == (0, "")
    assert surroundings.written("onboard") != []


def test_an_unfinished_environment_is_finished(installed: Surroundings) -> None:
    installed.known("installed", None)
    assert installed.run("postprovision").returncode == 0
    assert installed.written("onboard") != []


@pytest.mark.parametrize("hook", ["postprovision", "postdeploy"])
def test_without_a_python_that_fits_it_stops(surroundings: Surroundings, hook: str) -> None:
    surroundings.program("python3", hooks.INTERPRETER.format(refuses=1))
    done = surroundings.run(hook)
    assert done.returncode == 1
    assert done.stderr == f"{hook}: Python 3.11, 3.12 or 3.13 with its venv module is needed\n"


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_shell_understands_the_hooks(shell: str, installed: Surroundings) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    (installed.programs / "sh").unlink()
    (installed.programs / "sh").symlink_to(found)
    installed.known("lines", "SAS_VALIDITY=PT4H")
    for hook in ("preprovision", "postprovision", "postdeploy"):
        script = installed.folder / f"infra/hooks/{hook}.sh"
        script.write_text(script.read_text().replace("#!/bin/sh", f"#!{installed.programs / 'sh'}"))
        assert installed.run(hook, **CALLS).returncode == 0
    assert "SAS_VALIDITY=PT4H" in installed.written("azd-environment")
    assert "ROTATOR_ONBOARD=skip" in installed.written("provisioned")


def test_the_hooks_are_as_shellcheck_wants_them() -> None:
    found = shutil.which("shellcheck")
    if found is None:
        pytest.skip("no shellcheck here")
    scripts = sorted(map(str, [*(FOLDER / "hooks").iterdir(), *FOLDER.glob("*.sh")]))
    command = [found, "--severity", "warning", "--external-sources", *scripts]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
