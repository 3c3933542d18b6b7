"""`python -m rotator` as a process."""

import json

import pytest

from sandbox.world import World
from tests.integration.conftest import Cluster, fresh_command_line, plain

WRONG_PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


def test_rotate_prints_a_table_and_ends_with_0(world: World) -> None:
    done = fresh_command_line(world, "rotate")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " rotated " in lines[1]
    assert lines[1].endswith("there is no Secret yet; create; proof: accepted")
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\x1b[" not in done.stdout  # no colour where there is no terminal
    assert Cluster(world).works()


def test_rotate_with_json_prints_the_report_alone(world: World) -> None:
    done = fresh_command_line(world, "rotate", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["targets"][0]["outcome"] == "rotated"
    assert done.stderr == ""


def test_a_failed_target_ends_with_1_and_says_what_to_check(world: World) -> None:
    done = fresh_command_line(world, "rotate", KUBERNETES_SSH_FINGERPRINT=WRONG_PIN)

    assert done.returncode == 1
    assert "HostKeyRejectedError" in done.stdout
    assert "ssh-keygen -lf" in plain(done.stdout)


def test_bad_settings_end_with_2_before_anything_is_asked(world: World) -> None:
    seen = len(world.journal.events())
    done = fresh_command_line(world, "rotate", KEYVAULT_BASEURL="http://insecure", KUBERNETES_SECRET_NAME="Not_A_Name")

    assert done.returncode == 2
    assert "KEYVAULT_BASEURL" in done.stderr
    assert "KUBERNETES_SECRET_NAME" in done.stderr
    assert len(world.journal.events()) == seen


@pytest.mark.parametrize("command", ["rotate", "plan", "status", "check", "revoke"])
def test_a_file_of_certificates_that_is_gone_is_no_defect(world: World, command: str) -> None:
    done = fresh_command_line(
        world, command, REQUESTS_CA_BUNDLE="/tmp/sandbox-stopped/tls/ca.pem", PYTHONWARNINGS="default"
    )

    output = plain(done.stdout + done.stderr)
    assert done.returncode == 1
    assert "REQUESTS_CA_BUNDLE names /tmp/sandbox-stopped/tls/ca.pem, which is not there" in output
    assert "Correct REQUESTS_CA_BUNDLE, or unset it" in output or command == "status"
    assert "defect" not in output
    assert "UnexpectedError" not in output


def test_an_unknown_command_ends_with_2(world: World) -> None:
    assert fresh_command_line(world, "rotat").returncode == 2


def test_plan_prints_what_would_happen(world: World) -> None:
    done = fresh_command_line(world, "plan")

    assert done.returncode == 0
    assert "due" in done.stdout
    assert "nothing was changed" in done.stdout
    assert Cluster(world).secret() is None
