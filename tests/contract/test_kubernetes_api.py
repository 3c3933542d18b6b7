"""The real kubectl against the sandbox's API server, and against a real one where KUBEBUILDER_ASSETS names it."""

import base64
import contextlib
import dataclasses
import itertools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.server import KubernetesServer
from sandbox.kubernetes.state import KubernetesApi
from sandbox.server import background, certificates, journal

COLLECTION = "/api/v1/namespaces/default/secrets"
DRY_RUN = f"{COLLECTION}?dryRun=All"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/"
_numbers = itertools.count(1)

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl isn't installed")


@dataclasses.dataclass
class Cluster:
    """An API server and a fresh Secret name in it; `kubeconfig` is the administrator's, `limited` that of `user`."""

    kubeconfig: Path
    limited: Path
    user: str
    cache: Path
    own: KubernetesApi | None
    name: str = ""

    def kubectl(self, *arguments: str, stdin: object = "", limited: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; what isn't text goes to its stdin as JSON."""
        config = self.limited if limited else self.kubeconfig
        command = ["kubectl", "--kubeconfig", str(config), "--cache-dir", str(self.cache), *arguments]
        text = stdin if isinstance(stdin, str) else json.dumps(stdin)
        environment = {**os.environ, "GOGC": "off", "GOMAXPROCS": "1"}  # a third less CPU time for a short process
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=60, check=False, env=environment
        )

    def manifest(self, value: str = "one", **changes: object) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": "default"},
            "stringData": {"key": value},
            **changes,
        }

    @property
    def reference(self) -> dict[str, Any]:
        metadata = {"name": self.name, "namespace": "default"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}

    @property
    def path(self) -> str:
        return f"{COLLECTION}/{self.name}"

    def create(self, value: str = "one", **changes: object) -> dict[str, Any]:
        """Make the Secret and return it as the server did."""
        done = self.kubectl("create", "--raw", COLLECTION, "-f", "-", stdin=self.manifest(value, **changes))
        assert done.returncode == 0, done.stderr
        return self.read()

    def read(self) -> dict[str, Any]:
        done = self.kubectl("get", "secret", self.name, "--ignore-not-found", "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        return found

    def values(self) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.read().get("data", {}).items()}


def _own(running: background.Background, directory: Path, stack: contextlib.ExitStack) -> Cluster:
    authority = certificates.Authority(directory / "tls")
    api = KubernetesApi(journal.Journal(), directory / "cluster")
    stack.enter_context(running.serving(KubernetesServer(api, authority)))
    return Cluster(api.administrator_kubeconfig, api.kubeconfig, api.user, directory / "cache", api)


def _real(running: background.Background, directory: Path, stack: contextlib.ExitStack) -> Cluster:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("KUBEBUILDER_ASSETS isn't set: it names a directory with kube-apiserver and etcd")
    from sandbox.kubernetes import envtest

    api = envtest.EnvtestApi(directory / "cluster", Path(assets))
    stack.enter_context(running.serving(api))
    return Cluster(api.kubeconfig, api.limited_kubeconfig, envtest.LIMITED, directory / "cache", None)


@pytest.fixture(scope="module", params=["own", pytest.param("real", marks=pytest.mark.real)])
def running_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(background.Background())
        yield (_own if request.param == "own" else _real)(running, directory, stack)


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    return dataclasses.replace(running_cluster, name=f"storage-sas-{next(_numbers)}")


def _refused(done: "subprocess.CompletedProcess[str]", reason: str, words: str = "") -> None:
    assert done.returncode == 1
    # kubectl has words of its own for what is invalid.
    assert ("The Secret " if reason == "Invalid" else f"Error from server ({reason}): ") in done.stderr
    assert words in done.stderr


def test_created_secret_is_read_back_and_a_second_create_is_refused(cluster: Cluster) -> None:
    assert cluster.kubectl("create", "-f", "-", stdin=cluster.manifest()).stdout == f"secret/{cluster.name} created\n"
    assert cluster.values() == {"key": "one"}
    assert "stringData" not in cluster.read()
    done = cluster.kubectl("create", "-f", "-", stdin=cluster.manifest())
    _refused(done, "AlreadyExists", f'secrets "{cluster.name}" already exists')


def test_literals_and_lists_work_as_with_any_cluster(cluster: Cluster) -> None:
    assert cluster.kubectl("create", "secret", "generic", cluster.name, "--from-literal=a=b").returncode == 0
    assert cluster.values() == {"a": "b"}
    listed = cluster.kubectl("get", "secrets", "--field-selector", f"metadata.name={cluster.name}", "-o", "name")
    assert listed.stdout == f"secret/{cluster.name}\n"


def test_absent_secret_is_not_found(cluster: Cluster) -> None:
    _refused(cluster.kubectl("get", "secret", cluster.name), "NotFound", f'secrets "{cluster.name}" not found')
    _refused(cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=cluster.manifest()), "NotFound")
    _refused(cluster.kubectl("delete", "secret", cluster.name), "NotFound")


def test_replace_leaves_nothing_of_the_old_state_but_its_identity(cluster: Cluster) -> None:
    before = cluster.create(stringData={"other": "old"})
    done = cluster.kubectl("replace", "--validate=false", "-f", "-", stdin=cluster.manifest("two"))
    assert done.returncode == 0, done.stderr
    after = cluster.read()
    assert cluster.values() == {"key": "two"}
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])


def test_client_side_apply_creates_and_changes(cluster: Cluster) -> None:
    for value, word in (("one", "created"), ("two", "configured"), ("two", "unchanged")):
        manifest = {**cluster.reference, "data": {"k": _encoded(value)}}
        done = cluster.kubectl("apply", "-f", "-", stdin=manifest)
        assert done.stdout == f"secret/{cluster.name} {word}\n", done.stderr
    assert cluster.values() == {"k": "two"}


def test_server_side_apply_creates_merges_and_removes_what_is_no_longer_applied(cluster: Cluster) -> None:
    def apply(*keys: str) -> None:
        manifest = {**cluster.reference, "data": {key: _encoded(key) for key in keys}}
        done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
        assert done.stdout == f"secret/{cluster.name} serverside-applied\n", done.stderr

    apply("a", "b")
    change = json.dumps({"data": {"c": _encoded("c")}})
    assert cluster.kubectl("patch", "secret", cluster.name, "--type=merge", "-p", change).returncode == 0
    apply("b", "d")
    assert cluster.values() == {"b": "b", "c": "c", "d": "d"}


def test_server_side_apply_of_somebody_elses_field_needs_force(cluster: Cluster) -> None:
    cluster.create("one")
    manifest = {**cluster.reference, "data": {"key": _encoded("two")}}
    done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    assert done.returncode == 1
    assert "Apply failed with 1 conflict: conflict with " in done.stderr
    assert ".data.key" in done.stderr
    done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    assert done.returncode == 0, done.stderr
    assert cluster.values() == {"key": "two"}


def test_merge_patch_changes_removes_and_keeps(cluster: Cluster) -> None:
    cluster.create(stringData={"a": "1", "b": "2"})
    change = json.dumps({"data": {"a": None}, "stringData": {"c": "3"}})
    for kind in ("merge", "strategic"):
        assert cluster.kubectl("patch", "secret", cluster.name, f"--type={kind}", "-p", change).returncode == 0
        assert cluster.values() == {"b": "2", "c": "3"}


def test_deleted_secret_is_gone(cluster: Cluster) -> None:
    cluster.create()
    done = cluster.kubectl("delete", "secret", cluster.name)
    assert done.stdout == f'secret "{cluster.name}" deleted\n'
    assert cluster.read() == {}


def test_may_i_says_what_the_caller_may_do(cluster: Cluster) -> None:
    assert cluster.kubectl("auth", "can-i", "delete", "secrets").stdout == "yes\n"
    with _without(cluster, "delete"):
        assert cluster.kubectl("auth", "can-i", "delete", "secrets", limited=True).stdout == "no\n"


def test_forbidden_verb_is_refused_in_rbacs_words(cluster: Cluster) -> None:
    cluster.create()
    with _without(cluster, "delete"):
        done = cluster.kubectl("delete", "secret", cluster.name, limited=True)
    _refused(done, "Forbidden", f'secrets "{cluster.name}" is forbidden: User "')
    assert '" cannot delete resource "secrets" in API group "" in the namespace "default"' in done.stderr
    assert cluster.values() == {"key": "one"}


def test_unknown_token_is_unauthorized(cluster: Cluster, tmp_path: Path) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "unknown"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    stranger = dataclasses.replace(cluster, kubeconfig=tmp_path / "kubeconfig")
    done = stranger.kubectl("get", "--raw", cluster.path)
    assert done.returncode == 1
    assert "You must be logged in to the server" in done.stderr


def test_dry_run_of_an_existing_secret_already_exists(cluster: Cluster) -> None:
    assert _dry_create(cluster, cluster.manifest()).returncode == 0
    assert cluster.read() == {}
    cluster.create()
    _refused(_dry_create(cluster, cluster.manifest("two")), "AlreadyExists")
    assert cluster.values() == {"key": "one"}


def test_invalid_comes_before_already_exists(cluster: Cluster) -> None:
    cluster.create()
    done = _dry_create(cluster, cluster.manifest(stringData={"bad key": "x"}))
    _refused(done, "Invalid", f'Secret "{cluster.name}" is invalid: data[bad key]: Invalid value: "bad key": a valid')


def test_missing_namespace_is_not_found_even_for_an_invalid_secret(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/nowhere/secrets?dryRun=All"
    manifest = {**cluster.manifest(stringData={"bad key": "x"}), "metadata": {"name": cluster.name}}
    done = cluster.kubectl("create", "--raw", path, "--validate=false", "-f", "-", stdin=manifest)
    _refused(done, "NotFound", 'namespaces "nowhere" not found')


@pytest.mark.parametrize("body", ["", "nonsense"])
def test_body_that_is_no_manifest_creates_nothing(cluster: Cluster, body: str) -> None:
    before = cluster.kubectl("get", "secrets", "-o", "name").stdout
    done = cluster.kubectl("create", "--raw", COLLECTION, "--validate=false", "-f", "-", stdin=body)
    _refused(done, "BadRequest", "the object provided is unrecognized (must be of type Secret)")
    assert cluster.kubectl("get", "secrets", "-o", "name").stdout == before


def test_value_that_is_not_base64_is_a_bad_request(cluster: Cluster) -> None:
    done = cluster.kubectl("create", "--raw", COLLECTION, "-f", "-", stdin=cluster.manifest(data={"k": "***"}))
    _refused(done, "BadRequest", "illegal base64 data at input byte 0")


def test_data_has_a_limit_of_one_mebibyte(cluster: Cluster) -> None:
    assert _dry_create(cluster, cluster.manifest("x" * 1024 * 1024)).returncode == 0
    _refused(_dry_create(cluster, cluster.manifest("x" * (1024 * 1024 + 1))), "Invalid", "data: Too long: ")


def test_replace_of_an_older_version_is_a_conflict(cluster: Cluster) -> None:
    stale = cluster.create()
    fresh = {**stale, "data": {"key": _encoded("two")}}
    assert cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=fresh).returncode == 0
    done = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=stale)
    words = "the object has been modified; please apply your changes to the latest version and try again"
    _refused(done, "Conflict", f'Operation cannot be fulfilled on secrets "{cluster.name}": {words}')
    assert cluster.values() == {"key": "two"}


def test_replace_of_another_secret_of_that_name_is_a_conflict(cluster: Cluster) -> None:
    old = cluster.create()
    del old["metadata"]["resourceVersion"]
    cluster.kubectl("delete", "secret", cluster.name)
    gone = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=old)
    cluster.create("two")
    other = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=old)
    for done in (gone, other):
        _refused(done, "Conflict", f"Precondition failed: UID in precondition: {old['metadata']['uid']}")


def test_dry_run_of_a_replace_changes_nothing(cluster: Cluster) -> None:
    before = cluster.create()
    path = f"{cluster.path}?dryRun=All"
    assert cluster.kubectl("replace", "--raw", path, "-f", "-", stdin=cluster.manifest("two")).returncode == 0
    assert cluster.read() == before


def test_immutable_secret_keeps_its_data(cluster: Cluster) -> None:
    cluster.create(immutable=True)
    changed = cluster.manifest("two", immutable=True)
    done = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=changed)
    _refused(done, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
    done = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=cluster.manifest())
    _refused(done, "Invalid", "immutable: Forbidden: field is immutable when `immutable` is set")


def test_type_stays_what_it_is(cluster: Cluster) -> None:
    cluster.create()
    done = cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=cluster.manifest(type="another"))
    _refused(done, "Invalid", 'type: Invalid value: "another": field is immutable')


def test_reference_on_stdin_is_enough_to_read(cluster: Cluster) -> None:
    created = cluster.create()
    done = cluster.kubectl("get", "-f", "-", "-o", "json", stdin=cluster.reference)
    assert json.loads(done.stdout)["items"] == [created]


def test_empty_stdin_deletes_nothing(cluster: Cluster) -> None:
    cluster.create()
    done = cluster.kubectl("delete", "--wait=false", "-f", "-")
    assert "deleted" not in done.stdout
    assert cluster.values() == {"key": "one"}


def test_raw_delete_heeds_its_preconditions(cluster: Cluster) -> None:
    metadata = cluster.create()["metadata"]
    for wrong in ({"uid": "e3b0c442-98fc-4c14-9afb-f4c8996fb924"}, {"resourceVersion": "1"}):
        _refused(_raw_delete(cluster, wrong), "Conflict", "in the precondition (")
    assert cluster.values() == {"key": "one"}
    right = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    done = _raw_delete(cluster, right)
    status = json.loads(done.stdout)
    assert (status["status"], status["details"]["uid"]) == ("Success", metadata["uid"])
    assert cluster.read() == {}


WRONG = [{"uid": "e3b0c442-98fc-4c14-9afb-f4c8996fb924"}, {"resourceVersion": "1"}]


@pytest.mark.parametrize("wrong", WRONG, ids=["uid", "resourceVersion"])
def test_raw_delete_without_a_body_heeds_the_preconditions_of_its_query(
    cluster: Cluster, wrong: dict[str, str]
) -> None:
    metadata = cluster.create()["metadata"]
    right = {name: metadata[name] for name in ("uid", "resourceVersion")}
    path = f"{cluster.path}?{urllib.parse.urlencode(right | wrong)}"
    for done in (cluster.kubectl("delete", "--raw", path), cluster.kubectl("delete", "--raw", path, "-f", "-")):
        _refused(done, "Conflict", "in the precondition (")
    assert cluster.values() == {"key": "one"}
    path = f"{cluster.path}?{urllib.parse.urlencode(right)}"
    assert cluster.kubectl("delete", "--raw", path, "-f", "-").returncode == 0
    assert cluster.read() == {}


def test_raw_delete_with_preconditions_in_body_and_query_heeds_the_body(cluster: Cluster) -> None:
    metadata = cluster.create()["metadata"]
    right = {name: metadata[name] for name in ("uid", "resourceVersion")}
    path = f"{cluster.path}?{urllib.parse.urlencode(right)}"
    _refused(_raw_delete(cluster, WRONG[0], path), "Conflict", "in the precondition (")
    assert _raw_delete(cluster, right, path).returncode == 0
    assert cluster.read() == {}


@pytest.mark.parametrize("length", [1, 40, -1])
def test_raw_delete_with_a_body_that_is_cut_deletes_nothing(cluster: Cluster, length: int) -> None:
    metadata = cluster.create()["metadata"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": metadata["uid"]}}
    done = cluster.kubectl("delete", "--raw", cluster.path, "-f", "-", stdin=json.dumps(options)[:length])
    assert (done.returncode, "Error from server" in done.stderr) == (1, True)
    assert cluster.values() == {"key": "one"}


def test_delete_that_comes_late_does_not_meet_another_version(cluster: Cluster) -> None:
    created = cluster.create()
    version = {name: created["metadata"][name] for name in ("uid", "resourceVersion")}
    created["metadata"]["annotations"] = {"rotator/kept": "a run"}
    assert cluster.kubectl("replace", "--raw", cluster.path, "-f", "-", stdin=created).returncode == 0
    done = _raw_delete(cluster, version)
    _refused(done, "Conflict", "the ResourceVersion in the precondition (")
    assert re.search(rf'Operation cannot be fulfilled on [Ss]ecrets? "{cluster.name}": ', done.stderr)
    assert cluster.values() == {"key": "one"}
    assert cluster.kubectl("delete", "secret", cluster.name).returncode == 0
    _refused(_raw_delete(cluster, version), "NotFound")
    cluster.create("two")
    _refused(_raw_delete(cluster, version), "Conflict", "the UID in the precondition (")
    assert cluster.values() == {"key": "two"}


def test_secret_with_a_finalizer_is_only_marked_until_that_is_taken_away(cluster: Cluster) -> None:
    metadata = {"name": cluster.name, "namespace": "default", "finalizers": ["example.com/keep"]}
    cluster.create(metadata=metadata)
    assert cluster.kubectl("delete", "--wait=false", "secret", cluster.name).returncode == 0
    assert "deletionTimestamp" in cluster.read()["metadata"]
    done = cluster.kubectl("create", "--raw", COLLECTION, "-f", "-", stdin=cluster.manifest())
    _refused(done, "AlreadyExists", "object is being deleted")
    change = json.dumps({"metadata": {"finalizers": None}})
    assert cluster.kubectl("patch", "secret", cluster.name, "--type=merge", "-p", change).returncode == 0
    assert cluster.read() == {}


def test_watch_shows_each_change(cluster: Cluster) -> None:
    version = cluster.create()["metadata"]["resourceVersion"]
    cluster.kubectl("replace", "-f", "-", "--validate=false", stdin=cluster.manifest("two"))
    cluster.kubectl("delete", "secret", cluster.name)
    query = f"watch=true&resourceVersion={version}&fieldSelector=metadata.name%3D{cluster.name}&timeoutSeconds=1"
    lines = cluster.kubectl("get", "--raw", f"{COLLECTION}?{query}").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["MODIFIED", "DELETED"]


def test_bound_role_lets_a_user_do_what_was_forbidden(cluster: Cluster) -> None:
    cluster.create()
    with _without(cluster, "get"):
        _refused(cluster.kubectl("get", "secret", cluster.name, limited=True), "Forbidden", f'User "{cluster.user}"')
        _make(cluster, "role", "--verb=get", "--resource=secrets", f"--resource-name={cluster.name}")
        _make(cluster, "rolebinding", f"--role={cluster.name}", f"--user={cluster.user}")
        _wait_until_allowed(cluster, "get", f"secrets/{cluster.name}")
        assert cluster.kubectl("get", "secret", cluster.name, limited=True).returncode == 0
        assert cluster.kubectl("auth", "can-i", "get", "secrets/another", limited=True).stdout == "no\n"
        assert cluster.kubectl("auth", "can-i", "get", "secrets", limited=True).stdout == "no\n"


def test_role_that_names_a_secret_does_not_let_create_it(cluster: Cluster) -> None:
    with _without(cluster, "create"), _without(cluster, "get"):
        _make(cluster, "role", "--verb=create,get", "--resource=secrets", f"--resource-name={cluster.name}")
        _make(cluster, "rolebinding", f"--role={cluster.name}", f"--user={cluster.user}")
        _wait_until_allowed(cluster, "get", f"secrets/{cluster.name}")
        path = ("--raw", COLLECTION, "-f", "-")
        done = cluster.kubectl("create", *path, stdin=cluster.manifest(), limited=True)
        _refused(done, "Forbidden", f'secrets is forbidden: User "{cluster.user}" cannot create resource "secrets"')


def test_role_and_binding_are_read_back_as_they_were_made(cluster: Cluster) -> None:
    _make(cluster, "role", "--verb=get,delete", "--resource=secrets", f"--resource-name={cluster.name}")
    _make(cluster, "rolebinding", f"--role={cluster.name}", "--user=someone", "--serviceaccount=team:robot")
    role, binding = (
        json.loads(cluster.kubectl("get", "--raw", f"{ROLES}{kind}/{cluster.name}").stdout)
        for kind in ("roles", "rolebindings")
    )
    rule = {"apiGroups": [""], "resourceNames": [cluster.name], "resources": ["secrets"], "verbs": ["get", "delete"]}
    assert role["rules"] == [rule]
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    assert binding["roleRef"] == {**group, "kind": "Role", "name": cluster.name}
    robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "team"}
    assert binding["subjects"] == [{**group, "kind": "User", "name": "someone"}, robot]
    assert cluster.kubectl("delete", "--raw", f"{ROLES}roles/{cluster.name}").returncode == 0
    gone = cluster.kubectl("get", "--raw", f"{ROLES}roles/{cluster.name}")
    _refused(gone, "NotFound", f'roles.rbac.authorization.k8s.io "{cluster.name}" not found')


def test_role_is_made_once_and_in_a_namespace_that_is_there(cluster: Cluster) -> None:
    role = ("create", "role", cluster.name, "--verb=get", "--resource=secrets")
    assert cluster.kubectl(*role).returncode == 0
    words = f'roles.rbac.authorization.k8s.io "{cluster.name}" already exists'
    _refused(cluster.kubectl(*role), "AlreadyExists", words)
    _refused(cluster.kubectl(*role, "-n", "nowhere"), "NotFound", 'namespaces "nowhere" not found')


def test_roles_are_not_everybodys_to_make(cluster: Cluster) -> None:
    done = cluster.kubectl("create", "role", cluster.name, "--verb=get", "--resource=secrets", limited=True)
    words = f'roles.rbac.authorization.k8s.io is forbidden: User "{cluster.user}" cannot create resource "roles" in API'
    assert done.returncode == 1
    assert f'{words} group "rbac.authorization.k8s.io" in the namespace "default"' in done.stderr


def test_namespace_is_looked_up_by_those_who_may(cluster: Cluster) -> None:
    path = f"/api/v1/namespaces/{cluster.name}"
    _refused(cluster.kubectl("get", "--raw", path), "NotFound", f'namespaces "{cluster.name}" not found')
    with _without(cluster, "get namespaces"):
        words = f'namespaces "{cluster.name}" is forbidden: User "{cluster.user}" cannot get resource "namespaces" in'
        done = cluster.kubectl("get", "--raw", path, limited=True)
        _refused(done, "Forbidden", f'{words} API group "" in the namespace "{cluster.name}"')


def test_new_namespace_holds_secrets(cluster: Cluster) -> None:
    assert cluster.kubectl("create", "namespace", cluster.name).stdout == f"namespace/{cluster.name} created\n"
    assert json.loads(cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{cluster.name}").stdout)["status"] == {
        "phase": "Active"
    }
    made = cluster.kubectl("-n", cluster.name, "create", "secret", "generic", "made", "--from-literal=a=b")
    assert made.stdout == "secret/made created\n"


@pytest.mark.parametrize("limited", [False, True])
def test_server_says_who_the_caller_is(cluster: Cluster, limited: bool) -> None:
    if _minor(cluster) < 28:
        pytest.skip("SelfSubjectReview is there since Kubernetes 1.28")
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    done = cluster.kubectl("create", "--raw", path, "-f", "-", stdin=review, limited=limited)
    answer = json.loads(done.stdout)
    name = cluster.user if limited else "administrator"
    groups = ["system:authenticated"] if limited else ["system:masters", "system:authenticated"]
    assert answer["status"]["userInfo"] == {"username": name, "groups": groups}
    assert name in cluster.kubectl("auth", "whoami", limited=limited).stdout


def test_version_is_told_to_everybody(cluster: Cluster) -> None:
    assert _minor(cluster) > 0


def test_dry_run_of_a_delete_changes_nothing(cluster: Cluster) -> None:
    path = f"{cluster.path}?dryRun=All"
    _refused(cluster.kubectl("delete", "--raw", path), "NotFound", f'secrets "{cluster.name}" not found')
    before = cluster.create()
    assert cluster.kubectl("delete", "--raw", path).returncode == 0
    assert cluster.read() == before


@pytest.mark.parametrize(("verb", "raw"), [("create", "create"), ("update", "replace"), ("delete", "delete")])
def test_dry_run_is_forbidden_as_the_real_request_is(cluster: Cluster, verb: str, raw: str) -> None:
    cluster.create()
    path = DRY_RUN if verb == "create" else f"{cluster.path}?dryRun=All"
    body = () if verb == "delete" else ("-f", "-")
    with _without(cluster, verb):
        done = cluster.kubectl(raw, "--raw", path, *body, stdin=cluster.manifest("two"), limited=True)
    _refused(done, "Forbidden", f'User "{cluster.user}" cannot {verb} resource "secrets" in API group ""')
    assert cluster.values() == {"key": "one"}


def _make(cluster: Cluster, kind: str, *options: str) -> None:
    """Create a role or a binding under the Secret's name."""
    done = cluster.kubectl("create", kind, cluster.name, *options)
    assert done.stdout == f"{kind}.rbac.authorization.k8s.io/{cluster.name} created\n", done.stderr


def _minor(cluster: Cluster) -> int:
    version = json.loads(cluster.kubectl("get", "--raw", "/version", limited=True).stdout)
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")
    return int(version["minor"])


def _wait_until_allowed(cluster: Cluster, verb: str, what: str) -> None:
    """The real server's authorizer learns of a binding by a watch."""
    deadline = time.monotonic() + 10
    while cluster.kubectl("auth", "can-i", verb, what, limited=True).stdout != "yes\n":
        assert time.monotonic() < deadline, f"{verb} {what} is still forbidden"


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _dry_create(cluster: Cluster, manifest: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    return cluster.kubectl("create", "--raw", DRY_RUN, "--validate=false", "-f", "-", stdin=manifest)


def _raw_delete(cluster: Cluster, preconditions: dict[str, str], path: str = "") -> "subprocess.CompletedProcess[str]":
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    return cluster.kubectl("delete", "--raw", path or cluster.path, "-f", "-", stdin=options)


@contextlib.contextmanager
def _without(cluster: Cluster, verb: str) -> Iterator[None]:
    """Have our own server refuse a verb; the real one has a user for that."""
    if cluster.own is None:
        yield
        return
    cluster.own.denied.add(verb)
    try:
        yield
    finally:
        cluster.own.denied.discard(verb)
