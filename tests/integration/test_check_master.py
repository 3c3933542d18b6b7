"""Checks of the way to the Secret, each made to fail: the remedy is shown, and its command ends the failure."""

import dataclasses
import datetime
import json
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator import app
from rotator.checks.findings import Level
from rotator.delivery import manifest
from sandbox.kubernetes.envtest import LIMITED, EnvtestApi
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.master.server import Master
from sandbox.options import Options
from sandbox.world import SECRET_NAME, World
from tests import surroundings
from tests.integration.checkups import Examiner, examined, levels, only, wrong
from tests.integration.conftest import Cluster, options_for, rotate

ANOTHER = "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
APPLY = {"KUBERNETES_SECRET_STRATEGY": "apply"}
MINUTE = datetime.timedelta(minutes=1)
BEHIND_LOGIN = {"login", "master clock", "kubectl", "API server", "dry run", "Secret"}


@pytest.fixture
def examiner(rotated: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    with examined(rotated, tmp_path, caplog) as one:
        yield one


@pytest.fixture
def master(examiner: Examiner) -> Master:
    assert isinstance(examiner.world.master, Master)
    return examiner.world.master


@pytest.fixture
def cluster(examiner: Examiner) -> KubernetesApi:
    assert isinstance(examiner.world.cluster, KubernetesApi)
    return examiner.world.cluster


# The host


def test_a_host_that_does_not_answer_is_reported_with_its_address(examiner: Examiner) -> None:
    checkup = examiner.check(KUBERNETES_SSH_PORT="9")
    finding = only(checkup, "master", Level.FAILURE)
    assert "rotator@127.0.0.1:9" in finding.text
    assert "KUBERNETES_DNS, KUBERNETES_SSH_PORT" in finding.remedy
    assert wrong(checkup) == {("master", Level.FAILURE)}


def test_a_host_that_does_not_talk_ssh_is_reported(examiner: Examiner) -> None:
    port = urllib.parse.urlsplit(examiner.world.vault.url).port
    finding = examiner.failing("master", KUBERNETES_SSH_PORT=str(port))
    assert "does not talk SSH" in finding.text


def test_a_wrong_fingerprint_is_reported_with_all_that_the_host_offers(examiner: Examiner) -> None:
    finding = examiner.failing("host key", KUBERNETES_SSH_FINGERPRINT=ANOTHER)
    for kind, fingerprint in examiner.world.master.fingerprints.items():
        assert f"{kind} {fingerprint}" in finding.text
    assert ANOTHER in finding.text
    assert "None of these is trusted" in finding.text
    assert "console" in finding.remedy
    assert finding.command == ""


@pytest.mark.parametrize("pinned", [ANOTHER, ANOTHER.partition(" ")[2], ANOTHER.replace("ssh-ed25519", "ssh-rsa")])
def test_to_a_host_that_is_not_proven_nothing_is_sent(examiner: Examiner, master: Master, pinned: str) -> None:
    attempts, commands = master.auth_attempts, len(master.commands)
    seen = len(examiner.world.journal.events())
    checkup = examiner.check(KUBERNETES_SSH_FINGERPRINT=pinned)
    assert levels(checkup, "host key") == {Level.FAILURE}
    assert {one.check for one in checkup.findings if one.level is Level.SKIPPED} >= BEHIND_LOGIN
    assert (master.auth_attempts, len(master.commands)) == (attempts, commands)
    at_master = {event.action for event in examiner.world.journal.events()[seen:] if event.service == "master"}
    assert at_master == {"connect"}


def test_a_check_makes_the_one_connection_on_which_it_logs_in(examiner: Examiner, master: Master) -> None:
    before = master.connections, master.auth_attempts
    examiner.check()
    assert (master.connections, master.auth_attempts) == (before[0] + 1, before[1] + 1)


def test_a_check_of_an_unpinned_host_makes_one_connection_for_each_of_its_keys(
    examiner: Examiner, master: Master
) -> None:
    before = master.connections
    examiner.check(KUBERNETES_SSH_FINGERPRINT=ANOTHER)
    assert master.connections == before + len(master.fingerprints)


def test_any_of_the_host_s_keys_may_be_pinned(examiner: Examiner) -> None:
    for kind, fingerprint in examiner.world.master.fingerprints.items():
        assert wrong(examiner.check(KUBERNETES_SSH_FINGERPRINT=f"{ANOTHER}, {kind} {fingerprint}")) == set()


def test_a_key_that_is_not_let_in_is_reported_with_its_public_line(examiner: Examiner, master: Master) -> None:
    master.authorized_keys.clear()
    finding = examiner.failing("login")
    line = finding.remedy.rpartition(": ")[2]
    assert line.split()[:2] == examiner.world.key_pair.public_line.split()[:2]
    assert f"authorized_keys of {master.username}" in finding.remedy
    master.authorized_keys.append(line)
    assert wrong(examiner.check()) == set()


def test_a_user_whom_the_host_does_not_know_is_reported(examiner: Examiner) -> None:
    finding = examiner.failing("login", KUBERNETES_SSH_USERNAME="somebody")
    assert "somebody@127.0.0.1" in finding.text


@pytest.mark.parametrize("minutes", [2, -2, 10, -10])
def test_a_master_s_clock_that_is_off_is_reported(examiner: Examiner, master: Master, minutes: int) -> None:
    master.clock_skew = minutes * MINUTE
    finding = examiner.warning("master clock")
    assert ("ahead of" if minutes > 0 else "behind") in finding.text
    assert "timedatectl set-ntp true" in finding.remedy
    master.clock_skew = datetime.timedelta()
    assert wrong(examiner.check()) == set()


# kubectl and the API server


def test_where_kubectl_is_instead_is_set(examiner: Examiner) -> None:
    examiner.shell.environment["KUBERNETES_KUBECTL"] = "/opt/none/kubectl"
    finding = examiner.failing("kubectl")
    assert "/opt/none/kubectl" in finding.text
    assert wrong(examiner.repaired(finding)) == set()


def install(master: Master, directory: Path, program: str, words: str) -> None:
    """Put a program that fails in these words first on the master's path."""
    directory.mkdir()
    (directory / program).write_text(f"#!/bin/sh\necho '{words}' >&2; exit 1\n")
    (directory / program).chmod(0o755)
    master.kubectl = directory


def test_a_kubectl_that_is_there_but_broken_is_not_suggested_again(
    examiner: Examiner, master: Master, tmp_path: Path
) -> None:
    install(master, tmp_path / "programs", "kubectl", "kubectl: GLIBC_2.34 not found")
    finding = examiner.failing("kubectl")
    assert "GLIBC_2.34" in finding.text
    assert (finding.remedy, finding.command) == ("Run kubectl on the master as that user.", "")


@pytest.mark.skipif(
    not any(Path(place, "kubectl").exists() for place in ("/usr/local/bin", "/usr/bin", "/snap/bin")),
    reason="kubectl is in none of the usual places",
)
def test_another_kubectl_than_the_one_that_cannot_be_run_is_suggested(
    examiner: Examiner, master: Master, tmp_path: Path
) -> None:
    install(master, tmp_path / "programs", "kubectl", "kubectl: cannot execute: No such file or directory")
    finding = examiner.failing("kubectl")
    assert finding.command not in {"", "export KUBERNETES_KUBECTL=kubectl"}
    examiner.repaired(finding)


def test_a_sudo_that_wants_a_password_is_reported_with_what_takes_it_away(
    examiner: Examiner, master: Master, tmp_path: Path
) -> None:
    install(master, tmp_path / "programs", "sudo", "sudo: a password is required")
    finding = examiner.failing("kubectl", KUBERNETES_KUBECTL="sudo kubectl")
    assert "NOPASSWD" in finding.remedy
    assert finding.command == ""


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("sudo: interactive authentication is required", "NOPASSWD"),
        ("sudo: sorry, you are not allowed to set the following environment variables: A", "SETENV"),
    ],
)
def test_what_sudo_lacks_is_reported(
    examiner: Examiner, master: Master, tmp_path: Path, words: str, remedy: str
) -> None:
    install(master, tmp_path / "programs", "sudo", words)
    assert remedy in examiner.failing("kubectl", KUBERNETES_KUBECTL="sudo A=b kubectl").remedy


NOISE = {
    "k3s": 'time="2026-11-30T09:00:00Z" level=warning msg="Unable to read /etc/rancher/k3s/k3s.yaml, please start"',
    "snap": "WARNING: cannot create user data directory: cannot create /nonexistent/snap/kubectl/1: permission denied",
    "microk8s": 'mkdir: cannot create directory "/run/user/1001": Permission denied (Forbidden)',
}


@pytest.mark.parametrize(("noise", "settings"), [("k3s", {}), ("snap", APPLY), ("microk8s", {}), ("microk8s", APPLY)])
def test_words_beside_what_works_harm_nothing(
    examiner: Examiner, master: Master, tmp_path: Path, noise: str, settings: dict[str, str]
) -> None:
    programs = tmp_path / "programs"
    install(master, programs, "kubectl", "")
    (programs / "kubectl").write_text(f"#!/bin/sh\necho '{NOISE[noise]}' >&2\nexec {shutil.which('kubectl')} \"$@\"\n")
    assert wrong(examiner.check(**settings)) == set()
    assert examiner.rotates(**settings)
    examiner.shell.carry_out(f"kubectl delete secret {SECRET_NAME}")
    assert examiner.rotates(**settings)


def test_a_credential_that_has_expired_is_no_lack_of_rights(examiner: Examiner, cluster: KubernetesApi) -> None:
    token, cluster.token = cluster.token, "another"
    try:
        finding = examiner.failing("API server")
    finally:
        cluster.token = token
    assert finding.remedy.startswith("Renew the credential in the kubeconfig")
    assert wrong(examiner.check()) == set()


def test_an_api_server_that_is_down_is_reported(examiner: Examiner, cluster: KubernetesApi) -> None:
    cluster.down = True
    finding = examiner.failing("API server")
    assert finding.remedy.startswith("Check the API server, and the kubeconfig")
    cluster.down = False
    assert wrong(examiner.check()) == set()


@pytest.mark.parametrize(
    ("verb", "settings"),
    [("get", {}), ("create", {}), ("delete", {}), ("get", APPLY), ("update", APPLY)],
)
def test_a_verb_that_is_denied_is_granted(
    examiner: Examiner, cluster: KubernetesApi, verb: str, settings: dict[str, str]
) -> None:
    cluster.denied.add(verb)
    finding = examiner.failing(f"kubectl may {verb}", **settings)
    assert f"--verb={verb} " in finding.command
    assert " --user=rotator " in finding.command
    assert wrong(examiner.repaired(finding, **settings)) == set()


def test_a_verb_is_granted_once_more_when_kubectl_has_another_user_and_the_first_keeps_it(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    cluster.denied.add("get")
    examiner.repaired(examiner.failing("kubectl may get"))
    cluster.user = "another"
    finding = examiner.failing("kubectl may get")
    assert " --user=another " in finding.command
    examiner.repaired(finding)
    examiner.shell.carry_out(finding.command)
    cluster.user = "rotator"
    assert wrong(examiner.check()) == set()


def test_a_secret_that_is_changed_in_place_needs_not_be_created(examiner: Examiner, cluster: KubernetesApi) -> None:
    cluster.denied |= {"create", "delete"}
    assert levels(examiner.check(**APPLY), "dry run") == {Level.OK}
    finding = examiner.harmless("kubectl may create", **APPLY)
    assert "if somebody deletes it" in finding.text
    examiner.repaired(finding, **APPLY)


@pytest.mark.parametrize(("verb", "settings"), [("delete", {}), ("update", APPLY)])
def test_what_only_later_runs_need_is_a_warning_until_there_is_a_secret(
    examiner: Examiner, cluster: KubernetesApi, verb: str, settings: dict[str, str]
) -> None:
    cluster.denied.add(verb)
    another = settings | {"KUBERNETES_SECRET_NAME": "another"}
    finding = examiner.harmless(f"kubectl may {verb}", **another)
    assert "the next run creates it, but later runs cannot" in finding.text
    examiner.repaired(examiner.failing(f"kubectl may {verb}", **another), **another)


def test_a_secret_that_is_not_there_must_be_created_with_apply_too(examiner: Examiner, cluster: KubernetesApi) -> None:
    cluster.denied.add("create")
    another = APPLY | {"KUBERNETES_SECRET_NAME": "another"}
    finding = examiner.failing("kubectl may create", **another)
    examiner.repaired(finding, **another)
    assert examiner.rotates(**another)


def test_all_verbs_are_granted_one_after_the_other(examiner: Examiner, cluster: KubernetesApi) -> None:
    cluster.denied |= {"get", "create", "delete"}
    cluster.user = "system:serviceaccount:default:rotator"
    try:
        checkup = examiner.check()
        commands = [one.command for one in checkup.findings if one.level is Level.FAILURE]
        assert len(commands) == 3
        for command in commands:
            assert " --serviceaccount=default:rotator " in command
            examiner.shell.carry_out(command)
        assert wrong(examiner.check()) == set()
        assert examiner.rotates()
    finally:
        cluster.user = "rotator"


def test_a_missing_namespace_is_made(examiner: Examiner) -> None:
    elsewhere = {"KUBERNETES_NAMESPACE": "apps"}
    finding = examiner.failing("namespace", **elsewhere)
    assert "there is no namespace 'apps'" in finding.text
    examiner.repaired(finding, **elsewhere)
    assert examiner.rotates(**elsewhere)
    assert wrong(examiner.check(**elsewhere)) == set()
    examiner.shell.carry_out(f"kubectl -n apps delete secret {SECRET_NAME}")


def test_a_missing_namespace_that_kubectl_may_not_look_for_is_made_once_the_dry_run_met_it(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    cluster.denied.add("get namespaces")
    assert levels(examiner.check(), "namespace") == {Level.SKIPPED}
    elsewhere = {"KUBERNETES_NAMESPACE": "apps"}
    finding = examiner.failing("dry run", **elsewhere)
    assert finding.command == "kubectl create namespace apps"
    examiner.repaired(finding, **elsewhere)
    assert examiner.rotates(**elsewhere)
    examiner.shell.carry_out(f"kubectl -n apps delete secret {SECRET_NAME}")


def test_a_secret_that_kubectl_cannot_delete_at_once_is_reported_before_a_rotation_meets_it(examiner: Examiner) -> None:
    patch = '{"metadata":{"finalizers":["example.com/keep"]}}'
    examiner.shell.carry_out(f"kubectl patch secret {SECRET_NAME} --type=merge -p '{patch}'")
    try:
        finding = examiner.failing("Secret")
        assert "finalizers" in finding.text
        assert finding.command == "export KUBERNETES_SECRET_STRATEGY=apply"
        examiner.repaired(finding)
        assert examiner.rotates()
    finally:
        free = '{"metadata":{"finalizers":null}}'
        examiner.shell.carry_out(f"kubectl patch secret {SECRET_NAME} --type=merge -p '{free}'")


def test_a_secret_that_is_being_deleted_is_reported(examiner: Examiner) -> None:
    patch = f'kubectl patch secret {SECRET_NAME} --type=merge -p \'{{"metadata":{{"finalizers":%s}}}}\''
    examiner.shell.carry_out(patch % '["example.com/keep"]')
    examiner.shell.carry_out(f"kubectl delete secret {SECRET_NAME} --wait=false")
    try:
        assert "is being deleted" in examiner.failing("Secret", **APPLY).text
    finally:
        examiner.shell.carry_out(patch % "null")


@pytest.fixture
def immutable(examiner: Examiner) -> Examiner:
    """Not even `apply` changes the Secret in place."""
    examiner.shell.carry_out(f"kubectl patch secret {SECRET_NAME} -p '{{\"immutable\":true}}'")
    return examiner


@pytest.mark.parametrize(("verb", "check"), [("delete", "Secret"), ("create", "kubectl may create")])
def test_an_immutable_secret_takes_the_rights_to_recreate_it_with_apply_too(
    immutable: Examiner, cluster: KubernetesApi, verb: str, check: str
) -> None:
    cluster.denied.add(verb)
    finding = immutable.failing(check, **APPLY)
    assert f"--verb={verb} " in finding.command
    immutable.shell.carry_out(finding.command)
    assert immutable.rotates(**APPLY)


def test_an_immutable_secret_is_not_updated_with_apply_either(immutable: Examiner, cluster: KubernetesApi) -> None:
    cluster.denied.add("update")
    immutable.harmless("kubectl may update", **APPLY)


def test_an_immutable_secret_takes_room_with_apply_too(immutable: Examiner, cluster: KubernetesApi) -> None:
    cluster.quota = 1
    assert "exceeded quota" in immutable.failing("dry run", **APPLY).text


def test_a_master_without_named_pipes_is_reported(examiner: Examiner, master: Master, tmp_path: Path) -> None:
    install(master, tmp_path / "programs", "mkfifo", "mkfifo: no room")
    assert "no room" in examiner.failing("remote shell").text


def test_a_namespace_comes_before_what_is_granted_in_it(examiner: Examiner, cluster: KubernetesApi) -> None:
    """RBAC refuses before it is seen that there is no such namespace, and no role can be made in it."""
    elsewhere = {"KUBERNETES_NAMESPACE": "apps"}
    cluster.denied |= {"get", "create", "delete"}
    commands = [one.command for one in examiner.check(**elsewhere).findings if one.command]
    for command in commands:
        examiner.shell.carry_out(command)
    assert not examiner.check(**elsewhere).failed


def test_a_quota_that_leaves_no_room_is_reported(examiner: Examiner, cluster: KubernetesApi) -> None:
    cluster.quota = 1
    finding = examiner.failing("dry run", KUBERNETES_SECRET_NAME="another")
    assert "exceeded quota" in finding.text
    assert "Raise the quota" in finding.remedy
    cluster.quota = 2
    assert not examiner.check(KUBERNETES_SECRET_NAME="another").failed


def test_a_full_quota_is_no_failure_where_the_secret_is_changed_in_place(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    """The remedy of the check says so: use KUBERNETES_SECRET_STRATEGY=apply."""
    cluster.quota = 1
    assert "KUBERNETES_SECRET_STRATEGY=apply" in examiner.failing("dry run").remedy
    checkup = examiner.check(**APPLY)
    assert examiner.rotates(**APPLY)
    assert not checkup.failed


def test_an_admission_webhook_that_refuses_is_quoted(examiner: Examiner, cluster: KubernetesApi) -> None:
    words = 'admission webhook "policy.example.com" denied the request: Secrets need an owner'
    cluster.faults.append(KubernetesFault("create", 403, "Forbidden", words, times=2, dry_run=True))
    finding = examiner.failing("dry run")
    assert "Secrets need an owner" in finding.text
    assert wrong(examiner.check()) == set()


NO_DRY_RUN = 'admission webhook "policy.example.com" does not support dry run'


def refuse_dry_runs(cluster: KubernetesApi) -> None:
    cluster.faults.append(KubernetesFault("*", 400, "BadRequest", NO_DRY_RUN, times=99, dry_run=True))


def test_a_webhook_that_makes_no_dry_run_is_no_failure_where_a_rotation_makes_none(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    refuse_dry_runs(cluster)
    finding = examiner.failing("dry run")
    assert "policy.example.com" in finding.text
    assert finding.command == "export KUBERNETES_SECRET_STRATEGY=apply"
    examiner.shell.carry_out(finding.command)
    checkup = examiner.check()
    assert not checkup.failed
    assert "makes no dry run" in only(checkup, "dry run", Level.SKIPPED).text
    assert examiner.rotates()


def test_a_webhook_that_makes_no_dry_run_lets_a_first_run_make_the_secret(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    refuse_dry_runs(cluster)
    another = {"KUBERNETES_SECRET_NAME": "another"}
    finding = examiner.harmless("dry run", **another)
    assert "later runs cannot replace it" in finding.text
    assert not examiner.rotates(**another)


def test_a_webhook_that_does_not_answer_is_named(examiner: Examiner, cluster: KubernetesApi) -> None:
    words = 'Internal error occurred: failed calling webhook "policy.example.com": Post "https://10.0.0.7/": EOF'
    cluster.faults.append(KubernetesFault("*", 500, "InternalError", words, times=99, dry_run=True))
    finding = examiner.failing("dry run")
    assert "admission webhook policy.example.com does not answer the API server" in finding.text
    assert "validatingwebhookconfigurations" in finding.remedy


def test_an_owner_for_which_the_secret_may_not_be_created_anew_is_no_lack_of_verbs(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    words = (
        f'secrets "{SECRET_NAME}" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a '
        "resource you can't set finalizers on: , <nil>"
    )
    cluster.faults.append(KubernetesFault("create", 403, "Forbidden", words, times=99))
    finding = examiner.failing("dry run")
    assert finding.command == "export KUBERNETES_SECRET_STRATEGY=apply"
    examiner.repaired(finding)
    assert examiner.rotates()


def test_a_label_that_is_insisted_on_may_be_one_that_others_gave_the_secret(
    examiner: Examiner, cluster: KubernetesApi
) -> None:
    examiner.shell.carry_out(f"kubectl label secret {SECRET_NAME} team=a")
    cluster.required_labels.add("team")
    assert wrong(examiner.check()) == set()
    assert examiner.rotates()
    refused = examiner.failing("dry run", KUBERNETES_SECRET_KEEP_FOREIGN="false")
    assert "team must be labelled" in refused.text


def test_a_label_that_is_insisted_on_may_be_one_of_ours(examiner: Examiner, cluster: KubernetesApi) -> None:
    another = {"KUBERNETES_SECRET_NAME": "another"}
    cluster.required_labels.add(manifest.MANAGED_BY)
    assert not examiner.check(**another).failed
    assert examiner.rotates(**another)
    cluster.required_labels.add("team")
    examiner.failing("dry run", KUBERNETES_SECRET_NAME="a-third")


# The Secret


def test_a_secret_of_somebody_else_is_left_alone_until_it_may_be_adopted(examiner: Examiner) -> None:
    examiner.shell.carry_out("kubectl create secret generic theirs --from-literal=other=value")
    examiner.shell.environment["KUBERNETES_SECRET_NAME"] = "theirs"
    finding = examiner.failing("Secret")
    assert "was not made by this tool" in finding.text
    assert finding.command == "export KUBERNETES_SECRET_ADOPT=true"
    examiner.repaired(finding)
    assert examiner.rotates()


def test_a_secret_that_somebody_changed_is_repaired_by_a_run(examiner: Examiner) -> None:
    patch = '{"data": {"secretKey": "aHVudGVyMg=="}}'
    examiner.shell.carry_out(f"kubectl patch secret {SECRET_NAME} --type merge --patch '{patch}'")
    finding = examiner.warning("Secret")
    assert finding.text.startswith("drift: somebody changed the value")
    assert finding.command == "python -m rotator rotate"
    examiner.repaired(finding)
    assert Cluster(examiner.world).works()


def test_a_secret_that_somebody_deleted_is_made_by_a_run(examiner: Examiner) -> None:
    examiner.shell.carry_out(f"kubectl delete secret {SECRET_NAME}")
    examiner.repaired(examiner.warning("Secret"))
    assert Cluster(examiner.world).works()


# The real sshd


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[World]:
    """A real sshd that allows so many sessions in one connection."""
    options = dataclasses.replace(options_for("sshd"), sshd_options=(f"MaxSessions {request.param}",))
    with World(options) as running:
        yield surroundings.enter(running, monkeypatch)


@pytest.mark.real
@pytest.mark.parametrize("few", [10, 2, 1], indirect=True)
def test_a_check_needs_no_more_sessions_at_once_than_a_rotation(few: World) -> None:
    assert not rotate(few).failed
    assert wrong(app.check(environment=few.settings)) == set()


# The real API server


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Examiner]:
    """Real RBAC, and on the master a kubectl whose user may do nothing yet."""
    options = options_for("envtest")
    with World(Options(envtest=options.envtest)) as running:
        surroundings.enter(running, monkeypatch)
        assert isinstance(running.cluster, EnvtestApi)
        assert isinstance(running.master, Master)
        running.master.kubeconfig = running.cluster.limited_kubeconfig
        with examined(running, tmp_path / "shell", caplog) as one:
            yield one


@pytest.mark.real
def test_real_rbac_lets_the_user_in_by_the_commands(limited: Examiner) -> None:
    checkup = limited.check()
    refused = [one for one in checkup.findings if one.check.startswith("kubectl may ")]
    assert {one.level for one in refused} == {Level.FAILURE}
    for finding in refused:
        assert f" --user={LIMITED} " in finding.command
        limited.repaired(finding)
        limited.shell.carry_out(finding.command)
    assert limited.rotates()
    assert wrong(limited.check()) == set()
    apply = only(limited.check(**APPLY), "kubectl may update", Level.FAILURE)
    limited.repaired(apply, **APPLY)
    assert limited.rotates(**APPLY)


@pytest.mark.real
def test_real_rbac_may_say_why_it_says_no(limited: Examiner) -> None:
    """A role that is bound but does not exist makes `auth can-i` add words to its no."""
    limited.shell.carry_out(f"kubectl create rolebinding dangling --role=missing --user={LIMITED}")
    finding = limited.failing("kubectl may get")
    assert f" --user={LIMITED} " in finding.command
    limited.repaired(finding)


@pytest.mark.real
def test_a_real_api_server_misses_its_namespace(limited: Examiner) -> None:
    limited.shell.carry_out(f"kubectl create clusterrolebinding all --clusterrole=cluster-admin --user={LIMITED}")
    elsewhere = {"KUBERNETES_NAMESPACE": "apps"}
    limited.repaired(limited.failing("namespace", **elsewhere), **elsewhere)


@pytest.mark.real
def test_a_real_service_account_is_bound_as_one(limited: Examiner, tmp_path: Path) -> None:
    limited.shell.carry_out("kubectl create serviceaccount robot")
    token = limited.shell.carry_out("kubectl create token robot").strip()
    assert isinstance(limited.world.master, Master)
    document = json.loads(limited.world.master.kubeconfig.read_text())
    document["users"][0]["user"]["token"] = token
    limited.world.master.kubeconfig = tmp_path / "robot.kubeconfig"
    limited.world.master.kubeconfig.write_text(json.dumps(document))
    finding = limited.failing("kubectl may get")
    assert " --serviceaccount=default:robot " in finding.command
    limited.repaired(finding)
