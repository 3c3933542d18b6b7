"""Files of private keys, as openssl writes them."""

from pathlib import Path

import pytest

from tests.unit.delivery.ssh.key_files import run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain keys: ec.pem as `openssl ecparam -genkey` writes it, rsa.pem in OpenSSL's older form, p8.pem in PKCS#8."""
    folder = tmp_path_factory.mktemp("keys")
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", str(folder / "ec.pem"))
    run("openssl", "genrsa", "-traditional", "-out", str(folder / "rsa.pem"), "2048")
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", str(folder / "rsa.pem"), "-out", str(folder / "p8.pem"))
    return folder
