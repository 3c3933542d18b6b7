"""The defaults that kubectl's user has on the master (kuberc), with a real kubectl that follows them.

https://kubernetes.io/docs/reference/kubectl/kuberc/
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rotator import app
from rotator.reporting.report import Report, Trigger
from sandbox.master.server import Master
from sandbox.world import World
from tests.integration.conftest import Cluster, rotate, settings_for

SINCE = (1, 33)
APPLY = {"KUBERNETES_SECRET_STRATEGY": "apply"}
ASK_BEFORE_DELETING = """
apiVersion: kubectl.config.k8s.io/v1alpha1
kind: Preference
overrides:
- command: delete
  flags: [{name: interactive, default: "true"}]
"""


def kubectl() -> str:
    """A kubectl that knows kuberc. Google's packages hold several versions beside their dispatcher."""
    found = [shutil.which("kubectl") or ""]
    found += map(str, sorted(Path(os.path.realpath(found[0])).parent.glob("kubectl.1.*"), reverse=True))
    found += map(str, sorted(Path("/usr/lib/google-cloud-sdk/bin").glob("kubectl.1.*"), reverse=True))
    for program in filter(None, found):
        command = [program, "version", "--client", "--output=json"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        version = re.search(r'"gitVersion": "v([0-9]+)\.([0-9]+)', output)
        if version and (int(version[1]), int(version[2])) >= SINCE:
            return program
    pytest.skip("there is no kubectl 1.33 or later, which follows a kuberc")


@pytest.fixture
def master(world: World, tmp_path: Path) -> Master:
    assert isinstance(world.master, Master)
    world.master.kubectl = tmp_path
    home = world.master.directory / ".kube"
    home.mkdir(exist_ok=True)
    (home / "kuberc").write_text(ASK_BEFORE_DELETING)
    return world.master


def install(master: Master, before: str) -> None:
    """Have kubectl follow the kuberc, as it does by default from 1.34 on."""
    assert master.kubectl
    program = master.kubectl / "kubectl"
    program.write_text(f'#!/bin/sh\n{before}\nKUBECTL_KUBERC=true exec {kubectl()} "$@"\n')
    program.chmod(0o755)


def forced(world: World, **settings: str) -> Report:
    return app.rotate(trigger=Trigger.CLI, forced=True, environment=settings_for(world, **settings))


@pytest.mark.parametrize("settings", [{}, APPLY], ids=["recreate", "apply"])
def test_a_user_s_defaults_do_not_change_what_a_rotation_does(
    world: World, master: Master, settings: dict[str, str]
) -> None:
    rotate(world)
    held = Cluster(world).value()
    install(master, "")
    assert not forced(world, **settings).failed
    assert Cluster(world).value() != held


def test_defaults_that_sudo_keeps_the_rotator_from_switching_off_are_named(world: World, master: Master) -> None:
    """sudo hands KUBERC on only where env_keep says so."""
    rotate(world)
    held = Cluster(world).value()
    install(master, "unset KUBERC")
    report = forced(world)
    (target,) = report.as_json()["targets"]
    assert target["error"] == "KubercError"
    assert "env_keep" in target["remedy"]
    assert Cluster(world).value() == held
    assert not forced(world, **APPLY).failed
