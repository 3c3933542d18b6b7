"""A SAS that its Secret's consumer cannot use is worth a warning, which names the setting and what to write."""

import pytest

from rotator.plan import loader, presets
from rotator.plan.presets import Preset
from tests.fakes.examples import RESOURCE_ID
from tests.unit.plan.test_loader import SAMPLE, problems

STORAGEKEY = {"SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
DELEGATED = {"SAS_ISSUER": "userdelegation", "STORAGE_ACCOUNT_ID": RESOURCE_ID, "SAS_CONTAINER": "backups"}
PRIVATE = {"STORAGE_BLOB_ENDPOINT": "https://mystorage.z6.blob.storage.azure.net"}
UNUSUAL = "{connection_string}, which names no endpoint but BlobEndpoint, as STORAGE_BLOB_ENDPOINT is not the usual one"
TEMPLATE = "write a template with the endpoints that the consumer needs, such as QueueEndpoint=https://…;"


def warnings(preset: str, **settings: str) -> list[str]:
    """What is to be said of this preset, with these settings."""
    return list(loader.load({**SAMPLE, "KUBERNETES_SECRET_PRESET": preset, **settings}).warnings)


def test_letters_that_a_consumer_needs_and_its_sas_lacks_are_named() -> None:
    assert warnings("velero", SAS_PERMISSIONS="rwl") == [
        "KUBERNETES_SECRET_PRESET: the consumer of velero needs more than the SAS of Secret "
        "default/storage-sas@master.example.com allows: SAS_PERMISSIONS (rwl) lacks a, c, d, so write racwdl there"
    ]
    assert warnings("velero", SAS_PERMISSIONS="racwdl") == []


def test_default_of_key_vault_is_not_enough_for_one_that_lists() -> None:
    (warning,) = warnings("rclone")
    assert warning.endswith("SAS_PERMISSIONS (rwu) lacks l, so write rl there")


def test_default_of_a_container_is_not_enough_either() -> None:
    (warning,) = warnings("flux", **DELEGATED)
    assert warning.endswith("SAS_PERMISSIONS (rw) lacks l, so write rl there")


@pytest.mark.parametrize("issuer", [{}, DELEGATED], ids=["account", "container"])
@pytest.mark.parametrize("preset", [name for name in Preset if presets.of(name).needs])
def test_what_a_warning_says_to_write_is_enough(preset: Preset, issuer: dict[str, str]) -> None:
    need = presets.of(preset).needs[0]
    types = {} if issuer else {"SAS_RESOURCE_TYPES": need.resource_types}
    assert warnings(preset, **issuer, **types, SAS_PERMISSIONS=need.permissions) == []
    assert len(warnings(preset, **issuer, **types, SAS_PERMISSIONS="x" if issuer else "u")) == 1


def test_every_setting_that_is_not_enough_is_named_in_one_warning() -> None:
    (warning,) = warnings("elasticsearch", SAS_SERVICES="f", SAS_RESOURCE_TYPES="o", SAS_PERMISSIONS="r")
    assert warning.endswith(
        "SAS_SERVICES (f) lacks b, so write b there; SAS_RESOURCE_TYPES (o) lacks s, c, so write sco there; "
        "SAS_PERMISSIONS (r) lacks w, d, l, so write rwdl there"
    )


def test_one_blob_cannot_be_listed_so_that_its_setting_is_named() -> None:
    (warning,) = warnings("restic", **DELEGATED, SAS_BLOB="logo.png", SAS_PERMISSIONS="racwd")
    assert warning.endswith("; one blob is not listed (l), so remove SAS_BLOB")
    assert warnings("airflow", **DELEGATED, SAS_BLOB="logo.png", SAS_PERMISSIONS="r") == []


def test_sas_that_is_enough_for_one_of_several_uses_is_enough() -> None:
    assert warnings("keda", SAS_SERVICES="q", SAS_PERMISSIONS="r") == []
    assert warnings("keda", SAS_SERVICES="bq", SAS_PERMISSIONS="r") == []
    assert warnings("keda", SAS_PERMISSIONS="rl") == []
    (of_files,) = warnings("keda", SAS_SERVICES="f", SAS_PERMISSIONS="rl")
    assert "SAS_SERVICES (f) lacks b" in of_files
    (of_queues,) = warnings("keda", SAS_SERVICES="q", SAS_PERMISSIONS="w")
    assert of_queues.endswith("allows: SAS_PERMISSIONS (w) lacks r, so write r there")


def test_consumer_without_one_use_and_one_without_a_sas_are_not_judged() -> None:
    assert warnings("connection-string", SAS_PERMISSIONS="u") == []
    (warning,) = warnings("csi-file", **STORAGEKEY, SAS_PERMISSIONS="u")
    assert "holds the account key itself" in warning


def test_connection_string_of_an_unusual_endpoint_is_for_blobs_only() -> None:
    (warning,) = warnings("connection-string", **STORAGEKEY, **PRIVATE, SAS_SERVICES="bqt")
    assert warning.startswith(
        f"KUBERNETES_SECRET_PRESET: Secret default/storage-sas@master.example.com has {UNUSUAL}; for the others of "
        f"SAS_SERVICES (qt), {TEMPLATE}"
    )
    assert warnings("connection-string", **STORAGEKEY, **PRIVATE) == []
    assert warnings("connection-string", **DELEGATED, **PRIVATE) == []
    assert warnings("rclone", **STORAGEKEY, **PRIVATE, SAS_SERVICES="bq", SAS_PERMISSIONS="rl") == []
    usual = {"STORAGE_BLOB_ENDPOINT": "https://mystorage.blob.core.windows.net"}
    assert warnings("connection-string", **STORAGEKEY, **usual, SAS_SERVICES="qt") == []
    assert warnings("connection-string", **STORAGEKEY, SAS_SERVICES="qt") == []


@pytest.mark.parametrize(
    ("origin", "settings"),
    [
        ("KUBERNETES_SECRET_PRESET=keda", {"KUBERNETES_SECRET_PRESET": "keda"}),
        ("KUBERNETES_SECRET_DATA", {"KUBERNETES_SECRET_DATA": "a: '{connection_string}'"}),
    ],
)
def test_connection_string_of_blobs_is_refused_for_a_sas_without_them(origin: str, settings: dict[str, str]) -> None:
    (problem,) = problems(**STORAGEKEY, **PRIVATE, **settings, SAS_SERVICES="qt")
    assert problem.startswith(f"{origin} has {UNUSUAL}, and SAS_SERVICES (qt) is not for blobs: {TEMPLATE}")
