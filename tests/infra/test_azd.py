"""azd's project, the dev container and the workflow refer to what is there."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.infra import FOLDER, ROOT, deployments
from tests.infra.deployments import Deployment
from tests.infra.hooks import Surroundings

PROJECT = yaml.safe_load((ROOT / "azure.yaml").read_text())
RELEASE = "https://github.com/k3s-io/k3s/releases/download/v1.35.6%2Bk3s1"
CURL = """#!/bin/sh
for last; do :; done
echo "$last" >> "$STATE/fetched"
case "$last" in */k3s) echo k3s > k3s ;; */sha256sum-amd64.txt) cat "$STATE/sums" > sha256sum-amd64.txt ;; esac
"""
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())


@pytest.fixture(scope="module")
def app(sets: dict[str, Deployment]) -> deployments.Resource:
    (found,) = sets["default"].of("Microsoft.Web/sites")
    return found


def test_azd_finds_the_app_by_its_tag(app: deployments.Resource) -> None:
    (service,) = PROJECT["services"]
    assert app["tags"]["azd-service-name"] == service
    assert PROJECT["services"][service] == {"project": ".", "language": "python", "host": "function"}


def test_azd_finds_the_resources_by_their_tag(sets: dict[str, Deployment]) -> None:
    group, *others = sets["default"].resources
    assert group["tags"] == {"azd-env-name": "rotator"}
    assert [each["id"] for each in others if each.get("location") and not each.get("tags")] == []


def test_the_hooks_are_programs() -> None:
    assert set(PROJECT["hooks"]) == {"preprovision", "postprovision", "postdeploy"}
    for hook in PROJECT["hooks"].values():
        script = ROOT / hook["posix"]["run"]
        assert script.stat().st_mode & 0o111, script


def test_onboarding_may_ask() -> None:
    assert PROJECT["hooks"]["postprovision"]["posix"]["interactive"] is True


def test_the_end_of_a_deployment_shows_what_it_waits_for() -> None:
    assert PROJECT["hooks"]["postdeploy"]["posix"]["interactive"] is True


def test_before_provisioning_the_operator_can_answer() -> None:
    assert PROJECT["hooks"]["preprovision"]["posix"]["interactive"] is True


def test_windows_is_told_where_to_run_azd() -> None:
    for hook in PROJECT["hooks"].values():
        assert re.search(r"dev container .* WSL.*exit 1", hook["windows"]["run"])


def test_the_version_is_the_products() -> None:
    from rotator import __version__

    assert PROJECT["metadata"]["template"] == f"{PROJECT['name']}@{__version__}"


def test_the_workflow_signs_in_without_a_secret() -> None:
    assert WORKFLOW["permissions"] == {"id-token": "write", "contents": "read"}
    assert "secrets." not in (ROOT / ".github/workflows/deploy.yml").read_text()


def test_the_workflow_builds_before_it_provisions_and_provisions_before_it_deploys() -> None:
    (job,) = WORKFLOW["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    order = [
        next(i for i, each in enumerate(commands) if word in each) for word in ("bicep build", "azd prov", "azd dep")
    ]
    assert order == sorted(order)


def test_the_workflow_names_variables_that_azd_knows() -> None:
    text = (ROOT / ".github/workflows/deploy.yml").read_text()
    named = set(re.findall(r"KUBERNETES_\w+|KEY_VAULT_\w+|AZURE_PRINCIPAL_\w+|AZURE_ENV_NAME", text))
    assert named <= set(re.findall(r"\$\{(\w+)", (FOLDER / "main.parameters.json").read_text()))


def hand_over(folder: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the step that gives GitHub's variables to the later steps."""
    if shutil.which("jq") is None:
        pytest.skip("no jq here")
    (step,) = [each for each in WORKFLOW["jobs"]["deploy"]["steps"] if "VARIABLES" in each.get("env", {})]
    surroundings = {**os.environ, "VARIABLES": json.dumps(variables), "GITHUB_ENV": str(folder / "environment")}
    return subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_workflow_takes_the_variables_that_azd_knows_and_no_others(tmp_path: Path) -> None:
    known = {
        "AZURE_CLIENT_ID": "1",
        "AZURE_SUBSCRIPTION_ID": "2",
        "KUBERNETES_SSH_FINGERPRINT": "ssh-ed25519 SHA256:ab+c/=",
        "ROTATOR_ONBOARD": "skip",
    }
    others = {"PATH": "/tmp", "PYTHONPATH": "/tmp", "LD_PRELOAD": "x.so", "AZURE_CONFIG_DIR": "/tmp", "KUBERNETES": "x"}
    assert hand_over(tmp_path, {**known, **others}).returncode == 0
    assert (tmp_path / "environment").read_text().splitlines() == [f"{name}={text}" for name, text in known.items()]


def test_a_variable_of_several_lines_stops_the_workflow(tmp_path: Path) -> None:
    done = hand_over(tmp_path, {"SAS_VALIDITY": "PT4H\nPATH=/tmp"})
    assert done.returncode != 0
    assert "SAS_VALIDITY has more than one line" in done.stderr
    assert "PATH" not in (tmp_path / "environment").read_text()


def test_a_webhook_whose_url_is_a_variable_is_masked_in_the_log_and_warned_of(tmp_path: Path) -> None:
    url = "https://hooks.example.com/services/T0/B0/x%2Fy"
    done = hand_over(tmp_path, {"NOTIFY_WEBHOOK_URL": url})
    assert (done.returncode, done.stderr) == (0, "")
    mask, warning = done.stdout.splitlines()
    assert mask == "::add-mask::https://hooks.example.com/services/T0/B0/x%252Fy"
    assert warning.startswith("::warning::")
    assert "hooks.example.com" not in warning
    assert (tmp_path / "environment").read_text() == f"NOTIFY_WEBHOOK_URL={url}\n"


@pytest.mark.parametrize(
    "value", ["", "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/notify-webhook)"]
)
def test_a_webhook_whose_url_is_in_the_vault_is_as_any_variable(tmp_path: Path, value: str) -> None:
    assert hand_over(tmp_path, {"NOTIFY_WEBHOOK_URL": value}).stdout == ""
    assert (tmp_path / "environment").read_text() == f"NOTIFY_WEBHOOK_URL={value}\n"


def test_the_dev_container_has_the_app_s_python(app: deployments.Resource) -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["image"].endswith(":" + deployments.at(app, "properties.functionAppConfig.runtime.version"))


def test_the_trial_s_machine_takes_no_password() -> None:
    text = (FOLDER / "app/cluster.cloud-init.yaml").read_text()
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text)["ssh_pwauth"] is False


@pytest.mark.parametrize("arrives_whole", [True, False])
def test_the_trial_s_machine_installs_only_what_arrived_whole(tmp_path: Path, arrives_whole: bool) -> None:
    surroundings = Surroundings(tmp_path)
    digest = hashlib.sha256(b"k3s\n" if arrives_whole else b"another\n").hexdigest()
    surroundings.known("sums", f"{'0' * 64}  k3s-images.txt\n{digest}  k3s")
    surroundings.program("curl", CURL)
    for program in ("install", "systemctl"):
        surroundings.program(program, f'#!/bin/sh\necho "{program} $*" >> "$STATE/done"\n')
    (script,) = yaml.safe_load((FOLDER / "app/cluster.cloud-init.yaml").read_text())["runcmd"]
    surroundings.executable(tmp_path / "infra/hooks/machine.sh", f"#!/bin/sh\n{script}")
    assert (surroundings.run("machine").returncode == 0) is arrives_whole
    begun = ["install -m 755 k3s /usr/local/bin/k3s", "systemctl enable --now k3s"]
    assert surroundings.written("done") == (begun if arrives_whole else [])
    assert {line.rpartition("/")[0] for line in surroundings.written("fetched")} == {RELEASE}
