"""The commands that checks run on the master, none of which changes anything, and what their output means."""

import dataclasses
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from rotator.checks import kubectl_probe
from rotator.delivery import manifest
from rotator.delivery.live_secret import Document
from rotator.plan.plan import Strategy, Target
from tests.fakes import examples

KUBECTL = "env LC_ALL=C KUBERC=off GOGC=off GOMEMLIMIT=512MiB GOMAXPROCS=1 kubectl --request-timeout=15s"
SECRETS = "/api/v1/namespaces/default/secrets"
APPLY = dataclasses.replace(examples.TARGET, strategy=Strategy.APPLY)
FORBIDDEN = (
    'Error from server (Forbidden): secrets "storage-sas" is forbidden: User "{}" cannot get resource "secrets" in '
    'API group "" in the namespace "default"'
)


@pytest.mark.parametrize(
    ("target", "expected"), [(examples.TARGET, ("create", "delete")), (APPLY, ("create", "update"))]
)
def test_the_verbs_that_write_are_those_of_the_strategy(target: Target, expected: tuple[str, ...]) -> None:
    assert kubectl_probe.write_verbs(target) == expected


def test_versions_are_printed_by_client_and_server() -> None:
    assert kubectl_probe.client_version(examples.CLUSTER) == f"{KUBECTL} version --client --output=json"
    assert kubectl_probe.server_version(examples.CLUSTER) == f"{KUBECTL} get --raw /version"


@pytest.mark.parametrize("verb", ["get", "delete", "update"])
def test_permissions_are_checked_on_that_secret(verb: str) -> None:
    asked = kubectl_probe.can_i(examples.TARGET, verb)
    assert asked == f"{KUBECTL} auth can-i {verb} secrets/storage-sas --namespace default"


def test_the_permission_to_create_is_checked_without_a_name() -> None:
    assert kubectl_probe.can_i(examples.TARGET, "create") == f"{KUBECTL} auth can-i create secrets --namespace default"


def test_a_command_line_of_several_words_is_run_as_such() -> None:
    cluster = dataclasses.replace(examples.CLUSTER, kubectl=("sudo", "/opt/my k3s", "kubectl"))
    asked = kubectl_probe.client_version(cluster)
    assert shlex.split(asked)[6:10] == ["sudo", "/opt/my k3s", "kubectl", "--request-timeout=15s"]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("get", f"get --raw {SECRETS}/storage-sas"),
        ("create", f"create --raw '{SECRETS}?dryRun=All' --validate=false -f -"),
        ("update", f"replace --raw '{SECRETS}/storage-sas?dryRun=All' --validate=false -f -"),
        ("delete", f"delete --raw '{SECRETS}/storage-sas?dryRun=All'"),
    ],
)
def test_every_request_is_a_dry_run(verb: str, expected: str) -> None:
    assert kubectl_probe.dry_run(examples.TARGET, verb)[0] == f"{KUBECTL} {expected}"


@pytest.mark.parametrize("verb", ["create", "update"])
def test_a_dry_run_s_document_is_what_is_sent(verb: str) -> None:
    _, body = kubectl_probe.dry_run(examples.TARGET, verb, {"kind": "Secret"})
    assert body
    assert json.loads(body.reveal()) == {"kind": "Secret"}


@pytest.mark.parametrize(
    "held", [None, examples.delivered(), examples.document({"other": "kept"}, labels={"team": "a"}, annotations={})]
)
@pytest.mark.parametrize("keep_foreign", [True, False])
def test_the_empty_secret_is_what_a_rotation_writes_but_for_the_sas(held: Document | None, keep_foreign: bool) -> None:
    target = dataclasses.replace(examples.TARGET, keep_foreign=keep_foreign, adopt=True)
    before = examples.held(held) if held else None
    empty = kubectl_probe.empty_secret(target, before, examples.DEFINITION, examples.NOW)
    written = manifest.compose(target, before, examples.order())
    assert empty["data"].pop(target.data_key) == ""
    assert written["data"].pop(target.data_key)
    dry, real = (each["metadata"].pop("annotations") for each in (empty, written))
    assert dry.keys() == real.keys()
    assert empty == written


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_other_dry_runs_send_nothing(verb: str) -> None:
    assert kubectl_probe.dry_run(examples.TARGET, verb)[1] is None


# What the output means


@pytest.mark.parametrize("user", ["rotator", "system:serviceaccount:apps:rotator", "o'neill@example.com"])
def test_the_user_is_the_one_that_the_server_refuses(user: str) -> None:
    assert kubectl_probe.refused_user(FORBIDDEN.format(user)) == user


@pytest.mark.parametrize("stderr", ["", "The connection to the server 127.0.0.1:6443 was refused"])
def test_without_a_refusal_the_user_is_not_known(stderr: str) -> None:
    assert kubectl_probe.refused_user(stderr) is None


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        ('{"clientVersion": {"gitVersion": "v1.32.4"}, "kustomizeVersion": "v5.5.0"}', "v1.32.4"),
        ('{"major": "1", "minor": "32", "gitVersion": "v1.32.4+k3s1"}', "v1.32.4+k3s1"),
    ],
)
def test_versions_are_read_from_client_and_server(stdout: str, expected: str) -> None:
    assert kubectl_probe.version_in(stdout) == expected


@pytest.mark.parametrize(
    "stdout", ["", "Client Version: v1.32.4", "[]", "7", "{}", '{"clientVersion": null}', '{"clientVersion": {}}']
)
def test_what_is_no_version_is_none(stdout: str) -> None:
    assert kubectl_probe.version_in(stdout) == ""


# Where kubectl may be instead


def searched(path: Path) -> list[str]:
    done = subprocess.run(
        ["/bin/sh", "-c", kubectl_probe.FIND_KUBECTL],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_search_ends_well_where_there_is_none(tmp_path: Path) -> None:
    assert "kubectl" not in searched(tmp_path)


def test_one_on_the_path_is_preferred_to_those_in_other_places(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert searched(tmp_path)[0] == "kubectl"
