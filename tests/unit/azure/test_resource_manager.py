"""Resource Manager's answers as they should not be: errors of ours, and the token goes nowhere else."""

import contextlib
import datetime
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator import errors
from rotator.azure import permissions
from rotator.azure.errors import ResourceManagerError
from rotator.azure.resource_manager import ResourceManager
from rotator.plan.resource_id import ResourceId
from tests.fakes.dripping import Answer, Request, serving
from tests.fakes.examples import RESOURCE_ID
from tests.unit.test_untrusted import json_values

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = ResourceId.parse(RESOURCE_ID, "Microsoft.Storage/storageAccounts")
VAULT = ResourceId.parse(
    f"{RESOURCE_ID.partition('Microsoft.')[0]}Microsoft.KeyVault/vaults/v", "Microsoft.KeyVault/vaults"
)
MADE = datetime.datetime(2022, 1, 19, 6, 36, 22, 275297, datetime.UTC)


class Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("the token", 2**40)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


class Arm:
    """Answers with `pages` by path and query, or with `value` for all."""

    def __init__(self) -> None:
        self.value: Any = {}
        self.pages: dict[str, Any] = {}
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.accepted: set[str] = set()
        self.headers: dict[str, str] = {"Content-Type": "application/json"}

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request.path)
        self.accepted.add(request.headers.get("Accept", ""))
        self.tokens.append(request.headers.get("Authorization", ""))
        return 200, self.headers, json.dumps(self.pages.get(request.path, self.value)).encode()


@pytest.fixture(scope="module")
def served(tls: ssl.SSLContext, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    arm = Arm()
    with pytest.MonkeyPatch.context() as patch, serving(arm, tls=tls) as url:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with contextlib.closing(ResourceManager(url, Token())) as manager:
            yield arm, url, manager


@pytest.fixture
def arm(served: Any) -> Arm:
    found: Arm = served[0]
    found.__init__()  # type: ignore[misc]  # anew for each test
    return found


@pytest.fixture
def url(served: Any) -> str:
    return str(served[1])


@pytest.fixture
def manager(served: Any) -> ResourceManager:
    found: ResourceManager = served[2]
    return found


def permission(action: str, **more: object) -> dict[str, Any]:
    return {"value": [{"actions": [action]}], **more}


def test_pages_of_the_same_host_are_followed(arm: Arm, url: str, manager: ResourceManager) -> None:
    arm.value = permission("a/read", nextLink=f"{url}/next?page=2")
    arm.pages["/next?page=2"] = permission("b/read", nextLink=None)
    assert manager.may(ACCOUNT, "b/read")
    assert arm.requests[-1] == "/next?page=2"


@pytest.mark.parametrize(
    "link",
    [
        "{other}/next",
        "http://127.0.0.1:{port}/next",
        "https://localhost:{port}/next",
        "https://127.0.0.1:{port}@{host}/next",
        "https://127.0.0.1:1/next",
        "//{host}/next",
        "https://[half/next",
        "https://evil.example\\n2026-07-01 all is well/",
        5,
    ],
)
def test_token_goes_to_no_other_host(
    arm: Arm, url: str, manager: ResourceManager, tls: ssl.SSLContext, link: Any
) -> None:
    stranger = Arm()
    with serving(stranger, tls=tls) as other:
        parts = {"other": other, "port": url.rpartition(":")[2], "host": other.partition("//")[2]}
        arm.value = permission("a/read", nextLink=link.format(**parts) if isinstance(link, str) else link)
        with pytest.raises(ResourceManagerError, match="names a next page on another host") as caught:
            manager.may(ACCOUNT, "b/read")
    assert stranger.requests == []
    assert str(caught.value).isprintable()


def test_pages_without_an_end_end(arm: Arm, url: str, manager: ResourceManager) -> None:
    arm.value = permission("a/read", nextLink=f"{url}/again")
    with pytest.raises(ResourceManagerError, match="on more than 100 pages"):
        manager.may(ACCOUNT, "b/read")
    assert len(arm.requests) == 100


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2022-01-19T06:36:22.2752970Z", MADE),
        ("2022-01-19T06:36:22.275297", MADE),
        ("yesterday", None),
        ("9999-99-99T00:00:00Z", None),
        (5, None),
        (None, None),
    ],
)
def test_time_of_a_key_that_cannot_be_read_is_not_known(
    arm: Arm, manager: ResourceManager, text: Any, wanted: datetime.datetime | None
) -> None:
    arm.value = {"keys": [{"keyName": "key1", "value": "a2V5", "creationTime": text}]}
    assert [key.created for key in manager.keys(RESOURCE_ID).keys] == [wanted]


def test_keys_that_sign_no_sas_are_left_out(arm: Arm, manager: ResourceManager) -> None:
    arm.value = {"keys": [{"keyName": name, "value": "a2V5"} for name in ("key1", "key2", "kerb1", "kerb2", None)]}
    arm.value["keys"].append(5)
    assert [key.name for key in manager.keys(RESOURCE_ID).keys] == ["key1", "key2"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    json_values
    | st.fixed_dictionaries(
        {},
        optional={
            "value": json_values,
            "nextLink": st.none() | st.text(),
            "keys": st.lists(st.dictionaries(st.sampled_from(["keyName", "value", "creationTime"]), json_values)),
            "identity": json_values,
            "properties": json_values,
        },
    )
)
def test_no_answer_is_an_exception_of_others(arm: Arm, manager: ResourceManager, value: Any) -> None:
    arm.value = value
    for look in (
        lambda: manager.may(ACCOUNT, "a/read"),
        lambda: manager.key_operators(ACCOUNT),
        lambda: manager.function_app(ACCOUNT),
        lambda: manager.keys(RESOURCE_ID),
        lambda: manager.account(ACCOUNT),
        lambda: manager.vault(VAULT),
    ):
        with contextlib.suppress(errors.RotatorError):
            look()


def test_each_call_has_the_api_version_with_which_infra_deploys(arm: Arm, manager: ResourceManager) -> None:
    """Not the SDK's own, which is newer than what Azure's other clouds serve."""
    sources = [path.read_text() for path in (ROOT / "infra").rglob("*.bicep")]
    declared = [found for text in sources for found in re.findall(r"'(Microsoft\.\w+)/[\w/]+@([\d-]+)", text)]
    versions = {provider.lower(): version for provider, version in declared}
    site = ResourceId.parse(f"{VAULT.text.partition('Microsoft.')[0]}Microsoft.Web/sites/app", "Microsoft.Web/sites")
    arm.accepted.clear()
    calls: dict[str, tuple[Callable[[], object], ...]] = {
        "microsoft.keyvault": (
            lambda: manager.vault(VAULT),
            lambda: manager.grant(VAULT, "tenant", "object", permissions.Policy()),
        ),
        "microsoft.storage": (lambda: manager.account(ACCOUNT), lambda: manager.keys(RESOURCE_ID)),
        "microsoft.web": (lambda: manager.function_app(site),),
        "microsoft.authorization": (
            lambda: manager.may(ACCOUNT, permissions.LIST_KEYS),
            lambda: manager.key_operators(ACCOUNT),
        ),
    }
    for provider, of_provider in calls.items():
        for call in of_provider:
            arm.requests.clear()
            with contextlib.suppress(ResourceManagerError):
                call()
            assert arm.requests
            assert {one.rpartition("api-version=")[2] for one in arm.requests} == {versions[provider]}
    assert arm.accepted == {"application/json"}


def test_keys_for_kerberos_are_not_asked_for(arm: Arm, manager: ResourceManager) -> None:
    arm.requests.clear()
    arm.value = {"keys": []}
    manager.keys(RESOURCE_ID)
    assert ["expand" in one for one in arm.requests] == [False]


def test_import_of_the_key_list_imports_no_management_sdk() -> None:
    code = (
        "import sys, rotator.azure.resource_manager as m; m.AccountOperations('https://x', None); "
        "print([name for name in sys.modules if name.startswith('azure.mgmt')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
