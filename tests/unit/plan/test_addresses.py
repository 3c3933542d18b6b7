import pytest

from rotator.plan import addresses


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("master.example.com.", "master.example.com."),
        ("k8s_master-1.corp_net", "k8s_master-1.corp_net"),
        ("10.0.0.4", "10.0.0.4"),
        ("::1", "::1"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        (".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]), ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])),
    ],
)
def test_host_is_a_name_or_an_address_without_brackets(text: str, host: str) -> None:
    assert addresses.host(text) == host


@pytest.mark.parametrize("text", ["", ".", "a..b", "-a", "a-", "a" * 64, "a." * 127 + "b", "[::1", "1:2", "a b", "a\n"])
def test_what_no_resolver_accepts_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match="host name or an address"):
        addresses.host(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://myvault.vault.azure.net", "https://myvault.vault.azure.net"),
        ("HTTPS://my_vault.internal.:8443//", "https://my_vault.internal:8443"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_service_url_is_normalised(text: str, url: str) -> None:
    assert addresses.service_url(text) == url


@pytest.mark.parametrize(
    "text", ["https://a.example.com/x", "https://a.example.com?", "https://u@a.example.com", "ftp://a"]
)
def test_service_url_has_no_path_query_or_user(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it must be "):
        addresses.service_url(text)


def test_blob_url_has_the_account_in_its_host_or_its_path() -> None:
    assert addresses.blob_url("https://127.0.0.1:10000/devstoreaccount1/") == "https://127.0.0.1:10000/devstoreaccount1"
    with pytest.raises(ValueError, match="leave out what follows the host"):
        addresses.blob_url("https://a.blob.core.windows.net/container")


@pytest.mark.parametrize("service", ["dfs", "file", "queue", "table", "z6.web"])
def test_endpoint_of_another_service_is_no_blob_url(service: str) -> None:
    for host in (f"a.{service}.core.windows.net", f"a.z6.{service}.storage.azure.net"):
        with pytest.raises(ValueError, match=rf"blob endpoint, and this is the one of {service.removeprefix('z6.')}$"):
            addresses.blob_url(f"https://{host}")
    assert addresses.blob_url("https://queue.blob.core.windows.net")
    assert addresses.blob_url("https://files.dfs.example.com")


def test_usual_blob_endpoint_has_an_account_and_a_suffix() -> None:
    assert addresses.usual_blob_endpoint("https://a1b.blob.core.windows.net") == addresses.UsualBlobEndpoint(
        "a1b", "core.windows.net"
    )
    for other in ("https://a1b.z6.blob.storage.azure.net", "https://a1b-secondary.blob.core.windows.net", "https://x"):
        assert addresses.usual_blob_endpoint(other) is None


def test_error_does_not_contain_the_value() -> None:
    with pytest.raises(ValueError, match=r"^it must be an https:// URL$") as caught:
        addresses.service_url("https://[hunter2]/")
    assert caught.value.__cause__ is None
