"""SSH to the master with paramiko: the host key is proven before anything is sent, every step bounded in time."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import paramiko

from rotator.delivery.errors import (
    AuthenticationRejectedError,
    ConnectionLostError,
    HostKeyRejectedError,
    NoHostKeyError,
    SecondFactorError,
    SshError,
    TimedOutError,
)
from rotator.delivery.ssh import handshake, session, tcp
from rotator.delivery.ssh import private_key as privatekey
from rotator.delivery.ssh.transport import Transport, quote
from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

Limits = handshake.Limits


class SshConnector:
    """Opens connections to masters. `resolve` gives a host's addresses, as socket.getaddrinfo does."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        resolve: tcp.Resolve = tcp.resolve,
    ) -> None:
        self._limits = limits or Limits()
        self._handshakes = handshake.Handshakes(self._limits, sleep=sleep, resolve=resolve)

    @contextlib.contextmanager
    def connect(self, cluster: Cluster, key: SecretText, passphrase: SecretText | None) -> Iterator[session.Session]:
        """Give a connection to the proven host; raises SshError of the kind that says what went wrong."""
        private_key = privatekey.load(key, passphrase)
        with contextlib.closing(self.proven(cluster)) as transport:
            yield self.login(transport, cluster, private_key)

    def look(self, cluster: Cluster) -> "tuple[tuple[host_keys.HostKey, ...], ProvenConnection | None]":
        """Give the keys that the host shows, until a pinned one is, and the connection that shows it; send nothing.

        Raises SshError if the host shows no key at all.
        """
        walk = _HostKeyScan(self._handshakes, cluster)
        for key, transport in walk.keys(_pinned_first(cluster)):
            if host_keys.is_pinned(key, cluster.pins):
                return tuple(walk.shown), ProvenConnection(self, cluster, transport)
            transport.close()
        return walk.strongest_first(), None

    def shown(self, cluster: Cluster) -> tuple[host_keys.HostKey, ...]:
        """Give the host's keys, the strongest first, for a person to compare; nothing is sent to it."""
        walk = _HostKeyScan(self._handshakes, cluster)
        for _, transport in walk.keys(list(host_keys.ALGORITHMS)):
            transport.close()
        return walk.strongest_first()

    def proven(self, cluster: Cluster) -> Transport:
        """Connect to the proven host; send nothing. A pin without a type may be of any, and each is tried.

        Raises HostKeyRejectedError if the host shows other keys, whatever becomes of the further connections.
        """
        walk = _HostKeyScan(self._handshakes, cluster)
        try:
            for key, transport in walk.keys(_pinned_first(cluster), only=_pinned_types(cluster)):
                if host_keys.is_pinned(key, cluster.pins):
                    return transport
                transport.close()
        except NoHostKeyError as error:
            raise _rejected(cluster, f"{error}; pinned is", error.remedy) from error
        shown = ", ".join(map(str, walk.shown))
        troubles = f" ({'; '.join(walk.troubles)})" if walk.troubles else ""
        raise _rejected(cluster, f"{cluster} shows {shown}{troubles}, but pinned is", host_keys.REPLACED)

    def login(self, transport: Transport, cluster: Cluster, key: paramiko.PKey) -> session.Session:
        """Log in on a connection to a proven host; raises AuthenticationRejectedError, ConnectionLostError."""
        seconds = self._limits.authenticate
        transport.auth_timeout = 2 * seconds  # the limit comes first, and says what took so long
        with session.Limit(transport, seconds, f"authentication on {cluster}") as limit:
            try:
                more = transport.auth_publickey(cluster.user, key)
            except SshError:
                raise
            except Exception as error:  # paramiko raises whatever it stumbles over in what a host sends
                limit.check(error)
                raise _refused(cluster, key, transport, error) from error
        limit.check(None)
        if more:
            raise _half_accepted(cluster, key, more)
        return session.Session(transport, cluster)


class ProvenConnection:
    """A connection to a proven host on which nobody has logged in yet."""

    def __init__(self, ssh: SshConnector, cluster: Cluster, transport: Transport) -> None:
        self._ssh = ssh
        self._cluster = cluster
        self._transport = transport

    @contextlib.contextmanager
    def login(self, key: SecretText, passphrase: SecretText | None) -> Iterator[session.Session]:
        """Log in, on another connection if the host did not wait (LoginGraceTime); raises SshError."""
        private_key = privatekey.load(key, passphrase)
        if not self._transport.is_active():
            self._transport = self._ssh.proven(self._cluster)
        with contextlib.closing(self):
            yield self._ssh.login(self._transport, self._cluster, private_key)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


class _HostKeyScan:
    """A walk over a host's keys, with as few connections as that takes: sshd counts those without a login.

    A connection shows one key. The first asks for any type, so that every server goes on; the server's own list says
    which types it has besides. `shown` are the keys, and `troubles` says why others were not.
    """

    def __init__(self, handshakes: handshake.Handshakes, cluster: Cluster) -> None:
        self._handshakes = handshakes
        self._cluster = cluster
        self.shown: list[host_keys.HostKey] = []
        self.troubles: list[str] = []

    def keys(
        self, order: Sequence[str], only: Sequence[str] = tuple(host_keys.ALGORITHMS)
    ) -> Iterator[tuple[host_keys.HostKey, Transport]]:
        """Give each key with its open connection: any of the types in this order, then further ones of `only`.

        Raises SshError of the first connection only: what was shown is not lost by what comes later.
        """
        first = self._handshakes.exchange(self._cluster, order)
        yield self._seen(first), first
        for kind in [kind for kind in order if kind in only and kind != first.key_type and first.offers(kind)]:
            try:
                another = self._handshakes.exchange(self._cluster, [kind])
            except SshError as error:
                self.troubles.append(f"its {kind} key was not shown: {error}")
                if isinstance(error, TimedOutError):
                    return
                continue
            yield self._seen(another), another

    def strongest_first(self) -> tuple[host_keys.HostKey, ...]:
        """Give the keys that were shown in the order of their types."""
        types = list(host_keys.ALGORITHMS)
        return tuple(sorted(self.shown, key=lambda key: types.index(key.key_type)))

    def _seen(self, transport: Transport) -> host_keys.HostKey:
        key = transport.shown()
        self.shown.append(key)
        return key


def _pinned_types(cluster: Cluster) -> list[str]:
    """Name the types that a pinned key may be of, the strongest first."""
    types = {pin.key_type for pin in cluster.pins}
    return [name for name in host_keys.ALGORITHMS if name in types or None in types]


def _pinned_first(cluster: Cluster) -> list[str]:
    return list(dict.fromkeys([*_pinned_types(cluster), *host_keys.ALGORITHMS]))


def _rejected(cluster: Cluster, why: str, remedy: str) -> HostKeyRejectedError:
    pinned = ", ".join(map(str, cluster.pins))
    return HostKeyRejectedError(f"{why} {pinned}; nothing was sent to it", remedy=remedy)


def _refused(cluster: Cluster, key: paramiko.PKey, transport: Transport, error: Exception) -> SshError:
    packets = transport.packetizer
    if packets.ended and not packets.refused and not packets.parting:
        return ConnectionLostError(
            f"{cluster} closed the connection while it looked at the key {key.get_name()} {key.fingerprint}",
            remedy="The next run tries again. If it fails as well, see the log of the master's SSH server for why.",
        )
    why = quote(packets.parting or session.words(error))
    if isinstance(error, paramiko.BadAuthenticationType):
        return AuthenticationRejectedError(
            f"{cluster} takes no keys from this user, only {quote(', '.join(error.allowed_types))}",
            remedy="On the master, let sshd_config have `PubkeyAuthentication yes`, and AuthenticationMethods of this "
            "user be `publickey` or `any`.",
        )
    return AuthenticationRejectedError(
        f"{cluster} does not accept the key {key.get_name()} {key.fingerprint}: {why}",
        remedy="Check KUBERNETES_SSH_USERNAME and that this key stands in the user's authorized_keys on the master.",
    )


def _half_accepted(cluster: Cluster, key: paramiko.PKey, more: Sequence[str]) -> SecondFactorError:
    return SecondFactorError(
        f"{cluster} accepts the key {key.get_name()} {key.fingerprint}, and then asks for {quote(', '.join(more))} too",
        remedy="The key is right. Exempt this user from the second factor, by these lines at the end of sshd_config on "
        f"the master: `Match User {cluster.user}` and `AuthenticationMethods publickey`. Then reload sshd.",
    )
