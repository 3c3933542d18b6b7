import pytest

from rotator import sas
from rotator.azure.errors import StorageRefusedError
from rotator.issuers.proof import StorageProver
from rotator.redaction import SecretText
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
