"""What every kubectl that is run on the master finds in its environment, through whatever it is wrapped in."""

import dataclasses
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.checks import kubectl_probe
from rotator.delivery.interface import WriteMethod
from rotator.delivery.ssh import kubectl, script
from rotator.plan.plan import Target
from tests.fakes.examples import CLUSTER, TARGET

SUDO = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("sudo", "kubectl")))
COMMANDS: dict[str, Callable[[Target], str]] = {
    "observe": kubectl.get_command,
    "client": lambda target: kubectl_probe.client_version(target.cluster),
    "server": lambda target: kubectl_probe.server_version(target.cluster),
    "namespace": kubectl_probe.namespace,
    "can-i": lambda target: kubectl_probe.can_i(target, "get"),
    "dry run": lambda target: kubectl_probe.dry_run(target, "create")[0],
    "create": lambda target: script.command(target, WriteMethod.CREATE, "rotator-0123456789abcdef"),
    "update": lambda target: script.command(target, WriteMethod.UPDATE, "rotator-0123456789abcdef"),
    "recreate": lambda target: script.command(target, WriteMethod.RECREATE, "rotator-0123456789abcdef"),
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A kubectl that writes down its environment, and a sudo that speaks the language of the one that it finds."""
    (tmp_path / "kubectl").write_text(f"#!/bin/sh\nenv >>{shlex.quote(str(tmp_path / 'seen'))}\ncat >/dev/null\n")
    (tmp_path / "sudo").write_text(
        """#!/bin/sh
case ${LC_ALL:-$LANG} in
  C) echo 'sudo: a password is required' >&2 ;;
  *) echo 'sudo: Ein Passwort ist notwendig' >&2 ;;
esac
exit 1
"""
    )
    for name in ("kubectl", "sudo"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(command: str, programs: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env={**environment, "LANGUAGE": "de", "KUBERC": "/home/rotator/kuberc"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_kubectl_speaks_english_and_follows_no_defaults_of_its_user(
    command: Callable[[Target], str], programs: Path
) -> None:
    run(command(TARGET), programs)
    seen = (programs / "seen").read_text().splitlines()
    started = seen.count("GOMAXPROCS=1")
    assert started >= 1
    assert (seen.count("LC_ALL=C"), seen.count("KUBERC=off")) == (started, started)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_sudo_speaks_english(command: Callable[[Target], str], programs: Path) -> None:
    done = run(command(SUDO), programs)
    assert "Passwort" not in done.stdout + done.stderr
    assert "sudo: a password is required" in done.stdout + done.stderr
