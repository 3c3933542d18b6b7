"""The commands that onboarding prints, as a shell reads them."""

import dataclasses
import shlex
import subprocess

import pytest

from rotator.onboarding import shell_commands
from rotator.plan.plan import Strategy
from tests.fakes.examples import CLUSTER, TARGET

PUBLIC = "ssh-ed25519 AAAA storage-credential-rotator"


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://myvault.vault.azure.net/storage/x", "https://vault.azure.net"),
        ("https://myvault.vault.usgovcloudapi.net/storage/x", "https://vault.usgovcloudapi.net"),
    ],
)
def test_a_request_to_the_vault_is_for_its_cloud(url: str, audience: str) -> None:
    words = shlex.split(shell_commands.vault_request("put", url, {"activeKeyName": "it's"}))
    assert words[words.index("--resource") + 1] == audience
    assert words[words.index("--url") + 1] == f"{url}?api-version=7.4"
    assert words[words.index("--body") + 1] == '{"activeKeyName": "it\'s"}'


def remote_words(command: str) -> list[str]:
    """What the shell on the master reads: the last word that a shell here passes to ssh."""
    pasted = command.replace("<admin>", "admin").removesuffix("<infra/master/setup.sh")
    assert len(pasted) < len(command)
    script = f'ssh() {{ for last; do :; done; printf %s "$last"; }}\n{pasted}'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return shlex.split(done.stdout)


def test_the_masters_setup_has_this_secret_and_the_public_key() -> None:
    words = remote_words(shell_commands.set_up_master([TARGET], PUBLIC))
    assert words[:5] == ["sudo", "sh", "-s", "--", "--user"]
    assert words[words.index("--secret") + 1] == "storage-sas"
    assert words[words.index("--kubectl") + 1] == "kubectl"
    assert words[words.index("--public-key") + 1] == PUBLIC
    assert "--no-create" not in words


@pytest.mark.parametrize("word", ["it's", "$HOME", "`id`", 'a"b', "back\\slash", "bang!"])
def test_every_word_reaches_the_master_as_it_is(word: str) -> None:
    words = remote_words(shell_commands.set_up_master([TARGET], f"{PUBLIC} {word}"))
    assert words[words.index("--public-key") + 1] == f"{PUBLIC} {word}"


@pytest.mark.parametrize("word", ["it's", 'a"b', "back\\slash", "bang!"])
def test_every_word_of_kubectl_reaches_the_master_as_it_is(word: str) -> None:
    cluster = dataclasses.replace(CLUSTER, kubectl=("kubectl", word))
    words = remote_words(shell_commands.set_up_master([dataclasses.replace(TARGET, cluster=cluster)], PUBLIC))
    assert words[words.index("--kubectl") + 1] == f"kubectl {word}"


def test_the_rotators_own_kubectl_is_not_passed_and_apply_needs_no_create() -> None:
    cluster = dataclasses.replace(CLUSTER, kubectl=("kubectl", "--kubeconfig=/etc/rotator"))
    target = dataclasses.replace(TARGET, cluster=cluster, strategy=Strategy.APPLY)
    words = remote_words(shell_commands.set_up_master([target], PUBLIC))
    assert "--kubectl" not in words
    assert "--no-create" in words


def test_one_command_sets_a_master_up_for_several_secrets() -> None:
    other = dataclasses.replace(TARGET, secret="other-sas", strategy=Strategy.APPLY)
    words = remote_words(shell_commands.set_up_master([TARGET, other], PUBLIC))
    assert [words[place + 1] for place, word in enumerate(words) if word == "--secret"] == ["storage-sas", "other-sas"]
    assert "--no-create" not in words  # one of them is created
