"""The original sample's app settings, access policy and Secret, as it left them: nothing need be added or changed."""

import asyncio
import base64
import dataclasses
import hashlib
import os
from collections.abc import Iterator

import asyncssh
import pytest
from azure.keyvault.secrets._shared import http_challenge_cache

from rotator import app
from rotator.reporting.report import Report, Trigger
from sandbox.world import HOST_KEY_TYPE, SECRET_NAME, World
from tests.integration.conftest import WORKING, Cluster, options_for, outcome

ORIGINAL = (
    "KEYVAULT_BASEURL",
    "KEYVAULT_STORAGE_NAME",
    "KUBERNETES_DNS",
    "KUBERNETES_SSH_USERNAME",
    "KUBERNETES_SSH_FINGERPRINT",
    "KUBERNETES_SECRET_NAME",
)
# The sample connected to port 22 always; the sandbox's master cannot listen there.
UNAVOIDABLE = ("KUBERNETES_SSH_PORT",)
# A function app has storage of its own always.
PLATFORM = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE", "AzureWebJobsStorage__blobServiceUri")
FORMER = base64.b64encode(b"?sv=2017-11-09&ss=b&srt=sco&sp=rwu&sig=former").decode()


@pytest.fixture(scope="module")
def original_world() -> Iterator[World]:
    """Vault permissions as the sample's access policy gave them: secrets get; storage setsas, getsas."""
    with World(dataclasses.replace(options_for("sandbox"), minimal_permissions=True)) as running:
        yield running


@pytest.fixture
def original(original_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The process's environment holds those settings and nothing more; the Secret is as the sample left it."""
    http_challenge_cache.clear()
    for name in set(os.environ) - {"PATH", "HOME"}:
        monkeypatch.delenv(name)
    for name in (*ORIGINAL, *UNAVOIDABLE, *PLATFORM):
        monkeypatch.setenv(name, original_world.settings[name])
    monkeypatch.setenv("KUBERNETES_SSH_FINGERPRINT", original_world.master.fingerprints[HOST_KEY_TYPE])
    cluster = Cluster(original_world)
    cluster.kubectl("delete", "secret", "--all")
    cluster.kubectl("create", "secret", "generic", SECRET_NAME, f"--from-literal=secretKey={FORMER}")
    yield original_world
    original_world.vault.storage.accounts[original_world.account.name].definitions.clear()


def rotate() -> Report:
    """A firing of the timer, with the process's own environment."""
    return app.rotate(trigger=Trigger.TIMER, forced=False)


def md5(world: World) -> str:
    """The host key's fingerprint as the sample wanted it: 32 hexadecimal digits."""
    shown = asyncssh.get_server_host_key("127.0.0.1", world.master.port, server_host_key_algs=[HOST_KEY_TYPE])
    key = asyncio.run(shown)
    assert key
    return key.get_fingerprint("md5").removeprefix("MD5:").replace(":", "")


def test_the_samples_secret_is_taken_over_and_holds_a_sas_that_storage_accepts(original: World) -> None:
    report = rotate()

    cluster = Cluster(original)
    assert outcome(report)["outcome"] == "rotated", outcome(report)
    assert cluster.value() != FORMER
    assert cluster.works()
    assert cluster.annotation("digest") == outcome(report)["digest"]
    assert report.warnings == ()


def test_without_storage_get_and_an_endpoint_the_proof_is_left_out_and_the_report_says_so(original: World) -> None:
    assert outcome(rotate())["proof"].startswith("left out")


def test_the_definition_has_the_samples_name_and_grants_what_it_granted(original: World) -> None:
    rotate()

    value = Cluster(original).value()
    assert list(original.vault.storage.accounts[original.account.name].definitions) == ["blobrwu4hours"]
    assert "ss=b&" in value
    assert "srt=sco" in value
    assert "sp=rwu" in value


def test_with_base64_consumers_find_the_value_as_the_sample_stored_it(
    original: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SECRET_ENCODING", "base64")

    rotate()

    stored = base64.b64decode(Cluster(original).value(), validate=True).decode()
    assert stored.startswith("?sv=")  # as the vault wrote it
    assert original.blob_status(stored) == WORKING


@pytest.mark.parametrize("separator", ["", ":"])
def test_an_md5_fingerprint_is_accepted_with_a_warning(
    original: World, monkeypatch: pytest.MonkeyPatch, separator: str
) -> None:
    digits = md5(original)
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    monkeypatch.setenv("KUBERNETES_SSH_FINGERPRINT", separator.join(pairs))

    report = rotate()

    assert outcome(report)["outcome"] == "rotated", outcome(report)
    assert Cluster(original).works()
    assert any("MD5" in warning and "SHA256" in warning for warning in report.warnings)


def test_another_host_key_is_refused_and_the_samples_secret_stays(
    original: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SSH_FINGERPRINT", hashlib.md5(b"another", usedforsecurity=False).hexdigest())

    report = rotate()

    assert outcome(report)["error"] == "HostKeyRejectedError", outcome(report)
    assert Cluster(original).value() == FORMER
