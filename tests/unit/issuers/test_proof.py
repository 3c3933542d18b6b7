from rotator import sas
from rotator.issuers.proof import StorageProver
from rotator.redaction import SecretText
from tests.fakes.dripping import Answer, Request, serving

TOKEN = "sv=2018-03-28&ss=b&srt=sco&sp=rwu&se=2099-01-01T00:00:00Z&spr=https&sig=c2lnbmF0dXJl"


def test_the_proof_says_in_which_version_it_speaks() -> None:
    """The specification requires it; without it storage would take the SAS's own, or an account's default."""
    asked: list[tuple[str, str]] = []

    def route(request: Request) -> Answer:
        asked.append((request.path.partition("&sv=")[0], request.headers.get("x-ms-version", "")))
        return 200, {}, b""

    with serving(route) as url:
        assert StorageProver().prove(sas.parse(SecretText(TOKEN)), f"{url}/account") == "accepted"
    assert asked == [("/account/?restype=service&comp=properties", "2018-03-28")]
