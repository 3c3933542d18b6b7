"""SSH to the master with paramiko: the host key is proven before anything is sent, every step bounded in time."""

import contextlib
import dataclasses
import socket
import time
from collections.abc import Iterator

import paramiko

from rotator import errors, pins, privatekey, session
from rotator.redaction import Secret
from rotator.targets import Cluster


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long each step may take, in seconds."""

    connect: float = 10.0
    handshake: float = 15.0
    authenticate: float = 15.0


class Ssh:
    """Opens connections to masters."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    @contextlib.contextmanager
    def connect(self, cluster: Cluster, key: Secret, passphrase: Secret | None) -> Iterator[session.Session]:
        """Give a connection to the proven host; raises SshError of the kind that says what went wrong."""
        private_key = privatekey.load(key, passphrase)
        transport = self._proven(cluster)
        try:
            self._authenticate(transport, cluster, private_key)
            yield session.Session(transport, cluster)
        finally:
            transport.close()

    def shown(self, cluster: Cluster) -> tuple[pins.HostKey, ...]:
        """Give the host's keys, the strongest first, for a person to compare; nothing is sent to it."""
        found = []
        for name in pins.ALGORITHMS:
            transport = self._handshake(cluster, [name])
            if transport is not None:
                with contextlib.closing(transport):
                    key = transport.get_remote_server_key()
                found.append(pins.HostKey(key.get_name(), key.asbytes()))
        if not found:
            raise errors.UnreachableError(f"{cluster} shows no key of a known type")
        return tuple(found)

    def _proven(self, cluster: Cluster) -> paramiko.Transport:
        """Try the host's key types until the pinned key is shown; a pin without type may be of any."""
        types = {pin.key_type for pin in cluster.pins}
        untried = [name for name in pins.ALGORITHMS if name in types or None in types]
        shown = []
        while untried:
            transport = self._handshake(cluster, untried)
            if transport is None:
                break
            host_key = transport.get_remote_server_key()
            name, blob = host_key.get_name(), host_key.asbytes()
            if any(pin.matches(name, blob) for pin in cluster.pins):
                return transport
            transport.close()
            shown.append(pins.fingerprint(name, blob))
            untried.remove(name)
        pinned = ", ".join(map(str, cluster.pins))
        raise errors.HostKeyRejectedError(
            f"{cluster} shows {', '.join(shown) or 'no key of a pinned type'}, but pinned is {pinned}; "
            "nothing was sent to it",
            remedy="Find out whether the host was replaced. Only if the new key is confirmed at the master's console "
            f"({pins.ON_THE_CONSOLE}), set KUBERNETES_SSH_FINGERPRINT to it.",
        )

    def _handshake(self, cluster: Cluster, key_types: list[str]) -> paramiko.Transport | None:
        """Exchange keys only; None when the host has no key of these types."""
        connection = _open(cluster, self._limits.connect)
        transport = paramiko.Transport(_PromptSocket(connection))
        _harden(transport, key_types)
        with session.Limit(transport, self._limits.handshake, f"the SSH handshake with {cluster}") as limit:
            try:
                transport.start_client(timeout=self._limits.handshake)
            except paramiko.ssh_exception.IncompatiblePeer as error:
                transport.close()
                if "host key" in str(error):
                    return None
                raise errors.UnreachableError(
                    f"{cluster} and this client have no strong algorithm in common: {error}",
                    remedy="Bring the master's OpenSSH up to date.",
                ) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                transport.close()
                limit.check(error)
                raise errors.UnreachableError(f"{cluster} does not talk SSH: {session.words(error)}") from error
        return transport

    def _authenticate(self, transport: paramiko.Transport, cluster: Cluster, key: paramiko.PKey) -> None:
        with session.Limit(transport, self._limits.authenticate, f"authentication on {cluster}") as limit:
            try:
                more = transport.auth_publickey(cluster.user, key)
            except (paramiko.SSHException, EOFError, OSError) as error:
                limit.check(error)
                raise _rejected(cluster, key, session.words(error)) from error
        if more:
            raise _rejected(cluster, key, f"it asks for {', '.join(more)} as well")


class _PromptSocket(socket.socket):
    """A socket that sends and acknowledges at once.

    Nagle's algorithm on both sides and delayed acknowledgements on ours cost about 40 ms at each small exchange;
    Linux forgets TCP_QUICKACK, so it is set again after each read.
    """

    def __init__(self, connection: socket.socket) -> None:
        seconds = connection.gettimeout()
        super().__init__(fileno=connection.detach())
        self.settimeout(seconds)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._quick = getattr(socket, "TCP_QUICKACK", None)

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if self._quick is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                self.setsockopt(socket.IPPROTO_TCP, self._quick, 1)
        return data


def _open(cluster: Cluster, seconds: float) -> socket.socket:
    """Connect to the first of the host's addresses that answers, within so many seconds for all of them."""
    until = time.monotonic() + seconds
    failures: list[str] = []
    try:
        found = socket.getaddrinfo(cluster.host, cluster.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise errors.UnreachableError(f"{cluster} has no address ({session.words(error)})") from error
    for *_, address in found:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address[0]), cluster.port), timeout=left)
        except OSError as error:
            failures.append(f"{address[0]}: {session.words(error)}")
    within = f" within {seconds:g} s" if time.monotonic() >= until else ""
    raise errors.UnreachableError(f"{cluster} does not answer{within} ({'; '.join(failures)})")


def _harden(transport: paramiko.Transport, key_types: list[str]) -> None:
    """Offer only the wanted host key types, and none of the weak algorithms that paramiko keeps for old servers."""
    options = transport.get_security_options()
    options.key_types = [name for kind in key_types for name in pins.ALGORITHMS[kind]]
    options.ciphers = [name for name in options.ciphers if "cbc" not in name and "arcfour" not in name]
    options.digests = [name for name in options.digests if name.startswith("hmac-sha2-")]
    options.kex = [name for name in options.kex if not name.endswith("sha1")]


def _rejected(cluster: Cluster, key: paramiko.PKey, why: str) -> errors.AuthenticationRejectedError:
    return errors.AuthenticationRejectedError(
        f"{cluster} does not accept the key {key.get_name()} {key.fingerprint}: {why}",
        remedy="Check KUBERNETES_SSH_USERNAME and that this key stands in the user's authorized_keys on the master.",
    )
