"""Key Vault's answers as they should not be: errors of ours, whatever stands in them."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator import errors
from rotator.azure.errors import VaultError
from rotator.azure.managed_storage import ManagedStorage
from rotator.issuers import keyvault
from rotator.onboarding import vault_setup
from rotator.plan.account import Account
from rotator.rotation import state
from tests.fakes.dripping import Answer, Request, serving
from tests.fakes.examples import DEFINITION, plan
from tests.unit.azure.test_resource_manager import authority, tls
from tests.unit.test_untrusted import json_values

__all__ = ["authority", "tls"]  # fixtures

FIELDS = ["value", "attributes", "tags", "validityPeriod", "templateUri", "sasType", "regenerationPeriod", "id"]
FIELDS += ["resourceId", "activeKeyName", "autoRegenerateKey", "nextLink", "error"]


class Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("the token", 2**40)


class Answers:
    """The same answer to everything, but for who does not sign in."""

    def __init__(self) -> None:
        self.status = 200
        self.value: Any = None
        self.requests = 0

    def __call__(self, request: Request) -> Answer:
        self.requests += 1
        headers = {"Content-Type": "application/json"}
        if "Authorization" not in request.headers:
            # What the SDK takes for the domain of 127.0.0.1.
            resource = f"https://0.0.1:{request.connection.getsockname()[1]}"
            asks = f'Bearer authorization="https://login.example.com/tenant", resource="{resource}"'
            return 401, {"WWW-Authenticate": asks, **headers}, b"{}"
        return self.status, headers, json.dumps(self.value).encode()


answers = Answers()


@pytest.fixture(scope="module")
def url(tls: ssl.SSLContext, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch, serving(answers, tls=tls) as served:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        yield served


@pytest.fixture(scope="module")
def storage(url: str) -> Iterator[ManagedStorage]:
    with contextlib.closing(
        ManagedStorage(Account(vault=url, managed_account="mystorage"), Token(), sleep=lambda _: None)
    ) as made:
        yield made


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[vault_setup.VaultSetup]:
    with contextlib.closing(
        vault_setup.VaultSetup(Account(vault=url, managed_account="mystorage"), Token(), sleep=lambda _: None)
    ) as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([200, 400, 403, 404, 409]), st.dictionaries(st.sampled_from(FIELDS), json_values) | json_values)
def test_no_answer_is_an_exception_of_others(storage: ManagedStorage, status: int, value: Any) -> None:
    answers.status, answers.value = status, value
    with contextlib.suppress(errors.RotatorError):
        stored = storage.stored(DEFINITION)
        state.unreadable_entries(stored.tags)
    with contextlib.suppress(errors.RotatorError):
        found = storage.managed()
        assert all(warning.isprintable() for warning in keyvault.period_warnings(found, plan()))
    with contextlib.suppress(errors.RotatorError):
        storage.mint(DEFINITION)


@pytest.mark.parametrize("value", [[], [1], [["a", 1]], "text", 5, None])
def test_answer_that_is_no_object_is_not_a_vaults(storage: ManagedStorage, value: Any) -> None:
    answers.status, answers.value = 200, value
    with pytest.raises(VaultError, match=r"does not answer .* as a Key Vault does"):
        storage.managed()


def test_list_without_an_end_ends(store: vault_setup.VaultSetup, url: str) -> None:
    answers.status, answers.value = 200, {"value": [5, {"id": 5}], "nextLink": f"{url}/storage?t=1"}
    before = answers.requests
    with pytest.raises(VaultError, match="lists its managed accounts on more than 100 pages"):
        store.name_of("/subscriptions/1")
    assert answers.requests - before <= 101


def test_a_list_that_goes_on_elsewhere_is_not_followed(store: vault_setup.VaultSetup) -> None:
    answers.status, answers.value = 200, {"value": [], "nextLink": "https://other.example.com/storage?t=1"}
    before = answers.requests
    with pytest.raises(VaultError, match="names a next page on another host"):
        store.name_of("/subscriptions/1")
    assert answers.requests - before <= 2
