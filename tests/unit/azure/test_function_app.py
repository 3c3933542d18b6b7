"""A function app as Resource Manager's answers have it, and its own endpoint; both as they should not be, too."""

import contextlib
import json
import logging
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from hypothesis import given, settings

from rotator.azure.errors import AppUnreachableError, FunctionAppForbiddenError, ResourceManagerError
from rotator.azure.function_app import FunctionApp
from rotator.azure.function_endpoint import Answer, FunctionEndpoint
from rotator.azure.function_facts import Function, HostStatus, SiteFacts
from rotator.errors import RotatorError
from rotator.plan import resource_id
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText
from tests.fakes.dripping import Answer as Sent
from tests.fakes.dripping import Request, serving
from tests.fakes.examples import RESOURCE_ID
from tests.unit.test_untrusted import json_values

APP = ResourceId.parse(f"{RESOURCE_ID.partition('Microsoft.')[0]}Microsoft.Web/sites/myapp", resource_id.FUNCTION_APP)
KEY = SecretText("the-function's-key==")
FORBIDDEN = {"error": {"code": "AuthorizationFailed", "message": "no"}}


class Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("the token", 2**40)


class Server:
    """Answers every request alike, and remembers what was asked."""

    def __init__(self) -> None:
        self.status, self.value = 200, b"{}"
        self.asked: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.extra: dict[str, str] = {}

    def __call__(self, request: Request) -> Sent:
        self.asked.append((request.command, request.path))
        self.headers = dict(request.headers)
        return self.status, {"Content-Type": "application/json", **self.extra}, self.value

    def answer(self, value: Any, status: int = 200) -> None:
        self.status, self.value = status, json.dumps(value).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    authority, server = trustme.CA(), Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch, serving(server, tls=context) as url:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        yield server, url


@pytest.fixture
def server(served: tuple[Server, str]) -> Server:
    served[0].__init__()  # type: ignore[misc]  # anew for each test
    return served[0]


@pytest.fixture
def app(served: tuple[Server, str]) -> Iterator[FunctionApp]:
    with contextlib.closing(FunctionApp(served[1], APP, Token())) as made:
        yield made


@pytest.fixture
def endpoint(served: tuple[Server, str]) -> Iterator[FunctionEndpoint]:
    with contextlib.closing(FunctionEndpoint(served[1], whole=5)) as made:
        yield made


@pytest.mark.parametrize(
    ("properties", "facts"),
    [
        (
            {
                "defaultHostName": "myapp.azurewebsites.net",
                "functionAppConfig": {"runtime": {"name": "python", "version": "3.13"}},
            },
            SiteFacts("https://myapp.azurewebsites.net", (3, 13)),
        ),
        (
            {"defaultHostName": "127.0.0.1:8443", "siteConfig": {"linuxFxVersion": "PYTHON|3.9"}},
            SiteFacts("https://127.0.0.1:8443", (3, 9)),
        ),
        ({"functionAppConfig": {"runtime": {"name": "node", "version": "20"}}}, SiteFacts(None, None)),
        ({"defaultHostName": "evil.example/path?x", "siteConfig": None}, SiteFacts(None, None)),
        ({"defaultHostName": "user@evil.example"}, SiteFacts(None, None)),
        ({"functionAppConfig": {"runtime": {"name": "python", "version": "newest"}}}, SiteFacts(None, None)),
    ],
)
def test_site_has_its_url_and_its_python(properties: dict[str, Any], facts: SiteFacts) -> None:
    assert SiteFacts.from_answer({"properties": properties}) == facts


def test_functions_are_listed_by_their_own_names(server: Server, app: FunctionApp) -> None:
    server.answer(
        {
            "value": [
                {"name": "myapp/first", "properties": {"name": "first", "isDisabled": True}},
                {"name": "myapp/second", "properties": {"isDisabled": False}},
                {"name": "myapp/third"},
            ]
        }
    )
    assert app.functions() == (Function("first", True), Function("second", False), Function("third", False))
    assert server.asked == [("GET", f"{APP}/functions?api-version=2025-03-01")]


@pytest.mark.parametrize("status", [200, 204])
def test_sync_has_an_answer_without_content(server: Server, app: FunctionApp, status: int) -> None:
    server.status, server.value = status, b""
    app.sync()
    assert server.asked == [("POST", f"{APP}/host/default/sync?api-version=2025-03-01")]


@pytest.mark.parametrize(
    "answer",
    [
        {"other": "another", "default": "abc-123=="},
        {"mine": "abc-123=="},
        {"properties": {"default": "abc-123=="}},
        {"default": None, "name": "", "mine": "abc-123=="},
        {"default": "two\r\nlines", "mine": "abc-123=="},
    ],
)
def test_key_is_the_default_one_or_another(server: Server, app: FunctionApp, answer: dict[str, Any]) -> None:
    server.answer(answer)
    key = app.key("rotate_now")
    assert key.reveal() == "abc-123=="
    assert "abc" not in repr(key)


@pytest.mark.parametrize("answer", [{}, {"default": 3}, {"default": "with a space"}, {"default": "ü"}])
def test_no_key_that_a_header_could_hold_is_an_error(server: Server, app: FunctionApp, answer: dict[str, Any]) -> None:
    server.answer(answer)
    with pytest.raises(ResourceManagerError, match="none of the keys of function 'rotate_now'"):
        app.key("rotate_now")


def test_host_says_its_state_and_its_errors_without_secrets(server: Server, app: FunctionApp) -> None:
    secret = SecretText("a-secret-in-a-setting")
    server.answer({"state": "Error", "errors": [f"bad: {secret.reveal()}", 3, "long words " * 500, *["more"] * 20]})
    status = app.host_status()
    assert status.state == "Error"
    assert status.errors[0] == "bad: [secret]"
    assert len(status.errors) == 10
    assert max(map(len, status.errors)) == 4000


def test_one_setting_is_read_and_the_others_forgotten(server: Server, app: FunctionApp) -> None:
    server.answer({"properties": {"WEBSITE_TIME_ZONE": "UTC", "A_SECRET": "x"}})
    assert [app.setting(name) for name in ("WEBSITE_TIME_ZONE", "OTHER")] == ["UTC", ""]


@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda app: app.site(), "Microsoft.Web/sites/read"),
        (lambda app: app.functions(), "Microsoft.Web/sites/functions/read"),
        (lambda app: app.sync(), "Microsoft.Web/sites/host/sync/action"),
        (lambda app: app.key("check"), "Microsoft.Web/sites/functions/listkeys/action"),
        (lambda app: app.host_status(), "Microsoft.Web/sites/hostruntime/host/read"),
        (lambda app: app.setting("X"), "Microsoft.Web/sites/config/list/action"),
    ],
)
def test_what_is_not_allowed_names_the_action_and_the_role(
    server: Server, app: FunctionApp, call: Any, action: str
) -> None:
    server.answer(FORBIDDEN, 403)
    with pytest.raises(FunctionAppForbiddenError, match=f"no role allows {action}") as caught:
        call(app)
    assert "--role 'Website Contributor'" in caught.value.remedy
    assert str(APP) in caught.value.remedy


@settings(max_examples=25)
@given(value=json_values)
def test_any_answer_is_read_or_is_an_error_of_ours(served: tuple[Server, str], value: Any) -> None:
    server, url = served
    server.answer(value)
    with contextlib.closing(FunctionApp(url, APP, Token())) as app:
        for call in (
            app.site,
            app.functions,
            app.sync,
            app.host_status,
            lambda: app.key("x"),
            lambda: app.setting("x"),
        ):
            with contextlib.suppress(RotatorError):
                call()
    assert isinstance(HostStatus.from_answer(value if isinstance(value, dict) else {}), HostStatus)


def test_request_to_the_app_has_the_key_in_a_header_alone(
    server: Server, endpoint: FunctionEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer({"run": "1"}, 502)
    with caplog.at_level(logging.DEBUG):
        assert endpoint.ask("POST", "/api/rotate", KEY, {"only_due": True}) == Answer(502, {"run": "1"})
    assert server.asked == [("POST", "/api/rotate")]
    assert {name.lower(): text for name, text in server.headers.items()}["x-functions-key"] == KEY.reveal()
    assert KEY.reveal() not in caplog.text


@pytest.mark.parametrize("body", [b"", b"Function host is not running.", b"[1]", b"\xff", b"[" * 100_000])
def test_answer_that_is_no_object_has_none(server: Server, endpoint: FunctionEndpoint, body: bytes) -> None:
    server.status, server.value = 503, body
    assert endpoint.ask("GET", "/api/status", KEY) == Answer(503, {})


def test_redirection_is_not_followed(server: Server, endpoint: FunctionEndpoint) -> None:
    server.status, server.extra = 302, {"Location": "/elsewhere"}
    assert endpoint.ask("GET", "/api/status", KEY).status == 302
    assert len(server.asked) == 1


def test_app_that_is_not_there_is_unreachable_without_its_key() -> None:
    with (
        contextlib.closing(FunctionEndpoint("https://127.0.0.1:1")) as endpoint,
        pytest.raises(AppUnreachableError, match=r"127\.0\.0\.1:1 does not answer") as caught,
    ):
        endpoint.ask("GET", "/api/status", KEY)
    assert caught.value.transient
    assert caught.value.remedy
    assert caught.value.__cause__ is None


def test_answer_that_never_ends_is_cut_off() -> None:
    beginning = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"
    with (
        serving(lambda _: beginning) as url,
        contextlib.closing(FunctionEndpoint(url, whole=0.3)) as endpoint,
        pytest.raises(AppUnreachableError),
    ):
        endpoint.ask("GET", "/api/status", KEY)
