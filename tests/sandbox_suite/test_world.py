import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.rest import HttpRequest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives import serialization

from sandbox import keypair, world
from tests import surroundings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running() -> Iterator[world.World]:
    with world.World() as started:
        yield started


@pytest.fixture
def _environment(running: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings.enter(running, monkeypatch)


def mint(running: world.World) -> str:
    definition = {
        "templateUri": "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
        "sasType": "account",
        "validityPeriod": "PT4H",
    }
    name = running.settings["KEYVAULT_STORAGE_NAME"]
    with (
        ManagedIdentityCredential() as credential,
        SecretClient(running.settings["KEYVAULT_BASEURL"], credential, api_version="7.4") as client,
    ):
        path = f"/storage/{name}/sas/blobs"
        client.send_request(HttpRequest("PUT", path, json=definition)).raise_for_status()
        return client.get_secret(f"{name}-blobs").value or ""


@pytest.mark.usefixtures("_environment")
def test_a_sas_minted_by_the_vault_opens_the_picture(running: world.World) -> None:
    sas = mint(running)
    assert running.blob_status(sas) == 200
    assert running.blob_status(sas.replace("sp=rwu", "sp=rwdu")) == 403


@pytest.mark.usefixtures("_environment")
def test_every_secret_value_is_known(running: world.World) -> None:
    sas = mint(running)
    values = running.secret_values()
    assert sas in values
    assert running.account.keys["key1"] in values
    assert running.settings["IDENTITY_HEADER"] in values
    assert running.vault.secrets.get("privatekey").value in values
    assert all(len(value) >= 4 for value in values)


def test_the_private_key_fits_what_the_master_lets_in(running: world.World) -> None:
    text = running.vault.secrets.get("privatekey").value
    key = serialization.load_ssh_private_key(text.encode(), None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert any(line.startswith(public.decode()) for line in running.master.authorized_keys)


@pytest.mark.parametrize("key_type", ["ed25519", "rsa", "ecdsa"])
def test_a_key_with_a_passphrase_opens_with_it_only(key_type: keypair.KeyType) -> None:
    pair = keypair.generate(key_type, with_passphrase=True)
    assert pair.passphrase is not None
    serialization.load_ssh_private_key(pair.private_text.encode(), pair.passphrase.encode())
    with pytest.raises(TypeError, match="password"):
        serialization.load_ssh_private_key(pair.private_text.encode(), None)
    assert pair.passphrase not in repr(pair)


def test_a_secret_is_read_as_the_cluster_s_administrator(running: world.World) -> None:
    assert running.read_secret("default", "absent") is None
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "present"},
        "data": {"a": base64.b64encode(b"b").decode()},
    }
    command = ["kubectl", "--kubeconfig", str(running.cluster.kubeconfig), "create", "-f", "-"]
    subprocess.run(command, input=json.dumps(manifest), text=True, check=True, capture_output=True)
    found = running.read_secret("default", "present")
    assert found is not None
    assert found["data"] == manifest["data"]


def test_a_stopped_world_leaves_nothing_behind() -> None:
    threads = set(threading.enumerate())
    with world.World(world.Options(minimal_permissions=True)) as started:
        assert "storage/get" not in started.vault.permissions
        directory = started.directory
    assert set(threading.enumerate()) <= threads
    assert not directory.exists()


def command_line(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_the_settings_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "deep" / "settings.env"
    with command_line("--settings", str(file)) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith("export REQUESTS_CA_BUNDLE="):
                break
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert printed[0].startswith("The sandbox is up")
    exports = [line for line in printed if line.startswith("export ")]
    assert file.read_text().splitlines() == exports
    assert file.stat().st_mode & 0o777 == 0o600
    settings = dict(shlex.split(line)[1].split("=", 1) for line in exports)
    assert re.fullmatch(r"ssh-ed25519 SHA256:\S+", settings["KUBERNETES_SSH_FINGERPRINT"])


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        ((), {"PATH": "/nowhere"}, "https://kubernetes.io/docs/tasks/tools/"),
        (("--envtest",), {"KUBEBUILDER_ASSETS": ""}, "KUBEBUILDER_ASSETS"),
        (("--envtest", "/nowhere"), {}, "kube-apiserver"),
        (("--nonsense",), {}, "unrecognized arguments"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], text: str
) -> None:
    with command_line(*arguments, **environment) as process:
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (2, "")
    assert text in errors
    assert "Traceback" not in errors


def test_azurite_without_node_is_explained(tmp_path: Path) -> None:
    (tmp_path / "kubectl").symlink_to(shutil.which("kubectl") or "")
    with command_line("--azurite", PATH=str(tmp_path)) as process:
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (2, "")
    assert "npm install azurite" in errors
