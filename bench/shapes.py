"""Ways of putting a SAS into a Secret over SSH: ours, the original sample's, plain OpenSSH's, Ansible's."""

import base64
import dataclasses
import datetime
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import paramiko

from rotator import sas
from rotator.azure.host_storage.lease import NoLease
from rotator.delivery import live_secret, manifest
from rotator.delivery.interface import Write
from rotator.delivery.ssh.channel import SshChannel
from rotator.delivery.ssh.connection import SshConnector
from rotator.plan import loader
from rotator.plan.account import Grant
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText
from sandbox.azure import account_sas
from sandbox.world import World

NAME = "bench"
BASELINE = "original sample's shape (baseline)"
RECREATE = "ours, recreate"


@dataclasses.dataclass
class Bench:
    """A running sandbox, and a target in it."""

    world: World
    target: Target
    key_file: Path
    known_hosts: Path

    def token(self) -> str:
        """Make a fresh SAS, as the vault does."""
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=4)
        fields = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "rwu", "spr": "https"}
        return account_sas.token(
            self.world.account.name,
            self.world.account.keys["key1"],
            fields | {"se": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")},
        )


def prepare(world: World) -> Bench:
    """Make the key and host key files that command-line clients want, and a Secret to replace."""
    target = dataclasses.replace(loader.load(world.settings).targets[0], secret=NAME, adopt=True)
    key_file = world.directory / "bench-key"
    key_file.touch(mode=0o600)
    key_file.write_text(world.key_pair.private_text)
    known_hosts = world.directory / "bench-known-hosts"
    scan = ["ssh-keyscan", "-p", str(target.cluster.port), target.cluster.host]
    known_hosts.write_text(subprocess.run(scan, capture_output=True, text=True, check=True).stdout)
    kubectl = ["kubectl", "--kubeconfig", str(world.cluster.kubeconfig)]
    subprocess.run(
        [*kubectl, "create", "secret", "generic", NAME, "--from-literal=secretKey=x"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Bench(world, target, key_file, known_hosts)


def ways(bench: Bench) -> dict[str, Callable[[], None]]:
    """The baseline and our two strategies."""
    return {
        BASELINE: lambda: original(bench),
        RECREATE: lambda: ours(bench, Strategy.RECREATE),
        "ours, apply": lambda: ours(bench, Strategy.APPLY),
    }


def ours(bench: Bench, strategy: Strategy) -> None:
    """Deliver with every check: proven host key, owner, dry run, merge, read-back."""
    target = dataclasses.replace(bench.target, strategy=strategy)
    token = SecretText(bench.token())
    label = Grant(name="bench").label
    order = manifest.DesiredSecret(sas.parse(token), label, "bench", datetime.datetime.now(datetime.UTC))
    with SshConnector().open_shell(target.cluster, SecretText(bench.key_file.read_text()), None) as shell:
        (done,) = SshChannel(shell).write([Write(target, _ANYTHING, order)], NoLease().fence)
    if isinstance(done, Exception):
        raise done


# The first look at the Secret is the plan's, not the delivery's; the delivery looks again by itself.
_ANYTHING = live_secret.LiveSecret({"metadata": {}, "type": "Opaque"}, (), {})


def original(bench: Bench) -> None:
    """Deliver as the original sample does: one naive connection, two commands, the value in an argument, no checks."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    cluster = bench.target.cluster
    client.connect(
        cluster.host,
        cluster.port,
        cluster.user,
        key_filename=str(bench.key_file),
        allow_agent=False,
        look_for_keys=False,
    )
    value = shlex.quote(base64.b64encode(bench.token().encode()).decode())
    for command in (
        f"kubectl delete secret {NAME}",
        f"kubectl create secret generic {NAME} --from-literal=secretKey={value}",
    ):
        _, output, _ = client.exec_command(command)
        output.read()
        output.channel.recv_exit_status()
    client.close()


def plain_ssh(bench: Bench) -> None:
    """Do the same kubectl work as we do with the `ssh` command, one kubectl after the other."""
    cluster = bench.target.cluster
    script = f"""m=$(cat)
kubectl get secret {NAME} -o json >/dev/null
printf %s "$m" | kubectl create --dry-run=server --validate=false -f - >/dev/null 2>&1
kubectl delete secret {NAME} >/dev/null
printf %s "$m" | kubectl create --validate=false -f - >/dev/null
kubectl get secret {NAME} -o json"""
    options = ["-i", str(bench.key_file), "-p", str(cluster.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={bench.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-F", "none"]
    data = {"secretKey": base64.b64encode(bench.token().encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": "default"}, "data": data}
    subprocess.run(
        ["ssh", *options, f"{cluster.user}@{cluster.host}", script],
        input=json.dumps(secret).encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def ansible(bench: Bench, playbook_command: str) -> None:
    """Run a playbook that does what the original sample does."""
    cluster = bench.target.cluster
    playbook = bench.key_file.with_name("playbook.yml")
    value = base64.b64encode(bench.token().encode()).decode()
    playbook.write_text(
        json.dumps(
            [
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [
                        {"command": f"kubectl delete secret {NAME}"},
                        {"command": f"kubectl create secret generic {NAME} --from-literal=secretKey={value}"},
                    ],
                }
            ]
        )
    )
    inventory = ["-i", f"{cluster.host},", "-u", cluster.user, "-e", f"ansible_port={cluster.port}"]
    # The sandbox's user has no home in the password database, where Ansible would put its files.
    inventory += ["--private-key", str(bench.key_file), "-e", "ansible_remote_tmp=/tmp/.ansible-bench"]
    # The sandbox's sshd has no sftp; to try it first, in vain, would slow Ansible unfairly.
    inventory += ["-e", "ansible_ssh_transfer_method=piped"]
    connection = f"-o UserKnownHostsFile={bench.known_hosts} -o IdentitiesOnly=yes -F none"
    # A job that runs every half hour finds no connection left open by the one before.
    with tempfile.TemporaryDirectory(prefix="cp-") as fresh:
        subprocess.run(
            [playbook_command, *inventory, "--ssh-common-args", connection, str(playbook)],
            env={**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": fresh, "ANSIBLE_LOCALHOST_WARNING": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
