"""What stands in the Secret of a preset is what the consumer's own rule, or its SDK, reads a blob with.

Consumers that run here as programs are in test_preset_programs.py.
"""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from azure.storage.blob import BlobServiceClient

from rotator.plan.presets import Preset
from tests.integration import preset_consumers as consumers
from tests.integration import preset_storage
from tests.integration.preset_consumers import CONNECTION_STRINGS
from tests.integration.preset_storage import CONTAINER, GRANTS, Grant, Storage
from tests.integration.public_names import RefusedError

PLACES = ["sandbox-account", *(pytest.param(f"azurite-{kind}", marks=pytest.mark.real) for kind in GRANTS)]
RULES = {
    Preset.CSI_BLOB: consumers.csi_blob,
    Preset.VELERO: consumers.velero,
    Preset.WALG: consumers.walg,
    Preset.FLUX: consumers.flux,
    Preset.ARGO: consumers.argo,
    Preset.ELASTICSEARCH: consumers.elasticsearch,
    Preset.KEDA: consumers.keda,
    Preset.LOKI: consumers.loki,
    Preset.CONNECTION_STRING: consumers.dapr,
}
IN_TEST_PRESET_PROGRAMS = {Preset.RCLONE, Preset.RESTIC, Preset.PGBACKREST, Preset.BARMAN}


@pytest.fixture(scope="module")
def sandbox_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with preset_storage.sandbox_storage(tmp_path_factory.mktemp("sandbox")) as storage:
        yield storage


@pytest.fixture(scope="module")
def azurite_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with preset_storage.azurite_storage(tmp_path_factory.mktemp("azurite")) as storage:
        yield storage


@pytest.fixture(params=PLACES)
def grant(request: pytest.FixtureRequest) -> Grant:
    backend, _, kind = request.param.partition("-")
    return GRANTS[kind](request.getfixturevalue(f"{backend}_storage"))


@pytest.fixture
def reached(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> Grant:
    """This process reaches the storage by its public name."""
    for name, text in grant.storage.front.environment.items():
        monkeypatch.setenv(name, text)
    return grant


def hello(service: BlobServiceClient) -> bytes:
    with contextlib.closing(service):
        return service.get_blob_client(CONTAINER, consumers.BLOB).download_blob().readall()


def test_every_preset_is_read_by_its_consumer_or_says_why_not() -> None:
    without_sas = {Preset.CSI_FILE}
    assert {*RULES, *IN_TEST_PRESET_PROGRAMS, Preset.AIRFLOW, *without_sas} == set(Preset)


@pytest.mark.parametrize("preset", RULES)
def test_by_its_consumer_s_rule_the_secret_reads_a_blob(grant: Grant, preset: Preset) -> None:
    assert grant.storage.front.read(RULES[preset](grant.secret(preset))) == b"hello"


@pytest.mark.parametrize("preset", [Preset.ARGO, Preset.KEDA, Preset.LOKI, Preset.CONNECTION_STRING])
def test_a_token_with_a_question_mark_would_be_refused_by_consumers_that_put_one_before_it(
    grant: Grant, preset: Preset
) -> None:
    wrong = {key: text.replace(grant.sas, f"?{grant.sas}") for key, text in grant.secret(preset).items()}
    with pytest.raises(RefusedError):
        grant.storage.front.read(RULES[preset](wrong))


@pytest.mark.parametrize("preset", CONNECTION_STRINGS)
def test_python_s_sdk_reads_a_blob_with_the_connection_string(reached: Grant, preset: Preset) -> None:
    text = reached.secret(preset)[CONNECTION_STRINGS[preset]]
    assert hello(BlobServiceClient.from_connection_string(text)) == b"hello"


def test_a_connection_string_with_an_endpoint_of_another_form_is_read_as_well(reached: Grant) -> None:
    """As for an account with a private or zonal endpoint."""
    endpoint, account = reached.storage.endpoint, preset_storage.ACCOUNT
    text = f"BlobEndpoint={endpoint};AccountName={account};SharedAccessSignature={reached.sas}"
    assert hello(BlobServiceClient.from_connection_string(text)) == b"hello"
    assert reached.storage.front.read(consumers.go_sdk(text)) == b"hello"


@pytest.mark.parametrize("client", [consumers.airflow, consumers.airflow_before])
def test_airflow_of_any_age_reads_a_blob_with_its_connection(
    reached: Grant, client: Callable[[str], BlobServiceClient]
) -> None:
    connection = reached.secret(Preset.AIRFLOW)["AIRFLOW_CONN_WASB_DEFAULT"]
    assert hello(client(connection)) == b"hello"


def test_csi_file_has_the_account_s_key_and_no_sas(sandbox_storage: Storage) -> None:
    grant = preset_storage.account_grant(sandbox_storage)
    secret = grant.secret(Preset.CSI_FILE)
    assert secret == {
        "azurestorageaccountname": preset_storage.ACCOUNT,
        "azurestorageaccountkey": sandbox_storage.account.keys["key1"],
    }


@pytest.mark.parametrize("preset", sorted(set(Preset) - {Preset.CSI_FILE}))
def test_a_secret_has_the_account_s_key_only_where_the_consumer_knows_no_sas(
    sandbox_storage: Storage, preset: Preset
) -> None:
    grant = preset_storage.account_grant(sandbox_storage)
    values = grant.secret(preset).values()
    assert not any(sandbox_storage.account.keys["key1"] in text for text in values)
    assert any(grant.sas in text for text in values)
