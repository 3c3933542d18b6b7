import urllib.parse

import pytest

from rotator import sas
from rotator.azure.errors import StillAcceptedError, StorageRefusedError
from rotator.issuers.proof import StorageProver
from rotator.redaction import SecretText
from rotator.sas import Sas
from tests.fakes.dripping import Answer, Request, serving

TOKEN = "sv=2018-03-28&ss=b&srt=sco&sp=rwu&se=2099-01-01T00:00:00Z&spr=https&sig=c2lnbmF0dXJl"


def test_the_proof_says_in_which_version_it_speaks() -> None:
    """The specification requires it; without it storage would take the SAS's own, or an account's default."""
    requests: list[tuple[str, str]] = []

    def route(request: Request) -> Answer:
        requests.append((request.path.partition("&sv=")[0], request.headers.get("x-ms-version", "")))
        return 200, {}, b""

    with serving(route) as url:
        assert StorageProver().prove(sas.parse(SecretText(TOKEN)), f"{url}/account") == "accepted"
    assert requests == [("/account/?restype=service&comp=properties", "2018-03-28")]


def test_a_refusal_carries_what_decisions_need_beside_its_words() -> None:
    def route(_request: Request) -> Answer:
        return 403, {"x-ms-error-code": "KeyBasedAuthenticationNotPermitted"}, b""

    token = sas.parse(SecretText(TOKEN))
    with serving(route) as url:
        with pytest.raises(StorageRefusedError) as caught:
            StorageProver(seconds=0).prove(token, f"{url}/account")
        answer = StorageProver(seconds=0).prove_refused(token, f"{url}/account")
    assert (caught.value.status, caught.value.storage_code) == (403, "KeyBasedAuthenticationNotPermitted")
    assert caught.value.refusal == f"{answer} for {token}"
    assert str(caught.value) == f"{answer} for {token}; it was not delivered"
    assert answer == f"{url}/account answered 403 KeyBasedAuthenticationNotPermitted"


def of_part(path: str, letter: str, permissions: str, **more: str) -> Sas:
    """A SAS for a part of blob storage."""
    fields = {"sv": "2026-10-06", "sr": letter, "sp": permissions, "se": "2099-01-01T00:00:00Z", "spr": "https", **more}
    return sas.parse(SecretText(urllib.parse.urlencode({**fields, "sig": "c2lnbmF0dXJl"})), path=path)


def proof_of(token: Sas, status: int, code: str) -> tuple[str, str]:
    """What storage is asked for, and what its answer proves."""
    requests: list[str] = []

    def route(request: Request) -> Answer:
        requests.append(f"{request.command} {request.path.partition('sv=')[0]}")
        return status, {"x-ms-error-code": code} if code else {}, b""

    with serving(route) as url:
        return StorageProver(seconds=0).prove(token, f"{url}/account"), requests[0]


@pytest.mark.parametrize(
    ("token", "request_line"),
    [
        (of_part("pictures", "c", "rl"), "HEAD /account/pictures/rotator-proof?"),
        (of_part("pictures", "c", "w"), "HEAD /account/pictures/rotator-proof?"),
        (of_part("pictures", "c", "l"), "GET /account/pictures?restype=container&comp=list&maxresults=1&"),
        (of_part("pictures/2026/july", "d", "rl", sdd="2"), "HEAD /account/pictures/2026/july/rotator-proof?"),
        (
            of_part("pictures/2026/j y", "d", "l", sdd="2"),
            "GET /account/pictures?restype=container&comp=list&maxresults=1&prefix=2026/j%20y/&",
        ),
        (of_part("pictures/a b.png", "b", "r"), "HEAD /account/pictures/a%20b.png?"),
        (of_part("$web/index.html", "b", "r"), "HEAD /account/$web/index.html?"),
    ],
)
def test_sas_for_a_part_of_storage_asks_for_something_in_it(token: Sas, request_line: str) -> None:
    assert proof_of(token, 200, "") == ("accepted", request_line)


@pytest.mark.parametrize("letter", ["c", "b"])
def test_blob_that_does_not_exist_proves_the_sas(letter: str) -> None:
    assert proof_of(of_part("pictures/x", letter, "r"), 404, "BlobNotFound")[0] == "accepted"


def test_container_that_does_not_exist_proves_nothing() -> None:
    with pytest.raises(StorageRefusedError) as caught:
        proof_of(of_part("pictures", "c", "rl"), 404, "ContainerNotFound")
    assert "Create the container" in caught.value.remedy


def test_address_that_is_not_the_consumer_s_proves_a_sas_for_other_addresses_only() -> None:
    code = "AuthorizationSourceIPMismatch"
    accepted, _ = proof_of(of_part("pictures", "c", "r", sip="203.0.113.7"), 403, code)
    assert accepted == "accepted (AuthorizationSourceIPMismatch, as the SAS is for 203.0.113.7)"
    with pytest.raises(StorageRefusedError):
        proof_of(of_part("pictures", "c", "r"), 403, code)


def test_sas_that_may_only_write_is_proven_by_the_right_that_it_lacks() -> None:
    accepted, _ = proof_of(of_part("pictures", "c", "w"), 403, "AuthorizationPermissionMismatch")
    assert accepted == "accepted (AuthorizationPermissionMismatch, as the SAS grants no reading of blobs)"


def test_delegated_sas_without_its_right_lacks_the_identity_s_data_role() -> None:
    token = of_part("pictures", "c", "rl", skoid="1", scid="2")
    with pytest.raises(StorageRefusedError) as caught:
        proof_of(token, 403, "AuthorizationPermissionMismatch")
    assert "Storage Blob Data Reader" in caught.value.remedy
    assert "Key Vault" not in caught.value.remedy


@pytest.mark.parametrize("code", ["AuthenticationFailed", "AuthorizationFailure", ""])
def test_remedy_of_a_delegated_sas_speaks_of_no_account_key(code: str) -> None:
    with pytest.raises(StorageRefusedError) as caught:
        proof_of(of_part("pictures", "c", "rl", skoid="1"), 403, code)
    assert "Key Vault" not in caught.value.remedy
    assert ("firewall" in caught.value.remedy) is (code == "AuthorizationFailure")


def tries(token: Sas) -> int:
    """How often a revocation looks whether storage refuses a SAS, which it does not."""
    slept: list[float] = []
    with serving(lambda _: (200, {}, b"")) as url:
        prover = StorageProver(seconds=0.5, sleep=slept.append)
        with pytest.raises(StillAcceptedError):
            prover.prove_refused(token, f"{url}/account")
    return len(slept)


def test_revocation_of_a_delegation_key_is_awaited_longer_than_a_key_s_regeneration() -> None:
    assert tries(of_part("pictures", "c", "r", skoid="1")) > tries(of_part("pictures", "c", "r"))
