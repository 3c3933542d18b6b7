import base64
import contextlib
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient, ContainerClient, generate_container_sas
from cryptography.hazmat.primitives import serialization

from sandbox import programs, world
from sandbox.master import keys
from sandbox.options import Options
from sandbox.resource_manager import roles
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


@contextlib.contextmanager
def blobs_of(running: world.World, account: str, credential: TokenCredential) -> Iterator[ContainerClient]:
    with ContainerClient(running.blob.url(account), "locks", credential, retry_total=0) as client:
        yield client


def bearer(running: world.World, token: str) -> tuple[int, str, str]:
    """Read the app's containers with a token; status, code and challenge."""
    url = f"{running.settings['AzureWebJobsStorage__blobServiceUri']}?comp=list"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = running.authority.client_context()
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            return response.status, "", ""
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["x-ms-error-code"], refusal.headers["WWW-Authenticate"] or ""


@pytest.mark.usefixtures("_environment")
def test_the_app_s_storage_is_open_to_the_operator_and_to_the_app(running: world.World) -> None:
    assert running.settings["AzureWebJobsStorage__blobServiceUri"] == running.blob.url(world.APP_ACCOUNT)
    for client_id in (None, running.app_client_id):
        with (
            ManagedIdentityCredential(client_id=client_id) as credential,
            blobs_of(running, world.APP_ACCOUNT, credential) as container,
        ):
            container.create_container()
            lease = container.upload_blob("turn", b"").acquire_lease(15)
            container.get_blob_client("turn").set_blob_metadata({"holder": "me"}, lease=lease)
            container.delete_container()


@pytest.mark.usefixtures("_environment")
def test_a_contributor_without_a_data_role_is_kept_out_of_the_data(running: world.World) -> None:
    with ManagedIdentityCredential() as credential, blobs_of(running, world.ACCOUNT, credential) as container:
        for refused in (container.create_container, container.exists, lambda: container.upload_blob("turn", b"")):
            with pytest.raises(HttpResponseError) as raised:
                refused()
            assert raised.value.status_code == 403
            assert raised.value.error_code == "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]


def test_a_token_has_to_be_for_storage_valid_and_ours(running: world.World) -> None:
    issue = running.identity.issue
    for audience in ("https://storage.azure.com", "https://storage.azure.com/"):
        assert bearer(running, issue(audience)) == (200, "", "")
    flawed = (issue("https://vault.azure.net"), issue("https://storage.azure.com", lifetime=-1), "e30.e30.forged")
    for token in flawed:
        assert bearer(running, token)[:2] == (401, "InvalidAuthenticationInfo")
    status, code, challenge = bearer(running, "")
    assert (status, code) == (401, "NoAuthenticationInformation")
    assert running.identity.tenant_id in challenge
    assert "resource_id=https://storage.azure.com" in challenge


def test_a_role_that_is_taken_away_lets_nobody_in(running: world.World) -> None:
    assignments = running.resource_manager.role_assignments
    owner = next(
        one
        for one in assignments
        if one.role == roles.STORAGE_BLOB_DATA_OWNER and one.principal_id == running.identity.object_id
    )
    token = running.identity.issue("https://storage.azure.com")
    assignments.remove(owner)
    try:
        assert bearer(running, token)[:2] == (403, "AuthorizationPermissionMismatch")
    finally:
        assignments.append(owner)
    assert bearer(running, token)[0] == 200


@pytest.mark.real
def test_azurite_is_the_app_s_storage_by_connection_string() -> None:
    try:
        programs.require_azurite()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    with world.World(Options(azurite=True)) as started:
        assert "AzureWebJobsStorage__blobServiceUri" not in started.settings
        connection = started.settings["AzureWebJobsStorage"]
        ca = str(started.authority.ca_path)
        with BlobServiceClient.from_connection_string(connection, connection_verify=ca) as client:
            assert client.account_name == world.APP_ACCOUNT
            assert [container.name for container in client.list_containers()] == [world.CONTAINER]


@pytest.mark.real
def test_azurite_takes_the_app_s_token_for_a_delegation_key(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        programs.require_azurite()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))
    with world.World(Options(issuer="userdelegation", azurite=True)) as started:
        surroundings.enter(started, monkeypatch)
        endpoint, ca = started.settings["STORAGE_BLOB_ENDPOINT"], str(started.authority.ca_path)
        now = datetime.datetime.now(datetime.UTC)
        with (
            ManagedIdentityCredential(client_id=started.settings["AZURE_CLIENT_ID"]) as credential,
            BlobServiceClient(endpoint, credential=credential, connection_verify=ca) as client,
        ):
            key = client.get_user_delegation_key(now, now + datetime.timedelta(hours=1))
        assert key.signed_oid == started.app_object_id
        sas = generate_container_sas(
            world.ACCOUNT, world.CONTAINER, user_delegation_key=key, permission="r", expiry=key.signed_expiry
        )
        assert started.blob_status(sas) == 200


def test_the_private_key_fits_what_the_master_lets_in(running: world.World) -> None:
    text = running.vault.secrets.get("privatekey").value
    key = serialization.load_ssh_private_key(text.encode(), None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert any(line.startswith(public.decode()) for line in running.master.authorized_keys)


@pytest.mark.parametrize("key_type", ["ed25519", "rsa", "ecdsa"])
def test_a_key_with_a_passphrase_opens_with_it_only(key_type: keys.KeyType) -> None:
    pair = keys.generate(key_type, with_passphrase=True)
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
    with world.World(Options(minimal_permissions=True)) as started:
        assert started.vault.permissions.isdisjoint({"storage/get", "storage/regeneratekey"})
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


@pytest.mark.parametrize(("number", "issuer"), [(signal.SIGINT, "keyvault"), (signal.SIGTERM, "userdelegation")])
def test_the_command_prints_the_settings_and_stops_cleanly(tmp_path: Path, number: signal.Signals, issuer: str) -> None:
    file = tmp_path / "deep" / "settings.env"
    with command_line("--settings", str(file), "--issuer", issuer) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith("export no_proxy="):
                break
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert printed[0].startswith("The sandbox is up")
    unset, *exports = [line for line in printed if line.startswith(("unset ", "export "))]
    assert file.read_text().splitlines() == [unset, *exports]
    assert file.stat().st_mode & 0o777 == 0o600
    settings = dict(shlex.split(line)[1].split("=", 1) for line in exports)
    assert re.fullmatch(r"ssh-ed25519 SHA256:\S+", settings["KUBERNETES_SSH_FINGERPRINT"])
    assert settings.get("SAS_ISSUER", "keyvault") == issuer
    # In a shell that has another sandbox's settings, nothing of another issuer stays.
    assert {"SAS_ISSUER", "SAS_CONTAINER", "KEYVAULT_STORAGE_NAME"} <= {*unset.split(), *settings}
    assert settings.keys().isdisjoint(unset.split())


def started(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("export no_proxy="):
            return


def test_a_second_sandbox_leaves_the_first_one_s_settings_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    with command_line("--settings", str(file)) as first:
        started(first)
        before = file.read_text()
        with command_line("--settings", str(file)) as second:
            output, errors = second.communicate(timeout=20)
        assert (second.returncode, output) == (2, "")
        assert f"another sandbox is running, and its settings are in {file}" in errors
        assert f"--settings {tmp_path / 'second-settings.env'}" in errors
        assert file.read_text() == before
        with command_line("--settings", str(tmp_path / "second-settings.env")) as elsewhere:
            started(elsewhere)
            elsewhere.terminate()
            elsewhere.communicate(timeout=20)
        first.kill()  # what it held is free again, however it ended
    with command_line("--settings", str(file)) as third:
        started(third)
        assert file.read_text() != before
        third.terminate()
        third.communicate(timeout=20)


def test_each_command_can_be_tried_with_the_settings_behind_any_proxy(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    with command_line("--settings", str(file)) as process:
        started(process)
        shown = {}
        for command in ("rotate", "history", "check", "onboard --dry-run", "onboard --yes", "status"):
            done = subprocess.run(
                ["sh", "-c", f". {shlex.quote(str(file))}; exec {sys.executable} -m rotator {command}"],
                cwd=ROOT,
                env={**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            shown[command] = done.stdout
        process.terminate()
        process.communicate(timeout=20)
    assert "there is no Secret yet" in shown["history"]
    assert "done" in shown["onboard --yes"]


def test_the_demo_sees_nothing_of_the_caller_s_settings_and_proxies() -> None:
    theirs = {
        "SAS_VALIDITY": "garbage",
        "KUBERNETES_NAMESPACE": "elsewhere",
        "AZURE_CLIENT_ID": "someone-else",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "KUBECONFIG": "/nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env={**os.environ, **theirs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "default/storage-sas" in done.stdout


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
