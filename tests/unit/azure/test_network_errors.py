"""What keeps a service from answering is told by its kind, each with its remedy, as real sockets show it."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import trustme
from azure.core.credentials import AccessToken

from rotator import errors, sas
from rotator.azure import identity, network_errors, server_time
from rotator.azure.errors import ArchiveError, IdentityError, NoAnswerError
from rotator.azure.host_storage import blob_containers
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.key_vault import VaultClient
from rotator.azure.resource_manager import ResourceManager
from rotator.issuers import proof as storage
from rotator.plan import resource_id
from rotator.plan.account import Account
from rotator.redaction import SecretText
from rotator.reporting import webhook
from rotator.reporting.report import Failed
from tests.fakes.examples import TOKEN
from tests.unit.reporting.test_report import report_of

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "IDENTITY_ENDPOINT", "IDENTITY_HEADER")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
NOBODY = "00000000-0000-0000-0000-000000000000"
ACCOUNT = f"/subscriptions/{NOBODY}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"


class Anybody:
    """A credential that asks nobody."""

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("token", 4_000_000_000)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *PROXIES, *map(str.lower, PROXIES), "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@contextlib.contextmanager
def listening(certificate: trustme.LeafCert | None = None, answer: bytes = b"") -> Iterator[int]:
    """A server on loopback that shows this certificate, or speaks no TLS, and gives each connection this answer."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if certificate and context:
        certificate.configure_cert(context)
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                connection.settimeout(5)
                with connection, contextlib.suppress(OSError):
                    wrapped = context.wrap_socket(connection, server_side=True) if context else connection
                    wrapped.recv(4096)
                    wrapped.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def diagnosed(port: int, host: str = "127.0.0.1") -> tuple[str, str]:
    """What is said of a server there, and the remedy."""
    with pytest.raises(NoAnswerError) as raised:
        server_time.at(f"https://{host}:{port}")
    return str(raised.value), raised.value.remedy


def test_a_missing_file_of_certificates_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/tmp/sandbox-gone/tls/ca.pem")
    text, remedy = diagnosed(1)
    assert text.endswith("REQUESTS_CA_BUNDLE names /tmp/sandbox-gone/tls/ca.pem, which is not there")
    assert "Correct REQUESTS_CA_BUNDLE, or unset it" in remedy


def test_a_file_without_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with listening() as port:
        text, _ = diagnosed(port)
    assert f"CURL_CA_BUNDLE names {tmp_path / 'ca.pem'}, which holds no certificate in PEM form" in text


def test_an_authority_that_is_not_trusted_is_told_with_how_to_trust_it(authority: trustme.CA) -> None:
    with listening(authority.issue_cert("127.0.0.1")) as port:
        text, remedy = diagnosed(port)
    assert f"no secure connection to https://127.0.0.1:{port}: its certificate is not accepted (" in text
    assert "name that file in REQUESTS_CA_BUNDLE" in remedy


def test_a_file_of_another_authority_is_told_as_that(monkeypatch: pytest.MonkeyPatch, bundle: str) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with listening(trustme.CA().issue_cert("127.0.0.1")) as port:
        _, remedy = diagnosed(port)
    assert f"REQUESTS_CA_BUNDLE ({bundle}) takes the place of the public CAs" in remedy


def test_an_expired_certificate_is_told(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, bundle: str) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    with listening(authority.issue_cert("127.0.0.1", not_before=past, not_after=past)) as port:
        text, remedy = diagnosed(port)
    assert "(certificate has expired)" in text
    assert "clock" in remedy


def test_a_certificate_of_another_host_is_told(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with listening(authority.issue_cert("elsewhere.example.com")) as port:
        text, remedy = diagnosed(port)
    assert "is not valid for '127.0.0.1'" in text
    assert "another host answers there" in remedy


def test_a_server_without_tls_is_told() -> None:
    with listening(answer=b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        text, remedy = diagnosed(port)
    assert "the TLS handshake fails" in text
    assert "address and port" in remedy


def test_a_proxy_that_does_not_answer_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://anna:hunter22@127.0.0.1:1")
    text, remedy = diagnosed(443, "vault.example.com")
    assert "cannot be reached through the proxy 127.0.0.1:1 (HTTPS_PROXY): it does not answer" in text
    assert "NO_PROXY" in remedy
    assert "hunter22" not in text + remedy


@pytest.mark.parametrize(("status", "words"), [(407, "it requires a password"), (403, "it refuses the connection")])
def test_a_proxy_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch, status: int, words: str) -> None:
    with listening(answer=f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        text, _ = diagnosed(443, "vault.example.com")
    assert f"{words} ({status})" in text


def test_a_proxy_without_a_name_that_resolves_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    assert (
        "the proxy proxy.invalid:3128 (HTTPS_PROXY): its own name cannot be resolved"
        in diagnosed(443, "v.example.com")[0]
    )


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1",
        "http://:3128",
        "ftp://127.0.0.1:1",
        "http://127.0.0.1:99999",
        "http://a:b:c",
        "http://[::1",
        " ",
    ],
)
def test_what_is_no_proxy_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    text, remedy = diagnosed(443, "vault.example.com")
    assert "it is not a usable proxy URL" in text
    assert "Give HTTPS_PROXY the form" in remedy


def test_a_url_that_is_none_is_not_blamed_on_a_good_proxy() -> None:
    error = requests.exceptions.InvalidURL("Failed to parse")
    found = network_errors.diagnose(error, "host", "SETTING", "Do.", {"HTTPS_PROXY": "http://proxy.example.com:3128"})
    assert found.text == "host does not answer: InvalidURL"


def test_a_name_that_does_not_resolve_is_told() -> None:
    text, remedy = diagnosed(443, "vault.invalid")
    assert text.startswith("https://vault.invalid:443 does not answer: its name cannot be resolved (")
    assert "private DNS zone" in remedy


def test_a_connection_that_is_refused_is_told_with_the_remedy_for_the_network() -> None:
    assert diagnosed(1) == ("https://127.0.0.1:1 does not answer: the connection is refused", NoAnswerError.remedy)


def test_a_proxy_that_is_set_is_mentioned_with_whatever_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert diagnosed(1)[1].endswith(
        "Requests go through the proxy proxy.invalid:3128 (HTTPS_PROXY), except to hosts in NO_PROXY."
    )


def test_a_chain_of_errors_that_is_a_ring_ends() -> None:
    one, other = ValueError("one"), OSError("other")
    one.__context__, other.__context__ = other, one
    assert network_errors.diagnose(one, "host", "SETTING", "Do.").text == "host does not answer: ValueError"


# The same in each adapter


def vault(url: str) -> None:
    with contextlib.closing(VaultClient(Account(vault=url, managed_account="a"), Anybody())) as client:
        client.secret("privatekey")


def manager(url: str) -> None:
    with contextlib.closing(ResourceManager(url, Anybody())) as client:
        client.function_app(resource_id.ResourceId.parse(ACCOUNT, resource_id.STORAGE_ACCOUNT))


def managers_sdk(url: str) -> None:
    with contextlib.closing(ResourceManager(url, Anybody())) as client:
        client.account(resource_id.ResourceId.parse(ACCOUNT, resource_id.STORAGE_ACCOUNT))


def proof(url: str) -> None:
    storage.StorageProver(seconds=0, quick=True).prove(sas.parse(SecretText(TOKEN)), url)


def own_storage(url: str) -> None:
    container = blob_containers.container(
        HostStorage(None, url, None), "reports", Anybody(), ArchiveError, retry_total=0
    )
    with contextlib.closing(container):
        try:
            container.exists()
        except blob_containers.ERRORS as error:
            raise blob_containers.error_for(ArchiveError, container, error) from None


def hook(url: str) -> None:
    webhook.send(SecretText(f"{url}/services/T000/B000"), report_of(errors_of_a_run()), seconds=0.5)


def errors_of_a_run() -> Failed:
    return Failed("E", "m", "r")


@pytest.mark.parametrize("ask", [vault, manager, managers_sdk, proof, own_storage, hook])
def test_each_adapter_tells_a_missing_file_of_certificates(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], None]
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone/ca.pem")
    with pytest.raises(errors.RotatorError, match=r"names /gone/ca\.pem, which is not there") as raised:
        ask("https://127.0.0.1:1")
    assert "Correct REQUESTS_CA_BUNDLE" in raised.value.remedy


@pytest.mark.parametrize("ask", [proof, own_storage, hook])
def test_an_adapter_tells_a_certificate_a_proxy_and_a_name_apart(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, ask: Callable[[str], None]
) -> None:
    def described(url: str) -> str:
        with pytest.raises(errors.RotatorError) as raised:
            ask(url)
        return str(raised.value)

    with listening(authority.issue_cert("127.0.0.1")) as port:
        assert "its certificate is not accepted" in described(f"https://127.0.0.1:{port}")
    assert "its name cannot be resolved" in described("https://storage.invalid")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert "through the proxy 127.0.0.1:1 (HTTPS_PROXY)" in described("https://storage.invalid")


def test_a_dead_identity_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    with contextlib.closing(identity.credential(None)) as credential, pytest.raises(IdentityError) as raised:
        credential.get_token("https://vault.azure.net/.default")
    assert "the identity endpoint 127.0.0.1:1 does not answer: the connection is refused" in str(raised.value)
    assert "IDENTITY_ENDPOINT" in raised.value.remedy
    assert raised.value.unanswered


def test_what_keeps_a_workstation_from_signing_in_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """DefaultAzureCredential gives words only."""
    for name, text in (("CLIENT_ID", NOBODY), ("TENANT_ID", NOBODY), ("CLIENT_SECRET", "a secret of no value")):
        monkeypatch.setenv(f"AZURE_{name}", text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone/ca.pem")
    with contextlib.closing(identity.credential(None)) as credential, pytest.raises(IdentityError) as raised:
        credential.get_token("https://vault.azure.net/.default")
    assert "REQUESTS_CA_BUNDLE names /gone/ca.pem, which is not there" in str(raised.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("('Unable to connect to proxy', NewConnectionError())", "through the proxy"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "it requires a password (407)"),
        ("certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)", "(unable to get local"),
        ("Failed to resolve 'login.microsoftonline.com'", "cannot be resolved"),
    ],
)
def test_words_are_taken_for_what_they_come_from(words: str, expected: str) -> None:
    found = network_errors.find_cause(ValueError(), "host", "SETTING", {}, words=words)
    assert found
    assert expected in found.text
    assert network_errors.find_cause(ValueError(), "host", "SETTING", {}, words="az: command not found") is None
