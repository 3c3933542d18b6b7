import dataclasses

from rotator.plan.plan import ManagedAccount
from tests.fakes.examples import CLUSTER, DEFINITION, TARGET


def test_secret_of_the_vault_is_named_after_account_and_definition() -> None:
    account = ManagedAccount("https://myvault.vault.azure.net:8443", "mystorage")
    assert account.host == "myvault.vault.azure.net"
    assert account.sas_secret(DEFINITION) == f"mystorage-{DEFINITION.name}"


def test_cluster_and_target_are_shown_without_their_settings() -> None:
    assert str(CLUSTER) == "rotator@master.example.com:22"
    assert str(dataclasses.replace(TARGET, namespace="team-1")) == "team-1/storage-sas@master.example.com"
