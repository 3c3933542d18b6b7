import dataclasses

from rotator.delivery.ssh import kubectl
from tests.fakes.examples import CLUSTER, TARGET

MARK = "rotator-0123456789abcdef"


def test_only_the_secret_itself_counts_as_not_found() -> None:
    assert kubectl.not_found('Error from server (NotFound): secrets "storage-sas" not found\n')
    assert not kubectl.not_found('Error from server (NotFound): namespaces "shop" not found\n')
    assert not kubectl.not_found("Error from server (NotFound): the server could not find the requested resource\n")
    assert not kubectl.not_found("")
    assert not kubectl.not_found('webhook says: Error from server (NotFound): secrets "storage-sas" not found')
    assert kubectl.not_found('W0701 a warning\nError from server (NotFound): secrets "storage-sas" not found\n')
    denied = 'Error from server (NotFound): admission webhook "a" denied the request: secrets "storage-sas" not found\n'
    assert not kubectl.not_found(f'{denied}Error from server (NotFound): secrets "storage-sas" not found\n')


def test_only_the_secret_itself_counts_as_there() -> None:
    taken = 'Error from server (AlreadyExists): secrets "storage-sas" already exists\n'
    assert kubectl.already_exists(f'time="2026-12-01T00:00:00Z" level=info msg="x"\n{taken}')
    assert kubectl.already_exists(taken.replace("secrets", "object is being deleted: secrets"))
    denied = 'Error from server (AlreadyExists): admission webhook "a" denied the request: '
    assert not kubectl.already_exists(f'{denied}secrets "storage-sas" already exists\n')
    assert not kubectl.already_exists(f"{denied}no\n{taken}")
    assert not kubectl.already_exists(f'Error from server: admission webhook "a" denied the request: no\n{taken}')
    assert not kubectl.already_exists('Error from server (AlreadyExists): namespaces "shop" already exists\n')


def test_observation_names_the_target_and_bounds_the_request() -> None:
    k3s = dataclasses.replace(CLUSTER, kubectl=("sudo", "/opt/my tools/k3s", "kubectl"))
    command = kubectl.get_command(dataclasses.replace(TARGET, cluster=k3s, namespace="shop"))
    assert command.endswith(
        "sudo '/opt/my tools/k3s' kubectl --request-timeout=15s get --raw /api/v1/namespaces/shop/secrets/storage-sas"
    )
