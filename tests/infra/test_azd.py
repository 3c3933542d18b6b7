"""azd's project, the dev container and the workflow refer to what is there."""

import json
import re

import yaml

from tests.infra import bicep
from tests.infra.bicep import Template

ROOT = bicep.FOLDER.parent
PROJECT = yaml.safe_load((ROOT / "azure.yaml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())


def test_azd_finds_the_app_by_its_tag(template: Template) -> None:
    (service,) = PROJECT["services"]
    (app,) = template.resources("Microsoft.Web/sites")
    assert f"'azd-service-name': '{service}'" in str(app.body["tags"])
    assert PROJECT["services"][service] == {"project": ".", "language": "python", "host": "function"}


def test_azd_finds_the_resources_by_their_tag(template: Template) -> None:
    (tags,) = [each.value for each in template.of("var", "main.bicep") if each.name == "tags"]
    assert isinstance(tags, dict)
    assert tags["azd-env-name"] == "environmentName"


def test_the_hooks_are_programs() -> None:
    assert set(PROJECT["hooks"]) == {"preprovision", "postprovision"}
    for hook in PROJECT["hooks"].values():
        script = ROOT / hook["posix"]["run"]
        assert script.stat().st_mode & 0o111, script


def test_onboarding_may_ask() -> None:
    assert PROJECT["hooks"]["postprovision"]["posix"]["interactive"] is True


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
    assert named <= set(re.findall(r"\$\{(\w+)", (bicep.FOLDER / "main.parameters.json").read_text()))


def test_the_dev_container_has_the_app_s_python(template: Template) -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    (app,) = template.resources("Microsoft.Web/sites")
    version = re.search(r"'version': '([\d.]+)'", str(app.body["properties"]))
    assert version is not None
    assert container["image"].endswith(f":{version.group(1)}")


def test_the_trial_s_machine_takes_no_password() -> None:
    text = (bicep.FOLDER / "app/cluster.cloud-init.yaml").read_text()
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text)["ssh_pwauth"] is False
