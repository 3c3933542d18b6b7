"""The real kube-apiserver on a real etcd, from a directory laid out as KUBEBUILDER_ASSETS wants it."""

import secrets
import ssl
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.kubernetes import kubeconfig
from sandbox.server import processes

ADMINISTRATOR = "administrator"
LIMITED = "limited"


class EnvtestApi:
    """An API server of its own. `kubeconfig` is an administrator's; `limited_kubeconfig`'s user may do nothing."""

    def __init__(self, directory: Path, assets: Path) -> None:
        self._directory = directory
        self._assets = assets
        self._children: list[processes.Child] = []
        self._tokens = {user: secrets.token_urlsafe(24) for user in (ADMINISTRATOR, LIMITED)}
        self.url = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, who is in system:masters."""
        return self.kubeconfig_for(ADMINISTRATOR)

    @property
    def administrator_kubeconfig(self) -> Path:
        """The same one: here the master's user is the administrator."""
        return self.kubeconfig

    @property
    def limited_kubeconfig(self) -> Path:
        """Of a user who may do nothing but look at the API's shape."""
        return self.kubeconfig_for(LIMITED)

    def kubeconfig_for(self, user: str) -> Path:
        """Return the file of one of the two users; there once the server has started."""
        return self._directory / f"{user}.kubeconfig"

    async def start(self) -> None:
        """Return when the API answers and the default namespace is there."""
        self._directory.mkdir(parents=True, exist_ok=True)
        etcd_port, peer_port, api_port = processes.free_ports(3)
        try:
            await self._start_etcd(etcd_port, peer_port)
            await self._start_api_server(api_port, etcd_port)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop both, the API server first."""
        while self._children:
            await self._children.pop().stop()

    async def _start_etcd(self, port: int, peer_port: int) -> None:
        peer = f"http://127.0.0.1:{peer_port}"
        client = f"http://127.0.0.1:{port}"
        flags = {
            "data-dir": self._directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        etcd = processes.Child(
            [*_command(self._assets / "etcd", flags), "--unsafe-no-fsync"], self._directory / "etcd.log"
        )
        self._children.append(etcd)
        await etcd.start(lambda: processes.accepts_connections(port))

    async def _start_api_server(self, port: int, etcd_port: int) -> None:
        certificates = self._directory / "certificates"
        flags = {
            "etcd-servers": f"http://127.0.0.1:{etcd_port}",
            "secure-port": port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "cert-dir": certificates,
            "token-auth-file": self._write_tokens(),
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://127.0.0.1",
            **dict.fromkeys(
                ("service-account-key-file", "service-account-signing-key-file"), self._write_signing_key()
            ),
            "disable-admission-plugins": "ServiceAccount",
            "service-cluster-ip-range": "10.0.0.0/24",
        }
        server = processes.Child(
            _command(self._assets / "kube-apiserver", flags), self._directory / "kube-apiserver.log"
        )
        self._children.append(server)
        self.url = f"https://127.0.0.1:{port}"
        authority = certificates / "apiserver.crt"
        await server.start(lambda: self._is_ready(authority), seconds=90)
        for user, token in self._tokens.items():
            kubeconfig.write(self.kubeconfig_for(user), self.url, authority, user, token)

    async def _is_ready(self, authority: Path) -> bool:
        # The server makes the default namespace by itself, some seconds after /readyz says ok.
        return await self._answers("/readyz", authority) and await self._answers(
            "/api/v1/namespaces/default", authority
        )

    async def _answers(self, path: str, authority: Path) -> bool:
        if not authority.exists():
            return False
        headers = {"Authorization": f"Bearer {self._tokens[ADMINISTRATOR]}"}
        try:
            context = ssl.create_default_context(cafile=str(authority))
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(self.url + path, ssl=context) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, ssl.SSLError, TimeoutError):
            return False

    def _write_tokens(self) -> Path:
        path = self._directory / "tokens.csv"
        path.touch(mode=0o600)
        groups = {ADMINISTRATOR: ',"system:masters"', LIMITED: ""}
        path.write_text("".join(f"{self._tokens[user]},{user},{user}{group}\n" for user, group in groups.items()))
        return path

    def _write_signing_key(self) -> Path:
        path = self._directory / "service-accounts.key"
        path.touch(mode=0o600)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return path


def _command(program: Path, flags: dict[str, object]) -> list[str]:
    return [str(program), *(f"--{name}={value}" for name, value in flags.items())]
