"""The generated remote commands as shells see them: their syntax, and what may stand in their arguments."""

import dataclasses
import shlex
import shutil
import subprocess

import pytest

from rotator import kubectl
from rotator.kubectl import Act
from rotator.targets import Target
from tests.unit.examples import CLUSTER, STORED, TARGET, TOKEN

MARK = "rotator-0123456789abcdef"
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
TARGETS = {
    "plain": TARGET,
    "k3s": dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("sudo", "k3s", "kubectl"))),
    "quotes": dataclasses.replace(
        TARGET, cluster=dataclasses.replace(CLUSTER, kubectl=("/opt/it's {mine}/kubectl", '--context="prod"'))
    ),
    "dotted": dataclasses.replace(TARGET, secret="a.b-c", namespace="team-1"),  # noqa: S106  # a Secret's name
}


def script(target: Target, act: Act) -> str:
    words = shlex.split(kubectl.act(target, act, MARK))
    assert words[:3] == ["exec", "sh", "-c"]
    assert words[4:] == ["rotator", MARK]
    return words[3]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_and_commands_are_valid_in_every_shell(shell: str) -> None:
    check = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
    for target in TARGETS.values():
        for act in Act:
            for text in (script(target, act), kubectl.act(target, act, MARK), kubectl.observe(target)):
                done = subprocess.run(check, input=text, capture_output=True, text=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_script_is_whole_with_nothing_left_to_fill_in(target: Target, act: Act) -> None:
    text = script(target, act)
    assert shlex.join(target.cluster.kubectl) in text
    assert f"/api/v1/namespaces/{target.namespace}/secrets" in text
    assert "{{" not in text
    assert "{path}" not in text
    assert "--from-literal" not in text


@pytest.mark.parametrize("act", Act)
def test_secret_travels_on_stdin_never_in_argv(act: Act) -> None:
    """`kubectl.act` takes neither manifest nor value; nothing that could hold one is expanded in an argument."""
    command = kubectl.act(TARGET, act, MARK)
    assert TOKEN not in command
    assert STORED not in command
    for line in script(TARGET, act).splitlines():
        if '"$new"' in line or '"$old"' in line:
            assert line.lstrip().startswith(("printf '%s' \"$new\" >&", "for body in", "IFS= read"))


def test_script_refuses_a_shell_whose_printf_is_no_builtin() -> None:
    assert "case $(command -v printf) in printf) ;; *)" in script(TARGET, Act.CREATE)


def test_each_act_starts_only_the_kubectl_processes_that_it_needs() -> None:
    started = {
        act: {name for name in ("validate", "delete", "create", "replace") if f"without_pipes {name} <" in text}
        for act in Act
        for text in [script(TARGET, act)]
    }
    assert started == {
        Act.CREATE: {"create"},
        Act.UPDATE: {"replace"},
        Act.RECREATE: {"validate", "delete", "create"},
    }


def test_mark_is_an_argument_of_its_own_so_that_the_script_is_the_same_each_time() -> None:
    first, second = (shlex.split(kubectl.act(TARGET, Act.UPDATE, mark)) for mark in ("rotator-a", "rotator-b"))
    assert first[:-1] == second[:-1]
    assert (first[-1], second[-1]) == ("rotator-a", "rotator-b")
