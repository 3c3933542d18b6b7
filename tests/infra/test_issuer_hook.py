"""Which issuer a deployment takes: an old one keeps keyvault, a new one is asked, and a pipeline says it beforehand."""

import subprocess
from pathlib import Path

import pytest

from tests.infra.hooks import Surroundings

NOT_CHOSEN = {"SAS_ISSUER": ""}


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    """A new environment: no resource group yet."""
    return Surroundings(tmp_path)


@pytest.fixture
def deployed(surroundings: Surroundings) -> Surroundings:
    """An environment whose app is there."""
    surroundings.lists("rotate_due")
    surroundings.known("accounts", "stsas1 true")
    return surroundings


def chosen(surroundings: Surroundings) -> list[str]:
    return [line for line in surroundings.written("azd-environment") if line.startswith("SAS_ISSUER=")]


def looked_up_key_vault(surroundings: Surroundings) -> bool:
    return any(line.startswith("KEY_VAULT_") for line in surroundings.written("azd-environment"))


def refused(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("typed", "issuer"),
    [
        ("\n", "userdelegation"),
        ("userdelegation\n", "userdelegation"),
        ("storagekey\n", "storagekey"),
        ("keyvault\n", "keyvault"),
        ("yes\nkey vault\nstoragekey\n", "storagekey"),
    ],
)
def test_a_new_installation_is_asked_and_the_line_says_what_to_take(
    surroundings: Surroundings, typed: str, issuer: str
) -> None:
    done = surroundings.asks("preprovision", typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    assert "For a new installation take userdelegation" in done.stdout
    assert chosen(surroundings) == [f"SAS_ISSUER={issuer}"]
    assert looked_up_key_vault(surroundings) is (issuer == "keyvault")


def test_a_new_installation_whose_question_nobody_answers_stops(surroundings: Surroundings) -> None:
    refused(surroundings.asks("preprovision", typed="\x04"), "azd env set SAS_ISSUER userdelegation")
    assert chosen(surroundings) == []


def test_a_new_installation_by_a_pipeline_stops_and_says_what_to_set(surroundings: Surroundings) -> None:
    refused(surroundings.run("preprovision", **NOT_CHOSEN), "azd env set SAS_ISSUER userdelegation")
    assert surroundings.written("azd-environment") == []


@pytest.mark.parametrize("issuer", ["keyvault", "storagekey", "userdelegation"])
def test_what_was_chosen_is_taken_without_a_question(surroundings: Surroundings, issuer: str) -> None:
    done = surroundings.asks("preprovision", typed="", SAS_ISSUER=issuer)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert chosen(surroundings) == []


@pytest.mark.parametrize("issuer", ["KeyVault", "managedstorage", "userdelegation "])
def test_an_unknown_issuer_stops_it(surroundings: Surroundings, issuer: str) -> None:
    refused(surroundings.run("preprovision", SAS_ISSUER=issuer), "azd env set SAS_ISSUER userdelegation")


def test_an_app_that_is_there_keeps_key_vault_and_nobody_is_asked(deployed: Surroundings) -> None:
    for done in (deployed.run("preprovision", **NOT_CHOSEN), deployed.asks("preprovision", typed="")):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert chosen(deployed) == []
    assert looked_up_key_vault(deployed)


@pytest.mark.parametrize("issuer", ["storagekey", "userdelegation"])
def test_an_app_keeps_its_issuer_where_azd_remembers_nothing(deployed: Surroundings, issuer: str) -> None:
    """As on a pipeline's runner, where only the developer's azd knows what was chosen."""
    deployed.known("issuer", issuer)
    done = deployed.run("preprovision", **NOT_CHOSEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert chosen(deployed) == [f"SAS_ISSUER={issuer}"]
    assert not looked_up_key_vault(deployed)


@pytest.mark.parametrize("issuer", ["", "keyvault", None])
def test_an_app_without_another_issuer_has_key_vault(deployed: Surroundings, issuer: str | None) -> None:
    deployed.known("issuer", issuer)
    assert deployed.run("preprovision", **NOT_CHOSEN).returncode == 0
    assert chosen(deployed) == []
    assert looked_up_key_vault(deployed)


def test_an_environment_that_azd_remembers_keeps_key_vault(surroundings: Surroundings) -> None:
    """Also after `azd down`, or where its app was deleted by hand."""
    done = surroundings.run("preprovision", ROTATOR_PRINCIPAL_ID="object-1", **NOT_CHOSEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert looked_up_key_vault(surroundings)


def test_where_nobody_can_tell_nothing_changes(deployed: Surroundings) -> None:
    deployed.known("app", None)
    done = deployed.run("preprovision", **NOT_CHOSEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert looked_up_key_vault(deployed)


@pytest.mark.parametrize("issuer", ["storagekey", "userdelegation"])
def test_nobody_who_needs_no_managed_storage_must_read_the_directory(surroundings: Surroundings, issuer: str) -> None:
    surroundings.known("principal-cfa8b339-82a2-471a-a3c9-0fc0be7a4093", None)
    assert surroundings.run("preprovision", SAS_ISSUER=issuer).returncode == 0
    assert not looked_up_key_vault(surroundings)


def test_delegation_on_an_existing_account_needs_the_container(surroundings: Surroundings) -> None:
    known = {"SAS_ISSUER": "userdelegation", "STORAGE_ACCOUNT_NAME": "pictures"}
    refused(surroundings.run("preprovision", **known), "azd env set SAS_CONTAINER <container>")
    assert surroundings.run("preprovision", SAS_CONTAINER="media", **known).returncode == 0


@pytest.mark.parametrize(
    ("accounts", "known", "written"),
    [
        (None, {}, ["SHARED_KEYS_IN_USE=true"]),
        (None, {"SHARED_KEYS_IN_USE": "false"}, []),
        ("stsas1 true", {}, ["SHARED_KEYS_IN_USE=true"]),
        ("stsas1 true", {"SHARED_KEYS_IN_USE": "true"}, []),
        ("stsas1 false", {}, []),
        ("stsas1 false", {"SHARED_KEYS_IN_USE": "true"}, ["SHARED_KEYS_IN_USE=false"]),
    ],
)
def test_shared_keys_stay_allowed_where_sas_of_the_old_issuer_need_them(
    deployed: Surroundings, accounts: str | None, known: dict[str, str], written: list[str]
) -> None:
    """Until somebody switches them off in Azure; where nobody can tell, what was found before stays."""
    deployed.known("accounts", accounts)
    done = deployed.run("preprovision", SAS_ISSUER="userdelegation", FUNCTIONS_DEPLOYED="true", **known)
    assert (done.returncode, done.stderr) == (0, "")
    assert deployed.written("azd-environment") == written


@pytest.mark.parametrize("known", [{}, {"SHARED_KEYS_IN_USE": "true"}])
def test_a_new_account_for_delegation_has_no_shared_keys(surroundings: Surroundings, known: dict[str, str]) -> None:
    surroundings.run("preprovision", SAS_ISSUER="userdelegation", **known)
    changed = [line for line in surroundings.written("azd-environment") if line.startswith("SHARED_KEYS")]
    assert changed == (["SHARED_KEYS_IN_USE=false"] if known else [])
