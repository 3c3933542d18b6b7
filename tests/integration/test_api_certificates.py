"""Certificates of an API server that a real kubectl does not accept: each is named, with what mends it."""

import contextlib
import dataclasses
import datetime
import ipaddress
import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rotator.checks import kubectl_probe
from rotator.delivery.errors import ApiServerDownError
from rotator.delivery.ssh import kubectl_errors
from sandbox.kubernetes import kubeconfig
from tests.fakes.examples import CLUSTER, TARGET

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")
DAY = datetime.timedelta(days=1)


def make(path: Path, *, begins: datetime.timedelta, address: str) -> Path:
    """A certificate of its own authority, of one day from so long ahead, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    begin = datetime.datetime.now(datetime.UTC) + begins
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, begin + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, clear) + certificate.public_bytes(encoding)
    )
    return path


class Greeting(socketserver.BaseRequestHandler):
    """Shows the certificate, and no more."""

    context: ssl.SSLContext

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.context.wrap_socket(self.request, server_side=True)


@contextlib.contextmanager
def serving(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = type("Handler", (Greeting,), {"context": context})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("begins", "address", "trusted", "named", "remedy"),
    [
        (-2 * DAY, "127.0.0.1", True, "the certificate of the API server has expired", "kubeadm certs renew"),
        (DAY, "127.0.0.1", True, "is not valid yet", "clock"),
        (-DAY / 2, "127.0.0.1", False, "does not trust the certificate", "certificate-authority-data"),
        (-DAY / 2, "127.0.0.2", True, "for other names", "tls-server-name"),
    ],
)
def test_a_certificate_that_kubectl_does_not_accept_is_named(
    tmp_path: Path, *, begins: datetime.timedelta, address: str, trusted: bool, named: str, remedy: str
) -> None:
    certificate = make(tmp_path / "api.pem", begins=begins, address=address)
    authority = certificate if trusted else make(tmp_path / "other.pem", begins=begins, address=address)
    with serving(certificate) as port:
        kubeconfig.write(tmp_path / "kubeconfig", f"https://127.0.0.1:{port}", authority, "rotator", "none")
        program = ("kubectl", f"--kubeconfig={tmp_path / 'kubeconfig'}")
        command = kubectl_probe.server_version(dataclasses.replace(CLUSTER, kubectl=program))
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    error = kubectl_errors.explain(done.returncode, done.stderr, TARGET, "nothing was changed")
    assert type(error) is ApiServerDownError
    assert named in str(error)
    assert remedy in error.remedy
