"""Consumers themselves read a blob on Azurite with nothing but what stands in the Secret of their preset.

What a program needs to find and to trust a server on loopback is set beside the Secret; no credential is.
"""

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.plan.presets import Preset
from tests.integration import preset_storage
from tests.integration.preset_consumers import CONNECTION_STRINGS
from tests.integration.preset_storage import CONTAINER, GRANTS, WAL, Grant, Storage
from tests.integration.public_names import field_names

pytestmark = pytest.mark.real

# As SAS that are signed for a user delegation key have it; Azurite refuses it there, and ignores it elsewhere.
CORRELATION = "5a3d6a1e-0c1f-4a7c-9f0e-2f4f6f1f9b11"
# Debian's Python packages. They come last, so that the SDK is the one under test.
DEBIAN = Path("/usr/lib/python3/dist-packages")
WAL_RESTORE = f"""
import sys
sys.path.append("{DEBIAN}")
from barman.clients.cloud_walrestore import main
main()
"""
READ_WITH_FSSPEC = f"""
import fsspec
with fsspec.open("az://{CONTAINER}/hello.txt", "r") as file:
    print(file.read())
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with preset_storage.azurite_storage(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(params=GRANTS)
def grant(request: pytest.FixtureRequest, storage: Storage) -> Iterator[Grant]:
    """A SAS with one more field than Azurite knows. Some programs take a SAS apart: none may lose a field of it."""
    granted = GRANTS[request.param](storage)
    storage.front.fields.clear()
    yield dataclasses.replace(granted, sas=f"{granted.sas}&scid={CORRELATION}")
    for names in storage.front.fields:
        assert field_names(granted.sas) | {"scid"} <= names


def require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing: .ci/run installs it where Debian has it")
    return found


@pytest.fixture(scope="module")
def repository(storage: Storage) -> dict[str, str]:
    """Where restic's repository is, and its own password; made with the preset's Secret."""
    restic = require("restic")
    found = {"RESTIC_REPOSITORY": f"azure:{CONTAINER}:/restic", "RESTIC_PASSWORD": "of the repository"}
    grant = preset_storage.account_grant(storage)  # restic before 0.17.2 wants to create the container
    grant.run([restic, "init", "--no-cache"], grant.secret(Preset.RESTIC), **found)
    return found


def test_restic_opens_its_repository(grant: Grant, repository: dict[str, str]) -> None:
    printed = grant.run(["restic", "cat", "config", "--no-cache"], grant.secret(Preset.RESTIC), **repository)
    assert '"chunker_polynomial"' in printed


def test_rclone_reads_a_blob(grant: Grant) -> None:
    rclone = require("rclone")
    assert grant.run([rclone, "cat", f":azureblob:{CONTAINER}/hello.txt"], grant.secret(Preset.RCLONE)) == "hello"


def test_go_s_sdk_in_rclone_reads_a_blob_with_the_connection_string(grant: Grant) -> None:
    rclone = require("rclone")
    if "--azureblob-connection-string" not in grant.run([rclone, "help", "backend", "azureblob"], {}):
        pytest.skip("this rclone is too old for connection strings: KEDA's and Loki's rule is in test_presets.py")
    (text,) = {grant.secret(preset)[key] for preset, key in CONNECTION_STRINGS.items()}
    environment = {"RCLONE_AZUREBLOB_CONNECTION_STRING": text}
    assert grant.run([rclone, "cat", f":azureblob:{CONTAINER}/hello.txt"], environment) == "hello"


def test_pgbackrest_reads_a_blob_with_the_secret_as_a_file_of_its_configuration(grant: Grant, tmp_path: Path) -> None:
    pgbackrest = require("pgbackrest")
    for name, text in grant.secret(Preset.PGBACKREST).items():
        (tmp_path / name).write_text(text)
    beside = {
        "CONFIG_INCLUDE_PATH": str(tmp_path),
        "LOG_LEVEL_FILE": "off",
        "REPO1_TYPE": "azure",
        "REPO1_PATH": "/pg",
        "REPO1_AZURE_CONTAINER": CONTAINER,
        "REPO1_STORAGE_HOST": "localhost",
        "REPO1_STORAGE_PORT": str(grant.storage.front.port),
        "REPO1_STORAGE_CA_FILE": str(grant.storage.front.ca_path),
    }
    environment = {f"PGBACKREST_{name}": text for name, text in beside.items()}
    assert grant.run([pgbackrest, "repo-get", "/pg/hello.txt"], {}, **environment) == "hello"


def test_barman_restores_a_wal_file(grant: Grant, tmp_path: Path) -> None:
    require("barman-cloud-wal-restore")
    if not list((DEBIAN / "psycopg2").glob(f"_psycopg.{sys.implementation.cache_tag}-*")):
        pytest.skip("Debian's Barman is for another Python than this one")
    server, restored = f"{grant.storage.endpoint}/{CONTAINER}", tmp_path / "wal"
    command = [sys.executable, "-c", WAL_RESTORE, "--cloud-provider", "azure-blob-storage", server, "main"]
    grant.run([*command, Path(WAL).name, str(restored)], grant.secret(Preset.BARMAN))
    assert restored.read_bytes() == b"hello"


def test_fsspec_reads_a_blob_with_the_connection_string(grant: Grant) -> None:
    printed = grant.run([sys.executable, "-c", READ_WITH_FSSPEC], grant.secret(Preset.CONNECTION_STRING))
    assert printed == "hello\n"
