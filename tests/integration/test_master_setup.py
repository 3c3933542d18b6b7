"""infra/master: what setup.sh lets the rotator do on a master, what it doesn't, and that undo.sh leaves nothing.

On the real sshd, which would allow terminals and forwarding, and the real API server. No controller manager runs here,
so the tests put the token into the ServiceAccount's Secret themselves.
"""

import base64
import contextlib
import dataclasses
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import programs
from sandbox.master import keys, openssh
from sandbox.server import background, processes
from sandbox.world import World
from tests.integration.conftest import ROOT, WORKING, Cluster, command_line, options_for

pytestmark = pytest.mark.real

FOLDER = ROOT / "infra" / "master"
NAMESPACE = "apps"
SECRET = "storage-sas"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
COLLEAGUE = keys.generate()
NAME = f"rotator-{os.getpid()}"
TOKEN_REQUEST = '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}'
Done = subprocess.CompletedProcess[str]


@dataclasses.dataclass
class Master:
    """A master with its administrator, its sshd, and one user of the rotator's."""

    world: World
    directory: Path
    port: int
    user: str
    account: str = "rotator"

    @property
    def home(self) -> Path:
        return Path("/home") / self.user

    @property
    def authorized_keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    @property
    def kubeconfig(self) -> Path:
        return self.home / ".kube" / "config"

    @property
    def has_user(self) -> bool:
        return any(entry.pw_name == self.user for entry in pwd.getpwall())

    @property
    def names(self) -> tuple[str, ...]:
        return "--user", self.user, "--namespace", NAMESPACE, "--service-account", self.account

    def setup(self, *options: str, shell: str = "sh", key: str = "", **environment: str) -> Done:
        with self._token_controller():
            arguments = ("--public-key", key or self.world.key_pair.public_line, *self.names, *options)
            return self.run("setup.sh", *arguments, shell=shell, **environment)

    def undo(self, *options: str, shell: str = "sh") -> Done:
        return self.run("undo.sh", *self.names, *options, shell=shell)

    def run(self, script: str, *arguments: str, shell: str = "sh", **environment: str) -> Done:
        """Pipe a script to a shell, as an administrator does over ssh."""
        return subprocess.run(
            [*shell.split(), "-s", "--", *arguments],
            input=(FOLDER / script).read_text(),
            env={**os.environ, "KUBECONFIG": str(self.world.cluster.kubeconfig), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ssh(self, *arguments: str, pair: keys.KeyPair | None = None, stdin: str = "", wrapper: str = "") -> Done:
        """OpenSSH's own client, with the rotator's key."""
        key = self.directory / "key"
        key.touch(mode=0o600)
        key.write_text((pair or self.world.key_pair).private_text)
        options = "-F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR"
        command = [*wrapper.split(), "ssh", *options.split(), "-o", "UserKnownHostsFile=/dev/null", "-i", str(key)]
        command += ["-o", "ForwardX11Trusted=yes", "-p", str(self.port), "-l", self.user, *arguments]
        environment = {**os.environ, "DISPLAY": "127.0.0.1:99"}
        return subprocess.run(
            command, input=stdin, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    def kubectl(self, arguments: str, stdin: str = "") -> Done:
        """kubectl, as the rotator runs it."""
        return self.ssh("127.0.0.1", f"kubectl --kubeconfig {self.kubeconfig} {arguments}", stdin=stdin)

    def rotate(self, printed: str, **settings: str) -> dict[str, Any]:
        """Run the rotator with the settings that setup.sh printed; give the only target's outcome."""
        lines = (line.strip().partition("=") for line in printed.splitlines() if line.startswith("  KUBERNETES_"))
        settings = {name: value for name, _, value in lines} | {"KUBERNETES_SSH_PORT": str(self.port)} | settings
        settings["KUBERNETES_SSH_FINGERPRINT"] = host_fingerprint(self.directory)
        done = command_line(self.world, "rotate", "--force", "--json", **settings)
        outcome: dict[str, Any] = json.loads(done.stdout)["targets"][0]
        return outcome

    def objects(self) -> list[dict[str, Any]]:
        """What the cluster holds for this ServiceAccount."""
        selector = f"app.kubernetes.io/instance={self.account}"
        kinds = "serviceaccount,role,rolebinding,secret"
        found = Cluster(self.world).kubectl("-n", NAMESPACE, "get", kinds, "-l", selector, "-o", "json")
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return items

    @contextlib.contextmanager
    def _token_controller(self) -> Iterator[None]:
        stopped = threading.Event()
        thread = threading.Thread(target=self._fill_token, args=(stopped,))
        thread.start()
        yield
        stopped.set()
        thread.join()

    def _fill_token(self, stopped: threading.Event) -> None:
        while not stopped.wait(0.2):
            secret = self.world.read_secret(NAMESPACE, self.account)
            if secret is None or secret.get("data"):
                continue
            cluster = Cluster(self.world)
            path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{self.account}/token"
            answer = cluster.kubectl("create", "--raw", path, "-f", "-", stdin=TOKEN_REQUEST)
            secret["data"] = {"token": base64.b64encode(json.loads(answer)["status"]["token"].encode()).decode()}
            cluster.kubectl("replace", "--raw", f"{SECRETS}/{self.account}", "-f", "-", stdin=json.dumps(secret))
            return


def host_fingerprint(directory: Path) -> str:
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(directory / "host")], capture_output=True, text=True, check=True
    )
    return f"ssh-ed25519 {listed.stdout.split()[1]}"


@contextlib.contextmanager
def permissive_sshd(directory: Path) -> Iterator[int]:
    """A usual sshd: keys from the users' homes, strict modes, and nothing forbidden that a key may forbid."""
    host_key = directory / "host"
    host_key.touch(mode=0o600)
    keys.generate_host_key("ssh-ed25519").write_private_key(host_key)
    openssh.SEPARATION_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    (port,) = processes.free_ports(1)
    options = [f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {host_key}", "PidFile none", "UsePAM no"]
    options += ["StrictModes yes", "AuthorizedKeysFile .ssh/authorized_keys", "PasswordAuthentication no"]
    options += ["PermitTTY yes", "AllowTcpForwarding yes", "AllowAgentForwarding yes", "X11Forwarding yes"]
    options += ["XAuthLocation /bin/true"]  # without any, sshd forwards no X11 to anybody
    configuration = directory / "sshd_config"
    configuration.write_text("\n".join(options) + "\n")
    sshd = processes.Child([programs.require_sshd(), "-D", "-e", "-f", str(configuration)], directory / "sshd.log")
    with background.Background() as running:
        try:
            running.run(sshd.start(lambda: processes.accepts_connections(port)))
            yield port
        finally:
            running.run(sshd.stop())


@pytest.fixture(scope="module")
def bare() -> Iterator[Master]:
    """A master on which nothing was set up."""
    if os.geteuid() != 0:
        pytest.skip("infra/master/setup.sh adds a user: only root can test it")
    if shutil.which("useradd", path="/usr/sbin:/sbin") is None:
        pytest.skip("useradd is missing; it is in the package passwd")
    options_for("sshd")
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(World(options_for("envtest")))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="master-setup-")))
        port = stack.enter_context(permissive_sshd(directory))
        cluster = Cluster(world)
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", "other", "--from-literal=a=b")
        cluster.kubectl("-n", "default", "create", "secret", "generic", SECRET, "--from-literal=a=b")
        yield Master(world, directory, port, NAME)


@contextlib.contextmanager
def removed_afterwards(master: Master) -> Iterator[Master]:
    try:
        yield master
    finally:
        subprocess.run(["userdel", master.user], capture_output=True, check=False)
        shutil.rmtree(master.home, ignore_errors=True)


@pytest.fixture(scope="module")
def master(bare: Master) -> Iterator[Master]:
    """A master that is set up, on which a colleague has a key of another kind; tests leave it as it is."""
    with removed_afterwards(bare):
        done = bare.setup()
        assert done.returncode == 0, done.stderr
        with bare.authorized_keys.open("a") as file:
            file.write(f"{COLLEAGUE.public_line}\n")
        yield bare


@pytest.fixture
def spare(bare: Master) -> Iterator[Master]:
    """The same for a test's own use: another user and another ServiceAccount, not set up yet."""
    with removed_afterwards(dataclasses.replace(bare, user=f"{NAME}-spare", account="spare")) as master:
        yield master
        master.undo()


@pytest.mark.parametrize("strategy", ["recreate", "apply"])
def test_the_rotator_creates_and_replaces_its_secret(master: Master, strategy: str) -> None:
    printed = master.setup().stdout
    Cluster(master.world).kubectl("-n", NAMESPACE, "delete", "secret", SECRET, "--ignore-not-found")
    acts = []
    for _ in range(2):
        outcome = master.rotate(printed, KUBERNETES_SECRET_STRATEGY=strategy)
        assert outcome["outcome"] == "rotated", outcome
        acts.append(outcome["act"])
        held = master.world.read_secret(NAMESPACE, SECRET)
        assert held
        sas = base64.b64decode(held["data"]["secretKey"]).decode()
        assert master.world.blob_status(sas) == WORKING
    assert acts == ["create", {"recreate": "recreate", "apply": "update"}[strategy]]


PROBES = {
    "a terminal": ("", ["-tt", "127.0.0.1", "test -t 0 && echo allowed"]),
    "a local forward": ("", ["-W", "127.0.0.1:{port}", "127.0.0.1"]),
    "a remote forward": ("", ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "127.0.0.1", "echo allowed"]),
    "an agent": ("ssh-agent", ["-A", "127.0.0.1", 'test -n "$SSH_AUTH_SOCK" && echo allowed']),
    "X11": ("", ["-Y", "127.0.0.1", 'test -n "$DISPLAY" && echo allowed']),
}


@pytest.mark.parametrize("probe", PROBES)
def test_the_key_opens_no_more_than_a_command_and_this_sshd_would_allow_it(master: Master, probe: str) -> None:
    wrapper, arguments = PROBES[probe]
    arguments = [argument.format(port=master.port) if "{port}" in argument else argument for argument in arguments]

    def is_allowed(pair: keys.KeyPair) -> bool:
        output = master.ssh(*arguments, pair=pair, wrapper=wrapper).stdout
        return "allowed" in output or "SSH-2.0" in output

    assert is_allowed(COLLEAGUE)
    assert not is_allowed(master.world.key_pair)


def document(kind: str, name: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}})


@pytest.mark.parametrize(
    ("command", "stdin"),
    [
        (f"get --raw {SECRETS}/other", ""),
        (f"replace --raw {SECRETS}/other -f -", document("Secret", "other")),
        (f"delete --raw {SECRETS}/other", ""),
        (f"get --raw {SECRETS}", ""),
        (f"get --raw {SECRETS}/rotator", ""),
        (f"get --raw /api/v1/namespaces/default/secrets/{SECRET}", ""),
        (
            "create --raw /api/v1/namespaces/default/secrets -f -",
            document("Secret", "new").replace(NAMESPACE, "default"),
        ),
        ("get --raw /api/v1/namespaces/kube-system/secrets", ""),
        ("get --raw /api/v1/secrets", ""),
        (f"get --raw /api/v1/namespaces/{NAMESPACE}/pods", ""),
        (f"create --raw /api/v1/namespaces/{NAMESPACE}/pods -f -", document("Pod", "new")),
        (f"create --raw /api/v1/namespaces/{NAMESPACE}/serviceaccounts/rotator/token -f -", TOKEN_REQUEST),
        (f"get --raw /apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/rotator", ""),
    ],
)
def test_nothing_else_in_the_cluster_is_allowed(master: Master, command: str, stdin: str) -> None:
    done = master.kubectl(command, stdin)
    assert done.returncode == 1
    assert "(Forbidden)" in done.stderr


def test_the_user_cannot_change_its_own_keys(master: Master) -> None:
    before = master.authorized_keys.read_text()
    attempts = ("echo >>.ssh/authorized_keys", "mv .ssh .old", "rm -f .ssh/authorized_keys", "touch .hushlogin")
    for attempt in attempts:
        assert master.ssh("127.0.0.1", attempt).returncode != 0
    assert master.authorized_keys.read_text() == before


def test_the_kubeconfig_is_the_user_s_alone(master: Master) -> None:
    status = master.kubeconfig.stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_uid == pwd.getpwnam(master.user).pw_uid


def test_a_second_run_changes_nothing(master: Master) -> None:
    def state() -> object:
        files = [
            (path, path.read_bytes(), path.stat().st_mtime_ns) for path in (master.authorized_keys, master.kubeconfig)
        ]
        return files, master.objects(), Path("/etc/passwd").read_text()

    before = state()
    done = master.setup()
    assert done.returncode == 0, done.stderr
    assert state() == before
    steps = [line.split()[0] for line in done.stdout.split("\n\n", maxsplit=1)[0].splitlines()]
    assert set(steps) == {"unchanged", "checked"}


def test_another_key_and_other_secrets_replace_the_former(spare: Master) -> None:
    assert spare.setup().returncode == 0
    line = f"{COLLEAGUE.public_line}\n"
    spare.authorized_keys.write_text(line + spare.authorized_keys.read_text())
    assert spare.ssh("127.0.0.1", "true").returncode == 0
    new = keys.generate()

    done = spare.setup("--secret", "one", "--secret", "123", "--from", "127.0.0.1,10.0.0.0/8", key=new.public_line)
    assert done.returncode == 0, done.stderr
    assert spare.ssh("127.0.0.1", "true").returncode == 255
    assert spare.ssh("127.0.0.1", "true", pair=new).returncode == 0
    assert spare.authorized_keys.read_text().startswith(line)
    role = next(each for each in spare.objects() if each["kind"] == "Role")
    assert role["rules"][0]["resourceNames"] == ["one", "123"]

    done = spare.setup("--from", "10.0.0.0/8", key=new.public_line)
    assert done.returncode == 0, done.stderr
    assert spare.ssh("127.0.0.1", "true", pair=new).returncode == 255


def test_without_create_the_rotator_fills_a_secret_that_was_made_empty(spare: Master) -> None:
    done = spare.setup("--no-create", "--secret", "filled")
    assert done.returncode == 0, done.stderr
    outcome = spare.rotate(done.stdout)
    assert (outcome["outcome"], outcome.get("act")) == ("rotated", "update"), outcome

    recreated = spare.rotate(done.stdout, KUBERNETES_SECRET_STRATEGY="recreate")
    assert recreated["error"] == "KubernetesForbiddenError"
    held = spare.world.read_secret(NAMESPACE, "filled")
    assert held
    assert spare.world.blob_status(base64.b64decode(held["data"]["secretKey"]).decode()) == WORKING


def test_a_token_that_expires_takes_the_place_of_one_that_does_not(spare: Master) -> None:
    if subprocess.run(["kubectl", "create", "token", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("this kubectl is older than 1.24 and cannot create tokens")
    assert spare.setup().returncode == 0
    assert "Secret" in [each["kind"] for each in spare.objects()]
    done = spare.setup("--token-duration", "8760h")
    assert done.returncode == 0, done.stderr
    assert "a token until 20" in done.stdout
    assert "Secret" not in [each["kind"] for each in spare.objects()]
    assert spare.rotate(done.stdout)["outcome"] == "rotated"


@pytest.fixture
def witness() -> Iterator[Path]:
    """A folder of stand-ins for all programs, which note their arguments in `log` and run the real ones."""
    with tempfile.TemporaryDirectory(prefix="witness-") as name:
        folder, path = Path(name), os.environ["PATH"]
        folder.chmod(0o755)
        log, shim = folder / "log", folder / "shim"
        log.touch()
        log.chmod(0o666)
        shim.write_text(f'#!/bin/sh\necho "$0 $*" >>{log}\nname=${{0##*/}}\nPATH={path}\nexec "$name" "$@"\n')
        shim.chmod(0o755)
        folders = [Path(each) for each in path.split(":") if Path(each).is_dir()]
        (folder / "bin").mkdir(mode=0o755)
        for program in {program.name for each in folders for program in each.iterdir()}:
            (folder / "bin" / program).symlink_to(shim)
        yield folder


def test_the_token_is_in_no_argument_and_not_printed(spare: Master, witness: Path) -> None:
    done = spare.setup(shell="/bin/sh", PATH=str(witness / "bin"))
    assert done.returncode == 0, done.stderr
    token = spare.kubeconfig.read_text().split("token: ")[1].split("}")[0]
    noted = (witness / "log").read_text()
    assert f"get secret {spare.account}" in noted
    for text in (noted, done.stdout, done.stderr):
        assert token not in text
        assert base64.b64encode(token.encode()).decode() not in text


@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash"])
def test_undo_leaves_only_the_secret_in_each_shell(spare: Master, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"{shell} is missing")
    done = spare.setup(shell=shell)
    assert done.returncode == 0, done.stderr
    assert spare.rotate(done.stdout)["outcome"] == "rotated"
    assert len(spare.objects()) == 4

    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(spare.kubeconfig, kubeconfig)

    planned = spare.undo("--dry-run", shell=shell)
    assert planned.returncode == 0, planned.stderr
    assert len(spare.objects()) == 4
    assert spare.home.exists()

    undone = spare.undo(shell=shell)
    assert undone.returncode == 0, undone.stderr
    assert undone.stdout == planned.stdout.replace("would remove", "removed     ")
    assert spare.objects() == []
    assert not spare.has_user
    assert not spare.home.exists()
    assert spare.world.read_secret(NAMESPACE, SECRET)
    read = ["kubectl", "--kubeconfig", str(kubeconfig), "get", "--raw", f"{SECRETS}/{SECRET}"]
    assert subprocess.run(read, capture_output=True, check=False).returncode == 1

    again = spare.undo(shell=shell)
    assert again.returncode == 0, again.stderr
    assert "removed" not in again.stdout


def test_a_dry_run_and_a_script_that_is_cut_off_do_nothing(spare: Master, tmp_path: Path) -> None:
    planned = spare.setup("--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "would do   user" in planned.stdout
    whole = (FOLDER / "setup.sh").read_text()
    arguments = ["sh", "-s", "--", "--public-key", COLLEAGUE.public_line, *spare.names]
    subprocess.run(arguments, input=whole[: whole.rindex("main")], text=True, timeout=60, check=True)
    assert spare.objects() == []
    assert not spare.has_user


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--public-key", ""], "--public-key"),
        (["--public-key", "ssh-ed25519 AAAA"], "--public-key"),
        (["--public-key", f'command="id" {COLLEAGUE.public_line}'], "--public-key"),
        (["--public-key", f"{COLLEAGUE.public_line}\n{COLLEAGUE.public_line}"], "one public key"),
        (["--public-key", COLLEAGUE.private_text.splitlines()[1]], "--public-key"),
        (["AAAAC3NzaC1lZDI1NTE5"], "in quotes"),
        (["--user", "Root"], "--user"),
        (["--user", "../etc"], "--user"),
        (["--user", "x" * 33], "--user"),
        (["--namespace", "Apps"], "--namespace"),
        (["--secret", "a_b"], "--secret"),
        (["--secret", "spare"], "--secret"),
        (["--secret"], "--secret"),
        (["--service-account", "a b"], "--service-account"),
        (["--from", '10.0.0.1" no-pty'], "--from"),
        (["--data-key", "a=b"], "--data-key"),
        (["--server", "http://10.0.0.4:6443"], "--server"),
        (["--server", 'https://a", x: "'], "--server"),
        (["--kubectl", "kubectl; id"], "--kubectl"),
        (["--kubectl", "sudo kubectl"], "--kubectl"),
        (["--kubectl", "no-such-kubectl"], "--kubectl"),
        (["--token-duration", "1d"], "--token-duration"),
        (["--token-wait", "soon"], "--token-wait"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_done(spare: Master, options: list[str], word: str) -> None:
    done = spare.run("setup.sh", "--public-key", COLLEAGUE.public_line, *spare.names, *options)
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    assert "nothing was changed" in done.stderr
    assert COLLEAGUE.private_text.splitlines()[1] not in done.stderr
    assert not spare.has_user


def test_a_user_that_somebody_else_made_is_left_alone(spare: Master) -> None:
    subprocess.run(["useradd", "--no-create-home", spare.user], check=True)
    for done in (spare.setup(), spare.undo()):
        assert done.returncode == 1
        assert "was not made by" in done.stderr
    assert spare.has_user
    assert spare.objects() == []


def test_a_service_account_that_somebody_else_made_is_left_alone(spare: Master) -> None:
    Cluster(spare.world).kubectl("-n", NAMESPACE, "create", "serviceaccount", spare.account)
    done = spare.setup()
    Cluster(spare.world).kubectl("-n", NAMESPACE, "delete", "serviceaccount", spare.account)
    assert done.returncode == 1
    assert "--service-account" in done.stderr
    assert not spare.has_user


def test_a_namespace_that_does_not_exist_is_named(spare: Master) -> None:
    done = spare.setup("--namespace", "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert not spare.has_user


def test_a_token_that_kubernetes_does_not_make_is_waited_for_so_long_only(spare: Master) -> None:
    done = spare.run("setup.sh", "--public-key", COLLEAGUE.public_line, *spare.names, "--token-wait", "1")
    assert done.returncode == 1
    assert "--token-wait" in done.stderr
    assert not spare.has_user


def test_rights_that_another_binding_grants_are_reported(spare: Master) -> None:
    cluster = Cluster(spare.world)
    subject = f"--serviceaccount={NAMESPACE}:{spare.account}"
    cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", "too-much", "--clusterrole=cluster-admin", subject)
    done = spare.setup()
    cluster.kubectl("-n", NAMESPACE, "delete", "rolebinding", "too-much")
    assert done.returncode == 1
    assert f"{spare.user} may get secrets in {NAMESPACE}, by a binding of another Role" in done.stderr
