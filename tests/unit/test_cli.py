import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rotator import app, cli
from rotator.settings import Settings
from tests.unit.test_config import SAMPLE

NOTHING = {str(field.alias): None for field in Settings.model_fields.values()}
MISSING = [
    "KEYVAULT_BASEURL",
    "KEYVAULT_STORAGE_NAME",
    "KUBERNETES_DNS",
    "KUBERNETES_SSH_USERNAME",
    "KUBERNETES_SSH_FINGERPRINT",
    "KUBERNETES_SECRET_NAME",
]


def invoke(*arguments: str, **settings: str) -> Result:
    """Run the command line with these settings and no others."""
    return CliRunner().invoke(cli.main, arguments, env={**NOTHING, **settings}, color=False)


@pytest.fixture
def busy() -> Iterator[None]:
    """A run in progress."""
    with app._running:
        yield


@pytest.mark.parametrize("command", ["rotate", "plan"])
def test_bad_settings_are_told_on_stderr_with_exit_code_2(command: str) -> None:
    done = invoke(command)
    assert done.exit_code == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "settings are missing or wrong:"
    assert [line.split()[1] for line in lines[1:-1]] == MISSING
    assert lines[-1] == "Correct these app settings; nothing was changed."


@pytest.mark.parametrize("command", ["rotate", "plan"])
def test_bad_settings_are_told_as_json_with_exit_code_2(command: str) -> None:
    done = invoke(command, "--json")
    assert done.exit_code == 2
    answer: dict[str, Any] = json.loads(done.stdout)
    assert set(answer) == {"error", "message", "remedy"}
    assert answer["error"] == "SettingsError"
    assert all(name in answer["message"] for name in MISSING)
    assert answer["remedy"] == "Correct these app settings; nothing was changed."


def test_one_wrong_setting_is_told_by_its_name() -> None:
    done = invoke("plan", **{**SAMPLE, "KUBERNETES_SSH_FINGERPRINT": "3ec2167eb65d55fd9a707425ef0ce5ax"})
    assert done.exit_code == 2
    assert "KUBERNETES_SSH_FINGERPRINT is wrong" in done.stderr
    assert "KEYVAULT_BASEURL" not in done.stderr


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_secret_in_a_wrong_setting_is_not_printed(json_too: list[str]) -> None:
    wrong = {**SAMPLE, "KUBERNETES_NAMESPACE": "sv=2018-03-28&sig=b3BlbnNzaC1rZXkt"}
    done = invoke("rotate", *json_too, **wrong)
    assert done.exit_code == 2
    assert "b3BlbnNz" not in done.output


@pytest.mark.usefixtures("busy")
def test_run_in_progress_is_a_failure_with_exit_code_1() -> None:
    done = invoke("rotate", "--json", **SAMPLE)
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "error": "BusyError",
        "message": "a rotation is running already",
        "remedy": "Wait for the run in progress to end, then ask again.",
    }


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["rotate", "--nonsense"], ["rotate", "extra"]])
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_help_tells_the_exit_codes() -> None:
    done = invoke("--help")
    assert done.exit_code == 0
    assert "0 done, 1 a target failed, 2 bad settings or usage" in " ".join(done.stdout.split())
    assert invoke("rotate", "-h").exit_code == 0
