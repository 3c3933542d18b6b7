"""Command lines of `kubectl` by the cluster's administrator: each takes away what refuses the master's user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import world
from sandbox.kubernetes.state import KubernetesApi
from tests.remedies.shell import Shell

SECRET = "storage-sas"
USER = "rotator"
GRANT = (
    "kubectl -n default create role rotator --verb=get,delete --resource=secrets --resource-name=storage-sas && "
    "kubectl -n default create rolebinding rotator --role=rotator"
)


@pytest.fixture
def running() -> Iterator[world.World]:
    with world.World() as started:
        yield started


@pytest.fixture
def cluster(running: world.World) -> KubernetesApi:
    assert isinstance(running.cluster, KubernetesApi)
    return running.cluster


@pytest.fixture
def shell(running: world.World, tmp_path: Path) -> Shell:
    return Shell(running, tmp_path)


def may(cluster: KubernetesApi, shell: Shell, verb: str, what: str = f"secrets/{SECRET}") -> bool:
    line = f"kubectl --kubeconfig {cluster.kubeconfig} auth can-i {verb} {what} -n default"
    return shell.run(line).output == "yes\n"


def as_user(cluster: KubernetesApi, shell: Shell, line: str) -> tuple[int, str]:
    done = shell.run(f"kubectl --kubeconfig {cluster.kubeconfig} {line}")
    return done.status, done.stderr


def test_bound_role_takes_the_denial_away(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied |= {"get", "delete"}
    shell.carry_out(f"kubectl -n default create secret generic {SECRET} --from-literal=a=b")
    status, stderr = as_user(cluster, shell, f"get secret {SECRET}")
    assert status == 1
    assert f'User "{USER}" cannot get resource "secrets" in API group "" in the namespace "default"' in stderr
    assert not may(cluster, shell, "get")
    shell.carry_out(f"{GRANT} --user={USER}")
    assert may(cluster, shell, "get")
    assert as_user(cluster, shell, f"get secret {SECRET}")[0] == 0
    assert as_user(cluster, shell, f"delete secret {SECRET}")[0] == 0


def test_reconciled_binding_gets_one_user_more(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied.add("get")
    shell.carry_out(f"{GRANT} --user=somebody")
    assert not may(cluster, shell, "get")
    make = f"kubectl -n default create rolebinding rotator --role=rotator --user={USER} --dry-run=client -o yaml"
    shell.carry_out(f"{make} | kubectl -n default auth reconcile -f -")
    assert may(cluster, shell, "get")
    (binding,) = cluster.access["rolebindings"].values()
    assert [subject["name"] for subject in binding["subjects"]] == ["somebody", USER]


def test_role_grants_its_verbs_on_its_secret_in_its_namespace(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied |= {"get", "update"}
    shell.carry_out(f"kubectl create namespace team && {GRANT} --user={USER}")
    assert not may(cluster, shell, "update")
    assert not may(cluster, shell, "get", "secrets/another")
    assert not may(cluster, shell, "get", "secrets")
    assert as_user(cluster, shell, f"get secret {SECRET} -n team")[0] == 1


def test_create_is_granted_by_a_role_without_names_only(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied.add("create")
    make = f"create secret generic {SECRET} --from-literal=a=b"
    line = "kubectl create role {0} --verb=create --resource=secrets {1} && "
    line += "kubectl create rolebinding {0} --role={0} --user=" + USER
    shell.carry_out(line.format("named", f"--resource-name={SECRET}"))
    assert as_user(cluster, shell, make)[0] == 1
    shell.carry_out(line.format("any", ""))
    assert as_user(cluster, shell, make) == (0, "")


def test_service_account_is_bound_by_its_own_name(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied.add("get")
    cluster.user = "system:serviceaccount:rotator:robot"
    shell.carry_out(f"{GRANT} --serviceaccount=default:robot")
    assert not may(cluster, shell, "get")
    shell.carry_out("kubectl create rolebinding right --role=rotator --serviceaccount=rotator:robot")
    assert may(cluster, shell, "get")


def test_namespace_made_by_the_administrator_holds_secrets(cluster: KubernetesApi, shell: Shell) -> None:
    read = "get --raw /api/v1/namespaces/team"
    status, stderr = as_user(cluster, shell, read)
    assert (status, 'namespaces "team" not found' in stderr) == (1, True)
    shell.carry_out("kubectl create namespace team")
    assert as_user(cluster, shell, read) == (0, "")
    assert as_user(cluster, shell, f"-n team create secret generic {SECRET} --from-literal=a=b") == (0, "")
    assert ("team", SECRET) in cluster.secrets


def test_namespaces_can_be_denied_and_granted(cluster: KubernetesApi, shell: Shell) -> None:
    cluster.denied.add("get namespaces")
    status, stderr = as_user(cluster, shell, "get --raw /api/v1/namespaces/default")
    assert status == 1
    assert f'User "{USER}" cannot get resource "namespaces" in API group "" in the namespace "default"' in stderr
    assert may(cluster, shell, "get")
    role = "kubectl create role seer --verb=get --resource=namespaces"
    shell.carry_out(f"{role} && kubectl create rolebinding seer --role=seer --user={USER}")
    assert as_user(cluster, shell, "get --raw /api/v1/namespaces/default")[0] == 0


def test_only_the_administrator_writes_roles(cluster: KubernetesApi, shell: Shell) -> None:
    status, stderr = as_user(cluster, shell, "create role mine --verb=get --resource=secrets")
    assert status == 1
    assert f'User "{USER}" cannot create resource "roles" in API group "rbac.authorization.k8s.io"' in stderr
    assert not may(cluster, shell, "create", "roles.rbac.authorization.k8s.io")
    assert cluster.access == {"roles": {}, "rolebindings": {}}
