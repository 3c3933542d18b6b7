"""SAS that are signed here, judged by the sandbox's blob service and by Azurite, which is Microsoft's own code.

Azurite 3.37 refuses SAS for a directory and any with a `scid`, which tests/integration/test_issuers.py tries.
"""

import datetime
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from rotator import sas
from rotator.azure import sas_signing
from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.azure.sas_signing import Window
from rotator.azure.user_delegation import DelegationKey, UserDelegation
from rotator.issuers.proof import StorageProver
from rotator.plan.account import Grant
from rotator.redaction import SecretText
from rotator.sas import Sas
from tests.contract.conftest import CONTAINER, BlobUnderTest
from tests.contract.test_blob_service import get

HOUR = datetime.timedelta(hours=1)
HELLO, ABSENT = f"{CONTAINER}/hello.txt", f"{CONTAINER}/absent.txt"
LIST = "restype=container&comp=list&"

Sign = Callable[[Grant], Sas]


class Token:
    def __init__(self, value: str) -> None:
        self._value = value

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._value, int(time.time()) + 3600)


def window() -> Window:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return Window(now - HOUR / 4, now + HOUR)


def account_key(blobs: BlobUnderTest, name: str = "key2") -> AccountKey:
    return AccountKey(name, SecretText(blobs.accounts["alpha"].keys[name]), None)


def delegation_key(blobs: BlobUnderTest) -> DelegationKey:
    storage = UserDelegation(blobs.url(), Token(blobs.tokens.issue("https://storage.azure.com")), named="the endpoint")
    chosen = window()
    return storage.key(chosen.start, chosen.expiry)


@pytest.fixture(params=["account key", "delegation key"])
def sign(request: pytest.FixtureRequest, blobs: BlobUnderTest, monkeypatch: pytest.MonkeyPatch) -> Sign:
    """What signs a SAS here, by either kind of key."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(blobs.authority.ca_path))
    if request.param == "account key":
        return lambda grant: sas_signing.with_account_key("alpha", account_key(blobs), grant, window())
    key = delegation_key(blobs)
    return lambda grant: sas_signing.with_delegation_key("alpha", key, grant, window(), "")


def status(blobs: BlobUnderTest, token: Sas, path: str, query: str = "") -> int:
    return get(blobs, f"{query}{token.token.reveal()}", path)[0]


def test_sas_for_a_container_reads_and_lists_it(blobs: BlobUnderTest, sign: Sign) -> None:
    token = sign(Grant(container=CONTAINER, permissions="lr"))
    answers = [status(blobs, token, HELLO), status(blobs, token, ABSENT), status(blobs, token, CONTAINER, LIST)]
    assert answers == [200, 404, 200]
    assert StorageProver(seconds=0).prove(token, blobs.url()) == "accepted"


def test_sas_for_a_blob_reads_that_alone(blobs: BlobUnderTest, sign: Sign) -> None:
    token = sign(Grant(container=CONTAINER, blob="hello.txt", permissions="r"))
    assert [status(blobs, token, HELLO), status(blobs, token, ABSENT)] == [200, 403]
    assert StorageProver(seconds=0).prove(token, blobs.url()) == "accepted"


@pytest.mark.parametrize("permissions", ["l", "w", "d", "rwl"])
def test_proof_accepts_a_sas_of_any_permissions(blobs: BlobUnderTest, sign: Sign, permissions: str) -> None:
    token = sign(Grant(container=CONTAINER, permissions=permissions))
    assert StorageProver(seconds=0).prove(token, blobs.url()).startswith("accepted")


def test_account_sas_of_today_reads_everything(blobs: BlobUnderTest) -> None:
    grant = Grant(permissions="rwdlacupxytfi")
    token = sas_signing.with_account_key("alpha", account_key(blobs), grant, window())
    assert [status(blobs, token, HELLO), status(blobs, token, "", "restype=service&comp=properties&")] == [200, 200]


def test_proof_of_a_regenerated_key_is_a_refusal(blobs: BlobUnderTest, sign: Sign) -> None:
    token = sign(Grant(container=CONTAINER, permissions="rl"))
    text = token.token.reveal()
    fields = dict(urllib.parse.parse_qsl(text)) | {"sig": "AAAA"}
    broken = sas.parse(SecretText(urllib.parse.urlencode(fields)), path=CONTAINER)
    assert "answered 403" in StorageProver(seconds=0).prove_refused(broken, blobs.url())


def test_key_that_signed_is_found_by_the_signature_that_storage_accepts(blobs: BlobUnderTest) -> None:
    keys = AccountKeys("alpha", (account_key(blobs, "key1"), account_key(blobs)))
    for grant in (Grant(), Grant(container=CONTAINER), Grant(container=CONTAINER, blob="hello.txt", permissions="r")):
        token = sas_signing.with_account_key("alpha", keys.named("key2"), grant, window())
        found = keys.signer(token)
        assert found
        assert (found.name, status(blobs, token, HELLO)) == ("key2", 200)
