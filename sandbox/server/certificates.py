"""A throwaway certificate authority, so that clients verify the sandbox's TLS as they verify Azure's."""

import ssl
from pathlib import Path

import trustme


class Authority:
    """One CA and one certificate for 127.0.0.1 and localhost, as PEM files in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA(organization_name="Sandbox", organization_unit_name="throwaway")
        self._leaf = self._ca.issue_cert("127.0.0.1", "localhost")
        self.ca_path = directory / "ca.pem"
        self._certificate_path = directory / "server.pem"
        self._key_path = directory / "server.key"
        self._write()

    @property
    def bundle_path(self) -> Path:
        """REQUESTS_CA_BUNDLE: this CA alone, so that nothing outside the sandbox is trusted."""
        return self.ca_path

    def server_context(self) -> ssl.SSLContext:
        """Return a context for a server of our own."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._leaf.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts the sandbox's servers."""
        return ssl.create_default_context(cafile=str(self.ca_path))

    def server_certificate_files(self) -> tuple[Path, Path]:
        """Certificate chain and private key, for servers that run as processes."""
        return self._certificate_path, self._key_path

    def _write(self) -> None:
        self._ca.cert_pem.write_to_path(str(self.ca_path))
        for number, pem in enumerate(self._leaf.cert_chain_pems):
            pem.write_to_path(str(self._certificate_path), append=number > 0)
        self._key_path.touch(mode=0o600)
        self._leaf.private_key_pem.write_to_path(str(self._key_path))
