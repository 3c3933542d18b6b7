"""The Kubernetes manifests: what kustomize makes of them, a hardened pod, and what an API server says."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import programs
from sandbox.kubernetes.envtest import EnvtestApi
from sandbox.server import background
from sandbox.world import SECRET_NAME
from tests.viewer.conftest import KEY
from tests.viewer.process import EXAMPLE

MANIFESTS = EXAMPLE / "kubernetes"


def kubectl(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> str:
    """What `kubectl apply -k` would send."""
    try:
        programs.require_kubectl()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    return kubectl("kustomize", str(MANIFESTS))


@pytest.fixture(scope="module")
def objects(built: str) -> dict[str, Any]:
    """The same, parsed, by kind; kubectl turns YAML into JSON without a server when it only annotates."""
    text = kubectl("annotate", "--local", "-f", "-", "-o", "json", "read-by=test", stdin=built)
    decoder, found = json.JSONDecoder(), {}
    while text := text.strip():
        each, end = decoder.raw_decode(text)
        found[each["kind"]] = each
        text = text[end:]
    return found


@pytest.fixture(scope="module")
def pod(objects: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvtestApi]:
    try:
        assets = programs.envtest_assets("")
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    server = EnvtestApi(tmp_path_factory.mktemp("api"), assets)
    with background.Background() as loop, loop.serving(server):
        yield server


def test_the_pod_is_hardened(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


def test_the_whole_secret_is_mounted_so_that_a_rotation_arrives(pod: dict[str, Any], container: dict[str, Any]) -> None:
    (volume,) = pod["volumes"]
    (mounted,) = container["volumeMounts"]

    assert volume["secret"]["secretName"] == SECRET_NAME
    assert "subPath" not in mounted
    assert mounted["readOnly"] is True


def test_only_the_pods_group_may_read_the_secret(pod: dict[str, Any]) -> None:
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o440
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_a_recreated_secret_does_not_empty_the_volume(pod: dict[str, Any]) -> None:
    assert pod["volumes"][0]["secret"]["optional"] is False


def test_the_sas_is_read_where_it_is_mounted_and_is_in_no_environment(
    objects: dict[str, Any], container: dict[str, Any]
) -> None:
    settings = objects["ConfigMap"]

    assert settings["data"]["SAS_FILE"] == f"{container['volumeMounts'][0]['mountPath']}/{KEY}"
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert "env" not in container


def test_a_changed_setting_gives_the_configuration_another_name(objects: dict[str, Any]) -> None:
    assert re.fullmatch(r"viewer-[a-z0-9]{10}", objects["ConfigMap"]["metadata"]["name"])


def test_probes_service_and_policy_lead_to_the_port_and_the_pods(
    objects: dict[str, Any], container: dict[str, Any]
) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    (port,) = container["ports"]

    assert port == {"name": "http", "containerPort": 8080}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["Service"]["spec"]["type"] == "ClusterIP"
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert objects["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.real
def test_the_real_api_server_takes_all_of_it(built: str, api: EnvtestApi) -> None:
    output = kubectl("--kubeconfig", str(api.kubeconfig), "apply", "--dry-run=server", "-f", "-", stdin=built)

    assert len(output.splitlines()) == 4
    assert all("created (server dry run)" in line for line in output.splitlines())
